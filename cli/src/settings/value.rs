//! Converts what a person wrote to a value of the setting's type.
//!
//! The type is never guessed from the text: `12345` is a number where the setting is a number, and a text where it is a
//! text. Text that does not fit is handed on as it was written, and the configuration's types refuse it with their
//! reasons.

use super::Error;
use super::error::unknown_setting;
use super::tree::{Kind, Node};
use figment::value::{Dict, Empty, Tag, Value};
use toml_edit::{DocumentMut, Item, TableLike};

/// Where a value is written: the layer, and the path of the setting.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// All settings.
    pub root: &'a Node,
    /// File, variable or flag.
    pub origin: &'a str,
    /// The setting.
    pub path: &'a [String],
}

/// The value that the text of a variable or a flag gives to the setting `node`.
pub fn from_text(node: &Node, text: &str, place: Place<'_>) -> Result<Value, Error> {
    if node.optional && text.trim().is_empty() {
        return Ok(Value::Empty(Tag::Default, Empty::None));
    }
    match &node.kind {
        Kind::Text | Kind::Duration => word(node, text, place),
        Kind::Number => Ok(number(text).unwrap_or_else(|| text.into())),
        Kind::Flag => Ok(text.trim().parse::<bool>().map_or_else(|_| text.into(), Value::from)),
        Kind::List(items) if !text.trim_start().starts_with('[') => {
            let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            Ok(texts.map(|item| from_text(items, item, place)).collect::<Result<Vec<_>, _>>()?.into())
        }
        Kind::List(_) | Kind::Section(_) | Kind::Map(_) => {
            let document =
                document(text).map_err(|source| Error::Syntax { origin: place.origin.to_owned(), source })?;
            from_item(node, &document["value"], place)
        }
    }
}

/// The content of a TOML string in quotes; any other text as it is.
pub fn unquoted(text: &str) -> String {
    let quoted = text.starts_with(['"', '\'']).then(|| document(text).ok()).flatten();
    quoted.as_ref().and_then(|quoted| quoted["value"].as_str()).unwrap_or(text).to_owned()
}

/// The settings that a whole document gives.
pub fn from_document(root: &Node, document: &DocumentMut, origin: &str) -> Result<Dict, Error> {
    table(root, document.as_table(), Place { root, origin, path: &[] })
}

fn document(value: &str) -> Result<DocumentMut, toml_edit::TomlError> {
    format!("value = {value}").parse()
}

fn word(node: &Node, text: &str, place: Place<'_>) -> Result<Value, Error> {
    if node.optional && text.is_empty() {
        return Ok(Value::Empty(Tag::Default, Empty::None));
    }
    if matches!(node.kind, Kind::Duration) && text.parse::<jiff::SignedDuration>().is_err() {
        let reason = "it has to be a number with a unit, such as 500ms, 20s, 15m or 24h";
        return Err(place.refuses(format!("`{text}` is not a duration; {reason}")));
    }
    Ok(text.into())
}

/// A number in Rust's or in TOML's spelling.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let whole = || text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok();
    let decimal = || text.parse::<f64>().map(Value::from).ok();
    let toml = || match document(text).ok()?.get("value")?.as_value()? {
        toml_edit::Value::Integer(number) => Some(Value::from(*number.value())),
        toml_edit::Value::Float(number) => Some(Value::from(*number.value())),
        _ => None,
    };
    whole().or_else(decimal).or_else(toml)
}

impl Place<'_> {
    fn refuses(self, reason: String) -> Error {
        Error::Value { origin: self.origin.to_owned(), path: self.path.join("."), reason }
    }
}

fn from_item(node: &Node, item: &Item, place: Place<'_>) -> Result<Value, Error> {
    match (&node.kind, item.as_table_like(), item.as_array()) {
        (Kind::Section(_) | Kind::Map(_), Some(items), _) => Ok(table(node, items, place)?.into()),
        (Kind::Section(_) | Kind::Map(_), None, _) => Err(place.refuses("it is a section, not a value".into())),
        (Kind::List(items), _, Some(array)) => {
            let values = array.iter().map(|value| from_item(items, &Item::Value(value.clone()), place));
            Ok(values.collect::<Result<Vec<_>, _>>()?.into())
        }
        (Kind::Text | Kind::Duration, None, None) => word(node, &written(item), place),
        _ => Ok(as_written(item)),
    }
}

fn table(node: &Node, table: &dyn TableLike, place: Place<'_>) -> Result<Dict, Error> {
    let mut dict = Dict::new();
    for (key, item) in table.iter() {
        let path: Vec<String> = place.path.iter().cloned().chain([key.to_owned()]).collect();
        let place = Place { path: &path, ..place };
        match &node.kind {
            Kind::Section(settings) => {
                let setting = settings.get(key);
                let setting = setting.ok_or_else(|| unknown_setting(place.root, place.path, place.origin))?;
                dict.insert(key.to_owned(), from_item(setting, item, place)?);
            }
            // TOML reads a key with dots that is not quoted as tables within tables.
            Kind::Map(value) if !value.is_section() && item.is_table_like() => {
                let below = from_item(node, item, place)?.into_dict().unwrap_or_default();
                dict.extend(below.into_iter().map(|(below, value)| (format!("{key}.{below}"), value)));
            }
            Kind::Map(value) => {
                dict.insert(key.to_owned(), from_item(value, item, place)?);
            }
            _ => {}
        }
    }
    Ok(dict)
}

/// The text of a plain value: the content of a string, and anything else as it was written.
fn written(item: &Item) -> String {
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => text.value().clone(),
        Some(toml_edit::Value::Integer(number)) => number.display_repr().into_owned(),
        Some(toml_edit::Value::Float(number)) => number.display_repr().into_owned(),
        Some(toml_edit::Value::Boolean(flag)) => flag.display_repr().into_owned(),
        Some(toml_edit::Value::Datetime(time)) => time.display_repr().into_owned(),
        _ => item.to_string(),
    }
}

fn as_written(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        let dict: Dict = table.iter().map(|(key, item)| (key.to_owned(), as_written(item))).collect();
        return dict.into();
    }
    match item.as_value() {
        Some(toml_edit::Value::Integer(number)) => (*number.value()).into(),
        Some(toml_edit::Value::Float(number)) => (*number.value()).into(),
        Some(toml_edit::Value::Boolean(flag)) => (*flag.value()).into(),
        Some(toml_edit::Value::Array(array)) => {
            array.iter().map(|value| as_written(&Item::Value(value.clone()))).collect::<Vec<_>>().into()
        }
        _ => written(item).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn node(kind: Kind) -> Node {
        Node { doc: String::new(), kind, optional: false, secret: false, example: None }
    }

    fn read_as(node: &Node, text: &str) -> Result<Value, Error> {
        from_text(node, text, Place { root: node, origin: "here", path: &[] })
    }

    fn read(kind: Kind, text: &str) -> Value {
        read_as(&node(kind), text).unwrap()
    }

    #[test]
    fn a_text_stays_the_text_that_was_written() {
        for text in ["12345", "007", "1e3", "true", "nan", " padded ", "[x]", "{", "\"quoted\"", "2025-01-01"] {
            assert_eq!(read(Kind::Text, text).as_str(), Some(text));
        }
        for toml in ["12345", "1e3", "1_000", "true", "nan", "2025-01-01"] {
            let section = node(Kind::Section(BTreeMap::from([("user".to_owned(), node(Kind::Text))])));
            let document = format!("user = {toml}  # a comment").parse().unwrap();
            let settings = from_document(&section, &document, "here").unwrap();
            assert_eq!(settings["user"].as_str(), Some(toml));
        }
    }

    #[test]
    fn numbers_flags_and_lists_are_read_where_the_setting_is_one() {
        assert_eq!(read(Kind::Number, "007").to_i128(), Some(7));
        assert_eq!(read(Kind::Number, " 2_000 ").to_i128(), Some(2000));
        assert_eq!(read(Kind::Number, "0.5").to_f64(), Some(0.5));
        assert_eq!(read(Kind::Number, "many").as_str(), Some("many"));
        assert_eq!(read(Kind::Flag, "true").to_bool(), Some(true));
        let list = || Kind::List(Box::new(node(Kind::Text)));
        for text in ["A, 2,true", r#"["A", "2", "true"]"#, r#"["A", 2, true]"#] {
            let items = read(list(), text).into_array().unwrap();
            assert_eq!(items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>(), ["A", "2", "true"]);
        }
        assert_eq!(read(list(), "").into_array().unwrap().len(), 0);
        assert!(matches!(read_as(&node(list()), "["), Err(Error::Syntax { .. })));
    }

    #[test]
    fn a_duration_needs_a_unit() {
        for text in ["20s", "1m 30s", "1.5h", "PT20S"] {
            assert_eq!(read(Kind::Duration, text).as_str(), Some(text));
        }
        for text in ["20", "", "soon"] {
            let error = read_as(&node(Kind::Duration), text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("20s"), "{error}");
        }
    }

    #[test]
    fn an_optional_setting_without_a_text_has_no_value() {
        let optional = Node { optional: true, ..node(Kind::Text) };
        assert!(matches!(read_as(&optional, "").unwrap(), Value::Empty(..)));
        assert_eq!(read(Kind::Text, "").as_str(), Some(""));
    }

    #[test]
    fn keys_with_dots_are_one_key_whether_quoted_or_not() {
        let map = || Kind::Map(Box::new(node(Kind::Text)));
        for text in ["{ \"a.b.c\" = 1 }", "{ a.b.c = 1 }", "{ a = { b = { c = 1 } } }"] {
            let dict = read(map(), text).into_dict().unwrap();
            assert_eq!(dict["a.b.c"].as_str(), Some("1"), "{text}");
        }
        let section = Kind::Section(BTreeMap::from([("known".to_owned(), node(map()))]));
        let error = read_as(&node(section), "{ knwon = { } }").unwrap_err().to_string();
        assert!(error.contains("knwon") && error.contains("`known`"), "{error}");
    }

    #[test]
    fn a_quoted_text_loses_its_quotes_only_if_they_are_complete() {
        assert_eq!(unquoted("\"12345\""), "12345");
        assert_eq!(unquoted("'a b'"), "a b");
        assert_eq!(unquoted("\"torn"), "\"torn");
        assert_eq!(unquoted("12345"), "12345");
    }
}
