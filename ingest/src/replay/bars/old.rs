//! A row of CSV to a bar.

use super::ReplayOptions;
use crate::IngestError;
use crate::epoch::{of_any_unit, whole_microseconds};
use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tapewire_core::{Bar, Symbol};

/// Columns that must be there, then those that may.
const REQUIRED: [&str; 7] = ["symbol", "start", "open", "high", "low", "close", "volume"];
const OPTIONAL: [&str; 2] = ["vwap", "trades"];

/// A bars file whose header has been read and whose bar width is known.
pub(super) struct Table<'a> {
    content: &'a [u8],
    columns: Columns,
    width_s: u32,
    options: &'a ReplayOptions,
}

/// One row of the file.
pub(super) struct Row<'a> {
    /// Counted from 1.
    pub line: u64,
    /// As it is in the file, line end included.
    pub bytes: &'a [u8],
    /// The bar, or why it can't be read.
    pub bar: Result<Bar, String>,
}

/// The position of each column.
#[derive(Debug, Clone)]
struct Columns {
    required: [usize; REQUIRED.len()],
    optional: [Option<usize>; OPTIONAL.len()],
}

impl<'a> Table<'a> {
    /// Reads the header, and the whole file once if the width of its bars has to be found.
    ///
    /// # Errors
    /// [`IngestError::Shape`].
    pub fn open(path: &Path, content: &'a [u8], options: &'a ReplayOptions) -> Result<Self, IngestError> {
        let wrong = |reason: String| IngestError::Shape { path: path.to_owned(), reason };
        let mut reader = reader(content);
        let header = reader.byte_headers().map_err(|error| wrong(error.to_string()))?;
        let columns = Columns::find(header).map_err(wrong)?;
        let mut table = Self { content, columns, width_s: 0, options };
        table.width_s = match options.width {
            Some(width) => u32::try_from(width.as_secs()).ok().filter(|&width| width > 0),
            None => table.commonest_distance(),
        }
        .ok_or_else(|| wrong("the width of a bar can't be told from the distances between bars; set it".into()))?;
        Ok(table)
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + '_ {
        let mut reader = reader(self.content);
        let mut record = ByteRecord::new();
        std::iter::from_fn(move || {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                // Reading from memory without quotes or a fixed number of columns can't fail.
                Ok(false) | Err(_) => return None,
            }
            let position = record.position().expect("a record that was read has a position");
            let (from, to) = (position.byte() as usize, reader.position().byte() as usize);
            let bytes = self.content.get(from..to.min(self.content.len())).unwrap_or_default();
            Some(Row { line: position.line(), bytes, bar: self.bar(&record) })
        })
    }

    fn bar(&self, record: &ByteRecord) -> Result<Bar, String> {
        let bar = Bar {
            symbol: self.symbol(record)?,
            start: self.start(record)?,
            width_s: self.width_s,
            open: self.number(record, 2)?,
            high: self.number(record, 3)?,
            low: self.number(record, 4)?,
            close: self.number(record, 5)?,
            volume: self.number(record, 6)?,
            vwap: self.optional(record, 0)?,
            trades: self.optional(record, 1)?,
            received_at: Timestamp::UNIX_EPOCH,
        };
        match bar.fault() {
            Some(fault) => Err(fault.into()),
            None => Ok(Bar { received_at: bar.end(), ..bar }),
        }
    }

    fn symbol(&self, record: &ByteRecord) -> Result<Symbol, String> {
        let symbol = Symbol::new(self.text(record, 0)?).map_err(|error| error.to_string())?;
        Ok(self.options.alias(symbol))
    }

    fn start(&self, record: &ByteRecord) -> Result<Timestamp, String> {
        let text = self.text(record, 1)?;
        let start = match text.parse::<i64>() {
            Ok(number) => of_any_unit(number).map_err(|error| error.to_string()),
            Err(_) => text.parse().map_err(|error: jiff::Error| error.to_string()),
        };
        start.map(whole_microseconds).map_err(|reason| format!("start `{text}`: {reason}"))
    }

    fn number(&self, record: &ByteRecord, column: usize) -> Result<f64, String> {
        let text = self.text(record, column)?;
        text.parse().map_err(|_| format!("{} `{text}` is not a number", REQUIRED[column]))
    }

    fn optional<T: std::str::FromStr>(&self, record: &ByteRecord, column: usize) -> Result<Option<T>, String> {
        let Some(text) = self.columns.optional[column].and_then(|index| record.get(index)) else { return Ok(None) };
        let text = cell(text)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("{} `{text}` is not a number", OPTIONAL[column]))
    }

    fn text<'r>(&self, record: &'r ByteRecord, column: usize) -> Result<&'r str, String> {
        let field = record.get(self.columns.required[column]);
        cell(field.ok_or_else(|| format!("the row ends before {}", REQUIRED[column]))?)
    }

    /// The commonest positive distance between neighbouring starts of a symbol, in whole seconds;
    /// of several equally common the smallest.
    fn commonest_distance(&self) -> Option<u32> {
        let mut starts: HashMap<Symbol, Vec<Timestamp>> = HashMap::new();
        let mut reader = reader(self.content);
        for record in reader.byte_records().flatten() {
            if let (Ok(symbol), Ok(start)) = (self.symbol(&record), self.start(&record)) {
                starts.entry(symbol).or_default().push(start);
            }
        }
        let mut common: BTreeMap<i64, usize> = BTreeMap::new();
        for mut starts in starts.into_values() {
            starts.sort_unstable();
            for pair in starts.windows(2) {
                *common.entry(pair[1].duration_since(pair[0]).as_secs()).or_default() += 1;
            }
        }
        common.remove(&0);
        let (distance, _) = common.into_iter().max_by_key(|&(distance, count)| (count, std::cmp::Reverse(distance)))?;
        u32::try_from(distance).ok()
    }
}

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, String> {
        let names: Vec<String> =
            header.iter().map(|name| cell(name).unwrap_or_default().to_ascii_lowercase()).collect();
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|column| find(column).is_none()).collect();
        if !missing.is_empty() {
            return Err(format!("the header lacks {}; wanted: {}", missing.join(", "), REQUIRED.join(",")));
        }
        Ok(Self { required: REQUIRED.map(|column| find(column).unwrap_or_default()), optional: OPTIONAL.map(find) })
    }
}

/// No quoting: no cell of ours holds a comma, and one stray quote would swallow the rest of the file.
fn reader(content: &[u8]) -> Reader<&[u8]> {
    ReaderBuilder::new().quoting(false).flexible(true).from_reader(content)
}

fn cell(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(text.trim().trim_matches('"').trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Line, bytes, bar.
    type Seen = (u64, String, Result<Bar, String>);

    fn rows(csv: &str, options: &ReplayOptions) -> Result<Vec<Seen>, String> {
        let table = Table::open(Path::new("bars.csv"), csv.as_bytes(), options).map_err(|error| error.to_string())?;
        let rows = table.rows();
        Ok(rows.map(|row| (row.line, String::from_utf8_lossy(row.bytes).into_owned(), row.bar)).collect())
    }

    const HEADER: &str = "symbol,start,open,high,low,close,volume\n";

    #[test]
    fn rows_are_bars_and_bad_ones_keep_their_line_and_bytes() {
        let csv = format!(
            "{HEADER}AAPL,2025-06-02T13:30:00Z,10,11,9,10.5,100\r\nAAPL,1748874600,10,11,9,10.5,100\n\
             AAPL,soon,10,11,9,10.5,100\nAAPL,1748878200000,10,x,9,10.5,100\n\"MSFT,1748878200,1,1,1,1,1\nAAPL,1748878200,10\n\
             AAPL,1748878200,10,9,11,10,1\nAAPL,1748878200,\"10\",11,9,10.5,1"
        );
        let rows = rows(&csv, &ReplayOptions::default()).unwrap();
        assert_eq!(rows.len(), 8);
        let bar = rows[0].2.as_ref().unwrap();
        assert_eq!(
            (bar.width_s, bar.start, bar.received_at),
            (3600, "2025-06-02T13:30:00Z".parse().unwrap(), bar.end())
        );
        assert_eq!(rows[1].2.as_ref().unwrap().start, "2025-06-02T14:30:00Z".parse().unwrap());
        assert_eq!((rows[2].0, rows[2].1.as_str()), (4, "AAPL,soon,10,11,9,10.5,100\n"));
        for (row, reason) in [(2, "start `soon`"), (3, "high `x`"), (5, "ends before high"), (6, "outside low..high")] {
            assert!(rows[row].2.as_ref().unwrap_err().contains(reason), "{:?}", rows[row]);
        }
        // A stray quote loses nothing, not even its own row.
        assert_eq!(rows[4].2.as_ref().unwrap().symbol.as_str(), "MSFT");
        assert_eq!(rows[7].2.as_ref().unwrap().open, 10.0);
    }

    #[test]
    fn columns_may_be_in_any_order_and_optional_cells_may_be_empty() {
        let csv = "Volume,Close,Low,High,Open,Start,Symbol,VWAP,trades\n5,1,1,1,1,1748872800,brk-b,,7\n5,1,1,1,1,1748872860,BRK.B,1.5,\n";
        let rows = rows(csv, &ReplayOptions::default()).unwrap();
        let (first, second) = (rows[0].2.as_ref().unwrap(), rows[1].2.as_ref().unwrap());
        assert_eq!((first.symbol.as_str(), first.width_s), ("BRK.B", 60));
        assert_eq!((first.vwap, first.trades, second.vwap, second.trades), (None, Some(7), Some(1.5), None));
    }

    #[test]
    fn the_width_is_the_commonest_distance_or_what_is_set() {
        // Hourly bars of two days, and a stray one a second late.
        let mut csv = HEADER.to_owned();
        for start in [0, 3600, 7200, 10_800, 86_400, 90_000, 93_600, 93_601] {
            csv += &format!("AAPL,{},1,1,1,1,1\n", 1_748_872_800 + start);
        }
        assert_eq!(rows(&csv, &ReplayOptions::default()).unwrap()[0].2.as_ref().unwrap().width_s, 3600);
        let said = ReplayOptions { width: Some(Duration::from_secs(60)), ..ReplayOptions::default() };
        assert_eq!(rows(&csv, &said).unwrap()[0].2.as_ref().unwrap().width_s, 60);
        let lonely = format!("{HEADER}AAPL,1748872800,1,1,1,1,1\n");
        assert!(rows(&lonely, &ReplayOptions::default()).unwrap_err().contains("width"));
    }

    #[test]
    fn a_file_without_the_columns_is_refused_with_their_names() {
        let error = rows("ticker,start\n", &ReplayOptions::default()).unwrap_err();
        assert!(error.contains("bars.csv") && error.contains("symbol") && error.contains("volume"), "{error}");
        assert!(rows("", &ReplayOptions::default()).is_err());
    }

    proptest! {
        /// Whatever follows the header, every byte of it belongs to a row or to blank lines between.
        #[test]
        fn arbitrary_bytes_never_panic_and_none_is_lost(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut csv = HEADER.as_bytes().to_vec();
            csv.extend_from_slice(&noise);
            let options = ReplayOptions { width: Some(Duration::from_secs(60)), ..ReplayOptions::default() };
            let table = Table::open(Path::new("bars.csv"), &csv, &options).unwrap();
            let kept: Vec<u8> = table.rows().flat_map(|row| row.bytes.to_vec()).filter(|b| !b"\r\n".contains(b)).collect();
            let given: Vec<u8> = noise.into_iter().filter(|b| !b"\r\n".contains(b)).collect();
            prop_assert_eq!(kept, given);
        }
    }
}
