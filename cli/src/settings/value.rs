//! From what a person wrote to a value of the type that the setting has.
//!
//! A text is never guessed at: `12345` is a number where the setting is a number, and a text where it is a text. What does
//! not fit is handed on as it was written, and the configuration's own types refuse it with their reasons.

use super::Error;
use super::error::unknown_setting;
use super::tree::{Kind, Node};
use figment::value::{Dict, Empty, Tag, Value};
use toml_edit::{DocumentMut, Item, TableLike};

/// The value that a variable or a flag, `origin`, gives to a setting.
pub fn from_text(node: &Node, text: &str, origin: &str) -> Result<Value, Error> {
    let value = match &node.kind {
        Kind::Text => word(node, text),
        Kind::Number => number(text).unwrap_or_else(|| text.into()),
        Kind::Flag => text.trim().parse::<bool>().map_or_else(|_| text.into(), Value::from),
        Kind::List(items) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| word(items, text));
            items.collect::<Vec<_>>().into()
        }
        Kind::List(_) | Kind::Section(_) | Kind::Map(_) => {
            let document = document(text).map_err(|source| Error::Syntax { origin: origin.to_owned(), source })?;
            Reader { root: node, origin }.value(node, &document["value"], &mut Vec::new())?
        }
    };
    Ok(value)
}

/// The value of a text that TOML quotes; any other text as it is.
pub fn unquoted(text: &str) -> String {
    let quoted = text.starts_with(['"', '\'']).then(|| document(text).ok()).flatten();
    quoted.as_ref().and_then(|quoted| quoted["value"].as_str()).unwrap_or(text).to_owned()
}

/// The settings that a whole document gives.
pub fn from_document(root: &Node, document: &DocumentMut, origin: &str) -> Result<Dict, Error> {
    let value = Reader { root, origin }.value(root, document.as_item(), &mut Vec::new())?;
    Ok(value.into_dict().unwrap_or_default())
}

fn document(value: &str) -> Result<DocumentMut, toml_edit::TomlError> {
    format!("value = {value}").parse()
}

fn word(node: &Node, text: &str) -> Value {
    if node.optional && text.is_empty() { Value::Empty(Tag::Default, Empty::None) } else { text.into() }
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

struct Reader<'a> {
    root: &'a Node,
    origin: &'a str,
}

impl Reader<'_> {
    fn value(&self, node: &Node, item: &Item, path: &mut Vec<String>) -> Result<Value, Error> {
        match (&node.kind, item.as_table_like(), item.as_array()) {
            (Kind::Section(_) | Kind::Map(_), Some(table), _) => Ok(self.table(node, table, path)?.into()),
            (Kind::List(items), _, Some(array)) => {
                let values = array.iter().map(|value| self.value(items, &Item::Value(value.clone()), path));
                Ok(values.collect::<Result<Vec<_>, _>>()?.into())
            }
            (Kind::Text, None, None) => Ok(word(node, &written(item))),
            _ => Ok(as_written(item)),
        }
    }

    fn table(&self, node: &Node, table: &dyn TableLike, path: &mut Vec<String>) -> Result<Dict, Error> {
        let mut dict = Dict::new();
        for (key, item) in table.iter() {
            path.push(key.to_owned());
            match &node.kind {
                Kind::Section(settings) => {
                    let Some(setting) = settings.get(key) else {
                        return Err(unknown_setting(self.root, path, self.origin));
                    };
                    dict.insert(key.to_owned(), self.value(setting, item, path)?);
                }
                Kind::Map(value) if value.is_section() => {
                    dict.insert(key.to_owned(), self.value(value, item, path)?);
                }
                // TOML reads a key with dots that is not quoted as tables within tables.
                Kind::Map(value) => match item.as_table_like() {
                    Some(inner) => {
                        let inner = self.table(node, inner, path)?;
                        dict.extend(inner.into_iter().map(|(below, value)| (format!("{key}.{below}"), value)));
                    }
                    None => {
                        dict.insert(key.to_owned(), self.value(value, item, path)?);
                    }
                },
                _ => {}
            }
            path.pop();
        }
        Ok(dict)
    }
}

/// The text of a plain value: a text's content, and anything else letter by letter.
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

    fn read(kind: Kind, text: &str) -> Value {
        from_text(&node(kind), text, "here").unwrap()
    }

    #[test]
    fn a_text_stays_the_text_it_is() {
        for text in ["12345", "007", "1e3", "true", "nan", " padded ", "[x]", "{", "\"quoted\"", "2025-01-01"] {
            assert_eq!(read(Kind::Text, text).as_str(), Some(text));
        }
        for toml in ["007", "1e3", "true", "nan"] {
            let Ok(document) = document(toml) else { continue };
            let reader = Reader { root: &node(Kind::Text), origin: "here" };
            let value = reader.value(&node(Kind::Text), &document["value"], &mut Vec::new()).unwrap();
            assert_eq!(value.as_str(), Some(toml));
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
        assert!(matches!(from_text(&node(list()), "[", "here"), Err(Error::Syntax { .. })));
    }

    #[test]
    fn an_optional_setting_without_a_text_has_no_value() {
        let optional = Node { optional: true, ..node(Kind::Text) };
        assert!(matches!(from_text(&optional, "", "here").unwrap(), Value::Empty(..)));
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
        let error = from_text(&node(section), "{ knwon = { } }", "here").unwrap_err().to_string();
        assert!(error.contains("knwon") && error.contains("`known`"), "{error}");
    }

    #[test]
    fn a_quoted_text_loses_its_quotes_only_where_it_is_whole() {
        assert_eq!(unquoted("\"12345\""), "12345");
        assert_eq!(unquoted("'a b'"), "a b");
        assert_eq!(unquoted("\"torn"), "\"torn");
        assert_eq!(unquoted("12345"), "12345");
    }
}
