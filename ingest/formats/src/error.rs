//! Errors that end the reading of a file. What concerns one row only is an [`Unreadable`](crate::Unreadable).

use std::io;

/// Why a file can't be read, or can't be read further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The system refuses to open or to read it.
    #[error("{place} can't be opened or read")]
    Io {
        /// The file, or `-` for the standard input.
        place: String,
        /// The system's error.
        source: io::Error,
    },
    /// The path is a folder.
    #[error("{place} is a folder; give the files in it")]
    Folder {
        /// The folder.
        place: String,
    },
    /// The file is empty, or has only white space.
    #[error("{place} is empty")]
    Empty {
        /// The file.
        place: String,
    },
    /// The file has a header or an empty list, but no row.
    #[error("{place} has no rows, only {what}")]
    NoRows {
        /// The file.
        place: String,
        /// What it has instead: `a header`, `an empty list`.
        what: &'static str,
    },
    /// The file is of a kind that is not read.
    #[error("{place} is {what}; {remedy}")]
    Refused {
        /// The file.
        place: String,
        /// What it is: `an Excel workbook`.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The file is cut off. All complete rows have been returned.
    #[error("{place} is cut off after row {rows}: {what}; get it again, or use the rows before")]
    CutOff {
        /// The file.
        place: String,
        /// Rows before, readable or not.
        rows: u64,
        /// What is missing: `its gzip data has no end`.
        what: String,
    },
    /// The file is damaged, and the rows after this point can't be found.
    #[error("{place} is damaged after row {rows}: {problem}")]
    Damaged {
        /// The file.
        place: String,
        /// Rows before, readable or not.
        rows: u64,
        /// What is wrong.
        problem: String,
    },
    /// The file's header, or the columns that were given for it, can't be used.
    #[error("{place}: {problem}")]
    Header {
        /// The file.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Two options contradict each other, or one does not exist.
    #[error("{0}")]
    Options(String),
}

impl FormatError {
    /// For `map_err`: an error of the system, or what a decompressor has found.
    pub(crate) fn reading(place: &str, rows: u64) -> impl Fn(io::Error) -> Self + use<> {
        let place = place.to_owned();
        move |error| match error.get_ref().and_then(|inner| inner.downcast_ref::<crate::compression::Fault>()) {
            Some(fault) => fault.at(&place, rows),
            None => Self::Io { place: place.clone(), source: error },
        }
    }
}
