//! Makes a trade of a row of any provider's trades.

use super::TradesOptions;
use crate::replay::SymbolOf;
use crate::replay::markets::has_market;
use crate::replay::moments;
use crate::replay::names::{Field, Index, Names, Role};
use crate::replay::values::midnight::{self, is_time_of_day, may_be_midnight};
use crate::replay::values::number::{is_in_billionths, is_of_databento, number, shows_decimal_point};
use crate::replay::values::ticker::ticker;
use crate::replay::values::time::{Clock, Moment, Written, moment, written};
use crate::replay::values::{quoted, quoted_text};
use crate::replay::zones::{self, Zones};
use crate::sale_conditions::{self, letters, trade_id};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use std::cell::Cell;
use std::sync::LazyLock;
use tapewire_core::exchange::Market;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{BarUpdates, Symbol, Trade};
use tapewire_formats::{Row, Value};

/// The roles of a trade's columns, with the names that Massive, Alpaca, Binance, Kraken, Coinbase, Finnhub, Databento and NYSE's
/// TAQ, as WRDS has it, give them.
const ROLES: &[Role] = &[
    Role { name: "symbol", others: &["ticker", "sym", "instrument", "stock", "product_id", "S", "sym_root"] },
    Role { name: "suffix", others: &["sym_suffix"] },
    Role {
        name: "at",
        others: &[
            "sip_timestamp",
            "ts_event",
            "timestamp",
            "trade_time",
            "transact_time",
            "t",
            "time",
            "datetime",
            "date_time",
            "participant_timestamp",
            "time_m",
        ],
    },
    Role { name: zones::ROLE, others: zones::NAMES },
    Role { name: "date", others: &["trade_date", "trading_day", "trading_date", "day"] },
    Role { name: "price", others: &["p", "px", "trade_price"] },
    Role { name: "size", others: &["s", "qty", "quantity", "volume", "amount", "shares", "trade_size", "v", "q"] },
    Role { name: "id", others: &["trade_id", "tid", "agg_trade_id", "i", "tr_id"] },
    Role { name: "sequence", others: &["sequence_number", "seq", "sequence_id", "tr_seqnum"] },
    Role { name: "conditions", others: &["c", "trade_conditions", "tr_scond"] },
    Role { name: "correction", others: &["correction_indicator", "trade_correction_indicator", "tr_corr"] },
    Role { name: "exchange", others: &["exchange_id", "x"] },
    Role { name: "facility", others: &["trf_id", "trfi"] },
    Role { name: "action", others: &[] },
];

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(ROLES));

/// Reads the rows of one file after the other.
pub(super) struct Reader<'o> {
    names: Names,
    clock: Clock,
    zones: Zones,
    options: &'o TradesOptions,
    /// Whether the bars of a symbol may depend on its market.
    needs_market: bool,
    /// Rows of order books that are no trades.
    of_books: Cell<u64>,
    /// Trades that were cancelled or corrected away.
    withdrawn: Cell<u64>,
}

impl<'o> Reader<'o> {
    /// # Errors
    /// The reason why the names that the user gives can't be used.
    pub fn new(options: &'o TradesOptions) -> Result<Self, String> {
        Ok(Self {
            names: Names::new(&INDEX, &[], "--columns", &options.columns)?,
            clock: Clock { zone: options.zone.clone(), eastern: None, order: options.date_order, zone_flag: "--zone" },
            zones: Zones::default(),
            options,
            needs_market: options.widths.by_market(Market::NewYork).1.is_some(),
            of_books: Cell::new(0),
            withdrawn: Cell::new(0),
        })
    }

    /// An error message if a column that the user has named was in no row.
    pub fn missing_column(&self) -> Option<String> {
        self.names.missing_column()
    }

    /// Refuses a file whose first row does not have the columns of trades.
    ///
    /// # Errors
    /// What is missing, and how to name it.
    pub fn check(&self, row: &Row, own_symbol: Option<&str>) -> Result<(), String> {
        let has_symbol = !self.names.all(row, "symbol").is_empty();
        match own_symbol {
            None if !has_symbol => {
                return Err(format!(
                    "{}; --symbol AAPL gives that of the whole file, --symbol-from-file-name takes its name",
                    self.names.lacks(row, "symbol")
                ));
            }
            Some(_) if has_symbol && self.options.symbol != SymbolOf::FileName => {
                return Err("it has a column of symbols, and --symbol is for a file without one".into());
            }
            _ => {}
        }
        if let Some((name, _)) = self.names.all(row, "symbol").first()
            && is_named(name, "symroot")
            && self.names.all(row, "suffix").is_empty()
            && !self.names.is_declared_absent("suffix")
        {
            return Err(format!(
                "its column {name} has the root of each symbol, and there is no column of suffixes, such as sym_suffix, by which \
                 BRK.A and BRK.B differ; get it, or say with --columns suffix= that there are none"
            ));
        }
        match ["at", "price", "size"].into_iter().find(|role| self.names.all(row, role).is_empty()) {
            Some(role) => Err(self.names.lacks(row, role)),
            None => Ok(()),
        }
    }

    /// What a person should know of rows that are no trades.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let notes = [
            (&self.of_books, "rows are of an order book and no trades, as their action says"),
            (&self.withdrawn, "trades were cancelled or corrected, and do not count"),
        ];
        notes.into_iter().filter(|(count, _)| count.get() > 0).map(|(count, what)| format!("{} {what}", count.get()))
    }

    /// The trade of a row; `None` if the row is one of an order book, or says that it was cancelled or corrected. `file` and
    /// `line` stand for the id and the order of trades that have none.
    ///
    /// # Errors
    /// Why the row is not a trade, for the person who made the file.
    pub fn read(&self, row: &Row, file: usize, line: u64, own_symbol: Option<&str>) -> Result<Option<Trade>, String> {
        if !self.is_trade(row)? {
            self.of_books.update(|count| count + 1);
            return Ok(None);
        }
        let symbol = self.symbol(row, own_symbol)?;
        if self.needs_market {
            has_market(&symbol, &self.options.calendars)?;
        }
        let clock = self.zones.clock(row, &self.names, &self.clock, "--columns");
        let at = clock.read(|clock| self.at(row, clock))?;
        let price = self.amount(row, "price", |price| price > 0.0)?;
        let is_in_billionths = self.names.find(row, "price").is_some_and(|(_, value)| is_in_billionths(row, &[value]));
        let price = if is_in_billionths { price / 1e9 } else { price };
        let size = self.amount(row, "size", |size| size >= 0.0)?;
        // In trades of coins the same numbers say which side began the trade.
        let has_codes = symbol.asset_class() == AssetClass::Equity;
        let counts = match self.names.find(row, "conditions") {
            Some((name, Value::Text(letters))) if has_codes && is_named(name, "trscond") => {
                sale_conditions::counts(&letters::of_either_tape(letters), at)
            }
            Some((name, codes)) if has_codes => sale_conditions::counts(&self.codes(name, codes)?, at),
            _ => BarUpdates::EVERYTHING,
        };
        let is_taq = self.names.find(row, "correction").is_some_and(|(name, _)| is_named(name, "trcorr"));
        let stands = if is_taq { sale_conditions::stands_in_taq } else { sale_conditions::stands };
        if has_codes && !self.code(row, "correction")?.is_none_or(stands) {
            self.withdrawn.update(|count| count + 1);
            return Ok(None);
        }
        let id = self.text(row, "id");
        // An id orders trades better than a line: ids mostly grow with time, and a trade that is in the files twice has
        // one id and two lines.
        let sequence = self.text(row, "sequence").or(id).and_then(|text| text.parse().ok()).unwrap_or(line);
        let part = |role| self.code(row, role).ok().flatten().unwrap_or_default();
        // Without ids, two equal rows are two trades.
        let id = id.map_or_else(|| format!("{file}:{line}"), |id| trade_id(part("exchange"), part("facility"), id));
        Ok(Some(Trade { symbol, at, id, sequence, price, size, counts, replaces: None, received_at: at }))
    }

    /// Whether a row is a trade. Databento's files of order books have trades beside added, cancelled, modified and filled
    /// orders, and a fill is of a trade that has a row of its own.
    fn is_trade(&self, row: &Row) -> Result<bool, String> {
        let is_databento = is_of_databento(row);
        match self.names.find(row, "action") {
            Some((name, Value::Text(action))) if is_databento || row.get("ts_event").is_some() => match action.trim() {
                "T" => Ok(true),
                "A" | "C" | "M" | "R" | "F" | "N" => Ok(false),
                _ => Err(format!(
                    "{name} {} is not one of Databento's actions, of which T is a trade",
                    quoted_text(action)
                )),
            },
            Some((_, Value::Text(_))) => Ok(true),
            _ => match row.get("rtype").filter(|_| is_databento) {
                Some(Value::Text(kind) | Value::Number(kind)) if kind.trim() != "0" => Err(format!(
                    "rtype {} is of an order book or of quotes, and there is no action that says which rows are trades; get \
                     the schema trades, or keep the column action",
                    quoted_text(kind)
                )),
                _ => Ok(true),
            },
        }
    }

    fn symbol(&self, row: &Row, own: Option<&str>) -> Result<Symbol, String> {
        match self.names.find(row, "symbol") {
            Some((name, Value::Text(text) | Value::Number(text))) => match self.text(row, "suffix") {
                Some(suffix) if is_named(name, "symroot") || self.options.columns.contains_key("suffix") => {
                    with_suffix(text.trim(), suffix)
                }
                _ => ticker(text.trim()),
            },
            Some((name, Value::Null)) => Err(format!("{name} is missing")),
            Some((name, other)) => Err(format!("{name} {} is not a ticker", quoted(other))),
            None => ticker(own.unwrap_or_default()),
        }
    }

    /// The time of a trade: of one column, or of a day and a time of day in two.
    fn at(&self, row: &Row, clock: &Clock) -> Result<Timestamp, String> {
        let Some((name, value)) = self.names.find(row, "at") else { return Err(self.names.lacks(row, "at")) };
        if is_time_of_day(value) {
            let day = self.names.find(row, "date").ok_or_else(|| {
                format!("{name} {} is a time of day; --columns date=NAME says which column has the day", quoted(value))
            })?;
            return at_time(day, (name, value), clock);
        }
        let read = moment(value, clock).map_err(|reason| format!("{name} {reason}"))?;
        // Most moments are no midnight of any zone, and no other column is looked for.
        if read.is_some_and(|read| !matches!(read, Moment::At(at) if !may_be_midnight(at)))
            && let Some(time) = self.names.all(row, "at").into_iter().find(|(_, time)| is_time_of_day(time))
            && may_be_day(value, clock)
        {
            // A trade may be of the midnight itself, which the column of times then says, too.
            if let (Some(Moment::At(at)), Ok(Some(Written::At(_)))) = (read, written(value, clock))
                && midnight::check_alone(at, value, clock, || Some(time.1)).is_ok()
            {
                return Ok(at);
            }
            return at_time((name, value), time, clock);
        }
        match read {
            Some(Moment::At(at)) => Ok(at),
            Some(Moment::Day(_)) => Err(format!("{name} {} is a day, and a trade needs a time", quoted(value))),
            None => Err(format!("{name} {} is missing", quoted(value))),
        }
    }

    fn amount(&self, row: &Row, role: &str, holds: impl Fn(f64) -> bool) -> Result<f64, String> {
        let Some((name, value)) = self.names.find(row, role) else { return Err(self.names.lacks(row, role)) };
        let read = number(value, shows_decimal_point(value)).map_err(|reason| format!("{name} {reason}"))?;
        let read = read.ok_or_else(|| format!("{name} {} is missing", quoted(value)))?;
        if holds(read) { Ok(read) } else { Err(format!("{name} {} can't be a {role}", quoted(value))) }
    }

    /// The codes of `[12, 37]`, `12,37` or `12`.
    fn codes(&self, name: &str, value: &Value) -> Result<Vec<u32>, String> {
        let of_text = |text: &str| {
            let text = text.trim().trim_start_matches('[').trim_end_matches(']');
            let codes = text.split([',', ' ', ';']).map(str::trim).filter(|code| !code.is_empty());
            codes.map(|code| code.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        let codes = match value {
            Value::Null => Some(Vec::new()),
            Value::Text(text) | Value::Number(text) => of_text(text),
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Number(text) | Value::Text(text) => text.trim().parse().ok(),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        codes.ok_or_else(|| {
            format!(
                "{name} {} is not a list of Massive's numbers; `--columns conditions=` counts every trade in full",
                quoted(value)
            )
        })
    }

    fn text<'r>(&self, row: &'r Row, role: &str) -> Option<&'r str> {
        match self.names.find(row, role) {
            Some((_, Value::Number(text) | Value::Text(text))) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    fn code(&self, row: &Row, role: &str) -> Result<Option<u32>, String> {
        match self.names.find(row, role) {
            None | Some((_, Value::Null)) => Ok(None),
            Some((_, Value::Text(text) | Value::Number(text))) if text.trim().is_empty() => Ok(None),
            Some((name, value @ (Value::Text(text) | Value::Number(text)))) => {
                text.trim().parse().map(Some).map_err(|_| format!("{name} {} is not a code", quoted(value)))
            }
            Some((name, value)) => Err(format!("{name} {} is not a code", quoted(value))),
        }
    }
}

/// Whether a column has this name, apart from upper case and marks.
fn is_named(column: &str, name: &str) -> bool {
    column.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).eq(name.chars())
}

/// The symbol of a root and a suffix, as NYSE's TAQ has them: `BRK` and `B`, `PSA` and `PRH`, `ACHR` and `WS`.
fn with_suffix(root: &str, suffix: &str) -> Result<Symbol, String> {
    let suffix: String = suffix.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let suffix = suffix.to_ascii_uppercase();
    let spelled = match (suffix.strip_prefix("PR"), suffix.strip_prefix("WS"), suffix.len()) {
        (Some(series), _, 2 | 3) => format!("{root}p{series}"),
        (_, Some(series), 3) => format!("{root}.WS.{series}"),
        // After a point, a class of one letter may be an exchange abroad.
        (_, _, 1) => format!("{root}-{suffix}"),
        _ => format!("{root}.{suffix}"),
    };
    Symbol::new(&spelled)
        .map_err(|_| format!("{} and {} are not a ticker and its suffix", quoted_text(root), quoted_text(&suffix)))
}

/// Whether a value is a day, or the midnight that spreadsheets write for it.
fn may_be_day(value: &Value, clock: &Clock) -> bool {
    match written(value, clock) {
        Ok(Some(Written::Day(_))) => true,
        Ok(Some(Written::Civil(civil))) => civil.time() == Time::midnight(),
        Ok(Some(Written::At(at))) => midnight::is_midnight(at, value, clock),
        _ => false,
    }
}

/// The moment of a day in one column and a time of day in another.
fn at_time((name, value): Field<'_>, (time_name, time): Field<'_>, clock: &Clock) -> Result<Timestamp, String> {
    let of_name = |reason: String| format!("{name} {reason}");
    let at = |day: Date| moments::at_time(day, time, clock).map_err(of_name);
    match written(value, clock).map_err(of_name)? {
        Some(Written::Day(day)) => at(day),
        Some(Written::Civil(civil)) if civil.time() == Time::midnight() => at(civil.date()),
        Some(Written::Civil(_) | Written::At(_)) => Err(format!(
            "{name} {} is not a day alone, and {time_name} {} is a time of day; write the day without a time, or \
             give `--columns at={name}` if {name} has the whole time",
            quoted(value),
            quoted(time)
        )),
        None => Err(format!("{name} {} is missing", quoted(value))),
    }
}
