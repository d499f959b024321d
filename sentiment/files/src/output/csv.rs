//! CSV: the scores are additional columns. Rows from CSV keep every byte, including quotes.

use super::lines::{Layout, Lines};
use super::{Writing, as_written};
use crate::FilesError;
use crate::columns::{Score, ScoreColumns};
use crate::input::{Dialect, Keep, header_of, quoted};
use crate::resume::Target;
use crate::row::{Row, json};

pub(super) struct Csv {
    scores: ScoreColumns,
    dialect: Dialect,
    keep: Keep,
}

impl Csv {
    pub fn open(mut target: Target, writing: &Writing<'_>) -> Result<Lines<Self>, FilesError> {
        let dialect = match &writing.opened.dialect {
            Some(dialect) => dialect.clone(),
            None => new_dialect(writing),
        };
        let scores = writing.scores.clone();
        let names = scores.names().iter().map(|name| quoted(name, dialect.separator));
        let names = names.collect::<Vec<_>>().join(&separator(&dialect));
        let mut header = dialect.header.clone();
        if !header.is_empty() {
            header.push(dialect.separator);
        }
        header.extend_from_slice(names.as_bytes());
        match target.existing(&header)? {
            Some(rest) => as_written(&target, &rest, end_of_line(&dialect).as_bytes())?,
            None => target.write(&[&header, dialect.line_end.as_bytes()].concat())?,
        }
        Ok(Lines::new(target, Self { scores, dialect, keep: writing.keep }))
    }
}

impl Layout for Csv {
    fn beginning(&self, row: &Row) -> Vec<u8> {
        let mut line = if self.keep == Keep::Raw {
            row.raw.clone()
        } else {
            let field =
                |cell: &crate::row::Cell| field(cell.as_ref().map_or("null", |value| value.get()), &self.dialect);
            row.cells.iter().map(field).collect::<Vec<_>>().join(&separator(&self.dialect)).into_bytes()
        };
        if !self.dialect.header.is_empty() {
            line.push(self.dialect.separator);
        }
        line
    }

    fn end(&self, scored: Option<&Score>) -> String {
        let fields = self.scores.cells(scored).map(|cell| field(&cell, &self.dialect));
        format!("{}{}", fields.join(&separator(&self.dialect)), end_of_line(&self.dialect))
    }

    fn read(&self, end: &[u8]) -> Option<Score> {
        let text = String::from_utf8_lossy(end);
        let separator = char::from(self.dialect.separator);
        let mut fields: Vec<&str> = text.trim_end_matches('\r').split(separator).collect();
        // Only the name that the model was asked about may have a separator or quotes in it.
        let (names, windows) = (self.scores.names().len(), fields.pop()?);
        let asked_as = fields.split_off(fields.len().min(names - 2)).join(&separator.to_string());
        let asked_as = match asked_as.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
            Some(inner) => json(&inner.replace("\"\"", "\"")).get().to_owned(),
            None => asked_as,
        };
        fields.extend([asked_as.as_str(), windows]);
        ScoreColumns::read(&fields).flatten()
    }
}

/// The dialect for inputs that are not CSV.
fn new_dialect(writing: &Writing<'_>) -> Dialect {
    let tabs = writing.path.is_some_and(|path| path.extension().is_some_and(|extension| extension == "tsv"));
    let separator = if tabs { b'\t' } else { b',' };
    Dialect { separator, line_end: "\n", header: header_of(&writing.opened.columns, separator) }
}

fn separator(dialect: &Dialect) -> String {
    char::from(dialect.separator).to_string()
}

/// The part of a line's end before the line feed.
fn end_of_line(dialect: &Dialect) -> &'static str {
    dialect.line_end.trim_end_matches('\n')
}

/// A JSON value as a field: strings without JSON's quotes, null as an empty field.
fn field(cell: &str, dialect: &Dialect) -> String {
    match cell {
        "null" => String::new(),
        _ => match serde_json::from_str::<String>(cell) {
            Ok(text) => quoted(&text, dialect.separator),
            Err(_) => quoted(cell, dialect.separator),
        },
    }
}
