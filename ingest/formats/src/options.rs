//! Options that say how to read a file where its contents do not show it.

use crate::FormatError;
use std::path::Path;
use std::str::FromStr;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Rows of values with `,`, `;`, tab or `|` between them.
    Csv,
    /// JSON objects: one on each line, one after the other, in a list, or in a list under a key.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Lines of text: one column, `text`.
    Text,
}

impl Format {
    /// Names on the command line. `jsonl` is another name of `json`.
    pub const NAMES: [&str; 5] = ["csv", "json", "jsonl", "parquet", "text"];

    /// The format that the extension of a file's name stands for, without the extension of a compressed file (`.gz`,
    /// `.zst`, `.bz2`, `.xz`). If the contents show another format, the contents decide.
    pub fn of_name(path: &Path) -> Option<Self> {
        let extension = |path: &Path| path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
        let end = extension(path)?;
        let end = match end.as_str() {
            "gz" | "gzip" | "zst" | "zstd" | "bz2" | "xz" => extension(Path::new(path.file_stem()?))?,
            _ => end,
        };
        match end.as_str() {
            "csv" | "tsv" | "tab" | "psv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "parquet" | "pq" => Some(Self::Parquet),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        match name {
            // The separator is detected, so `tsv` is another name of `csv`.
            "csv" | "tsv" => Ok(Self::Csv),
            "json" | "jsonl" => Ok(Self::Json),
            "parquet" => Ok(Self::Parquet),
            "text" => Ok(Self::Text),
            _ => Err(FormatError::Options(format!(
                "there is no input format {name}; choose one of {}",
                Self::NAMES.join(", ")
            ))),
        }
    }
}

/// How to read a file. By default the contents of the file decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The format; by default the contents decide.
    pub format: Option<Format>,
    /// The format of contents that are neither JSON nor Parquet, if no format is given. [`Format::Parquet`] is read as
    /// CSV here.
    pub otherwise: Format,
    /// Whether the first row of CSV has the names of the columns.
    pub header: bool,
    /// The names of the columns of CSV, instead of those of the header; without a header the default is `c1`, `c2`, ...
    pub columns: Option<Vec<String>>,
    /// The separator of CSV; by default the most frequent of `,`, `;`, tab and `|` in the first line.
    pub separator: Option<u8>,
    /// The encoding, by its WHATWG label: `windows-1252`, `latin1`, `utf-16le`. By default UTF-8, or UTF-16
    /// where the contents show it.
    pub encoding: Option<String>,
    /// Whether a table that pandas wrote as one JSON object, with `orient` `columns` or `split`, is a row, which the
    /// caller takes apart. Otherwise it is refused.
    pub tables: bool,
}

/// Whether a byte can be the separator of CSV.
pub(crate) fn is_separator(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n')
}

/// What an error says about a byte that can't be the separator.
pub(crate) const NO_SEPARATOR: &str =
    "the separator has to be an ASCII character other than a double quote or a line end";

impl Default for Options {
    fn default() -> Self {
        Self {
            format: None,
            otherwise: Format::Csv,
            header: true,
            columns: None,
            separator: None,
            encoding: None,
            tables: false,
        }
    }
}

impl Options {
    /// Refuses options that contradict each other.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        let wrong = |problem: &str| Err(FormatError::Options(problem.to_owned()));
        if let Some(columns) = &self.columns {
            if columns.is_empty() || columns.iter().any(|name| name.trim().is_empty()) {
                return wrong("a column was given without a name");
            }
            if matches!(self.format, Some(Format::Json | Format::Parquet | Format::Text)) {
                return wrong("names of columns can be given for CSV only");
            }
        }
        if !self.header && matches!(self.format, Some(Format::Json | Format::Parquet | Format::Text)) {
            return wrong("a header can be switched off for CSV only");
        }
        match self.separator {
            Some(separator) if !is_separator(separator) => wrong(NO_SEPARATOR),
            _ => Ok(()),
        }
    }
}
