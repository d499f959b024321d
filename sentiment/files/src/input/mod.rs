//! Inputs, with one module per format.

pub(crate) mod buffer;
mod csv;
mod jsonl;
mod parquet;
#[cfg(test)]
mod tests;
mod text;

use super::columns::{Column, ScoreColumns, Selection, unite};
use super::format::{InputFormat, OutputFormat};
use super::row::Item;
use super::{FilesError, JobSource};
use buffer::Buffer;
pub(crate) use csv::{Dialect, quoted};
pub(crate) use jsonl::fields;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// Rows of one input, in order.
pub(crate) trait RowReader: Send {
    /// The next row; an error ends the input.
    fn next(&mut self) -> Result<Option<Item>, FilesError>;

    /// Position: bytes, or rows of Parquet.
    fn position(&self) -> u64;

    /// Whether the next row is available without waiting for a writer.
    fn is_ready(&self) -> bool {
        true
    }

    /// Sets the columns of all inputs together, once, before the first row. Formats whose rows name their values put
    /// each value into the place of its column.
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
    pub fn keep(&self, input: InputFormat) -> Keep {
        match (input, self.output) {
            (_, OutputFormat::Table) | (InputFormat::Parquet, OutputFormat::Parquet) => Keep::Nothing,
            (InputFormat::Jsonl, OutputFormat::Jsonl) | (InputFormat::Csv, OutputFormat::Csv) => Keep::Raw,
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
}

/// The format of the sources: `asked` (`--input-format`), or by their names; `None` if their contents decide.
pub(crate) fn format(sources: &[JobSource], asked: Option<InputFormat>) -> Result<Option<InputFormat>, FilesError> {
    let mut named = sources.iter().filter_map(|source| match source {
        JobSource::File(path) => InputFormat::of(path).map(|format| (path, format)),
        _ => None,
    });
    let Some((first, format)) = named.next() else { return Ok(asked) };
    if asked.is_some() {
        return Ok(asked);
    }
    match named.find(|(_, other)| *other != format) {
        Some((other, _)) => Err(FilesError::Usage(format!(
            "{} and {} have different formats; score them one by one, or give --input-format if the names are misleading",
            first.display(),
            other.display()
        ))),
        None => Ok(Some(format)),
    }
}

/// Opens all sources, so that an error in the last is known before hours are spent on the first.
pub(crate) fn open(
    sources: &[JobSource],
    mut format: Option<InputFormat>,
    reading: &Reading,
) -> Result<(Opened, InputFormat), FilesError> {
    let nothing = || FilesError::Usage("nothing to score: give a text, a file, or - for the standard input".into());
    let mut reading = reading.clone();
    let mut opened: Option<Opened> = None;
    for source in sources {
        let place = source.to_string();
        let (one, found) = catch_panic(&place, || open_one(source, format, &reading))?;
        format = Some(found);
        if !one.columns.is_empty() {
            // The text column has the same name in all inputs.
            reading.selection.text = Some(one.text_column.clone());
        }
        match &mut opened {
            Some(all) => all.add(one, place, found, &sources[0])?,
            None => opened = Some(Opened::first(one, place)),
        }
    }
    let (mut opened, format) = opened.zip(format).ok_or_else(nothing)?;
    for (_, input) in &mut opened.inputs {
        input.set_columns(&opened.columns);
    }
    Ok((opened, format))
}

impl Opened {
    fn first(OpenedInput { input, columns, text_column, dialect, total }: OpenedInput, place: String) -> Self {
        Self { inputs: vec![(place, input)], columns, text_column, dialect, total }
    }

    fn add(
        &mut self,
        one: OpenedInput,
        place: String,
        format: InputFormat,
        first: &JobSource,
    ) -> Result<(), FilesError> {
        if format == InputFormat::Jsonl {
            if self.columns.is_empty() {
                self.text_column = one.text_column;
            }
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

/// A reader may panic on a damaged file; this turns the panic into an error.
pub(crate) fn catch_panic<T>(place: &str, read: impl FnOnce() -> Result<T, FilesError>) -> Result<T, FilesError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let problem = "it is damaged and can't be read further".into();
        Err(FilesError::Unreadable { place: place.to_owned(), problem })
    })
}

fn open_one(
    source: &JobSource,
    format: Option<InputFormat>,
    reading: &Reading,
) -> Result<(OpenedInput, InputFormat), FilesError> {
    let place = source.to_string();
    let (read, total): (Box<dyn Read + Send>, Option<u64>) = match source {
        JobSource::Texts(texts) => return Ok((text::from_command_line(texts.clone(), reading)?, InputFormat::Text)),
        JobSource::File(path) if format == Some(InputFormat::Parquet) => {
            return Ok((parquet::open(path, &place, reading)?, InputFormat::Parquet));
        }
        JobSource::StandardInput if format == Some(InputFormat::Parquet) => {
            let usage =
                "Parquet can't be read from a pipe, because its table of contents is at its end; save it to a file";
            return Err(FilesError::Usage(usage.into()));
        }
        JobSource::StandardInput => (Box::new(std::io::stdin()), None),
        JobSource::File(path) => {
            let file = File::open(path).map_err(FilesError::io(&place))?;
            let metadata = file.metadata().map_err(FilesError::io(&place))?;
            if metadata.is_dir() {
                return Err(FilesError::Usage(format!("{place} is a folder; give the files in it")));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        }
    };
    let mut buffer = Buffer::new(read, &place);
    check_beginning(&mut buffer, &place)?;
    let format = match format {
        Some(format) => format,
        None if looks_like_jsonl(&mut buffer)? => InputFormat::Jsonl,
        None => InputFormat::Text,
    };
    let is_stream = total.is_none();
    let (input, columns, text_column, dialect) = match format {
        InputFormat::Text => text::open(buffer, &place, is_stream, reading)?,
        InputFormat::Jsonl => jsonl::open(buffer, &place, is_stream, reading)?,
        InputFormat::Csv => csv::open(buffer, &place, is_stream, reading)?,
        InputFormat::Parquet => unreachable!("Parquet is opened above"),
    };
    Ok((OpenedInput { input, columns, text_column, dialect, total }, format))
}

/// Drops a byte order mark, and refuses files that are not text, with a remedy.
fn check_beginning(buffer: &mut Buffer, place: &str) -> Result<(), FilesError> {
    let wrong = |problem: &str| Err(FilesError::Unreadable { place: place.to_owned(), problem: problem.to_owned() });
    // One read only, so that typed input is not waited for twice.
    let beginning = buffer.peek(1)?;
    if beginning.starts_with(b"\xef\xbb\xbf") {
        buffer.consume(3);
    } else if beginning.starts_with(b"\xff\xfe") || beginning.starts_with(b"\xfe\xff") {
        return wrong("it is UTF-16; convert it: iconv -f UTF-16 -t UTF-8");
    } else if beginning.starts_with(b"\x1f\x8b") || beginning.starts_with(b"\x28\xb5\x2f\xfd") {
        return wrong("it is compressed; decompress it: zcat (or zstdcat) FILE | tapewire score --input-format ... -");
    } else if beginning.starts_with(b"PAR1") {
        return wrong("it is Parquet; name it .parquet or give --input-format parquet");
    }
    Ok(())
}

fn looks_like_jsonl(buffer: &mut Buffer) -> Result<bool, FilesError> {
    let Some(length) = buffer.line_length()? else { return Ok(false) };
    let line = buffer.unread()[..length].trim_ascii();
    Ok(line.starts_with(b"{") && jsonl::fields(line).is_ok())
}

impl JobSource {
    /// Sources from command-line arguments: existing files, `-`, or otherwise texts.
    ///
    /// # Errors
    /// [`FilesError::Usage`] if files and texts are mixed, or an argument looks like a file that does not exist.
    pub fn parse(words: &[String]) -> Result<Vec<Self>, FilesError> {
        if words.is_empty() {
            if std::io::stdin().is_terminal() {
                let usage = "nothing to score: give a text, a file, or - for the standard input";
                return Err(FilesError::Usage(usage.into()));
            }
            return Ok(vec![Self::StandardInput]);
        }
        let is_file = |word: &str| word == "-" || PathBuf::from(word).exists();
        let missing = |word: &&String| {
            !is_file(word)
                && !word.contains(char::is_whitespace)
                && (word.contains('/') || InputFormat::of(word.as_ref()).is_some())
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

/// An opened input: its rows, columns, the name of the text column, and the dialect of CSV.
type Parts = (Box<dyn RowReader>, Vec<Column>, String, Option<Dialect>);

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
