//! Files of companies: CSV, with a header that says what is in them.
//!
//! | header | names |
//! |---|---|
//! | `symbol,name,aliases`, and more | names that somebody chose: the name, and further ones with semicolons between |
//! | `symbol,name`, and more | legal names, as lists of instruments have them; common names are derived from them |
//!
//! More columns are `kind`, `exchange`, `cik`, `figi`, `valid_from` and `valid_to` (dates, both included), in any order.

use crate::SentimentError;
use csv::StringRecord;
use std::str::FromStr;
use tapewire_core::{Instrument, Symbol};

const COLUMNS: [&str; 9] = ["symbol", "name", "aliases", "kind", "exchange", "cik", "figi", "valid_from", "valid_to"];

/// The rows of a file.
pub struct Table {
    /// In the file's order.
    pub instruments: Vec<Instrument>,
    /// Whether somebody chose the names; otherwise they are legal names.
    pub has_chosen_names: bool,
}

/// Reads a file. `place` names it in errors.
///
/// # Errors
/// [`SentimentError::Companies`], naming file and line.
pub fn read(place: &str, text: &str) -> Result<Table, SentimentError> {
    let wrong =
        |line: u64, problem: String| SentimentError::Companies { place: format!("{place}, line {line}"), problem };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    if header.is_empty() {
        return Ok(Table { instruments: Vec::new(), has_chosen_names: true });
    }
    check(&header).map_err(|problem| wrong(1, problem))?;
    let mut instruments = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.position().map_or(0, |at| at.line()), error.to_string()))?;
        // The reader begins a record at the blank lines before it.
        let blank_lines = |at: &csv::Position| {
            text.get(usize::try_from(at.byte()).ok()?..)?.split('\n').position(|line| !line.trim().is_empty())
        };
        let line = record.position().map_or(0, |at| at.line() + blank_lines(at).unwrap_or_default() as u64);
        instruments.push(instrument(&header, &record).map_err(|problem| wrong(line, problem))?);
    }
    Ok(Table { instruments, has_chosen_names: header.iter().any(|column| column == "aliases") })
}

fn check(header: &StringRecord) -> Result<(), String> {
    let written = || header.iter().collect::<Vec<_>>().join(",");
    if !["symbol", "name"].iter().all(|needed| header.iter().any(|column| column == *needed)) {
        return Err(format!("`{}` is not the header; it has at least symbol,name", written()));
    }
    match header.iter().find(|column| !COLUMNS.contains(column)) {
        Some(column) => Err(format!("there is no column `{column}`; the columns are {}", COLUMNS.join(","))),
        None => Ok(()),
    }
}

fn instrument(header: &StringRecord, record: &StringRecord) -> Result<Instrument, String> {
    if record.len() > header.len() {
        return Err(format!("{} columns; quote a name that has a comma", record.len()));
    }
    let field = |name: &str| {
        let at = header.iter().position(|column| column == name)?;
        record.get(at).filter(|value| !value.is_empty())
    };
    let symbol = Symbol::new(field("symbol").unwrap_or_default()).map_err(|error| error.to_string())?;
    let name = field("name").ok_or_else(|| format!("{symbol} has no name"))?;
    let aliases = field("aliases").unwrap_or_default().split(';').map(str::trim).filter(|alias| !alias.is_empty());
    let [valid_from, valid_to] =
        ["valid_from", "valid_to"].map(|column| value(column, field(column), "a date such as 2022-06-08"));
    Ok(Instrument {
        aliases: aliases.map(str::to_owned).collect(),
        kind: value("kind", field("kind"), "a kind, such as stock, preferred or fund")?.unwrap_or_default(),
        exchange: field("exchange").unwrap_or_default().to_owned(),
        cik: value("cik", field("cik"), "a number")?,
        figi: field("figi").map(str::to_owned),
        valid_from: valid_from?,
        valid_to: valid_to?,
        ..Instrument::new(symbol, name)
    })
}

fn value<T: FromStr>(column: &str, field: Option<&str>, what: &str) -> Result<Option<T>, String> {
    let parse = |field: &str| field.parse().map_err(|_| format!("{column} is `{field}`, not {what}"));
    field.map(parse).transpose()
}
