//! Splits and dividends of a replay, from a CSV file.
//!
//! The file is short and every row changes outcomes, so a row that can't be read refuses the whole file.

use super::ReplayOptions;
use super::values::ticker::ticker;
use crate::IngestError;
use csv::{ByteRecord, ReaderBuilder};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use tapewire_core::exchange::Market;
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Symbol};

const COLUMNS: [&str; 7] = ["symbol", "ex_date", "kind", "from", "to", "amount", "currency"];
/// How many of [`COLUMNS`], from the first, a file must have.
const REQUIRED: usize = 3;
const EXAMPLE: &str = "the columns are symbol,ex_date,kind,from,to,amount,currency, as in AAPL,2020-08-31,split,1,4,, \
    and AAPL,2020-08-07,dividend,,,0.82,USD";

/// Reads all actions of a file. The time of receipt comes from the data: it is the beginning of the ex-date.
///
/// # Errors
/// [`IngestError::Shape`] names the line, the column and the value.
pub(super) fn read(path: &Path, options: &ReplayOptions) -> Result<Vec<CorporateAction>, IngestError> {
    let content = std::fs::read(path).map_err(|source| IngestError::File { path: path.to_owned(), source })?;
    parse(path, content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content), options)
}

fn parse(path: &Path, content: &[u8], options: &ReplayOptions) -> Result<Vec<CorporateAction>, IngestError> {
    let wrong = |reason: String| IngestError::Shape { path: path.to_owned(), reason };
    let mut reader = ReaderBuilder::new().flexible(true).has_headers(true).from_reader(content);
    let header = reader.byte_headers().map_err(|error| wrong(error.to_string()))?;
    let columns = columns(header).map_err(wrong)?;
    let mut actions: Vec<CorporateAction> = Vec::new();
    // Two dividends of one day are two actions; the same row in another replay is the same action.
    let mut seen: BTreeMap<(Symbol, Date, bool), u32> = BTreeMap::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut action = Row { record: &record, columns: &columns }
            .action(options)
            .map_err(|reason| wrong(format!("line {line}: {reason}; {EXAMPLE}")))?;
        let is_split = matches!(action.kind, ActionKind::Split { .. });
        let count = seen.entry((action.symbol.clone(), action.ex_date, is_split)).or_default();
        if is_split && *count > 0 {
            let (symbol, date) = (&action.symbol, action.ex_date);
            return Err(wrong(format!("line {line}: a second split of {symbol} on {date}; keep the right one")));
        }
        if *count > 0 {
            action.id = count.to_string();
        }
        *count += 1;
        actions.push(action);
    }
    Ok(actions)
}

/// The position of each of [`COLUMNS`].
fn columns(header: &ByteRecord) -> Result<[Option<usize>; COLUMNS.len()], String> {
    let names: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect();
    let is_twice = |(at, name): &(usize, &String)| !name.is_empty() && names[..*at].contains(name);
    if let Some((_, name)) = names.iter().enumerate().find(is_twice) {
        return Err(format!("has two columns `{name}`; rename one"));
    }
    let columns = COLUMNS.map(|name| names.iter().position(|column| column == name));
    match COLUMNS[..REQUIRED].iter().zip(columns).find(|(_, column)| column.is_none()) {
        Some((name, _)) => Err(format!("lacks the column `{name}`; {EXAMPLE}")),
        None => Ok(columns),
    }
}

struct Row<'a> {
    record: &'a ByteRecord,
    columns: &'a [Option<usize>; COLUMNS.len()],
}

impl<'a> Row<'a> {
    /// The text of a column; empty where the row has no such column.
    fn text(&self, name: &str) -> Result<&'a str, String> {
        let column = COLUMNS.iter().zip(self.columns).find(|(column, _)| **column == name).and_then(|(_, at)| *at);
        let bytes = column.and_then(|at| self.record.get(at)).unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| format!("`{name}` is not UTF-8"))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("`{name}` is \"{text}\", which is not a number"))
    }

    fn refuse(&self, names: &[&str], kind: &str) -> Result<(), String> {
        for name in names {
            if !self.text(name)?.is_empty() {
                return Err(format!("a {kind} has no `{name}`"));
            }
        }
        Ok(())
    }

    fn action(&self, options: &ReplayOptions) -> Result<CorporateAction, String> {
        let symbol = options.aliases.read(ticker(self.text("symbol")?)?);
        let date = self.text("ex_date")?;
        // The library reads other forms, too: 20200831, a date with a time, a year with a sign.
        let ex_date = date.parse::<Date>().ok().filter(|_| date.len() == "2020-08-31".len());
        let ex_date =
            ex_date.ok_or_else(|| format!("`ex_date` is \"{date}\", which is not a date such as 2020-08-31"))?;
        let kind = match self.text("kind")?.to_ascii_lowercase().as_str() {
            "split" => {
                self.refuse(&["amount", "currency"], "split")?;
                ActionKind::Split { from: self.number("from")?, to: self.number("to")? }
            }
            "dividend" => {
                self.refuse(&["from", "to"], "dividend")?;
                let currency = self.text("currency")?.to_ascii_uppercase();
                check_currency(&currency, &symbol, options.calendars.of(&symbol))?;
                // The feed sends the amount 0 to withdraw a dividend; in a file 0 is a mistake.
                let amount = self.number("amount")?;
                if amount == 0.0 {
                    return Err("a dividend needs an amount greater than 0".into());
                }
                ActionKind::Dividend { amount, currency }
            }
            other => return Err(format!("`kind` is \"{other}\", neither split nor dividend")),
        };
        let received_at = ex_date.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |midnight| midnight.timestamp());
        let action = CorporateAction { symbol, ex_date, id: String::new(), kind, received_at };
        match action.fault() {
            Some(fault) => Err(fault.into()),
            None => Ok(action),
        }
    }
}

/// Refuses a dividend in a currency that the symbol's prices are not known to be in. Outside the United States that is any:
/// in London, prices are in pence or in pounds, and a symbol may have another market's calendar.
fn check_currency(currency: &str, symbol: &Symbol, market: Market) -> Result<(), String> {
    match (currency, market) {
        ("", _) | ("USD", Market::NewYork) => Ok(()),
        (_, Market::NewYork) => {
            Err(format!("`currency` is \"{currency}\", but prices are in US dollars: convert the amount"))
        }
        _ => Err(format!(
            "`currency` is \"{currency}\", but {symbol} is not traded in the United States: give the amount in the unit of \
             its prices, and leave the currency empty"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Result<Vec<CorporateAction>, String> {
        parse(Path::new("actions.csv"), text.as_bytes(), &ReplayOptions::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn splits_and_dividends_are_read() {
        let text = "symbol,ex_date,kind,from,to,amount,currency\ntsla,2022-08-25,split,1,3,,\n\
            KO,2022-09-15,Dividend,,,0.44,usd\nKO,2022-09-15,dividend,,,0.1,\n";
        let found = actions(text).unwrap();
        let kinds: Vec<_> = found.iter().map(|a| (a.symbol.as_str(), a.ex_date.to_string(), a.id.as_str())).collect();
        let day = "2022-09-15".to_owned();
        assert_eq!(kinds, [("TSLA", "2022-08-25".into(), ""), ("KO", day.clone(), ""), ("KO", day, "1")]);
        assert_eq!(found[0].kind, ActionKind::Split { from: 1.0, to: 3.0 });
        assert_eq!(found[1].kind, ActionKind::Dividend { amount: 0.44, currency: "USD".into() });
        assert_eq!(found[0].received_at.to_string(), "2022-08-25T00:00:00Z");
        let few = actions("ex_date,kind,symbol,to,from\n2022-08-25,split,TSLA,3,1\n").unwrap();
        assert_eq!(few[0], found[0]);
    }

    #[test]
    fn a_dividend_outside_the_united_states_is_in_the_unit_of_the_prices() {
        let dividend = |symbol: &str, currency: &str| {
            actions(&format!(
                "symbol,ex_date,kind,from,to,amount,currency\n{symbol},2025-06-05,dividend,,,1.9,{currency}\n"
            ))
        };
        let kind = ActionKind::Dividend { amount: 1.9, currency: String::new() };
        assert_eq!(dividend("LON:VOD", "").unwrap()[0].kind, kind);
        for (symbol, currency) in [("VOD.L", "USD"), ("VOD.L", "GBP"), ("SAP.DE", "EUR")] {
            let error = dividend(symbol, currency).unwrap_err();
            let remedy =
                format!("{symbol} is not traded in the United States: give the amount in the unit of its prices");
            assert!(error.contains(&remedy), "{error}");
        }
        let mut options = ReplayOptions::default();
        options.calendars.set("*", Market::London).unwrap();
        let file = b"symbol,ex_date,kind,amount,currency\nVOD,2025-06-05,dividend,0.0257,USD\n";
        assert!(parse(Path::new("actions.csv"), file, &options).is_err(), "the settings say the market");
    }

    #[test]
    fn a_row_that_can_not_be_read_refuses_the_file_and_is_named() {
        let header = "symbol,ex_date,kind,from,to,amount,currency\nKO,2022-09-15,dividend,,,0.44,USD\n";
        for (row, reason) in [
            ("TSLA,25.08.2022,split,1,3,,", "line 3: `ex_date` is \"25.08.2022\""),
            ("TSLA,202-08-25,split,1,3,,", "line 3: `ex_date` is \"202-08-25\""),
            ("TSLA,2022-08-25,merger,1,3,,", "line 3: `kind` is \"merger\""),
            ("TSLA,2022-08-25,split,1,,,", "line 3: `to` is \"\", which is not a number"),
            ("TSLA,2022-08-25,split,0,3,,", "line 3: a split needs two numbers of shares greater than 0"),
            ("TSLA,2022-08-25,split,1,inf,,", "line 3: a split needs"),
            ("TSLA,2022-08-25,split,1,3,0.5,", "line 3: a split has no `amount`"),
            ("KO,2022-09-15,dividend,1,,0.44,", "line 3: a dividend has no `from`"),
            ("SAP,2022-05-19,dividend,,,1.95,EUR", "line 3: `currency` is \"EUR\""),
            (",2022-05-19,dividend,,,1.95,", "line 3: `` is not a ticker"),
            (
                "TSLA,2022-08-25,split,1,3,,\nTSLA,2022-08-25,split,1,5,,",
                "line 4: a second split of TSLA on 2022-08-25",
            ),
        ] {
            let error = actions(&format!("{header}{row}\n")).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let error = actions("ticker,ex_date,kind\n").unwrap_err();
        assert!(error.contains("lacks the column `symbol`"), "{error}");
        let error = actions("symbol,ex_date,kind,from,to,From\nTSLA,2022-08-25,split,1,3,2\n").unwrap_err();
        assert!(error.contains("has two columns `from`; rename one"), "{error}");
    }

    /// As news and bars spell it, so that the three files of one vendor name the same companies.
    #[test]
    fn a_ticker_is_read_as_in_news_and_bars() {
        let symbol = |written: &str| {
            let found = actions(&format!("symbol,ex_date,kind,from,to\n{written},2022-08-25,split,1,3\n"))?;
            Ok::<_, String>(found[0].symbol.to_string())
        };
        for written in ["AAPL", "AAPL.US", "NASDAQ:AAPL", "$AAPL", "AAPL US Equity", "AAPL.OQ", "aapl"] {
            assert_eq!(symbol(written), Ok("AAPL".to_owned()), "{written}");
        }
        assert_eq!(symbol("LON:VOD"), Ok("VOD.L".to_owned()));
        assert_eq!(symbol("BRK-B"), Ok("BRK.B".to_owned()));
        let refused = symbol("US0378331005").unwrap_err();
        assert!(refused.contains("line 2: `US0378331005` is an ISIN"), "{refused}");
    }
}
