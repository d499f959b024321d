//! Makes a reading of a row of any provider's bars.

use super::columns::INDEX;
use super::{DAY_S, DayKind, Prices, Reading, Stamp};
use crate::replay::ReplayOptions;
use crate::replay::markets::{Listed, has_market, listed};
use crate::replay::moments;
use crate::replay::names::{Field, Names};
use crate::replay::values::number::{is_in_billionths, number, shows_decimal_point};
use crate::replay::values::ticker::ticker;
use crate::replay::values::time::{Clock, Written, in_zone, written};
use crate::replay::values::{is_missing, midnight, quoted, quoted_text};
use crate::replay::zones::Zones;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, Calendars, Market};
use tapewire_formats::{Row, Value};

/// Roles with a price or an amount, in the order of [`Prices`].
const NUMBERS: [&str; 6] = ["open", "high", "low", "close", "volume", "vwap"];

/// The symbol of a file that has no column of symbols.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SymbolOf {
    /// The file must have a column of symbols.
    #[default]
    Column,
    /// All bars are of this symbol.
    Given(Symbol),
    /// The file's name is the symbol.
    FileName,
}

/// Reads the rows of one file after the other.
pub(in crate::replay) struct Reader<'o> {
    names: Names,
    clock: Clock,
    zones: Zones,
    options: &'o ReplayOptions,
    /// The market of each symbol, also as the columns of exchanges say it.
    calendars: Calendars,
    /// Of these symbols, where they are traded as the columns of exchanges say it.
    listed: HashMap<Symbol, Market>,
    /// Tickers as the rows write them, with their exchange, each read once: the index of the symbol that it counts for, and of
    /// its own.
    tickers: HashMap<String, Result<(u32, u32), String>>,
    symbols: Vec<Symbol>,
    indices: HashMap<Symbol, u32>,
    notes: RefCell<BTreeSet<String>>,
    unknown_exchanges: BTreeSet<String>,
}

impl<'o> Reader<'o> {
    /// # Errors
    /// The reason why the names that the user gives can't be used.
    pub fn new(options: &'o ReplayOptions) -> Result<Self, String> {
        Ok(Self {
            names: Names::new(&INDEX, &[], "--bar-columns", &options.bar_columns)?,
            clock: Clock {
                zone: options.bar_zone.clone(),
                eastern: None,
                order: options.bar_date_order,
                zone_flag: "--bar-zone",
            },
            zones: Zones::default(),
            options,
            calendars: options.calendars.clone(),
            listed: HashMap::new(),
            tickers: HashMap::new(),
            symbols: Vec::new(),
            indices: HashMap::new(),
            notes: RefCell::default(),
            unknown_exchanges: BTreeSet::new(),
        })
    }

    /// The symbols that readings name by their index.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The market of each symbol. Where a column says it, the symbols of the rows so far are in it.
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Refuses a file whose first row does not have the columns of bars.
    ///
    /// # Errors
    /// What is missing, and how to name it.
    pub fn check(&self, row: &Row, own_symbol: Option<&str>) -> Result<(), String> {
        let lacks = |role: &str| self.names.all(row, role).is_empty() && !self.names.is_declared_absent(role);
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
        let start = self.names.all(row, "start").first().map(|&(name, _)| name);
        if let (Some(name), None) = (start.filter(|name| says_end(name)), self.options.bar_time) {
            return Err(format!(
                "its column {name} seems to have the end of each bar; {flag} end reads it so, and {flag} start takes its times \
                 for starts",
                flag = super::stamped::FLAG
            ));
        }
        match ["start", "open", "high", "low", "close", "volume"].into_iter().find(|role| lacks(role)) {
            Some("volume") => {
                Err(format!("{}, and `volume=` that it has nothing of the kind", self.names.lacks(row, "volume")))
            }
            Some(role) => Err(self.names.lacks(row, role)),
            None => Ok(()),
        }
    }

    /// Reads a row. Returns the reading, and what was left out of it.
    ///
    /// # Errors
    /// Why the row is not a bar, for the person who made the file.
    pub fn read(&mut self, row: &Row, number: u64, own_symbol: Option<&str>) -> Result<(Reading, Vec<String>), String> {
        let width_s = self.width(row)?;
        let mut left_out = Vec::new();
        let prices = self.prices(row, &mut left_out)?;
        let symbol = self.symbol(row, own_symbol);
        let market = symbol.as_ref().map(|(symbol, _)| self.calendars.of(&self.symbols[*symbol as usize]));
        let calendar = market.unwrap_or(Market::NewYork).calendar();
        let is_said = self.options.width.is_some_and(|width| width.as_secs() == u64::from(DAY_S));
        let is_daily = width_s.map_or(is_said, |width| width == DAY_S);
        let clock = self.zones.clock(row, &self.names, &self.clock, "--bar-columns");
        let stamp = clock.read(|clock| self.stamp(row, is_daily, calendar, clock))?;
        let (symbol, own) = symbol?;
        Ok((Reading { symbol, written: own, stamp, width_s, prices, number }, left_out))
    }

    fn symbol(&mut self, row: &Row, own: Option<&str>) -> Result<(u32, u32), String> {
        let text = match self.names.find(row, "symbol") {
            Some((_, Value::Text(text) | Value::Number(text))) => text.trim(),
            Some((name, Value::Null)) => return Err(format!("{name} is missing")),
            Some((name, other)) => return Err(format!("{name} {} is not a ticker", quoted(other))),
            None => own.unwrap_or_default(),
        };
        let exchange = self.exchange(row);
        let mut key = text.to_owned();
        if let Some(exchange) = exchange {
            key.push('\0');
            key.push_str(exchange);
        }
        if let Some(known) = self.tickers.get(&key) {
            return known.clone();
        }
        let read = ticker(text).and_then(|symbol| self.listed(symbol, exchange)).and_then(|symbol| {
            let (own, meant) = (self.index(symbol.clone()), self.options.aliases.read(symbol));
            has_market(&meant, &self.calendars)?;
            Ok((self.index(meant), own))
        });
        self.tickers.insert(key, read.clone());
        read
    }

    /// The exchange of a row. A number or a letter is a provider's own, and says nothing.
    fn exchange<'r>(&self, row: &'r Row) -> Option<&'r str> {
        match self.names.find(row, "exchange") {
            Some((_, Value::Text(text))) if !is_missing(text) => {
                Some(text.trim()).filter(|text| text.bytes().filter(u8::is_ascii_alphabetic).count() > 1)
            }
            _ => None,
        }
    }

    /// The symbol, in its normal spelling where its exchange is said beside it.
    fn listed(&mut self, symbol: Symbol, exchange: Option<&str>) -> Result<Symbol, String> {
        let Some(exchange) = exchange else { return Ok(symbol) };
        match listed(&symbol, exchange, &self.options.calendars)? {
            Listed::AsKnown => Ok(symbol),
            Listed::As(spelled) => Ok(spelled),
            Listed::Unknown => {
                let note = format!(
                    "the exchange {} in a column is not known, and says nothing of where {symbol} is traded; --market \
                     {symbol}=MARKET says it",
                    quoted_text(exchange)
                );
                if self.unknown_exchanges.insert(exchange.to_owned()) {
                    self.notes.borrow_mut().insert(note);
                }
                Ok(symbol)
            }
            Listed::In(market) => {
                let before = *self.listed.entry(symbol.clone()).or_insert(market);
                if before != market {
                    return Err(format!(
                        "the exchange of `{symbol}` is of {before} in rows before and of {market} in this one; --market \
                         {symbol}=MARKET says where it is traded"
                    ));
                }
                if self.calendars.of(&symbol) != market || has_market(&symbol, &self.calendars).is_err() {
                    self.calendars.learn(&symbol, market);
                }
                Ok(symbol)
            }
        }
    }

    fn index(&mut self, symbol: Symbol) -> u32 {
        let next = self.symbols.len() as u32;
        let index = *self.indices.entry(symbol.clone()).or_insert(next);
        if index == next {
            self.symbols.push(symbol);
        }
        index
    }

    fn stamp(&self, row: &Row, is_daily: bool, calendar: &Calendar, clock: &Clock) -> Result<Stamp, String> {
        let all = self.names.all(row, "start");
        let Some(&(name, value)) = all.iter().find(|(_, value)| !is_nothing(value)) else {
            return Err(match all.first() {
                Some((name, value)) => format!("{} {} is missing", title(name), quoted(value)),
                None => self.names.lacks(row, "start"),
            });
        };
        let of_name = |reason: String| format!("{} {reason}", title(name));
        let beside = || {
            let time =
                all.iter().find(|(other, time)| *other != name && midnight::is_time_of(value, other, time, clock));
            time.map(|&(_, time)| time)
        };
        let (day, has_midnight) = match written(value, clock).map_err(of_name)? {
            None => return Err(of_name(format!("{} is missing", quoted(value)))),
            Some(Written::At(at)) => {
                let time = || beside().filter(|_| !is_daily);
                let alone = midnight::check_alone(at, value, clock, time);
                return alone.map(|()| of_moment(at, calendar)).map_err(of_name);
            }
            Some(Written::Civil(civil)) if civil.time() != Time::midnight() => {
                return in_zone(civil, clock, &quoted(value)).map(|at| of_moment(at, calendar)).map_err(of_name);
            }
            // Spreadsheets write a day as its midnight.
            Some(Written::Civil(civil)) => (civil.date(), true),
            Some(Written::Day(day)) => (day, false),
        };
        match beside() {
            Some(time) if !is_daily && !moments::is_midnight(time) => {
                moments::at_time(day, time, clock).map(|at| of_moment(at, calendar)).map_err(of_name)
            }
            None if !has_midnight => Ok(Stamp { at: None, day: Some((day, DayKind::Written)) }),
            _ => Ok(of_midnight(day, has_midnight, clock)),
        }
    }

    fn prices(&self, row: &Row, left_out: &mut Vec<String>) -> Result<Prices, String> {
        let cells = NUMBERS.map(|role| self.names.find(row, role));
        let point = cells.iter().flatten().any(|(_, value)| shows_decimal_point(value));
        let read = |(name, value): Field<'_>| {
            number(value, point)
                .map_err(|reason| format!("{} {reason}", title(name)))?
                .ok_or_else(|| format!("{} {} is missing", title(name), quoted(value)))
        };
        let required = |at: usize| match cells[at] {
            Some(field) => read(field),
            None if self.names.is_declared_absent(NUMBERS[at]) => Ok(0.0),
            None => Err(self.names.lacks(row, NUMBERS[at])),
        };
        let scale = self.scale(row, &cells);
        let optional = cells[5].filter(|(_, value)| !is_nothing(value)).map(read).transpose();
        let price = |at: usize| required(at).map(|price| scaled(price, scale));
        let prices = Prices {
            open: price(0)?,
            high: price(1)?,
            low: price(2)?,
            close: price(3)?,
            volume: required(4)
                .map_err(|reason| format!("{reason}; --bar-columns volume= says that there is no volume"))?,
            vwap: optional.map(|vwap| vwap.map(|vwap| scaled(vwap, scale))).unwrap_or_else(|reason| {
                left_out.push(reason);
                None
            }),
            trades: self.trades(row, point, left_out),
        };
        fault(&prices).map_or(Ok(prices), |fault| Err(fault.into()))
    }

    /// What the prices of a row are multiplied by.
    fn scale(&self, row: &Row, cells: &[Option<Field<'_>>; 6]) -> f64 {
        if let Some(scale) = self.options.price_scale {
            return scale;
        }
        let prices: Option<Vec<&Value>> = cells[..4].iter().map(|field| field.map(|(_, value)| value)).collect();
        if !prices.is_some_and(|prices| is_in_billionths(row, &prices)) {
            return 1.0;
        }
        self.notes.borrow_mut().insert("prices of Databento are counted in billionths and read so".to_owned());
        BILLIONTH
    }

    /// What a person should know of how the rows were read.
    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().cloned().collect()
    }

    fn trades(&self, row: &Row, point: bool, left_out: &mut Vec<String>) -> Option<u64> {
        let (name, value) = self.names.find(row, "trades")?;
        match number(value, point) {
            Ok(None) => None,
            Ok(Some(trades)) if trades >= 0.0 && trades.fract() == 0.0 && trades < 9e15 => Some(trades as u64),
            Ok(Some(_)) => {
                left_out.push(format!("{} {} is not a count", title(name), quoted(value)));
                None
            }
            Err(reason) => {
                left_out.push(format!("{} {reason}", title(name)));
                None
            }
        }
    }

    /// What a column of widths says, in seconds.
    fn width(&self, row: &Row) -> Result<Option<u32>, String> {
        let Some((name, value)) = self.names.find(row, "width") else { return Ok(None) };
        let text = match value {
            Value::Text(text) | Value::Number(text) if !is_missing(text) => text.trim(),
            _ => return Err(format!("{} {} is missing", title(name), quoted(value))),
        };
        let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        // The unit of a bare number depends on who wrote the column: `interval` and `timeframe` have been seen with
        // both.
        let unit = match plain.as_str() {
            "width" | "widths" => Some(1),
            "per" | "resolution" => Some(60),
            "granularity" => Some(1),
            _ => None,
        };
        let width = of_width(text, unit).ok_or_else(|| {
            format!(
                "{} {} is not the width of a bar that we can read, such as 1m, 1h or 1d",
                title(name),
                quoted_text(text)
            )
        })?;
        Ok(Some(width))
    }
}

/// A day that is written as a date, or as its midnight.
fn of_midnight(day: Date, is_written: bool, clock: &Clock) -> Stamp {
    let zone = clock.zone.as_ref();
    let at = zone.and_then(|zone| zone.to_timestamp(day.at(0, 0, 0, 0)).ok());
    let kind = if is_written { DayKind::Midnight } else { DayKind::Written };
    Stamp { at: at.map(Timestamp::as_microsecond), day: Some((day, kind)) }
}

fn of_moment(at: Timestamp, calendar: &Calendar) -> Stamp {
    let utc = at.as_microsecond().rem_euclid(i64::from(DAY_S) * 1_000_000) == 0;
    let local = calendar.time_zone().to_datetime(at);
    let of_session = || {
        let session = calendar.last_opened(at)?;
        let kind = match at {
            _ if at == session.open => DayKind::Open,
            _ if at == session.close => DayKind::Close,
            _ => return None,
        };
        Some((session.date, kind))
    };
    let day = match (utc, local.time() == Time::midnight()) {
        (true, true) => Some((local.date(), DayKind::UtcAndExchange)),
        (true, false) => Some((TimeZone::UTC.to_datetime(at).date(), DayKind::Utc)),
        (false, true) => Some((local.date(), DayKind::Exchange)),
        (false, false) => of_session(),
    };
    Stamp { at: Some(at.as_microsecond()), day }
}

/// The width that a text says, in seconds: `1m`, `5Min`, `1Hour`, `D`, `daily`; `unit` is how many seconds a bare
/// number counts. Weeks and months are not widths: they have no fixed number of sessions.
pub(in crate::replay) fn of_width(text: &str, unit: Option<u32>) -> Option<u32> {
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - letters.len()];
    let count: u32 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
    let unit = match letters.trim().to_ascii_lowercase().as_str() {
        "" if !digits.is_empty() => unit?,
        "s" | "sec" | "second" | "seconds" => 1,
        // Some providers write `1M` for a month.
        "m" if letters.trim() == "m" => 60,
        "min" | "mins" | "minute" | "minutes" | "t" => 60,
        "h" | "hr" | "hour" | "hours" | "hourly" => 3600,
        "d" | "day" | "days" | "daily" => DAY_S,
        _ => return None,
    };
    let width = count.checked_mul(unit).filter(|&width| width > 0)?;
    (width <= DAY_S).then_some(width)
}

/// The part of a dollar in which Databento counts prices.
const BILLIONTH: f64 = 1e-9;

/// A price times a scale such as 1e-9, rounded once.
fn scaled(price: f64, scale: f64) -> f64 {
    let parts = scale.recip().round();
    if scale < 1.0 && (parts.recip() - scale).abs() < scale * 1e-9 { price / parts } else { price * scale }
}

/// As [`tapewire_core::Bar::fault`], for the prices alone.
fn fault(prices: &Prices) -> Option<&'static str> {
    let (symbol, start) = (Symbol::new("X").expect("X is a ticker"), Timestamp::UNIX_EPOCH);
    prices.bar(symbol, start, 1, start + SignedDuration::from_secs(1)).fault()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => is_missing(text),
        _ => false,
    }
}

/// Whether a name says that a column has the ends of bars: `end_time`, `windowEnd`, `close_time`.
fn says_end(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is a word from the beginning").extend(c.to_lowercase());
        }
        before = c;
    }
    let is_any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    is_any(&["end", "ends", "ended", "endtime", "closetime"]) || is_any(&["close", "closed"]) && is_any(&["time", "at"])
}

/// The name of a column as reasons write it.
fn title(name: &str) -> &str {
    if name.is_empty() { "the column without a name" } else { name }
}
