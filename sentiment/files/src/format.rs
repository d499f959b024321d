//! Formats of the output and their file extensions.

use super::FilesError;
use std::path::Path;
use std::str::FromStr;

/// Format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// A table for people.
    Table,
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header; for CSV input, with the separator of the input.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl OutputFormat {
    /// Names on the command line.
    pub const NAMES: [&str; 4] = ["table", "jsonl", "csv", "parquet"];

    /// The format of a file extension.
    ///
    /// # Errors
    /// [`FilesError::Usage`] if the extension is not known.
    pub fn of(path: &Path) -> Result<Self, FilesError> {
        match extension(path).as_str() {
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            "csv" | "tsv" => Ok(Self::Csv),
            "parquet" | "pq" => Ok(Self::Parquet),
            _ => Err(FilesError::Usage(format!(
                "{}: unknown file extension; use .jsonl, .csv or .parquet, or give --format",
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
            _ => Err(FilesError::Usage(format!(
                "unknown output format {name}; choose one of {}",
                Self::NAMES.join(", ")
            ))),
        }
    }
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
