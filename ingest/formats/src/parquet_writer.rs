//! Writing rows as Parquet.

use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::{Type, TypePtr};
use jiff::Timestamp;
use std::io::Write;
use std::sync::Arc;

/// Rows in a row group.
const GROUP_ROWS: usize = 65_536;

/// The type of a column. Every column may have NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8.
    Text,
    /// 64-bit float.
    Float,
    /// 64-bit integer with a sign.
    Integer,
    /// True or false.
    Bool,
    /// A moment in UTC, to the microsecond.
    Instant,
}

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// For [`ColumnType::Text`].
    Text(String),
    /// For [`ColumnType::Float`].
    Float(f64),
    /// For [`ColumnType::Integer`].
    Integer(i64),
    /// For [`ColumnType::Bool`].
    Bool(bool),
    /// For [`ColumnType::Instant`].
    Instant(Timestamp),
}

/// Writes rows as a Parquet file with zstd. A cell whose type is not that of its column is written as NULL.
///
/// # Errors
/// What `to` returns, or an error of the Parquet library.
pub fn write_parquet(
    to: impl Write + Send,
    columns: &[(&str, ColumnType)],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> std::io::Result<()> {
    written(to, columns, &mut rows.into_iter()).map_err(|error| match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => *source,
            Err(source) => std::io::Error::other(source),
        },
        other => std::io::Error::other(other),
    })
}

fn written(
    to: impl Write + Send,
    columns: &[(&str, ColumnType)],
    rows: &mut dyn Iterator<Item = Vec<Cell>>,
) -> Result<(), ParquetError> {
    let fields: Vec<TypePtr> = columns.iter().map(|&(name, kind)| field(name, kind)).collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(to, schema, properties)?;
    loop {
        let group: Vec<Vec<Cell>> = (&mut *rows).take(GROUP_ROWS).collect();
        if group.is_empty() {
            break;
        }
        let mut open = writer.next_row_group()?;
        for (place, &(_, kind)) in columns.iter().enumerate() {
            let Some(mut column) = open.next_column()? else { break };
            let cells = group.iter().map(|row| row.get(place).unwrap_or(&Cell::Null));
            write_column(&mut column, kind, cells)?;
            column.close()?;
        }
        open.close()?;
    }
    writer.close()?;
    Ok(())
}

fn field(name: &str, kind: ColumnType) -> Result<TypePtr, ParquetError> {
    let instant = LogicalType::timestamp(true, TimeUnit::MICROS);
    let (physical, logical) = match kind {
        ColumnType::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Float => (PhysicalType::DOUBLE, None),
        ColumnType::Integer => (PhysicalType::INT64, None),
        ColumnType::Bool => (PhysicalType::BOOLEAN, None),
        ColumnType::Instant => (PhysicalType::INT64, Some(instant)),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

fn write_column<'a>(
    column: &mut SerializedColumnWriter<'_>,
    kind: ColumnType,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<(), ParquetError> {
    match kind {
        ColumnType::Text => write::<ByteArrayType>(column, cells, |cell| match cell {
            Cell::Text(text) => Some(ByteArray::from(text.as_str())),
            _ => None,
        }),
        ColumnType::Float => write::<DoubleType>(column, cells, |cell| match cell {
            Cell::Float(number) => Some(*number),
            _ => None,
        }),
        ColumnType::Integer => write::<Int64Type>(column, cells, |cell| match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }),
        ColumnType::Bool => write::<BoolType>(column, cells, |cell| match cell {
            Cell::Bool(value) => Some(*value),
            _ => None,
        }),
        ColumnType::Instant => write::<Int64Type>(column, cells, |cell| match cell {
            Cell::Instant(at) => Some(at.as_microsecond()),
            _ => None,
        }),
    }
}

fn write<'a, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'a Cell>,
    read: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = cells.map(read).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Reader, Value};

    #[test]
    fn what_is_written_is_read_again() {
        let columns = [
            ("text", ColumnType::Text),
            ("float", ColumnType::Float),
            ("integer", ColumnType::Integer),
            ("bool", ColumnType::Bool),
            ("at", ColumnType::Instant),
        ];
        let at: Timestamp = "2024-07-01T14:00:00.123456Z".parse().unwrap();
        let full = vec![
            Cell::Text("Käse \"x\"".into()),
            Cell::Float(0.1 + 0.2),
            Cell::Integer(-7),
            Cell::Bool(true),
            Cell::Instant(at),
        ];
        let rows = (0..GROUP_ROWS + 2).map(|row| if row % 2 == 0 { full.clone() } else { vec![Cell::Null; 5] });
        let file = tempfile::NamedTempFile::new().unwrap();
        write_parquet(file.as_file(), &columns, rows).unwrap();
        let rows: Vec<crate::Row> =
            Reader::open(file.path(), &Options::default()).unwrap().map(|row| row.unwrap().unwrap()).collect();
        assert_eq!(rows.len(), GROUP_ROWS + 2);
        let values = |row: &crate::Row| row.fields.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let expected = [
            Value::Text("Käse \"x\"".into()),
            Value::Number("0.30000000000000004".into()),
            Value::Number("-7".into()),
            Value::Bool(true),
            Value::Instant(at),
        ];
        assert_eq!(values(&rows[GROUP_ROWS]), expected);
        assert_eq!(values(&rows[GROUP_ROWS + 1]), vec![Value::Null; 5]);
    }
}
