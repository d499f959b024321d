//! Outputs, a file a format.

mod csv;
mod finished;
mod jsonl;
mod lines;
mod parquet;
mod table;

use super::columns::{Column, Score, ScoreColumns};
use super::format::OutputFormat;
use super::input::{Keep, Opened};
use super::resume::Target;
use super::row::Row;
use super::{FilesError, Source};
use std::path::{Path, PathBuf};

/// Where scored rows go.
pub(crate) trait Output {
    /// What an earlier run has written of this row; the inner `None` says that it has no score.
    /// Rows are asked for in order, and once one is not known none after it is.
    fn known(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError>;

    /// Writes a row that is not known.
    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError>;

    /// After this a kill loses none of the rows.
    fn flush(&mut self) -> Result<(), FilesError>;

    /// Closes the output, whole or as far as it came; how many rows it holds.
    fn finish(self: Box<Self>, whole: bool) -> Result<u64, FilesError>;
}

/// What an output is opened with.
pub(crate) struct Writing<'a> {
    pub format: OutputFormat,
    /// A file; else the standard output.
    pub path: Option<&'a Path>,
    pub resume: bool,
    pub width: Option<usize>,
    pub sources: &'a [Source],
    pub opened: &'a Opened,
    pub scores: &'a ScoreColumns,
    pub keep: Keep,
}

pub(crate) fn open(writing: &Writing<'_>) -> Result<Box<dyn Output>, FilesError> {
    if writing.format == OutputFormat::Parquet {
        let usage = || FilesError::Usage("Parquet needs a file to go to: give --output".into());
        let path = writing.path.ok_or_else(usage)?;
        return Ok(match writing.resume && path.exists() && !parquet::journal(path).exists() {
            true => Box::new(finished::Finished::open(path, writing)?),
            false => Box::new(parquet::Parquet::open(path, writing)?),
        });
    }
    let target = match writing.path {
        Some(path) => Target::file(path, writing.resume)?,
        None => Target::standard_output(),
    };
    Ok(match writing.format {
        OutputFormat::Csv => Box::new(csv::Csv::open(target, writing)?),
        OutputFormat::Jsonl => Box::new(jsonl::Jsonl::open(target, writing)?),
        OutputFormat::Table | OutputFormat::Parquet => Box::new(table::Table::open(target, writing.width)?),
    })
}

/// Files that an output is written to.
pub(crate) fn files(path: &Path, format: OutputFormat) -> Vec<PathBuf> {
    match format {
        OutputFormat::Parquet => vec![path.to_owned(), parquet::journal(path), parquet::partial(path)],
        _ => vec![path.to_owned()],
    }
}

/// What stands in an output must be what would be written there now.
fn as_written(target: &Target, rest: &[u8], expected: &[u8]) -> Result<(), FilesError> {
    if rest == expected {
        return Ok(());
    }
    Err(other_scores(target.place(), &String::from_utf8_lossy(rest), &String::from_utf8_lossy(expected)))
}

fn other_scores(place: &str, found: &str, expected: &str) -> FilesError {
    differs(place, &format!("`{found}` stands where this model would write scores like `{expected}`"))
}

fn differs(place: &str, problem: &str) -> FilesError {
    FilesError::Differs { place: place.to_owned(), problem: problem.to_owned() }
}

/// The end of an output that was whole already.
fn nothing_left(target: &mut Target, whole: bool) -> Result<(), FilesError> {
    if whole && target.has_more()? {
        return Err(differs(target.place(), "it has more rows than the input"));
    }
    target.sync()
}

/// Columns become fields of an object or of a schema: no two may have one name.
fn unique(columns: &[Column]) -> Result<(), FilesError> {
    let twice =
        columns.iter().enumerate().find(|(at, column)| columns[..*at].iter().any(|other| other.name == column.name));
    match twice {
        None => Ok(()),
        Some((_, column)) => Err(FilesError::Usage(format!(
            "two columns of the input are called {}, which only CSV can keep: write CSV or rename one",
            column.name
        ))),
    }
}
