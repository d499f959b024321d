//! One row on its way from an input to the output.

use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// A value of a column as JSON text; `None` where the row has none.
pub(crate) type Cell = Option<Box<RawValue>>;

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The input: a path, or `-` for the standard input.
    pub input: Arc<str>,
    /// Counted from 1: lines of text and JSON lines, rows after the header of CSV, rows of Parquet.
    pub row: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}", self.input, self.row)
    }
}

/// A row that could be read.
#[derive(Debug)]
pub(crate) struct Row {
    pub place: Place,
    /// The row as it stood in the input, without its line end; of Parquet its text.
    pub raw: Vec<u8>,
    /// A value for each column, where the output is made of values ([`super::input::Keep::Cells`]).
    pub cells: Vec<Cell>,
    /// What to score, or why there is nothing to score.
    pub text: Result<String, String>,
    /// Whom the text is about, as the company column has it.
    pub company: Option<String>,
}

impl Row {
    /// It as the journal of a Parquet output has it, and so what tells whether it is the same again.
    pub fn journaled(&self) -> Self {
        let input = json(&*self.place.input);
        let text = json(&self.text.as_ref().ok());
        let company = json(&self.company);
        let row = self.place.row;
        let raw = format!(r#"{{"input":{input},"row":{row},"text":{text},"company":{company}}}"#).into_bytes();
        Self { place: self.place.clone(), raw, cells: Vec::new(), text: Ok(String::new()), company: None }
    }
}

/// A row that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub place: Place,
    pub reason: String,
    /// The row, or the beginning of one that is too long.
    pub raw: Vec<u8>,
}

/// What an input yields.
#[derive(Debug)]
pub(crate) enum Item {
    Row(Row),
    Unreadable(Unreadable),
}

/// Any value as JSON text.
pub(crate) fn json(value: &(impl serde::Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("strings and numbers are always JSON")
}
