//! Inputs: texts from the command line, and rows of files.

mod command_line;
mod dialect;
mod rows;
#[cfg(test)]
mod tests;
mod values;

use super::columns::{Column, ScoreColumns, Selection, unite};
use super::format::OutputFormat;
use super::row::Item;
use super::{FilesError, JobSource};
pub(crate) use dialect::{Dialect, header_of, quoted};
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use tapewire_formats::{Format, Options};
pub(crate) use values::why_not_several;

/// Rows of one input, in order.
pub(crate) trait RowReader: Send {
    /// The next row; an error ends the input.
    fn next(&mut self) -> Result<Option<Item>, FilesError>;

    /// Position: bytes of the input as they are stored, or texts of the command line.
    fn position(&self) -> u64;

    /// Whether the next row can be read now, without waiting for the process that writes into the pipe.
    fn is_ready(&self) -> bool {
        true
    }

    /// Sets the merged columns of all inputs, once, before the first row. Formats whose rows name their values put each
    /// value into the place of its column.
    fn set_columns(&mut self, _: &[Column]) {}
}

/// The part of a row that the output is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The row as in the input: the output has the same format.
    Raw,
    /// The values, column by column.
    Cells,
    /// Nothing: the output copies the columns itself, or shows only the text.
    Nothing,
}

/// How inputs are read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub selection: Selection,
    pub output: OutputFormat,
    pub scores: ScoreColumns,
}

impl Reading {
    /// The part of a row that the output needs from inputs of a format.
    pub fn keep(&self, input: Format) -> Keep {
        match (input, self.output) {
            (_, OutputFormat::Table) | (Format::Parquet, OutputFormat::Parquet) => Keep::Nothing,
            (Format::Json, OutputFormat::Jsonl) | (Format::Csv, OutputFormat::Csv) => Keep::Raw,
            _ => Keep::Cells,
        }
    }
}

/// Inputs ready to be read.
pub(crate) struct Opened {
    /// The inputs with their names.
    pub inputs: Vec<(String, Box<dyn RowReader>)>,
    /// The columns of all inputs. Those of JSON lines are merged by name; other formats have the same columns in each
    /// input.
    pub columns: Vec<Column>,
    /// Name of the column with the text.
    pub text_column: String,
    /// The dialect of CSV inputs.
    pub dialect: Option<Dialect>,
    /// The sum of the final [`RowReader::position`] of all inputs, if it is known.
    pub total: Option<u64>,
}

/// An input and its columns.
struct OpenedInput {
    input: Box<dyn RowReader>,
    columns: Vec<Column>,
    text_column: String,
    dialect: Option<Dialect>,
    total: Option<u64>,
    /// `None` if the input is empty and neither its name nor an option tells the format.
    format: Option<Format>,
}

/// A file without contents.
struct Nothing;

impl RowReader for Nothing {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        Ok(None)
    }

    fn position(&self) -> u64 {
        0
    }
}

impl OpenedInput {
    fn empty(source: &JobSource, options: &Options) -> Self {
        let named = match source {
            JobSource::File(path) => Format::of_name(path),
            _ => None,
        };
        let format = options.format.or(named);
        let dialect = (format == Some(Format::Csv)).then(Dialect::empty);
        Self {
            input: Box::new(Nothing),
            columns: Vec::new(),
            text_column: "text".into(),
            dialect,
            total: Some(0),
            format,
        }
    }
}

/// Opens all sources, so that an error in the last is known before hours are spent on the first. Returns the inputs and
/// their common format.
pub(crate) fn open(
    sources: &[JobSource],
    options: &Options,
    reading: &Reading,
) -> Result<(Opened, Format), FilesError> {
    let mut reading = reading.clone();
    let mut format: Option<(Format, &JobSource)> = None;
    let mut opened: Option<Opened> = None;
    for source in sources {
        let place = source.to_string();
        let one = catch_panic(&place, || match source {
            JobSource::Texts(texts) => command_line::open(texts.clone(), &reading),
            _ => rows::open(source, options, &reading),
        })?;
        match (one.format, format) {
            (Some(found), Some((first, of))) if found != first => {
                let problem = "have different formats; score them one by one";
                return Err(FilesError::Usage(format!("{of} and {source} {problem}")));
            }
            (Some(found), None) => format = Some((found, source)),
            _ => {}
        }
        if !one.columns.is_empty() {
            // The text column has the same name in all inputs.
            reading.selection.text = Some(one.text_column.clone());
        }
        match &mut opened {
            Some(all) => all.add(one, place, &sources[0])?,
            None => opened = Some(Opened::first(one, place)),
        }
    }
    let mut opened = opened.ok_or_else(nothing_to_score)?;
    for (_, input) in &mut opened.inputs {
        input.set_columns(&opened.columns);
    }
    Ok((opened, format.map_or(Format::Text, |(format, _)| format)))
}

impl Opened {
    fn first(one: OpenedInput, place: String) -> Self {
        let OpenedInput { input, columns, text_column, dialect, total, .. } = one;
        Self { inputs: vec![(place, input)], columns, text_column, dialect, total }
    }

    fn add(&mut self, one: OpenedInput, place: String, first: &JobSource) -> Result<(), FilesError> {
        if self.columns.is_empty() && !one.columns.is_empty() {
            self.text_column = one.text_column;
        }
        if one.total == Some(0) && one.columns.is_empty() {
            // An empty file has no columns that could differ.
        } else if self.columns.is_empty() {
            (self.columns, self.dialect) = (one.columns, one.dialect);
        } else if one.format == Some(Format::Json) {
            unite(&mut self.columns, one.columns);
        } else if one.columns != self.columns || one.dialect != self.dialect {
            let problem =
                format!("its columns differ from those of {first}; score files with different columns one by one");
            return Err(FilesError::Unreadable { place, problem });
        }
        self.inputs.push((place, one.input));
        self.total = self.total.zip(one.total).map(|(sum, more)| sum + more);
        Ok(())
    }
}

fn nothing_to_score() -> FilesError {
    FilesError::Usage("nothing to score: give a text, a file, or - for the standard input".into())
}

/// A reader may panic on a damaged file; this turns the panic into an error.
pub(crate) fn catch_panic<T>(place: &str, read: impl FnOnce() -> Result<T, FilesError>) -> Result<T, FilesError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let problem = "it is damaged and can't be read further".into();
        Err(FilesError::Unreadable { place: place.to_owned(), problem })
    })
}

impl JobSource {
    /// Sources from command-line arguments: existing files, `-`, or otherwise texts.
    ///
    /// # Errors
    /// [`FilesError::Usage`] if files and texts are mixed, or an argument looks like a file that does not exist.
    pub fn parse(words: &[String]) -> Result<Vec<Self>, FilesError> {
        if words.is_empty() {
            if std::io::stdin().is_terminal() {
                return Err(nothing_to_score());
            }
            return Ok(vec![Self::StandardInput]);
        }
        let is_file = |word: &str| word == "-" || PathBuf::from(word).exists();
        let missing = |word: &&String| {
            !is_file(word)
                && !word.contains(char::is_whitespace)
                && (word.contains('/') || Format::of_name(word.as_ref()).is_some())
        };
        if let Some(word) = words.iter().find(missing) {
            return Err(FilesError::Usage(format!("there is no file {word}")));
        }
        if !words.iter().any(|word| is_file(word)) {
            return Ok(vec![Self::Texts(words.to_vec())]);
        }
        if let Some(text) = words.iter().find(|word| !is_file(word)) {
            return Err(FilesError::Usage(format!("`{text}` is not a file; give either files or texts")));
        }
        let source = |word: &String| if word == "-" { Self::StandardInput } else { Self::File(word.into()) };
        Ok(words.iter().map(source).collect())
    }
}

impl std::fmt::Display for JobSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Texts(_) => f.write_str("command line"),
            Self::StandardInput => f.write_str("-"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Counts the rows of an input.
pub(crate) struct Counter {
    input: Arc<str>,
    row: u64,
}

impl Counter {
    fn new(place: &str) -> Self {
        Self { input: place.into(), row: 0 }
    }

    fn next(&mut self) -> super::row::Place {
        self.row += 1;
        super::row::Place { input: self.input.clone(), row: self.row }
    }
}
