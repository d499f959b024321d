//! Tickers, as they are written in lists and texts.

use super::{quoted, quoted_text};
pub use tapewire_core::ticker::{Tickers as Companies, is_absent, read as ticker};
use tapewire_formats::Value;

/// The fields that name the company in an object of a list; the first that is there counts.
const NAMES: [&str; 4] = ["ticker", "symbol", "stockTicker", "code"];

/// Reads the companies of an article: a list of tickers or of objects with a `ticker` or `symbol`, a text with `,`, `;`,
/// `|` or spaces between tickers, or a list written as a text. Nulls and empty items are passed over; what is not a ticker
/// is left out, with its reason, and costs nothing else.
pub fn companies(value: &Value) -> Companies {
    let mut companies = Companies::default();
    collect(value, &mut companies);
    companies
}

fn collect(value: &Value, companies: &mut Companies) {
    match value {
        Value::Text(text) => in_text(text, companies),
        Value::List(items) => items.iter().for_each(|item| in_list(item, companies)),
        other => in_list(other, companies),
    }
}

fn in_list(item: &Value, companies: &mut Companies) {
    match item {
        Value::Null => {}
        Value::Text(text) => companies.add_item(text),
        Value::Number(digits) => companies.add(digits),
        Value::Object(fields) => {
            let field = |name: &str| fields.iter().rfind(|(own, _)| own.eq_ignore_ascii_case(name));
            match NAMES.into_iter().find_map(field).map(|(_, value)| value) {
                Some(named @ (Value::Null | Value::Text(_) | Value::Number(_))) => return in_list(named, companies),
                Some(_) => {}
                // Benzinga's `name` is a ticker; that of others is the name of the company.
                None => match field("name") {
                    Some((_, Value::Text(name))) if is_spelled_as_ticker(name) => return companies.add(name),
                    _ => {}
                },
            }
            companies.left_out.push("an object without `ticker` or `symbol` is not a ticker".into());
        }
        other => companies.left_out.push(format!("{} is not a ticker", quoted(other))),
    }
}

/// Whether a name is short and in capitals, as a ticker is.
fn is_spelled_as_ticker(name: &str) -> bool {
    let name = name.trim();
    name.len() <= 6 && name.chars().all(|c| c.is_ascii_uppercase() || ".-/".contains(c))
        || tapewire_core::ticker::decorated(name).is_ok_and(|ticker| ticker.is_some())
}

/// A text of one ticker or several, or a list that a program wrote as a text: `["A", "B"]`, `['A' 'B']`, `{A,B}`.
fn in_text(text: &str, companies: &mut Companies) {
    let text = text.trim();
    let is_list = [('[', ']'), ('{', '}'), ('(', ')')]
        .iter()
        .any(|&(open, close)| text.starts_with(open) && text.ends_with(close));
    if !is_list || text.len() < 2 {
        return companies.add_text(text);
    }
    if let Ok(list) = serde_json::from_str(text) {
        return collect(&of_json(list), companies);
    }
    let inner = text[1..text.len() - 1].trim();
    match ['\'', '"'].into_iter().find(|quote| inner.contains(*quote)) {
        // Python writes a comma between the items of a list, numpy a space.
        Some(quote) if inner.starts_with(quote) => {
            inner.split(quote).skip(1).step_by(2).for_each(|item| companies.add(item));
        }
        Some(_) => companies.left_out.push(format!("{} is not a list of tickers", quoted_text(text))),
        None => companies.add_text(inner),
    }
}

fn of_json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        Json::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, of_json(value))).collect()),
    }
}
