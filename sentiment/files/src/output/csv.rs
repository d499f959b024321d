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
        let fields = fields(text.trim_end_matches('\r'), char::from(self.dialect.separator))?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        if fields.len() == self.scores.names().len() { ScoreColumns::read(&fields).flatten() } else { None }
    }
}

/// The fields of a line, those in quotes as JSON strings. `None` if a quote is not closed, or is followed by other text.
fn fields(line: &str, separator: char) -> Option<Vec<String>> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(inner) => {
                let end = closing_quote(inner)?;
                (json(&inner[..end].replace("\"\"", "\"")).get().to_owned(), &inner[end + 1..])
            }
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(separator) {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// Where the quote is that ends a field; quotes in the field are doubled.
fn closing_quote(inner: &str) -> Option<usize> {
    let mut quotes = inner.match_indices('"').map(|(at, _)| at);
    while let Some(at) = quotes.next() {
        if !inner[at + 1..].starts_with('"') {
            return Some(at);
        }
        quotes.next();
    }
    None
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
