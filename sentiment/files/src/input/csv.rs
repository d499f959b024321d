//! CSV with a header (RFC 4180, and the separators that spreadsheets write in other countries).

use super::buffer::{Buffer, LONGEST_ROW, Line, too_long, utf8};
use super::{Counter, FilesError, Input, InputFormat, Keep, Parts, Reading};
use crate::columns::Column;
use crate::row::{Item, Row, Unreadable, json};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub separator: u8,
    /// What ends a row.
    pub line_end: &'static str,
    /// The header row as it stands, without its end; made from the columns' names where there is none.
    pub header: Vec<u8>,
}

struct Csv {
    records: Records,
    counter: Counter,
    live: bool,
    keep: Keep,
    names: Vec<String>,
    text: usize,
    company: Option<usize>,
}

pub(super) fn open(mut buffer: Buffer, place: &str, live: bool, reading: &Reading) -> Result<Parts, FilesError> {
    let unreadable = |problem: String| FilesError::Unreadable { place: place.to_owned(), problem };
    let (separator, line_end) = dialect(&mut buffer)?;
    let mut records = Records::new(buffer, separator);
    let header = match records.next()? {
        None => Record::default(),
        Some(Ok(record)) => record,
        Some(Err(Broken { reason, .. })) => return Err(unreadable(format!("its header can't be read: {reason}"))),
    };
    let columns = header.fields().into_iter().map(|name| utf8(name).map(Column::text));
    let columns: Vec<Column> =
        columns.collect::<Result<_, _>>().map_err(|reason| unreadable(format!("its header is {reason}")))?;
    reading.scores.check(columns.iter().map(|column| column.name.as_str()))?;
    let (text, company) = if columns.is_empty() { (0, None) } else { reading.selection.find(place, &columns)? };
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let text_column = names.get(text).cloned().unwrap_or_default();
    let dialect = Dialect { separator, line_end, header: header.raw };
    let csv =
        Csv { records, counter: Counter::new(place), live, keep: reading.keep(InputFormat::Csv), names, text, company };
    Ok((Box::new(csv), columns, text_column, Some(dialect)))
}

/// The separator that the header has most of, outside quotes, and how its line ends.
fn dialect(buffer: &mut Buffer) -> Result<(u8, &'static str), FilesError> {
    let length = buffer.line_length()?.unwrap_or(LONGEST_ROW);
    let line = &buffer.unread()[..length];
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equals the first, which is the comma.
    let (separator, _) = counts.into_iter().rev().max_by_key(|(_, count)| *count).expect("there are four");
    Ok((separator, if line.ends_with(b"\r\n") { "\r\n" } else { "\n" }))
}

impl Input for Csv {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        let place = self.counter.next();
        let (reason, raw) = match record {
            Ok(record) => match self.check(&record) {
                Ok(()) => return Ok(Some(Item::Row(self.row(place, record)))),
                Err(reason) => (format!("line {}: {reason}", record.line), record.raw),
            },
            Err(Broken { reason, line, raw }) => (format!("line {line}: {reason}"), raw),
        };
        Ok(Some(Item::Unreadable(Unreadable { place, reason, raw })))
    }

    fn position(&self) -> u64 {
        self.records.buffer.position()
    }

    fn at_hand(&self) -> bool {
        !self.live || self.records.buffer.has_line()
    }
}

impl Csv {
    fn check(&self, record: &Record) -> Result<(), String> {
        utf8(&record.raw)?;
        match record.ends.len() {
            fields if fields == self.names.len() => Ok(()),
            fields => Err(format!("{fields} fields where the header has {}", self.names.len())),
        }
    }

    fn row(&self, place: crate::Place, record: Record) -> Row {
        let fields: Vec<_> = record.fields().into_iter().map(String::from_utf8_lossy).collect();
        let text = match fields[self.text].trim() {
            "" => Err(format!("column {} is empty", self.names[self.text])),
            _ => Ok(fields[self.text].clone().into_owned()),
        };
        let company = self.company.map(|company| fields[company].clone().into_owned());
        let cells = match self.keep {
            Keep::Cells => fields.iter().map(|field| Some(json(field))).collect(),
            Keep::Raw | Keep::Nothing => Vec::new(),
        };
        Row { place, raw: record.raw, cells, text, company }
    }
}

/// Records as they stand in the file.
struct Records {
    buffer: Buffer,
    reader: Reader,
    line: u64,
}

#[derive(Default)]
struct Record {
    /// The line it begins in, counted from 1.
    line: u64,
    raw: Vec<u8>,
    /// The fields without quotes, one after the other.
    values: Vec<u8>,
    /// Where each field ends in them.
    ends: Vec<usize>,
}

/// What is no record.
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
        Self { buffer, reader: ReaderBuilder::new().delimiter(separator).build(), line: 1 }
    }

    fn next(&mut self) -> Result<Option<Result<Record, Broken>>, FilesError> {
        self.skip_line_ends()?;
        if self.buffer.unread().is_empty() {
            return Ok(None);
        }
        let mut parse = Parse::default();
        let mut fed = 0;
        let complete = loop {
            let rest = &self.buffer.unread()[fed..];
            if rest.is_empty() {
                if self.buffer.more()? {
                    continue;
                }
                // The last line may lack its end; if that does not end the record a quote is open.
                break parse.feed(&mut self.reader, b"\n").0;
            }
            let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest, |end| &rest[..=end]);
            let (complete, read) = parse.feed(&mut self.reader, line);
            fed += read;
            if complete || fed > LONGEST_ROW {
                break complete;
            }
        };
        if !complete {
            return self.broken().map(|broken| Some(Err(broken)));
        }
        let line = self.line;
        let raw = self.take(fed);
        Ok(Some(Ok(Record { line, raw, values: parse.values, ends: parse.ends })))
    }

    /// Blank lines, and what is left of a line end of two characters, are no records.
    fn skip_line_ends(&mut self) -> Result<(), FilesError> {
        loop {
            let ends = self.buffer.unread().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.take(ends);
            if !self.buffer.unread().is_empty() || !self.buffer.more()? {
                return Ok(());
            }
        }
    }

    /// A record that never ends is most likely a stray quote: only its first line is given up,
    /// and reading goes on behind it.
    fn broken(&mut self) -> Result<Broken, FilesError> {
        self.reader.reset();
        let line = self.line;
        self.line += 1;
        Ok(match self.buffer.line()? {
            Some(Line::TooLong(raw)) => Broken { line, reason: too_long(), raw },
            Some(Line::Whole(raw)) => Broken { line, reason: "a quote opens in it and never closes".into(), raw },
            None => Broken { line, reason: "a quote opens in it and never closes".into(), raw: Vec::new() },
        })
    }

    /// Uses bytes; gives them without line ends.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let bytes = &self.buffer.unread()[..count];
        self.line += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let raw = bytes[..end].to_vec();
        self.buffer.consume(count);
        raw
    }
}

/// A record being parsed.
#[derive(Default)]
struct Parse {
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl Parse {
    /// Parses on; whether the record is complete, and how many bytes were read.
    fn feed(&mut self, reader: &mut Reader, bytes: &[u8]) -> (bool, usize) {
        let (written, ended) = (self.values.len(), self.ends.len());
        // Values are never longer than what they are read from.
        self.values.resize(written + bytes.len(), 0);
        self.ends.resize(ended + bytes.len() + 1, 0);
        let (result, read, more, fields) =
            reader.read_record(bytes, &mut self.values[written..], &mut self.ends[ended..]);
        self.values.truncate(written + more);
        self.ends.truncate(ended + fields);
        (matches!(result, ReadRecordResult::Record), read)
    }
}

/// A field as CSV writes it: in quotes where it must be.
pub(crate) fn quoted(field: &str, separator: u8) -> String {
    let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\r' | b'\n');
    if field.bytes().any(special) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
