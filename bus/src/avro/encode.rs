//! JSON to Avro by the schema that this build writes with.
//!
//! A JSON field that the schema lacks is refused: what is left out here would be lost.

use super::shape::{Field, Meaning, Record, Shape};
use jiff::civil::Date;
use serde_json::{Map, Value};

/// Why JSON can't be written by a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The names of the fields that lead to the value.
    path: Vec<String>,
    reason: String,
}

impl Mismatch {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn within(mut self, field: &str) -> Self {
        self.path.insert(0, field.to_owned());
        self
    }

    /// In words: `body.bar.open: it is not a number`.
    pub fn text(&self) -> String {
        if self.path.is_empty() { self.reason.clone() } else { format!("{}: {}", self.path.join("."), self.reason) }
    }
}

/// Appends a value in Avro's binary encoding.
///
/// # Errors
/// The value is not of this type.
pub(super) fn value(shape: &Shape, json: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let not = |what: &str| Mismatch::new(format!("it is not {what}"));
    match shape {
        Shape::Null if json.is_null() => Ok(()),
        Shape::Boolean => json.as_bool().map(|flag| out.push(u8::from(flag))).ok_or_else(|| not("a boolean")),
        Shape::Int(Meaning::Date) => {
            let days = json.as_str().and_then(days_since_1970).ok_or_else(|| not("a date such as 2025-06-02"))?;
            long(i64::from(days), out);
            Ok(())
        }
        Shape::Int(Meaning::Number) => {
            let number = json.as_i64().and_then(|number| i32::try_from(number).ok());
            number.map(|number| long(i64::from(number), out)).ok_or_else(|| not("a whole number of 32 bits"))
        }
        Shape::Long(Meaning::Number | Meaning::Micros) => {
            json.as_i64().map(|number| long(number, out)).ok_or_else(|| not("a whole number of 64 bits"))
        }
        Shape::Whole => {
            json.as_u64().map(|number| whole(number, out)).ok_or_else(|| not("an unsigned whole number of 64 bits"))
        }
        Shape::Double => {
            let number = json.as_f64().ok_or_else(|| not("a number"))?;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(())
        }
        Shape::String => json.as_str().map(|text| string(text, out)).ok_or_else(|| not("a text")),
        Shape::Array(items) => array(items, json.as_array().ok_or_else(|| not("a list"))?, out),
        Shape::Union(variants) => union(variants, json, out),
        Shape::Record(own) => record(own, json.as_object().ok_or_else(|| not("an object"))?, out),
        other => Err(not(other.name())),
    }
}

fn array(items: &Shape, list: &[Value], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    if !list.is_empty() {
        long(list.len() as i64, out);
        list.iter().try_for_each(|item| value(items, item, out))?;
    }
    long(0, out);
    Ok(())
}

/// Our unions are of `null` and one other type.
fn union(variants: &[Shape], json: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let place = variants.iter().position(|variant| (*variant == Shape::Null) == json.is_null());
    let place = place.ok_or_else(|| Mismatch::new("it is null"))?;
    long(place as i64, out);
    value(&variants[place], json, out)
}

fn record(own: &Record, json: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let mut present = 0;
    for field in &own.fields {
        let given = json.get(&field.name);
        present += usize::from(given.is_some());
        let missing = || Mismatch::new("it is missing");
        let written = given.or(field.default.as_ref()).ok_or_else(missing);
        written.and_then(|json| value(&field.shape, json, out)).map_err(|error| error.within(&field.name))?;
    }
    if present < json.len() {
        let is_unknown = |name: &&String| !own.fields.iter().any(|field: &Field| field.name == **name);
        let unknown = json.keys().find(is_unknown).map_or("", String::as_str);
        return Err(Mismatch::new("the schema has no such field").within(unknown));
    }
    match own.tagged && (present != 1 || json.values().all(Value::is_null)) {
        true => Err(Mismatch::new(format!("it has {present} fields where one that is not null says what it is"))),
        false => Ok(()),
    }
}

/// Appends an `int` or a `long`: zigzag, seven bits a byte, the lowest first.
pub(super) fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn string(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a decimal without places after the point: its bytes in two's complement, the highest first, as few as
/// needed.
fn whole(number: u64, out: &mut Vec<u8>) {
    let bytes = i128::from(number).to_be_bytes();
    let is_sign_only = |at: usize| bytes[at] == 0 && bytes[at + 1] < 0x80;
    let start = (0..bytes.len() - 1).find(|&at| !is_sign_only(at)).unwrap_or(bytes.len() - 1);
    long((bytes.len() - start) as i64, out);
    out.extend_from_slice(&bytes[start..]);
}

/// Days from 1970-01-01 to the date that a text is, in the form in which records have dates.
fn days_since_1970(text: &str) -> Option<i32> {
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text)?;
    Some(super::EPOCH.until(date).ok()?.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_the_bytes_of_the_specification() {
        // From "Primitive Types" of the specification.
        for (number, bytes) in [(0, vec![0]), (-1, vec![1]), (1, vec![2]), (-64, vec![0x7f]), (64, vec![0x80, 0x01])] {
            let mut out = Vec::new();
            long(number, &mut out);
            assert_eq!(out, bytes, "{number}");
        }
        let mut out = Vec::new();
        long(i64::MIN, &mut out);
        assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        for (number, bytes) in [
            (0, vec![2, 0]),
            (127, vec![2, 0x7f]),
            (128, vec![4, 0, 0x80]),
            (256, vec![4, 1, 0]),
            (u64::MAX, vec![18, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            let mut out = Vec::new();
            whole(number, &mut out);
            assert_eq!(out, bytes, "{number}");
        }
    }

    #[test]
    fn dates_are_days_since_1970_and_nothing_else_is_a_date() {
        assert_eq!(days_since_1970("1970-01-01"), Some(0));
        assert_eq!(days_since_1970("1969-12-31"), Some(-1));
        assert_eq!(days_since_1970("2020-08-31"), Some(18_505));
        for other in ["2020-8-31", "2020-08-31T00:00:00", "20200831", "2020-02-30", ""] {
            assert_eq!(days_since_1970(other), None, "{other}");
        }
    }

    #[test]
    fn exactly_one_field_of_a_tagged_record_says_what_it_is() {
        let schema = r#"{"type":"record","name":"R","tagged":true,"fields":[
            {"name":"a","type":["null","long"],"default":null},{"name":"b","type":["null","long"],"default":null}]}"#;
        let shape = Shape::parse(schema).unwrap();
        let write = |json| value(&shape, &json, &mut Vec::new());
        assert_eq!(write(json!({"b": 1})), Ok(()));
        for (wrong, count) in [(json!({}), 0), (json!({"a": null}), 1), (json!({"a": 1, "b": null}), 2)] {
            let said = format!("it has {count} fields where one that is not null says what it is");
            assert_eq!(write(wrong).unwrap_err().text(), said);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let schema = r#"{"type":"record","name":"R","fields":[
            {"name":"body","type":{"type":"record","name":"B","fields":[
                {"name":"n","type":"long"},
                {"name":"all","type":{"type":"array","items":["null","string"]},"default":[]},
                {"name":"u","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":0},"default":"\u0000"}
            ]}}]}"#;
        let shape = Shape::parse(schema).unwrap();
        for (body, said) in [
            (json!({"n": 1.5, "u": 1}), "body.n: it is not a whole number of 64 bits"),
            (json!({"u": 1}), "body.n: it is missing"),
            (json!({"n": 1, "u": -1}), "body.u: it is not an unsigned whole number of 64 bits"),
            (json!({"n": 1, "u": 1, "all": "x"}), "body.all: it is not a list"),
            (json!({"n": 1, "u": 1, "all": [1]}), "body.all: it is not a text"),
            (json!({"n": 1, "u": 1, "more": null}), "body.more: the schema has no such field"),
            (json!([]), "body: it is not an object"),
        ] {
            let error = value(&shape, &json!({"body": body}), &mut Vec::new()).unwrap_err();
            assert_eq!(error.text(), said);
        }
        let mut out = Vec::new();
        value(&shape, &json!({"body": {"u": 300, "n": -1}}), &mut out).unwrap();
        assert_eq!(out, [1, 0, 4, 1, 44]);
    }
}
