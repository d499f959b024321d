//! Parquet, row by row. Other columns are read only if the output has another format.

use super::{Counter, FilesError, InputFormat, Keep, OpenedInput, Reading, RowReader};
use crate::columns::Column;
use crate::row::{Cell, Item, Row, json, scored_text};
use jiff::{Timestamp, tz::TimeZone};
use parquet::basic::{LogicalType, TimeUnit, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::fs::File;
use std::path::Path;

struct Parquet {
    rows: RowIter<'static>,
    counter: Counter,
    keep: Keep,
    /// Index among the columns that are read.
    text: usize,
    company: Option<usize>,
    names: Vec<String>,
    timestamp_kinds: Vec<Option<TimestampKind>>,
}

/// A column of timestamps.
#[derive(Clone, Copy)]
struct TimestampKind {
    /// Whether they are instants; otherwise they are local times in an unknown time zone.
    utc: bool,
    /// The reader returns nanoseconds as plain integers.
    nanoseconds: bool,
}

pub(super) fn open(path: &Path, place: &str, reading: &Reading) -> Result<OpenedInput, FilesError> {
    let file = File::open(path).map_err(FilesError::io(place))?;
    let unreadable =
        |error: ParquetError| FilesError::Unreadable { place: place.to_owned(), problem: error.to_string() };
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let metadata = reader.metadata().file_metadata();
    let root = metadata.schema_descr().root_schema_ptr();
    let total = u64::try_from(metadata.num_rows()).ok();
    let fields = root.get_fields();
    let columns: Vec<Column> = fields.iter().map(|field| Column::text(field.name())).collect();
    reading.scores.check(columns.iter().map(|column| column.name.as_str()))?;
    let (text, company) = reading.selection.find(place, &columns)?;
    for at in std::iter::once(text).chain(company) {
        if !fields[at].is_primitive() || fields[at].get_physical_type() != PhysicalType::BYTE_ARRAY {
            return Err(FilesError::Unreadable {
                place: place.to_owned(),
                problem: format!("column {} does not contain text", columns[at].name),
            });
        }
    }
    let mut read: Vec<usize> = match reading.keep(InputFormat::Parquet) {
        Keep::Cells => (0..fields.len()).collect(),
        Keep::Raw | Keep::Nothing => std::iter::once(text).chain(company).collect(),
    };
    read.sort_unstable();
    read.dedup();
    let projection =
        Type::group_type_builder(root.name()).with_fields(read.iter().map(|&at| fields[at].clone()).collect());
    let rows =
        projection.build().and_then(|projection| RowIter::from_file_into(Box::new(reader)).project(Some(projection)));
    let place_of = |column: usize| read.iter().position(|&at| at == column).expect("it is read");
    let input = Parquet {
        rows: rows.map_err(unreadable)?,
        counter: Counter::new(place),
        keep: reading.keep(InputFormat::Parquet),
        text: place_of(text),
        company: company.map(place_of),
        names: read.iter().map(|&at| columns[at].name.clone()).collect(),
        timestamp_kinds: read.iter().map(|&at| timestamp_kind(&fields[at])).collect(),
    };
    let text_column = columns[text].name.clone();
    Ok(OpenedInput { input: Box::new(input), columns, text_column, dialect: None, total })
}

impl RowReader for Parquet {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        let place = self.counter.next();
        let row =
            row.map_err(|error| FilesError::Unreadable { place: place.to_string(), problem: error.to_string() })?;
        let fields: Vec<Field> = row.into_columns().into_iter().map(|(_, field)| field).collect();
        let name = &self.names[self.text];
        let text = match string(&fields[self.text]) {
            Some(text) => scored_text(&text, &format!("column {name}")),
            None if fields[self.text] == Field::Null => Err(format!("column {name} is null")),
            None => Err(format!("column {name} is not UTF-8")),
        };
        let raw = match &fields[self.text] {
            Field::Bytes(bytes) => bytes.data().to_vec(),
            _ => string(&fields[self.text]).unwrap_or_default().into_bytes(),
        };
        let company = self.company.and_then(|company| string(&fields[company]));
        let cells = match self.keep {
            Keep::Cells => {
                fields.iter().zip(&self.timestamp_kinds).map(|(field, timestamp)| cell(field, *timestamp)).collect()
            }
            Keep::Raw | Keep::Nothing => Vec::new(),
        };
        Ok(Some(Item::Row(Row { place, raw, cells, text, company })))
    }

    fn position(&self) -> u64 {
        self.counter.row
    }
}

fn string(field: &Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok(),
        _ => None,
    }
}

fn timestamp_kind(field: &Type) -> Option<TimestampKind> {
    match field.get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => Some(TimestampKind {
            utc: timestamp.is_adjusted_to_u_t_c,
            nanoseconds: matches!(timestamp.unit, TimeUnit::NANOS),
        }),
        _ => None,
    }
}

/// A value as JSON: timestamps in RFC 3339, bytes in base 64. NaN and infinities, which JSON does not have, become
/// null.
fn cell(field: &Field, timestamp: Option<TimestampKind>) -> Cell {
    let nanoseconds = match (field, timestamp) {
        (Field::Null, _) => return None,
        // The shortest decimal for the float; the shortest for the same value as a double would be longer.
        (Field::Float(number), _) if number.is_finite() => {
            return serde_json::value::RawValue::from_string(format!("{number:?}")).ok();
        }
        (Field::TimestampMillis(count), _) => i128::from(*count) * 1_000_000,
        (Field::TimestampMicros(count), _) => i128::from(*count) * 1_000,
        (Field::Long(count), Some(TimestampKind { nanoseconds: true, .. })) => i128::from(*count),
        (other, _) => return Some(json(&other.to_json_value())),
    };
    let utc = timestamp.is_none_or(|timestamp| timestamp.utc);
    let written = Timestamp::from_nanosecond(nanoseconds).map(|at| match utc {
        true => at.to_string(),
        false => TimeZone::UTC.to_datetime(at).to_string(),
    });
    // Years after 9999 can't be written in RFC 3339.
    Some(json(&written.unwrap_or_else(|_| format!("{nanoseconds} ns"))))
}
