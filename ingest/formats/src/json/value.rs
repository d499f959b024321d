//! JSON values.

use super::scan::MAX_DEPTH;
use crate::{Value, encoding};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The fields of an object, in their order.
///
/// # Errors
/// The reason why the bytes are not an object.
pub(crate) fn fields(bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let text = encoding::text(bytes)?;
    let read = object(&text).or_else(|error| match repair(&text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(repaired) => object(&repaired).map_err(|_| error),
    });
    read.map_err(|error| format!("not a JSON object: {error}"))
}

fn object(text: &str) -> Result<Vec<(String, Value)>, serde_json::Error> {
    let Object(pairs) = serde_json::from_str(text)?;
    named(pairs, 1)
}

fn named(pairs: Vec<(String, &RawValue)>, depth: usize) -> Result<Vec<(String, Value)>, serde_json::Error> {
    pairs.into_iter().map(|(name, value)| Ok((name, value_of(value, depth)?))).collect()
}

/// A value whose syntax has been checked.
fn value_of(raw: &RawValue, depth: usize) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    if depth > MAX_DEPTH {
        return Err(serde::de::Error::custom(format!("nested more than {MAX_DEPTH} deep")));
    }
    Ok(match text.as_bytes().first() {
        None | Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(serde_json::from_str(text)?),
        Some(b'{') => Value::Object(named(serde_json::from_str::<Object<'_>>(text)?.0, depth + 1)?),
        Some(b'[') => {
            let List(values) = serde_json::from_str(text)?;
            Value::List(values.into_iter().map(|value| value_of(value, depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(_) => Value::Number(text.to_owned()),
    })
}

/// Repairs the invalid JSON that some programs write: Python's `NaN` becomes `null` and its `Infinity` a string, half a
/// surrogate pair without the other half becomes U+FFFD, and control characters in strings are escaped.
fn repair(text: &str) -> Cow<'_, str> {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        repaired.push_str(&rest[..at]);
        rest = &rest[at..];
        let number = [("NaN", "null"), ("-Infinity", "\"-Infinity\""), ("Infinity", "\"Infinity\"")];
        if let Some((word, instead)) = number.into_iter().find(|(word, _)| rest.starts_with(word)) {
            repaired.push_str(instead);
            rest = &rest[word.len()..];
        } else if rest.starts_with('"') {
            rest = repair_text(rest, &mut repaired);
        } else {
            repaired.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    repaired.push_str(rest);
    if repaired == text { Cow::Borrowed(text) } else { Cow::Owned(repaired) }
}

/// Copies a text with its quotes; returns what follows it.
fn repair_text<'t>(text: &'t str, repaired: &mut String) -> &'t str {
    repaired.push('"');
    let mut rest = &text[1..];
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        repaired.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes() {
            [b'"', ..] => {
                repaired.push('"');
                return &rest[1..];
            }
            [b'\\', b'u', ..] => match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
                (Some(true), Some(false)) => 12,
                (Some(_), _) => {
                    repaired.push('\u{fffd}');
                    rest = &rest[6..];
                    continue;
                }
                (None, _) => 2,
            },
            // The escaped character may be of several bytes.
            [b'\\', ..] => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            [control, ..] => {
                repaired.push_str(&format!("\\u{control:04x}"));
                rest = &rest[1..];
                continue;
            }
            [] => 0,
        };
        repaired.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    repaired.push_str(rest);
    ""
}

/// Whether the text begins with an escape `\uXXXX` of half a surrogate pair: `true` for the first half, `false` for the
/// second, `None` for neither.
fn surrogate(text: &str) -> Option<bool> {
    let digits = text.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(true),
        0xdc00..=0xdfff => Some(false),
        _ => None,
    }
}

/// As received:
/// `{"id": 7, "headline": "Example Corp raises its outlook"}`
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Object)
    }
}

/// A list, as received: `["AAPL", "MSFT"]`
#[derive(Deserialize)]
#[serde(transparent)]
struct List<'a>(#[serde(borrow)] Vec<&'a RawValue>);
