//! Formats and the names of files that are in them.

use super::FilesError;
use std::path::Path;
use std::str::FromStr;

/// What an input is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// A text a line.
    Text,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header (also `;`, tab or `|`, as the header has it).
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl InputFormat {
    /// As they are typed.
    pub const NAMES: [&str; 4] = ["text", "jsonl", "csv", "parquet"];

    /// By the extension, if it tells.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match extension(path).as_str() {
            "txt" => Some(Self::Text),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" | "tsv" => Some(Self::Csv),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

impl FromStr for InputFormat {
    type Err = FilesError;

    fn from_str(name: &str) -> Result<Self, FilesError> {
        match name {
            "text" => Ok(Self::Text),
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            _ => Err(FilesError::Usage(format!("input format {name}: it is one of {}", Self::NAMES.join(", ")))),
        }
    }
}

/// What the output is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header; from CSV with the separator of the input.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl OutputFormat {
    /// As they are typed.
    pub const NAMES: [&str; 4] = ["table", "jsonl", "csv", "parquet"];

    /// By the extension.
    ///
    /// # Errors
    /// [`FilesError::Usage`] if it does not tell.
    pub fn of(path: &Path) -> Result<Self, FilesError> {
        match extension(path).as_str() {
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            "csv" | "tsv" => Ok(Self::Csv),
            "parquet" | "pq" => Ok(Self::Parquet),
            _ => Err(FilesError::Usage(format!(
                "{}: the extension tells no format; call it .jsonl, .csv or .parquet, or give --format",
                path.display()
            ))),
        }
    }
}

impl FromStr for OutputFormat {
    type Err = FilesError;

    fn from_str(name: &str) -> Result<Self, FilesError> {
        match name {
            "table" => Ok(Self::Table),
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            _ => Err(FilesError::Usage(format!("output format {name}: it is one of {}", Self::NAMES.join(", ")))),
        }
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
