//! What the values of a row mean: moments, numbers, tickers and texts, as people write them.
//!
//! Everything here is pure. A value has exactly one meaning or is refused, with a reason in words for the person who
//! made the file. A value's meaning never depends on another row; only [`thousands`] looks at the prices of a file together.

pub(super) mod midnight;
pub mod number;
pub mod text;
pub(super) mod thousands;
pub mod ticker;
pub mod time;

#[cfg(test)]
mod tests;

pub use tapewire_core::text::quoted as quoted_text;
use tapewire_formats::Value;

/// The value as reasons quote it: in backticks, shortened if it is long.
pub fn quoted(value: &Value) -> String {
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::Text(text) => text.clone(),
        Value::Instant(at) => at.to_string(),
        Value::Civil(at) => at.to_string(),
        Value::Date(day) => day.to_string(),
        Value::List(_) => return "a list".into(),
        Value::Object(_) => return "an object".into(),
    };
    quoted_text(&text)
}

/// Whether a cell says that there is no value: empty, `-`, or a word that programs write for a missing number or
/// moment. Not for tickers: `NA` and `INF` are tickers.
pub fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 15] = [
        "-",
        "--",
        "—",
        "n/a",
        "#n/a",
        "na",
        "nan",
        "nat",
        "null",
        "none",
        "nil",
        "inf",
        "-inf",
        "infinity",
        "-infinity",
    ];
    let text = text.trim();
    text.is_empty() || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}
