//! Tables that pandas writes as one JSON object, which is no row.
//!
//! | `df.to_json(orient=...)` | |
//! |---|---|
//! | `records`, with `lines` or without; `table` | rows |
//! | `columns`, the default | `{"title":{"0":"a","1":"b"},"at":{"0":1,"1":2}}` |
//! | `index` | `{"0":{"title":"a","at":1},"1":{"title":"b","at":2}}` |
//! | `split` | `{"columns":["title","at"],"index":[0,1],"data":[["a",1],["b",2]]}` |
//! | `values` | a list of lists, which is refused before it gets here |

use crate::{FormatError, Value};

/// What to write instead.
pub(crate) const REMEDY: &str = "write it with df.to_json('FILE', orient=\"records\", lines=True), and with \
                                 df.reset_index() before it if the index is data";

/// How a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orient {
    Columns,
    Index,
    /// One of the two before: neither names of columns nor of rows are numbers or dates.
    ColumnsOrIndex,
    Split,
}

impl Orient {
    /// The layout of an object; `None` if it is a row.
    pub fn of<Name: AsRef<str>>(fields: &[(Name, Value)]) -> Option<Self> {
        let field = |name: &str| fields.iter().find(|(own, _)| own.as_ref() == name).map(|(_, value)| value);
        if let (Some(Value::List(_)), Some(Value::List(rows))) = (field("columns"), field("data")) {
            let is_table = fields.len() <= 3 && rows.iter().all(|row| matches!(row, Value::List(_)));
            return is_table.then_some(Self::Split);
        }
        let inner = |value: &Value| match value {
            Value::Object(inner) if !inner.is_empty() => Some(inner.iter().map(|(name, _)| name.clone()).collect()),
            _ => None,
        };
        let names = fields.iter().map(|(_, value)| inner(value)).collect::<Option<Vec<Vec<String>>>>()?;
        let first = names.first()?;
        if names.iter().any(|own| own != first) {
            return None;
        }
        let outer_are_rows = fields.iter().all(|(name, _)| is_label(name.as_ref()));
        match (outer_are_rows, first.iter().all(|name| is_label(name))) {
            (true, false) => Some(Self::Index),
            // A single field with an object may be anything.
            _ if fields.len() < 2 => None,
            (false, true) => Some(Self::Columns),
            _ if first.len() < 2 => None,
            _ => Some(Self::ColumnsOrIndex),
        }
    }

    /// The layout of an object that is too long to be a row, by its beginning.
    pub fn of_beginning(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw);
        let (outer, value) = name_and_value(&text)?;
        match value.chars().next()? {
            '[' => (outer == "columns").then_some(Self::Split),
            '{' => match (is_label(outer), is_label(name_and_value(value)?.0)) {
                (true, false) => Some(Self::Index),
                (false, true) => Some(Self::Columns),
                _ => None,
            },
            _ => None,
        }
    }

    /// The error for a table that is not read.
    pub fn refused(self, place: &str) -> FormatError {
        let orient = match self {
            Self::Columns => "\"columns\", its default",
            Self::Index => "\"index\"",
            Self::ColumnsOrIndex => "\"columns\", its default, or \"index\"",
            Self::Split => "\"split\"",
        };
        FormatError::Refused {
            place: place.to_owned(),
            what: format!("a table that pandas wrote with orient={orient}"),
            remedy: REMEDY.to_owned(),
        }
    }
}

/// Whether a name is that of a row: a number, as pandas counts rows and writes moments, or a date.
fn is_label(name: &str) -> bool {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = || {
        let (year, rest) = name.split_at_checked(4)?;
        (year.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('-')).then_some(())
    };
    is_number || is_date().is_some()
}

/// The first name of an object, and what follows its colon.
fn name_and_value(object: &str) -> Option<(&str, &str)> {
    let (name, rest) = object.trim_start().strip_prefix('{')?.trim_start().strip_prefix('"')?.split_once('"')?;
    Some((name, rest.trim_start().strip_prefix(':')?.trim_start()))
}
