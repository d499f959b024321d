//! Outputs, with one module per format.

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
use super::{FilesError, JobSource};
use std::path::{Path, PathBuf};

/// Writes scored rows.
pub(crate) trait RowWriter {
    /// The score of this row in the output of an earlier run. The outer `None` means that the row is not there, the
    /// inner one that it is there without a score. Must be called for the rows in order; once it has returned `None`,
    /// it does so for all later rows.
    fn existing_score(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError>;

    /// Writes a row that is not there yet.
    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError>;

    /// Writes what is buffered, so that a kill after this loses no row.
    fn flush(&mut self) -> Result<(), FilesError>;

    /// Closes the output, complete or not, and returns the number of rows in it.
    fn finish(self: Box<Self>, complete: bool) -> Result<u64, FilesError>;
}

/// Parameters of an output.
pub(crate) struct Writing<'a> {
    pub format: OutputFormat,
    /// The file; `None` is the standard output.
    pub path: Option<&'a Path>,
    pub resume: bool,
    pub width: Option<usize>,
    pub sources: &'a [JobSource],
    pub opened: &'a Opened,
    pub scores: &'a ScoreColumns,
    pub keep: Keep,
}

pub(crate) fn open(writing: &Writing<'_>) -> Result<Box<dyn RowWriter>, FilesError> {
    if writing.format == OutputFormat::Parquet {
        let usage = || FilesError::Usage("Parquet needs an output file: give --output".into());
        let path = writing.path.ok_or_else(usage)?;
        return Ok(match writing.resume && path.exists() && !parquet::journal(path).exists() {
            true => Box::new(finished::CompleteParquet::open(path, writing)?),
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

/// The output, and for Parquet its journal and the file that is written until it is complete.
pub(crate) fn files(path: &Path, format: OutputFormat) -> Vec<PathBuf> {
    match format {
        OutputFormat::Parquet => vec![path.to_owned(), parquet::journal(path), parquet::partial(path)],
        _ => vec![path.to_owned()],
    }
}

/// Checks that an existing part of the output is what would be written now.
fn as_written(target: &Target, rest: &[u8], expected: &[u8]) -> Result<(), FilesError> {
    if rest == expected {
        return Ok(());
    }
    Err(other_scores(target.place(), &String::from_utf8_lossy(rest), &String::from_utf8_lossy(expected)))
}

fn other_scores(place: &str, found: &str, expected: &str) -> FilesError {
    differs(place, &format!("it contains `{found}` where this model would write scores like `{expected}`"))
}

fn differs(place: &str, problem: &str) -> FilesError {
    FilesError::Differs { place: place.to_owned(), problem: problem.to_owned() }
}

/// Checks that the output has no further rows, if it is complete, and syncs it.
fn check_end(target: &mut Target, complete: bool) -> Result<(), FilesError> {
    if complete && target.has_more()? {
        return Err(differs(target.place(), "it has more rows than the input"));
    }
    target.sync()
}

/// Refuses columns of the same name, for formats in which columns become fields of an object or of a schema.
fn unique(columns: &[Column]) -> Result<(), FilesError> {
    let duplicate =
        columns.iter().enumerate().find(|(at, column)| columns[..*at].iter().any(|other| other.name == column.name));
    match duplicate {
        None => Ok(()),
        Some((_, column)) => Err(FilesError::Usage(format!(
            "two columns of the input are called {}, which only CSV can keep: write CSV or rename one",
            column.name
        ))),
    }
}
