//! Inputs, a file a format.

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
use super::{FilesError, Source};
use buffer::Buffer;
pub(crate) use csv::{Dialect, quoted};
pub(crate) use jsonl::fields;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// Rows of one input, in order.
pub(crate) trait Input: Send {
    /// The next row; an error ends the input.
    fn next(&mut self) -> Result<Option<Item>, FilesError>;

    /// How far it is read: bytes, or rows of Parquet.
    fn position(&self) -> u64;

    /// Whether the next row is here without waiting for somebody to write it.
    fn at_hand(&self) -> bool {
        true
    }

    /// Told once, before the first row, which columns all inputs together have: those whose rows
    /// name their values put each into its column's place.
    fn arrange(&mut self, _: &[Column]) {}
}

/// What of a row the output is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The row as it stood: the output has the input's format.
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
    /// What the output is made of, from inputs of a format.
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
    /// Each with its name.
    pub inputs: Vec<(String, Box<dyn Input>)>,
    /// Of all inputs: those of JSON lines by name, others have the same in each.
    pub columns: Vec<Column>,
    /// Name of the column with the text.
    pub text_column: String,
    /// How the CSV is written, if it is CSV.
    pub dialect: Option<Dialect>,
    /// What [`Input::position`] comes to over all inputs, if that is known.
    pub total: Option<u64>,
}

/// One input and what it has.
struct One {
    input: Box<dyn Input>,
    columns: Vec<Column>,
    text_column: String,
    dialect: Option<Dialect>,
    total: Option<u64>,
}

/// The format of the sources, by `--input-format`, their names, or how their content begins.
pub(crate) fn format(sources: &[Source], asked: Option<InputFormat>) -> Result<Option<InputFormat>, FilesError> {
    let mut named = sources.iter().filter_map(|source| match source {
        Source::File(path) => InputFormat::of(path).map(|format| (path, format)),
        _ => None,
    });
    let Some((first, format)) = named.next() else { return Ok(asked) };
    if asked.is_some() {
        return Ok(asked);
    }
    match named.find(|(_, other)| *other != format) {
        Some((other, _)) => Err(FilesError::Usage(format!(
            "{} and {} have different formats; score them one by one, or give --input-format if the names mislead",
            first.display(),
            other.display()
        ))),
        None => Ok(Some(format)),
    }
}

/// Opens all sources, so that what is wrong with the last is known before hours go into the first.
pub(crate) fn open(
    sources: &[Source],
    mut format: Option<InputFormat>,
    reading: &Reading,
) -> Result<(Opened, InputFormat), FilesError> {
    let nothing = || FilesError::Usage("nothing to score: give a text, a file, or - for the standard input".into());
    let mut reading = reading.clone();
    let mut opened: Option<Opened> = None;
    for source in sources {
        let place = source.to_string();
        let (one, found) = guarded(&place, || open_one(source, format, &reading))?;
        format = Some(found);
        if !one.columns.is_empty() {
            // The text has one name in all inputs.
            reading.selection.text = Some(one.text_column.clone());
        }
        match &mut opened {
            Some(all) => all.add(one, place, found, &sources[0])?,
            None => opened = Some(Opened::first(one, place)),
        }
    }
    let (mut opened, format) = opened.zip(format).ok_or_else(nothing)?;
    for (_, input) in &mut opened.inputs {
        input.arrange(&opened.columns);
    }
    Ok((opened, format))
}

impl Opened {
    fn first(One { input, columns, text_column, dialect, total }: One, place: String) -> Self {
        Self { inputs: vec![(place, input)], columns, text_column, dialect, total }
    }

    fn add(&mut self, one: One, place: String, format: InputFormat, first: &Source) -> Result<(), FilesError> {
        if format == InputFormat::Jsonl {
            if self.columns.is_empty() {
                self.text_column = one.text_column;
            }
            unite(&mut self.columns, one.columns);
        } else if one.columns != self.columns || one.dialect != self.dialect {
            let problem = format!("its columns are not those of {first}; score files of different columns one by one");
            return Err(FilesError::Unreadable { place, problem });
        }
        self.inputs.push((place, one.input));
        self.total = self.total.zip(one.total).map(|(sum, more)| sum + more);
        Ok(())
    }
}

/// A reader that stumbles over a damaged file may panic; that is an error like others.
pub(crate) fn guarded<T>(place: &str, read: impl FnOnce() -> Result<T, FilesError>) -> Result<T, FilesError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let problem = "it is damaged: its reader gave up".into();
        Err(FilesError::Unreadable { place: place.to_owned(), problem })
    })
}

fn open_one(source: &Source, format: Option<InputFormat>, reading: &Reading) -> Result<(One, InputFormat), FilesError> {
    let place = source.to_string();
    let (read, total): (Box<dyn Read + Send>, Option<u64>) = match source {
        Source::Texts(texts) => return Ok((text::given(texts.clone(), reading)?, InputFormat::Text)),
        Source::File(path) if format == Some(InputFormat::Parquet) => {
            return Ok((parquet::open(path, &place, reading)?, InputFormat::Parquet));
        }
        Source::StandardInput if format == Some(InputFormat::Parquet) => {
            let usage = "Parquet can't be read from a pipe, for its table of contents is at its end; save it to a file";
            return Err(FilesError::Usage(usage.into()));
        }
        Source::StandardInput => (Box::new(std::io::stdin()), None),
        Source::File(path) => {
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
    let live = total.is_none();
    let (input, columns, text_column, dialect) = match format {
        InputFormat::Text => text::open(buffer, &place, live, reading)?,
        InputFormat::Jsonl => jsonl::open(buffer, &place, live, reading)?,
        InputFormat::Csv => csv::open(buffer, &place, live, reading)?,
        InputFormat::Parquet => unreachable!("Parquet is opened above"),
    };
    Ok((One { input, columns, text_column, dialect, total }, format))
}

/// Drops a byte order mark, and refuses what is no text at all, with the remedy.
fn check_beginning(buffer: &mut Buffer, place: &str) -> Result<(), FilesError> {
    let wrong = |problem: &str| Err(FilesError::Unreadable { place: place.to_owned(), problem: problem.to_owned() });
    // A person's first keystrokes are not waited for twice: one read tells.
    let beginning = buffer.peek(1)?;
    if beginning.starts_with(b"\xef\xbb\xbf") {
        buffer.consume(3);
    } else if beginning.starts_with(b"\xff\xfe") || beginning.starts_with(b"\xfe\xff") {
        return wrong("it is UTF-16; convert it: iconv -f UTF-16 -t UTF-8");
    } else if beginning.starts_with(b"\x1f\x8b") || beginning.starts_with(b"\x28\xb5\x2f\xfd") {
        return wrong(
            "it is compressed; unpack it on the way: zcat (or zstdcat) FILE | tapewire score --input-format ... -",
        );
    } else if beginning.starts_with(b"PAR1") {
        return wrong("it is Parquet; call it .parquet or give --input-format parquet");
    }
    Ok(())
}

fn looks_like_jsonl(buffer: &mut Buffer) -> Result<bool, FilesError> {
    let Some(length) = buffer.line_length()? else { return Ok(false) };
    let line = buffer.unread()[..length].trim_ascii();
    Ok(line.starts_with(b"{") && jsonl::fields(line).is_ok())
}

impl Source {
    /// Sources of command-line words: a file that exists, `-`, or else texts.
    ///
    /// # Errors
    /// [`FilesError::Usage`] where files and texts are mixed, or a word looks like a file that is not there.
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
            return Err(FilesError::Usage(format!("`{text}` is no file; give either files or texts")));
        }
        let source = |word: &String| if word == "-" { Self::StandardInput } else { Self::File(word.into()) };
        Ok(words.iter().map(source).collect())
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Texts(_) => f.write_str("command line"),
            Self::StandardInput => f.write_str("-"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What the formats give back when opened: rows, columns, the text column's name, the CSV's dialect.
type Parts = (Box<dyn Input>, Vec<Column>, String, Option<Dialect>);

/// A place counter.
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
