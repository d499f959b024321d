//! Trades read from Parquet files, column by column.

use jiff::Timestamp;
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use tapewire_core::{BarUpdates, Symbol, Trade};

/// Trades that are read at once: they take about a megabyte, so they are in the processor's cache when they are folded.
const CHUNK: usize = 8_192;

/// Gives the trades of all files in `folder` to `take`, a chunk at a time: files by name, rows as they are in the file.
///
/// # Errors
/// A file that can't be read, a column that is missing, a row that is not a trade, and what `take` returns.
///
/// # Panics
/// If a column has another type than `bench/fold/trades.py` writes.
pub fn each_chunk(
    folder: &Path,
    mut take: impl FnMut(&[Trade]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut trades = Vec::with_capacity(CHUNK);
    for path in files(folder)? {
        let file = SerializedFileReader::new(File::open(path)?)?;
        for group in 0..file.num_row_groups() {
            let mut columns = Columns::of(&*file.get_row_group(group)?)?;
            while columns.read(&mut trades)? {
                take(&trades)?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    if files.is_empty() {
        return Err(format!("there is no Parquet file in {}", folder.display()).into());
    }
    Ok(files)
}

/// One column of a row group. None of its values is missing.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The values of the chunk that was read last.
    values: Vec<T::T>,
}

impl<T: DataType> Column<T> {
    fn of(group: &dyn RowGroupReader, name: &str) -> Result<Self, Box<dyn Error>> {
        let schema = group.metadata().schema_descr();
        let place = schema.columns().iter().position(|column| column.name() == name);
        let place = place.ok_or_else(|| format!("the Parquet files have no column `{name}`"))?;
        let reader = get_typed_column_reader(group.get_column_reader(place)?);
        Ok(Self { reader, values: Vec::with_capacity(CHUNK) })
    }

    fn read(&mut self) -> Result<(), Box<dyn Error>> {
        self.values.clear();
        self.reader.read_records(CHUNK, None, None, &mut self.values)?;
        Ok(())
    }
}

/// The columns of a row group. Times are microseconds since 1970 (UTC).
struct Columns {
    symbol: Column<ByteArrayType>,
    at: Column<Int64Type>,
    id: Column<ByteArrayType>,
    sequence: Column<Int64Type>,
    price: Column<DoubleType>,
    size: Column<DoubleType>,
    received_at: Column<Int64Type>,
}

impl Columns {
    fn of(group: &dyn RowGroupReader) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            symbol: Column::of(group, "symbol")?,
            at: Column::of(group, "at")?,
            id: Column::of(group, "id")?,
            sequence: Column::of(group, "sequence")?,
            price: Column::of(group, "price")?,
            size: Column::of(group, "size")?,
            received_at: Column::of(group, "received_at")?,
        })
    }

    /// Replaces `trades` by the next of the row group. `false` if there are no more.
    fn read(&mut self, trades: &mut Vec<Trade>) -> Result<bool, Box<dyn Error>> {
        trades.clear();
        self.symbol.read()?;
        self.at.read()?;
        self.id.read()?;
        self.sequence.read()?;
        self.price.read()?;
        self.size.read()?;
        self.received_at.read()?;
        for row in 0..self.symbol.values.len() {
            trades.push(Trade {
                symbol: Symbol::new(text(&self.symbol.values[row])?)?,
                at: Timestamp::from_microsecond(self.at.values[row])?,
                id: text(&self.id.values[row])?.to_owned(),
                sequence: u64::try_from(self.sequence.values[row])?,
                price: self.price.values[row],
                size: self.size.values[row],
                counts: BarUpdates::EVERYTHING,
                replaces: None,
                received_at: Timestamp::from_microsecond(self.received_at.values[row])?,
            });
        }
        Ok(!trades.is_empty())
    }
}

fn text(value: &ByteArray) -> Result<&str, Box<dyn Error>> {
    Ok(std::str::from_utf8(value.data())?)
}
