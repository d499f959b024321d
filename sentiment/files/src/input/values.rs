//! The text and the company of a row.

use crate::row::scored_text;
use tapewire_core::text::without_invisible;
use tapewire_core::ticker;
use tapewire_formats::{Value, is_missing_text};

/// The text, or the reason why there is nothing to score. `what` is a field or a column.
pub(super) fn text(value: Option<&Value>, what: &str, name: &str) -> Result<String, String> {
    match value {
        None => Err(format!("it has no {what} {name}")),
        Some(Value::Null) => Err(format!("{what} {name} is null")),
        Some(Value::Text(text)) if is_missing_text(text) => {
            Err(format!("{what} {name} is `{}`, which stands for a missing text", text.trim()))
        }
        Some(Value::Text(text)) => scored_text(text, &format!("{what} {name}")),
        Some(other) => Err(format!("{what} {name} is not a text but {}", kind(other))),
    }
}

/// The company that a row is about: a name or ticker, or a list with one of these. A text that is a list as JSON or
/// Python writes it counts as a list.
///
/// # Errors
/// The reason, if it is not clear which company is meant, so that no company that the user named is silently ignored.
pub(super) fn company(value: Option<&Value>, what: &str, name: &str) -> Result<Option<String>, String> {
    let texts = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Text(text)) => match json_list(text) {
            Some(texts) => texts,
            None => vec![text.clone()],
        },
        Some(Value::List(values)) => values
            .iter()
            .filter(|value| **value != Value::Null)
            .map(|value| match value {
                Value::Text(text) => Ok(text.clone()),
                other => {
                    Err(format!("{what} {name} has {} in its list, not names or tickers of companies", kind(other)))
                }
            })
            .collect::<Result<_, _>>()?,
        Some(other) => return Err(format!("{what} {name} is {}, not the name or ticker of a company", kind(other))),
    };
    let texts = texts.into_iter().flat_map(|text| ticker::listed(&text).unwrap_or_else(|| vec![text]));
    let plain = texts.map(|text| name_or_ticker(&text, what, name)).collect::<Result<Vec<String>, _>>()?;
    let mut texts: Vec<String> = plain.into_iter().filter(|text| !ticker::is_absent(text)).collect();
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    match &texts[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => Err(why_not_several(&format!("{what} {name}"), several)),
    }
}

/// Why there is no score if several companies are named. `place` says where.
pub(crate) fn why_not_several(place: &str, named: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = named.iter().take(5).map(AsRef::as_ref).collect();
    let (count, names, more) = (named.len(), names.join(", "), if named.len() > 5 { ", ..." } else { "" });
    format!(
        "{place} names {count} companies ({names}{more}), but a row is scored for one; write one row for each company"
    )
}

/// The name or ticker in a text, without exchange, market and invisible characters.
fn name_or_ticker(text: &str, what: &str, name: &str) -> Result<String, String> {
    let found = ticker::decorated(text).map_err(|reason| format!("{what} {name}: {reason}"))?;
    Ok(found.map_or_else(|| without_invisible(text).into_owned(), |symbol| symbol.to_string()))
}

/// The texts of a list that is written as a text, by JSON or Python: `["AAPL","MSFT"]`.
fn json_list(text: &str) -> Option<Vec<String>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    let texts = serde_json::from_str::<Vec<Option<String>>>(text).ok().or_else(|| python_list(text))?;
    Some(texts.into_iter().flatten().collect())
}

/// A list as Python prints it: `['AAPL', "Lowe's", None]`. A text must not contain the quote that it is enclosed in.
fn python_list(text: &str) -> Option<Vec<Option<String>>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let after = match rest.chars().next()? {
            quote @ ('\'' | '"') => {
                let (inside, after) = rest[1..].split_once(quote)?;
                found.push(Some(inside.to_owned()));
                after
            }
            _ => {
                let (word, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if !matches!(word.trim(), "None" | "nan" | "null") {
                    return None;
                }
                found.push(None);
                after
            }
        };
        rest = match after.trim_start() {
            "" => "",
            after => after.strip_prefix(',')?.trim_start(),
        };
    }
    Some(found)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::Instant(_) | Value::Civil(_) | Value::Date(_) => "a time",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Value {
        Value::List(texts.iter().map(|text| Value::Text((*text).into())).collect())
    }

    #[test]
    fn a_text_of_invisible_characters_is_empty() {
        let read = |text: &str| super::text(Some(&Value::Text(text.into())), "field", "text");
        for invisible in
            ["", " ", "\u{200b}", "\u{200b}\u{2060}\u{feff}", "\u{ad}", "\u{a0}", "&nbsp;", "<p>\u{200b}</p>"]
        {
            assert_eq!(read(invisible), Err("field text is empty".into()), "{invisible:?}");
        }
        assert_eq!(read("Profit\u{200b} doubled"), Ok("Profit doubled".into()));
    }

    /// pandas writes `NaN` where a headline is missing, and the model would have a score for it.
    #[test]
    fn a_cell_that_programs_write_for_a_missing_text_is_no_text() {
        let read = |text: &str| super::text(Some(&Value::Text(text.into())), "column", "title");
        for missing in ["NaN", "nan", " None ", "null", "<NA>"] {
            let reason = format!("column title is `{}`, which stands for a missing text", missing.trim());
            assert_eq!(read(missing), Err(reason));
        }
        for text in ["NA", "None of the banks failed", "Nan Ya Plastics rises"] {
            assert_eq!(read(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_list_of_one_names_that_company_and_a_list_of_several_is_refused_with_a_reason() {
        let text = |text: &str| Value::Text(text.into());
        for (value, expected) in [
            (text("MSFT"), Some("MSFT")),
            (texts(&["MSFT"]), Some("MSFT")),
            (texts(&["MSFT", "MSFT", " "]), Some("MSFT")),
            (text("[\"MSFT\"]"), Some("MSFT")),
            (text(" [\"MSFT\", null]"), Some("MSFT")),
            (text("['MSFT']"), Some("MSFT")),
            (text("['MSFT', None, nan]"), Some("MSFT")),
            (text("[\"Lowe's\", None]"), Some("Lowe's")),
            (text("Tiffany, Inc."), Some("Tiffany, Inc.")),
            (text("[MSFT]"), Some("[MSFT]")),
            (texts(&[]), None),
            (text("[]"), None),
            (text(" "), None),
            (text("nan"), None),
            (texts(&["None", "MSFT"]), Some("MSFT")),
            (text("\u{200b}MSFT"), Some("MSFT")),
            (text("NASDAQ:MSFT"), Some("MSFT")),
            (texts(&["MSFT.O", "MSFT US Equity"]), Some("MSFT")),
            (text("Johnson & Johnson"), Some("Johnson & Johnson")),
            (text("AT & T"), Some("AT & T")),
            (text("APPLE, INC."), Some("APPLE, INC.")),
            (text("VOD LN Equity"), Some("VOD.L")),
            (texts(&["LON:VOD", "VOD.L"]), Some("VOD.L")),
            (Value::Null, None),
        ] {
            assert_eq!(company(Some(&value), "field", "symbols"), Ok(expected.map(str::to_owned)), "{value:?}");
        }
        assert_eq!(company(None, "field", "symbols"), Ok(None));
        let object = Value::Object(vec![("ticker".into(), text("MSFT"))]);
        for (value, reason) in [
            (texts(&["AAPL", "MSFT"]), "field symbols names 2 companies (AAPL, MSFT), but a row is scored for one"),
            (text("[\"A\",\"B\",\"C\",\"D\",\"E\",\"F\"]"), "field symbols names 6 companies (A, B, C, D, E, ...)"),
            (text("AAPL;MSFT"), "field symbols names 2 companies (AAPL, MSFT)"),
            (text("['AAPL', 'MSFT']"), "field symbols names 2 companies (AAPL, MSFT)"),
            (text("AAPL, BRK.B,"), "field symbols names 2 companies (AAPL, BRK.B)"),
            (text("AAPL/MSFT"), "field symbols names 2 companies (AAPL, MSFT)"),
            (texts(&["AAPL/MSFT"]), "field symbols names 2 companies (AAPL, MSFT)"),
            (text("US0378331005"), "field symbols: `US0378331005` is an ISIN"),
            (Value::Number("7".into()), "field symbols is a number, not the name or ticker"),
            (Value::Bool(true), "field symbols is true or false, not"),
            (object.clone(), "field symbols is an object, not the name"),
            (Value::List(vec![object]), "field symbols has an object in its list"),
        ] {
            let error = company(Some(&value), "field", "symbols").unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
