//! A row and its values as the file has them; callers decide what the values mean.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::Arc;

/// One value, as the file has it. A file without types (CSV) has only [`Value::Text`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// JSON's `null`, or a NULL of Parquet.
    Null,
    /// True or false.
    Bool(bool),
    /// A number in the file's own digits: `1002.5`, `1e3`, `1747078980000`.
    Number(String),
    /// A text without its quotes, with its escapes resolved. It may be empty.
    Text(String),
    /// A moment with a known zone, in UTC, to the nanosecond: a timestamp of Parquet that is adjusted to UTC.
    Instant(Timestamp),
    /// A date and time of day without a zone: a timestamp of Parquet that is not adjusted to UTC.
    Civil(DateTime),
    /// A day without a time.
    Date(Date),
    /// A list.
    List(Vec<Value>),
    /// An object or struct: names and values, in the file's order.
    Object(Vec<(String, Value)>),
}

/// One row: a record of CSV, an object of JSON, a row of Parquet.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The line where the row begins; for Parquet and JSON arrays the number of the row. Both are counted from 1.
    pub number: u64,
    /// The row's bytes as in the (decompressed) file, for the dead letters; for Parquet the row as JSON.
    pub raw: Vec<u8>,
    /// The row's named values in the file's order. A name may occur twice in JSON; then the last one counts.
    pub fields: Vec<(Arc<str>, Value)>,
}

impl Row {
    /// The row of one JSON object; `number` is [`Row::number`].
    ///
    /// # Errors
    /// The reason why the text is not an object.
    pub fn of_json(number: u64, raw: &str) -> Result<Self, String> {
        let fields = crate::json::fields(raw.as_bytes())?;
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Ok(Self { number, raw: raw.as_bytes().to_vec(), fields })
    }

    /// The value with exactly this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().rev().find(|(own, _)| &**own == name).map(|(_, value)| value)
    }

    /// The row as a JSON object on one line.
    pub fn to_json(&self) -> String {
        Value::object_json(&self.fields)
    }
}

/// A row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// As [`Row::number`].
    pub number: u64,
    /// As [`Row::raw`]; of a row that is too long, only the beginning.
    pub raw: Vec<u8>,
    /// Why the row can't be read, in words for the person who made the file.
    pub reason: String,
}

impl Value {
    /// The value as JSON: numbers in the file's own digits, instants in RFC 3339, and dates and times without a zone in
    /// ISO 8601.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("the names of an object are strings, and writing to memory does not fail")
    }

    /// Names and values as a JSON object.
    pub(crate) fn object_json(fields: &[(Arc<str>, Self)]) -> String {
        let mut object = String::from("{");
        for (name, value) in fields {
            if object.len() > 1 {
                object.push(',');
            }
            object += &serde_json::to_string(&**name).expect("a text is always JSON");
            object.push(':');
            object += &value.to_json();
        }
        object + "}"
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(digits) => match serde_json::value::RawValue::from_string(digits.clone()) {
                Ok(number) => number.serialize(serializer),
                Err(_) => serializer.serialize_str(digits),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::Instant(at) => serializer.serialize_str(&at.to_string()),
            Self::Civil(at) => serializer.serialize_str(&at.to_string()),
            Self::Date(day) => serializer.serialize_str(&day.to_string()),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Whether a text is one of the words that programs write for a missing text: pandas writes `NaN`. So a text `None` is
/// taken for a missing one. An empty text is not such a word.
pub fn is_missing_text(text: &str) -> bool {
    matches!(text.trim(), "null" | "NaN" | "nan" | "None" | "<NA>")
}
