//! CSV with a header (RFC 4180, and other separators that spreadsheets write).

use super::buffer::{Buffer, Line, MAX_ROW_BYTES, too_long, utf8};
use super::{Counter, FilesError, InputFormat, Keep, Parts, Reading, RowReader};
use crate::columns::Column;
use crate::row::{Item, Row, Unreadable, json, scored_text};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// The dialect of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub separator: u8,
    /// The end of a row.
    pub line_end: &'static str,
    /// The header row as in the input, without its end; made from the names of the columns if the input is not CSV.
    pub header: Vec<u8>,
}

struct Csv {
    records: Records,
    counter: Counter,
    is_stream: bool,
    keep: Keep,
    names: Vec<String>,
    text: usize,
    company: Option<usize>,
}

pub(super) fn open(mut buffer: Buffer, place: &str, is_stream: bool, reading: &Reading) -> Result<Parts, FilesError> {
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
    let csv = Csv {
        records,
        counter: Counter::new(place),
        is_stream,
        keep: reading.keep(InputFormat::Csv),
        names,
        text,
        company,
    };
    Ok((Box::new(csv), columns, text_column, Some(dialect)))
}

/// The most frequent separator in the header, outside quotes, and the end of its line.
fn dialect(buffer: &mut Buffer) -> Result<(u8, &'static str), FilesError> {
    let length = buffer.line_length()?.unwrap_or(MAX_ROW_BYTES);
    let line = &buffer.unread()[..length];
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == byte && !quoted) {
            *count += 1;
        }
    }
    // On a tie the first one, which is the comma.
    let (separator, _) = counts.into_iter().rev().max_by_key(|(_, count)| *count).expect("there are four");
    Ok((separator, if line.ends_with(b"\r\n") { "\r\n" } else { "\n" }))
}

impl RowReader for Csv {
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

    fn is_ready(&self) -> bool {
        !self.is_stream || self.records.buffer.has_line()
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
        let text = scored_text(&fields[self.text], &format!("column {}", self.names[self.text]));
        let company = self.company.map(|company| fields[company].clone().into_owned());
        let cells = match self.keep {
            Keep::Cells => fields.iter().map(|field| Some(json(field))).collect(),
            Keep::Raw | Keep::Nothing => Vec::new(),
        };
        Row { place, raw: record.raw, cells, text, company }
    }
}

/// Records of the file.
struct Records {
    buffer: Buffer,
    reader: Reader,
    line: u64,
}

#[derive(Default)]
struct Record {
    /// The line in which it begins, counted from 1.
    line: u64,
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
                if self.buffer.read_more()? {
                    continue;
                }
                // The last line may lack its end. If adding one does not complete the record, a quote is open.
                break parse.feed(&mut self.reader, b"\n").0;
            }
            let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest, |end| &rest[..=end]);
            let (complete, read) = parse.feed(&mut self.reader, line);
            fed += read;
            if complete || fed > MAX_ROW_BYTES {
                break complete;
            }
        };
        if !complete {
            return self.broken().map(|broken| Some(Err(broken)));
        }
        let line = self.line;
        let raw = self.consume(fed);
        Ok(Some(Ok(Record { line, raw, values: parse.values, ends: parse.ends })))
    }

    /// Skips blank lines, and the second character of a line end.
    fn skip_line_ends(&mut self) -> Result<(), FilesError> {
        loop {
            let ends = self.buffer.unread().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.consume(ends);
            if !self.buffer.unread().is_empty() || !self.buffer.read_more()? {
                return Ok(());
            }
        }
    }

    /// A record that never ends is most likely the result of a stray quote: only its first line is rejected, and
    /// reading continues after it.
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

    /// Consumes bytes and returns them without line ends.
    fn consume(&mut self, count: usize) -> Vec<u8> {
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

/// A field in CSV, quoted if necessary.
pub(crate) fn quoted(field: &str, separator: u8) -> String {
    let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\r' | b'\n');
    if field.bytes().any(special) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
