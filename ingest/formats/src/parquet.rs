//! Parquet, row by row.

use crate::delimited::check_names;
use crate::reader::{Next, Rows};
use crate::{FormatError, Options, Row, Value};
use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::record::reader::RowIter;
use ::parquet::schema::types::{Type, TypePtr};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(crate) struct Parquet {
    file: File,
    place: String,
    rows: RowIter<'static>,
    names: Vec<Arc<str>>,
    /// The columns that are read.
    read: Vec<(Arc<str>, TypePtr)>,
    row: u64,
    total: u64,
}

impl Parquet {
    pub fn open(file: File, place: &str, options: &Options) -> Result<Self, FormatError> {
        if options.columns.is_some() || !options.header {
            let problem =
                format!("{place} is Parquet, which has the names of its columns; leave --no-header and --columns out");
            return Err(FormatError::Options(problem));
        }
        let reader = guarded(place, 0, || open(&file))?;
        let metadata = reader.metadata().file_metadata();
        let total = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let fields = metadata.schema_descr().root_schema_ptr().get_fields().to_vec();
        let names: Vec<Arc<str>> = fields.iter().map(|field| field.name().into()).collect();
        check_names(&names).map_err(|problem| FormatError::Header { place: place.to_owned(), problem })?;
        let rows = guarded(place, 0, || Ok(RowIter::from_file_into(Box::new(reader))))?;
        let read = names.iter().cloned().zip(fields).collect();
        Ok(Self { file, place: place.to_owned(), rows, names, read, row: 0, total })
    }
}

fn open(file: &File) -> Result<SerializedFileReader<File>, ParquetError> {
    SerializedFileReader::new(file.try_clone()?)
}

/// The library may panic on a damaged file; this turns the panic into an error.
fn guarded<T>(place: &str, rows: u64, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, FormatError> {
    let problem = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(ParquetError::External(source))) => match source.downcast::<std::io::Error>() {
            Ok(source) => return Err(FormatError::Io { place: place.to_owned(), source: *source }),
            Err(source) => source.to_string(),
        },
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its Parquet data can't be read".into(),
    };
    Err(FormatError::Damaged { place: place.to_owned(), rows, problem })
}

impl Rows for Parquet {
    fn next(&mut self) -> Next {
        let rows = &mut self.rows;
        let Some(row) = guarded(&self.place, self.row, || rows.next().transpose())? else { return Ok(None) };
        self.row += 1;
        let columns = row.into_columns().into_iter().zip(&self.read);
        let fields: Vec<(Arc<str>, Value)> =
            columns.map(|((_, field), (name, kind))| (name.clone(), value(field, kind))).collect();
        let raw = Value::object_json(&fields).into_bytes();
        Ok(Some(Ok(Row { number: self.row, raw, fields })))
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn columns(&self) -> Option<&[Arc<str>]> {
        Some(&self.names)
    }

    fn only(&mut self, columns: &[&str]) -> Result<(), FormatError> {
        if self.row > 0 {
            return Err(FormatError::Options("columns can't be chosen after the first row".into()));
        }
        let rows = guarded(&self.place, 0, || {
            let reader = open(&self.file)?;
            let root = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
            let fields: Vec<TypePtr> =
                root.get_fields().iter().filter(|field| columns.contains(&field.name())).cloned().collect();
            self.read = fields.iter().map(|field| (field.name().into(), field.clone())).collect();
            let projection = Type::group_type_builder(root.name()).with_fields(fields).build()?;
            RowIter::from_file_into(Box::new(reader)).project(Some(projection))
        })?;
        self.rows = rows;
        Ok(())
    }

    fn may_be_text(&self, column: &str) -> bool {
        let kind = self.read.iter().find(|(name, _)| &**name == column).map(|(_, kind)| element(kind));
        let is_text = |kind: &Type| kind.is_primitive() && kind.get_physical_type() == PhysicalType::BYTE_ARRAY;
        kind.is_none_or(is_text)
    }

    fn counted(&self) -> Option<(u64, u64)> {
        Some((self.row, self.total))
    }

    fn without_rows(&self) -> &'static str {
        "columns"
    }
}

/// A value with the type that the schema gives it.
fn value(field: Field, kind: &Type) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(value),
        Field::Byte(number) => Value::Number(number.to_string()),
        Field::Short(number) => Value::Number(number.to_string()),
        Field::Int(number) => Value::Number(number.to_string()),
        Field::UByte(number) => Value::Number(number.to_string()),
        Field::UShort(number) => Value::Number(number.to_string()),
        Field::UInt(number) => Value::Number(number.to_string()),
        Field::ULong(number) => Value::Number(number.to_string()),
        Field::Long(number) => match logical(kind) {
            Some(LogicalType::Timestamp(at)) if matches!(at.unit, TimeUnit::NANOS) => {
                moment(i128::from(number), at.is_adjusted_to_u_t_c)
            }
            Some(LogicalType::Time(_)) => time(SignedDuration::from_nanos(number)),
            _ => Value::Number(number.to_string()),
        },
        // The shortest decimal of the value as a float; that of the same value as a double would be longer.
        Field::Float(number) => float(f64::from(number), format!("{number:?}")),
        Field::Float16(number) => float(f64::from(number), format!("{:?}", f32::from(number))),
        Field::Double(number) => float(number, format!("{number:?}")),
        Field::Decimal(_) => match field.to_json_value() {
            serde_json::Value::String(digits) => Value::Number(digits),
            other => Value::Number(other.to_string()),
        },
        Field::Str(text) => Value::Text(text),
        Field::Bytes(bytes) => bytes_value(bytes.data()),
        Field::Date(days) => Date::constant(1970, 1, 1)
            .checked_add(i64::from(days).days())
            .map_or_else(|_| Value::Text(format!("{days} days after 1970-01-01")), Value::Date),
        Field::TimeMillis(millis) => time(SignedDuration::from_millis(i64::from(millis))),
        Field::TimeMicros(micros) => time(SignedDuration::from_micros(micros)),
        Field::TimestampMillis(millis) => moment(i128::from(millis) * 1_000_000, is_utc(kind)),
        Field::TimestampMicros(micros) => moment(i128::from(micros) * 1_000, is_utc(kind)),
        Field::Group(row) => {
            let fields = row.into_columns().into_iter().zip(kind_fields(kind));
            Value::Object(fields.map(|((name, field), kind)| (name, value(field, kind))).collect())
        }
        Field::ListInternal(list) => {
            let element = element(kind);
            Value::List(list.elements().iter().map(|field| value(field.clone(), element)).collect())
        }
        Field::MapInternal(map) => entries(map.entries(), kind),
    }
}

fn logical(kind: &Type) -> Option<&LogicalType> {
    kind.get_basic_info().logical_type_ref()
}

/// Whether timestamps of this type are instants. INT96 has no mark that says so: some write local times with it and
/// others UTC, so it counts as local.
fn is_utc(kind: &Type) -> bool {
    match logical(kind) {
        Some(LogicalType::Timestamp(at)) => at.is_adjusted_to_u_t_c,
        _ => kind.is_primitive() && kind.get_physical_type() != PhysicalType::INT96,
    }
}

fn moment(nanoseconds: i128, utc: bool) -> Value {
    match Timestamp::from_nanosecond(nanoseconds) {
        Ok(at) if utc => Value::Instant(at),
        Ok(at) => Value::Civil(TimeZone::UTC.to_datetime(at)),
        // Years after 9999 can't be written in RFC 3339.
        Err(_) => Value::Text(format!("{nanoseconds} ns")),
    }
}

fn time(since_midnight: SignedDuration) -> Value {
    let time = Time::midnight().checked_add(since_midnight);
    Value::Text(time.map_or_else(|_| format!("{since_midnight:?} after midnight"), |time| time.to_string()))
}

/// A number. NaN becomes null, because pandas writes a missing number as NaN; infinity, which JSON does not have,
/// becomes a text.
fn float(number: f64, digits: String) -> Value {
    match number {
        _ if number.is_nan() => Value::Null,
        _ if number.is_infinite() => Value::Text(if number > 0.0 { "Infinity" } else { "-Infinity" }.into()),
        _ => Value::Number(digits),
    }
}

/// Bytes that may be text, because old writers do not mark text. Bytes that are not UTF-8 become `{"base64": "..."}`,
/// which can't be mistaken for a text.
fn bytes_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Object(vec![("base64".into(), Value::Text(BASE64_STANDARD.encode(bytes)))]),
    }
}

fn kind_fields(kind: &Type) -> &[TypePtr] {
    if kind.is_group() { kind.get_fields() } else { &[] }
}

/// The type of the elements of a list: two levels below the list, or one level in files of old writers.
fn element(kind: &Type) -> &Type {
    let is_list = kind.get_basic_info().converted_type() == ConvertedType::LIST
        || matches!(logical(kind), Some(LogicalType::List));
    match kind_fields(kind) {
        [repeated] if is_list => match kind_fields(repeated) {
            [element] if repeated.name() != "array" && !repeated.name().ends_with("_tuple") => element,
            _ => repeated,
        },
        _ => kind,
    }
}

/// A map is an object if its keys are texts, otherwise a list of objects with `key` and `value`.
fn entries(entries: &[(Field, Field)], kind: &Type) -> Value {
    let kinds = kind_fields(kind).first().map(|pair| kind_fields(pair)).unwrap_or_default();
    let of = |field: &Field, at: usize| value(field.clone(), kinds.get(at).map_or(kind, AsRef::as_ref));
    let pairs = entries.iter().map(|(key, entry)| (of(key, 0), of(entry, 1)));
    if entries.iter().all(|(key, _)| matches!(key, Field::Str(_))) {
        let named = pairs.filter_map(|(key, entry)| match key {
            Value::Text(name) => Some((name, entry)),
            _ => None,
        });
        return Value::Object(named.collect());
    }
    Value::List(pairs.map(|(key, entry)| Value::Object(vec![("key".into(), key), ("value".into(), entry)])).collect())
}
