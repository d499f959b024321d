//! A row of a bar file.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use tapewire_core::{Bar, Symbol};

/// Where the columns are:
///
/// ```csv
/// symbol,start,open,high,low,close,volume
/// AAPL,2024-06-03T13:30:00Z,193,194.99,192.51,194.835,1918517
/// ```
///
/// `vwap` and `trades` may be there too, in any order; other columns are passed over. `start` is
/// RFC 3339, or seconds or milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    required: [usize; 7],
    vwap: Option<usize>,
    trades: Option<usize>,
}

const REQUIRED: [&str; 7] = ["symbol", "start", "open", "high", "low", "close", "volume"];

/// Whole numbers at least this large are milliseconds: as seconds they would lie in the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl Layout {
    /// Reads the header.
    ///
    /// # Errors
    /// Which column is missing.
    pub fn read(header: &[u8]) -> Result<Self, String> {
        let names = fields(header)?;
        let find = |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        let mut required = [0; 7];
        for (place, name) in required.iter_mut().zip(REQUIRED) {
            *place = find(name).ok_or_else(|| format!("no column `{name}`; the first line must name {}", REQUIRED.join(",")))?;
        }
        Ok(Self { required, vwap: find("vwap"), trades: find("trades") })
    }

    /// Symbol and start of a row.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn place(&self, line: &[u8]) -> Result<(Symbol, Timestamp), String> {
        let fields = fields(line)?;
        Ok((self.symbol(&fields)?, self.start(&fields)?))
    }

    /// A row as a bar of the given width. It counts as received at its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn bar(&self, line: &[u8], width_s: u32) -> Result<Bar, String> {
        let fields = fields(line)?;
        let number = |index: usize| -> Result<f64, String> {
            let text = field(&fields, self.required[index], REQUIRED[index])?;
            text.parse().map_err(|_| format!("{} is `{text}`, which is no number", REQUIRED[index]))
        };
        let start = self.start(&fields)?;
        let end = start.checked_add(SignedDuration::from_secs(width_s.into())).map_err(|error| format!("start: {error}"))?;
        let bar = Bar {
            symbol: self.symbol(&fields)?,
            start,
            width_s,
            open: number(2)?,
            high: number(3)?,
            low: number(4)?,
            close: number(5)?,
            volume: number(6)?,
            vwap: optional(&fields, self.vwap, "vwap")?,
            trades: optional(&fields, self.trades, "trades")?,
            received_at: end,
        };
        match bar.fault() {
            Some(fault) => Err(fault.to_owned()),
            None => Ok(bar),
        }
    }

    fn symbol(&self, fields: &[String]) -> Result<Symbol, String> {
        Symbol::new(field(fields, self.required[0], "symbol")?).map_err(|error| error.to_string())
    }

    fn start(&self, fields: &[String]) -> Result<Timestamp, String> {
        let text = field(fields, self.required[1], "start")?;
        let parsed = match text.parse::<i64>() {
            Ok(ms) if ms >= MILLISECONDS_FROM => Timestamp::from_millisecond(ms),
            Ok(s) => Timestamp::from_second(s),
            Err(_) => text.parse(),
        };
        parsed.map_err(|error| format!("start is `{text}`: {error}"))
    }
}

fn field<'a>(fields: &'a [String], index: usize, name: &str) -> Result<&'a str, String> {
    fields.get(index).map(|text| text.trim()).ok_or_else(|| format!("the row ends before its column `{name}`"))
}

fn optional<T: std::str::FromStr>(fields: &[String], index: Option<usize>, name: &str) -> Result<Option<T>, String> {
    match index.map(|index| field(fields, index, name)).transpose()? {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("{name} is `{text}`, which is no number")),
    }
}

/// The fields of one CSV row (RFC 4180).
fn fields(line: &[u8]) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|error| format!("not a CSV row: {error}"))?;
    Ok(record.iter().map(str::to_owned).collect())
}

/// Steps between bars, to tell their width.
#[derive(Debug, Default)]
pub struct Widths {
    last: HashMap<Symbol, Timestamp>,
    steps: BTreeMap<i64, usize>,
}

impl Widths {
    /// Takes in where a bar stands; rows of a symbol should come in order of time.
    pub fn saw(&mut self, symbol: Symbol, start: Timestamp) {
        if let Some(last) = self.last.insert(symbol, start) {
            let step = start.as_second() - last.as_second();
            if step > 0 {
                *self.steps.entry(step).or_default() += 1;
            }
        }
    }

    /// The commonest step in seconds; of equally common ones the smallest.
    pub fn commonest(&self) -> Option<u32> {
        let (step, _) = self.steps.iter().max_by_key(|(step, count)| (**count, std::cmp::Reverse(**step)))?;
        u32::try_from(*step).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_in_any_order_and_three_ways_to_write_the_time() {
        let layout = Layout::read(b"start,symbol,Open,high,low,close,volume,vwap,note,trades").unwrap();
        for start in ["2024-06-03T13:30:00Z", "1717421400", "1717421400000"] {
            let line = format!("{start},aapl,193,194.99,192.51,194.835,1918517,,\"a, b\",7");
            let bar = layout.bar(line.as_bytes(), 3600).unwrap();
            assert_eq!(bar.start.to_string(), "2024-06-03T13:30:00Z");
            assert_eq!((bar.symbol.as_str(), bar.close, bar.vwap, bar.trades), ("AAPL", 194.835, None, Some(7)));
            assert_eq!(bar.received_at, bar.end());
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(Layout::read(b"symbol,start,open").unwrap_err().contains("`high`"));
        let layout = Layout::read(b"symbol,start,open,high,low,close,volume").unwrap();
        for (line, reason) in [
            ("AAPL,1717421400,1,2,3", "ends before"),
            ("AAPL,yesterday,1,1,1,1,5", "yesterday"),
            ("AAPL,1717421400,x,1,1,1,5", "`x`"),
            ("AAPL,1717421400,-1,1,1,1,5", "positive"),
            ("A B,1717421400,1,1,1,1,5", "A B"),
        ] {
            let error = layout.bar(line.as_bytes(), 60).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn width_is_the_commonest_step() {
        let mut widths = Widths::default();
        for (symbol, second) in [("A", 0), ("B", 0), ("A", 3600), ("A", 7200), ("B", 3600), ("A", 90_000), ("B", 1)] {
            widths.saw(Symbol::new(symbol).unwrap(), Timestamp::from_second(second).unwrap());
        }
        assert_eq!(widths.commonest(), Some(3600));
        assert_eq!(Widths::default().commonest(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Layout::read(&line);
            let layout = Layout::read(b"symbol,start,open,high,low,close,volume,vwap,trades").unwrap();
            let _ = layout.bar(&line, u32::MAX);
        }
    }
}
