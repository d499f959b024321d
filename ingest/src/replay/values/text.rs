//! Texts: a headline, a name, keywords.

use super::quoted;
use tapewire_formats::Value;

/// The text of a value, without white space around it; empty if there is no value. A number becomes its digits.
///
/// # Errors
/// The reason why the value is not a text. The reason quotes the value.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Text(text) | Value::Number(text) => Ok(text.trim().to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Instant(_) | Value::Civil(_) | Value::Date(_) | Value::List(_) | Value::Object(_) => {
            Err(format!("{} is not a text", quoted(value)))
        }
    }
}

/// The name of a publisher or author: a text, an object with a name, or a list of either.
///
/// # Errors
/// As [`text`].
pub fn name(value: &Value) -> Result<String, String> {
    const NAMES: [&str; 6] = ["name", "displayName", "title", "domain", "url", "id"];
    match value {
        Value::Object(fields) => {
            let named = NAMES.into_iter().filter_map(|name| fields.iter().rfind(|(own, _)| own == name));
            let mut texts = named.filter_map(|(_, value)| text(value).ok()).filter(|text| !text.is_empty());
            texts.next().ok_or_else(|| "an object without a name".into())
        }
        Value::List(items) => {
            let names = items.iter().map(name).collect::<Result<Vec<_>, _>>()?;
            Ok(names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", "))
        }
        other => text(other),
    }
}

/// The URL of an article: a text, or an object with a `url`.
///
/// # Errors
/// As [`text`].
pub fn url(value: &Value) -> Result<String, String> {
    match value {
        Value::Object(fields) => match fields.iter().rfind(|(own, _)| own == "url" || own == "href") {
            Some((_, value)) => text(value),
            None => Err("an object without a url".into()),
        },
        other => text(other),
    }
}

/// Keywords: a list of texts or of objects with a name, or a text with `,` or `;` between them.
///
/// # Errors
/// As [`text`].
pub fn keywords(value: &Value) -> Result<Vec<String>, String> {
    let words = match value {
        Value::List(items) => items.iter().map(keyword).collect::<Result<Vec<_>, _>>()?,
        Value::Text(text) => text.split([',', ';']).map(|word| word.trim().to_owned()).collect(),
        other => vec![text(other)?],
    };
    Ok(words.into_iter().filter(|word| !word.is_empty()).collect())
}

fn keyword(value: &Value) -> Result<String, String> {
    match value {
        Value::Object(fields) => {
            match fields.iter().rfind(|(own, _)| ["topic", "name", "keyword"].contains(&own.as_str())) {
                Some((_, value)) => text(value),
                None => Err("an object without a name".into()),
            }
        }
        other => text(other),
    }
}
