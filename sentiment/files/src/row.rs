//! A row between input and output.

use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// A value of a column as JSON text; `None` if the row has no value.
pub(crate) type Cell = Option<Box<RawValue>>;

/// Location of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The input: a path, or `-` for the standard input.
    pub input: Arc<str>,
    /// Counted from 1: lines of text and JSON lines, rows after the header of CSV, rows of Parquet and of JSON lists.
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
    /// The row as in the input, without its line end. A JSON object of several lines is put on one line. For Parquet,
    /// the row's text.
    pub raw: Vec<u8>,
    /// A value for each column, if the output is made of values ([`super::input::Keep::Cells`]).
    pub cells: Vec<Cell>,
    /// The text, or the reason why there is nothing to score.
    pub text: Result<String, String>,
    /// The company, as in the company column.
    pub company: Option<String>,
}

impl Row {
    /// The row as written to the journal of a Parquet output, which identifies it when the job is resumed.
    pub fn journaled(&self) -> Self {
        let input = json(&*self.place.input);
        let text = json(&self.text.as_ref().ok());
        let company = json(&self.company);
        let row = self.place.row;
        let raw = format!(r#"{{"input":{input},"row":{row},"text":{text},"company":{company}}}"#).into_bytes();
        Self { place: self.place.clone(), raw, cells: Vec::new(), text: Ok(String::new()), company: None }
    }
}

/// The text that is scored: `text` as a reader sees it, or the reason why nothing of it can be seen. `what` names the text in
/// the reason.
pub(crate) fn scored_text(text: &str, what: &str) -> Result<String, String> {
    let read = tapewire_core::text::readable(text);
    if read.trim().is_empty() { Err(format!("{what} is empty")) } else { Ok(read.into_owned()) }
}

/// A row that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub place: Place,
    pub reason: String,
    /// The row, or the beginning of a row that is too long.
    pub raw: Vec<u8>,
}

/// An item of an input.
#[derive(Debug)]
pub(crate) enum Item {
    Row(Row),
    Unreadable(Unreadable),
}

/// Any value as JSON text.
pub(crate) fn json(value: &(impl serde::Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("strings and numbers are always JSON")
}
