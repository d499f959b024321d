//! CSV (RFC 4180), also with the other separators that spreadsheets write.

use crate::buffer::{Buffer, Line, MAX_ROW_BYTES, too_long};
use crate::encoding;
use crate::options::{NO_SEPARATOR, is_separator};
use crate::reader::{Next, Rows};
use crate::{FormatError, Options, Row, Unreadable, Value};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr2;
use std::sync::Arc;

/// Most lines that a row may have: a quote that is open for more lines is a stray quote.
const MAX_LINES: u64 = 10_000;

/// The separators that are recognised.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the rows of a CSV file look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between values.
    pub separator: u8,
    /// Whether rows end in a carriage return and a line feed.
    pub crlf: bool,
    /// The header as in the file, without its end; empty if the file has none.
    pub header: Vec<u8>,
}

pub(crate) struct Delimited {
    records: Records,
    names: Vec<Arc<str>>,
    /// The words of an error for where the expected number of fields is from: `the header has`.
    count_source: &'static str,
    /// The first row of a file without header.
    first: Option<Result<Record, Broken>>,
}

/// Reads the header, or the first row.
pub(crate) fn open(mut buffer: Buffer, options: &Options) -> Result<(Delimited, Dialect), FormatError> {
    let place = buffer.place().to_owned();
    let wrong = |problem: String| FormatError::Header { place: place.clone(), problem };
    let (separator, crlf) = dialect(&mut buffer, options)?;
    let mut records = Records::new(buffer, separator);
    let first = records.next()?.ok_or_else(|| FormatError::Empty { place: place.clone() })?;
    let (header, first) = if options.header {
        let record = first
            .map_err(|broken| wrong(format!("its header, line {}, can't be read: {}", broken.line, broken.reason)))?;
        (record, None)
    } else {
        (Record::default(), Some(first))
    };
    let given = options.columns.as_ref();
    let count = match &first {
        _ if options.header => Some(header.ends.len()),
        Some(Ok(record)) => Some(record.ends.len()),
        _ => None,
    };
    let names: Vec<String> = match (given, count) {
        (Some(names), Some(count)) if options.header && names.len() != count => {
            return Err(wrong(format!("its header has {count} columns, and {} names were given", names.len())));
        }
        (Some(names), _) => names.clone(),
        (None, Some(_)) if options.header => header
            .fields()
            .into_iter()
            .map(|name| encoding::text(name).map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|reason| wrong(format!("its header can't be read: {reason}")))?,
        (None, count) => (1..=count.unwrap_or(1)).map(|number| format!("c{number}")).collect(),
    };
    check_names(&names).map_err(wrong)?;
    let dialect = Dialect { separator, crlf, header: header.raw };
    let count_source = match (options.header, given) {
        (true, _) => "the header has",
        (false, Some(_)) => "names were given for",
        (false, None) => "the first row has",
    };
    let names = names.into_iter().map(Into::into).collect();
    Ok((Delimited { records, names, count_source, first }, dialect))
}

/// Refuses column names that occur twice, because such a name would be ambiguous. Several columns may have no name.
pub(crate) fn check_names<T: AsRef<str>>(names: &[T]) -> Result<(), String> {
    let mut seen = std::collections::HashMap::new();
    for (at, name) in names.iter().map(AsRef::as_ref).enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Some(before) = seen.insert(name, at + 1) {
            return Err(format!("columns {before} and {} are both called {name}; rename one", at + 1));
        }
    }
    Ok(())
}

/// The most frequent separator outside quotes in the first line, and whether that line ends in `\r\n`. A first line
/// `sep=;`, as Excel writes it, names the separator and is not a row.
///
/// # Errors
/// [`FormatError::Header`] if that line names no separator, and the options have none.
fn dialect(buffer: &mut Buffer, options: &Options) -> Result<(u8, bool), FormatError> {
    let length = buffer.line_length()?.unwrap_or(MAX_ROW_BYTES);
    let line = &buffer.unread()[..length];
    let crlf = line.ends_with(b"\r\n");
    if let [b's', b'e', b'p', b'=', separator, b'\r' | b'\n', ..] = *line {
        // Where lines end in `\r` alone, `line` reaches beyond the `sep=` line.
        let length = if separator != b'\r' && line[5..].starts_with(b"\r\n") { 7 } else { 6 };
        let crlf = line[..length].ends_with(b"\r\n");
        let separator = options.separator.unwrap_or(separator);
        if !is_separator(separator) {
            let problem = format!("its first line begins with `sep=`, but {NO_SEPARATOR}; correct or remove the line");
            return Err(FormatError::Header { place: buffer.place().to_owned(), problem });
        }
        buffer.consume(length);
        return Ok((separator, crlf));
    }
    let mut quoted = false;
    let mut counts = SEPARATORS.map(|separator| (separator, 0));
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == byte && !quoted) {
            *count += 1;
        }
    }
    // If several separators are equally frequent, the first in the list counts; the comma is the first of all.
    let found = counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| separator);
    Ok((options.separator.unwrap_or(found), crlf))
}

impl Rows for Delimited {
    fn next(&mut self) -> Next {
        let record = match self.first.take() {
            Some(first) => first,
            None => match self.records.next()? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        self.records.buffer.rows += 1;
        Ok(Some(match record {
            Ok(record) => self.row(record),
            Err(Broken { line, reason, raw }) => Err(Unreadable { number: line, raw, reason }),
        }))
    }

    fn is_ready(&self) -> bool {
        self.first.is_some() || self.records.buffer.has_line()
    }

    fn columns(&self) -> Option<&[Arc<str>]> {
        Some(&self.names)
    }

    fn without_rows(&self) -> &'static str {
        "a header"
    }
}

impl Delimited {
    fn row(&self, record: Record) -> Result<Row, Unreadable> {
        let read = || {
            if record.ends.len() != self.names.len() {
                let (found, wanted) = (record.ends.len(), self.names.len());
                let fields = if found == 1 { "field" } else { "fields" };
                return Err(format!("{found} {fields} where {} {wanted}", self.count_source));
            }
            // The row is checked as a whole, so that the reason can say where in the row the fault is.
            encoding::text(&record.raw)?;
            record.fields().into_iter().map(encoding::text).collect::<Result<Vec<_>, _>>()
        };
        match read() {
            Ok(values) => {
                let values = values.into_iter().map(|value| Value::Text(value.into_owned()));
                let fields = self.names.iter().cloned().zip(values).collect();
                Ok(Row { number: record.line, fields, raw: record.raw })
            }
            Err(reason) => Err(Unreadable { number: record.line, reason, raw: record.raw }),
        }
    }
}

/// Records of the file.
struct Records {
    buffer: Buffer,
    reader: Reader,
    separator: u8,
}

#[derive(Default)]
struct Record {
    /// The line in which the record begins, counted from 1.
    line: u64,
    /// The bytes of the record, without the end of the line.
    raw: Vec<u8>,
    /// The unquoted fields, concatenated.
    values: Vec<u8>,
    /// The end of each field in `values`.
    ends: Vec<usize>,
}

/// A part of the file that is not a record.
struct Broken {
    line: u64,
    reason: String,
    raw: Vec<u8>,
}

impl Record {
    fn fields(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.values[start..end]).collect()
    }
}

impl Records {
    fn new(buffer: Buffer, separator: u8) -> Self {
        Self { buffer, reader: ReaderBuilder::new().delimiter(separator).build(), separator }
    }

    fn next(&mut self) -> Result<Option<Result<Record, Broken>>, FormatError> {
        // Skips blank lines, and the `\n` of a `\r\n`: the parser ends a record at the `\r`.
        if self.buffer.skip(|byte| matches!(byte, b'\r' | b'\n'))?.is_none() {
            return Ok(None);
        }
        let mut parse = Parse::default();
        let (mut fed, mut lines) = (0, 0);
        let problem = loop {
            let rest = &self.buffer.unread()[fed..];
            if rest.is_empty() {
                if self.buffer.read_more()? {
                    continue;
                }
                // The last line may lack its end. If adding one does not complete the record, a quote is open.
                let (complete, _) = parse.feed(&mut self.reader, b"\n");
                break (!complete).then(|| "a quote opens in it and never closes".to_owned());
            }
            let line = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..=end]);
            lines += u64::from(line.ends_with(b"\n"));
            let (complete, read) = parse.feed(&mut self.reader, line);
            fed += read;
            if complete {
                break None;
            }
            if fed > MAX_ROW_BYTES {
                break Some(if lines > 0 { unclosed(&format!("{} MiB", MAX_ROW_BYTES >> 20)) } else { too_long() });
            }
            if lines > MAX_LINES {
                break Some(unclosed(&format!("{MAX_LINES} lines")));
            }
        };
        let raw = &self.buffer.unread()[..fed];
        let problem = problem.or_else(|| check_quotes(raw, self.separator));
        self.reader.reset();
        if let Some(reason) = problem {
            return self.broken(reason, fed).map(|broken| Some(Err(broken)));
        }
        let line = self.buffer.line_number();
        let mut raw = self.buffer.take(fed);
        raw.truncate(raw.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1));
        Ok(Some(Ok(Record { line, raw, values: parse.values, ends: parse.ends })))
    }

    /// A record that never ends, or whose quotes are not where they belong, is most likely the result of a stray
    /// quote: only its first line is rejected, and reading continues after it. `fed` is how much of it was read.
    fn broken(&mut self, reason: String, fed: usize) -> Result<Broken, FormatError> {
        let line = self.buffer.line_number();
        let unread = self.buffer.unread();
        // `Buffer::line` ends lines at `\n` only.
        if let Some(end) = memchr2(b'\r', b'\n', &unread[..fed])
            && unread[end] == b'\r'
            && unread.get(end + 1) != Some(&b'\n')
        {
            let mut raw = self.buffer.take(end + 1);
            raw.truncate(end.min(MAX_ROW_BYTES));
            return Ok(Broken { line, reason, raw });
        }
        Ok(match self.buffer.line()? {
            Some(Line::TooLong(raw)) => Broken { line, reason: too_long(), raw },
            Some(Line::Whole(mut raw)) => {
                raw.truncate(MAX_ROW_BYTES);
                Broken { line, reason, raw }
            }
            None => Broken { line, reason, raw: Vec::new() },
        })
    }
}

fn unclosed(limit: &str) -> String {
    format!("a quote opens in it and does not close within {limit}, the most that a row may have")
}

/// What is wrong with the quotes of a record: after a closing quote only a separator or the end may follow. Otherwise
/// a stray quote and the next opening one would swallow the rows between them.
fn check_quotes(record: &[u8], separator: u8) -> Option<String> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Quote,
    }
    let mut at = At::Start;
    for &byte in record {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (At::Quote, b'"') => At::Quoted,
            (At::Start, b'"') => At::Quoted,
            (_, byte) if byte == separator || matches!(byte, b'\r' | b'\n') => At::Start,
            (At::Quote, _) => {
                return Some(
                    "a quote in it does not end a value; quotes within a quoted value are doubled (\"\")".into(),
                );
            }
            (At::Start | At::Plain, _) => At::Plain,
        };
    }
    None
}

/// The part of a record that has been parsed: its unquoted fields, concatenated, and where each of them ends.
#[derive(Default)]
struct Parse {
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl Parse {
    /// Continues parsing. Returns whether the record is complete, and the number of bytes that were read.
    fn feed(&mut self, reader: &mut Reader, bytes: &[u8]) -> (bool, usize) {
        let (written, ended) = (self.values.len(), self.ends.len());
        // Values are never longer than their source.
        self.values.resize(written + bytes.len(), 0);
        self.ends.resize(ended + bytes.len() + 1, 0);
        let (result, read, more, fields) =
            reader.read_record(bytes, &mut self.values[written..], &mut self.ends[ended..]);
        self.values.truncate(written + more);
        self.ends.truncate(ended + fields);
        (matches!(result, ReadRecordResult::Record), read)
    }
}
