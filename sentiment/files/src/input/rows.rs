//! Rows of files and of the standard input, in any format that is read.

use super::dialect::Dialect;
use super::values::{company, text};
use super::{Counter, FilesError, Keep, OpenedInput, Reading, RowReader};
use crate::JobSource;
use crate::columns::{Column, Kind, ScoreColumns, unite};
use crate::format::OutputFormat;
use crate::row::{Cell, Item, Place, Row, Unreadable};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{HashMap, VecDeque};
use tapewire_formats::{self as formats, Format, FormatError, Options, Reader, Value};

/// Number of JSON rows that are read before the first is scored, to find the fields and their kinds. If none of them
/// has a field, reading goes on until one has. Of a pipe that is copied row by row, reading stops at the first row
/// with a field.
const LOOK_AHEAD: usize = 1000;
/// Reading ahead stops early at this size.
const LOOK_AHEAD_BYTES: usize = 8 << 20;

type Read = Result<formats::Row, formats::Unreadable>;

struct Rows {
    reader: Reader,
    ahead: VecDeque<Read>,
    /// The error that ended reading ahead. It is returned after the rows in `ahead`.
    broken: Option<FilesError>,
    counter: Counter,
    keep: Keep,
    text: String,
    company: Option<String>,
    scores: ScoreColumns,
    /// The index of each column, by its name, and the kind that the output needs; empty unless the output is made of
    /// values.
    columns: HashMap<String, (usize, Option<Kind>)>,
    typed: bool,
}

/// Opens a file or the standard input. Empty ones have no rows.
pub(super) fn open(source: &JobSource, options: &Options, reading: &Reading) -> Result<OpenedInput, FilesError> {
    let opened = match source {
        JobSource::File(path) => Reader::open(path, &of_name(path, options)),
        _ => Reader::stdin(&Options { otherwise: Format::Text, ..options.clone() }),
    };
    match opened {
        Ok(reader) => rows(reader, source, options, reading),
        Err(FormatError::Empty { .. }) => Ok(OpenedInput::empty(source, options)),
        Err(error) => Err(error.into()),
    }
}

/// The options for a file with this name. A name that says Parquet or text decides; otherwise the contents decide,
/// and the name only if the contents fit several formats.
fn of_name(path: &std::path::Path, options: &Options) -> Options {
    let named = Format::of_name(path);
    let format = options.format.or(named.filter(|named| matches!(named, Format::Text | Format::Parquet)));
    Options { format, otherwise: named.unwrap_or(Format::Text), ..options.clone() }
}

pub(super) fn rows(
    mut reader: Reader,
    source: &JobSource,
    options: &Options,
    reading: &Reading,
) -> Result<OpenedInput, FilesError> {
    let place = source.to_string();
    let format = reader.format();
    let keep = reading.keep(format);
    let (mut ahead, mut broken) = (VecDeque::new(), None);
    let columns: Vec<Column> = match reader.columns() {
        Some(names) => names.iter().map(|name| Column::text(name)).collect(),
        None => {
            let rows = if reader.total().is_none() && keep != Keep::Cells { 1 } else { LOOK_AHEAD };
            (ahead, broken) = look_ahead(&mut reader, rows, &place)?;
            columns(&ahead)
        }
    };
    if format != Format::Json {
        reading.scores.check(columns.iter().map(|column| column.name.as_str()))?;
    }
    // An input without any field is not an error here: each of its rows is rejected with its own reason.
    let (text, company) = if columns.is_empty() {
        (reading.selection.text.clone().unwrap_or_else(|| "text".into()), reading.selection.company.clone())
    } else {
        let found = reading.selection.find(&place, &columns);
        let (text, company) = found.map_err(|error| without_header(error, format, options))?;
        (columns[text].name.clone(), company.map(|company| columns[company].name.clone()))
    };
    if let Some(name) = std::iter::once(&text).chain(&company).find(|name| !reader.may_be_text(name)) {
        let problem = format!("column {name} does not contain text");
        return Err(FilesError::Unreadable { place, problem });
    }
    if keep == Keep::Nothing {
        let read: Vec<&str> = std::iter::once(&text).chain(&company).map(String::as_str).collect();
        reader.only(&read)?;
    }
    let dialect = reader.dialect().map(|dialect| Dialect::of(dialect, &columns, options));
    let total = reader.total();
    let rows = Rows {
        reader,
        ahead,
        broken,
        counter: Counter::new(&place),
        keep,
        text: text.clone(),
        company,
        scores: reading.scores.clone(),
        columns: HashMap::new(),
        typed: reading.output == OutputFormat::Parquet && format == Format::Json,
    };
    Ok(OpenedInput { input: Box::new(rows), columns, text_column: text, dialect, total, format: Some(format) })
}

/// The error of a missing column. For CSV it adds what to do if the file has no header and its first row was therefore
/// taken for the names of the columns.
fn without_header(error: FilesError, format: Format, options: &Options) -> FilesError {
    match error {
        FilesError::NoColumn { input, wanted, columns, option } if format == Format::Csv && options.header => {
            let option = format!("{option}, or give --no-header if these are values of the first row");
            FilesError::NoColumn { input, wanted, columns, option: option.into() }
        }
        other => other,
    }
}

/// The first rows, and the error that came after them, if there was one.
type Ahead = (VecDeque<Read>, Option<FilesError>);

fn look_ahead(reader: &mut Reader, rows: usize, place: &str) -> Result<Ahead, FilesError> {
    let (mut ahead, mut bytes, mut found) = (VecDeque::new(), 0, false);
    while ahead.len() < rows || !found {
        if bytes >= LOOK_AHEAD_BYTES {
            if found {
                break;
            }
            let problem = format!("none of its first {} rows is a JSON object with a field", ahead.len());
            return Err(FilesError::Unreadable { place: place.to_owned(), problem });
        }
        let read = match next(reader) {
            Ok(Some(read)) => read,
            Ok(None) => break,
            Err(error) if found => return Ok((ahead, Some(error))),
            Err(error) => return Err(error),
        };
        let (Ok(formats::Row { raw, .. }) | Err(formats::Unreadable { raw, .. })) = &read;
        bytes += raw.len() + size_of::<Read>();
        found = found || read.as_ref().is_ok_and(|row| !row.fields.is_empty());
        ahead.push_back(read);
    }
    Ok((ahead, None))
}

/// The next row; `None` at the end, also for a file without rows.
fn next(reader: &mut Reader) -> Result<Option<Read>, FilesError> {
    match reader.next().transpose() {
        Err(FormatError::NoRows { .. }) => Ok(None),
        read => Ok(read?),
    }
}

/// The fields of the rows, in the order in which they first appear.
fn columns(rows: &VecDeque<Read>) -> Vec<Column> {
    let mut columns = Vec::new();
    let fields = rows.iter().flatten().flat_map(|row| &row.fields);
    unite(
        &mut columns,
        fields.map(|(name, value)| Column {
            name: name.to_string(),
            kind: raw_value(value).as_deref().and_then(Kind::of),
        }),
    );
    columns
}

/// A value as JSON.
fn raw_value(value: &Value) -> Cell {
    match value {
        Value::Null => None,
        other => RawValue::from_string(other.to_json()).ok(),
    }
}

impl RowReader for Rows {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        let read = match self.ahead.pop_front() {
            Some(read) => read,
            None if self.broken.is_some() => return self.broken.take().map_or(Ok(None), Err),
            None => match next(&mut self.reader)? {
                Some(read) => read,
                None => return Ok(None),
            },
        };
        let (Ok(formats::Row { number, .. }) | Err(formats::Unreadable { number, .. })) = &read;
        let place = self.place(*number);
        let read = read.and_then(|row| {
            self.row(place.clone(), &row).map_err(|reason| formats::Unreadable {
                number: row.number,
                raw: row.raw,
                reason,
            })
        });
        Ok(Some(match read {
            Ok(row) => Item::Row(row),
            Err(formats::Unreadable { number, raw, reason }) => {
                // The row number of CSV leaves out the header, but people look for a line of the file.
                let is_csv = self.reader.format() == Format::Csv;
                let reason = if is_csv { format!("line {number}: {reason}") } else { reason };
                Item::Unreadable(Unreadable { place, reason, raw })
            }
        }))
    }

    fn position(&self) -> u64 {
        self.reader.position()
    }

    fn is_ready(&self) -> bool {
        !self.ahead.is_empty() || self.reader.is_ready()
    }

    fn set_columns(&mut self, columns: &[Column]) {
        let kind = |column: &Column| column.kind.filter(|_| self.typed);
        let numbered = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), (at, kind(column))));
        self.columns = numbered.collect();
    }
}

impl Rows {
    fn place(&mut self, number: u64) -> Place {
        let counted = self.counter.next();
        if self.reader.format() == Format::Csv { counted } else { Place { row: number, ..counted } }
    }

    fn row(&self, place: Place, row: &formats::Row) -> Result<Row, String> {
        let format = self.reader.format();
        if let Some((name, _)) = row.fields.iter().find(|(name, _)| self.scores.has(name)) {
            return Err(format!("it already has a field {name}, the name of a score column; see --prefix"));
        }
        let what = if format == Format::Json { "field" } else { "column" };
        let company = self.company.as_ref().map(|name| company(row.get(name), what, name)).transpose();
        let text = text(row.get(&self.text), what, &self.text);
        let (text, company) = match company {
            Ok(company) => (text, company.flatten()),
            Err(reason) => (text.and(Err(reason)), None),
        };
        let cells = if self.keep == Keep::Cells { self.cells(row)? } else { Vec::new() };
        let raw = match format {
            Format::Json => as_line(row),
            Format::Parquet => text.as_deref().unwrap_or_default().as_bytes().to_vec(),
            _ if self.keep == Keep::Raw => String::from_utf8_lossy(&row.raw).into_owned().into_bytes(),
            _ => row.raw.clone(),
        };
        Ok(Row { place, raw, cells, text, company })
    }

    /// The values in the order of the columns.
    fn cells(&self, row: &formats::Row) -> Result<Vec<Cell>, String> {
        if self.reader.format() != Format::Json {
            // By position: the columns are those of the input, and several columns of CSV may have no name.
            return Ok(row.fields.iter().map(|(_, value)| plain(value)).collect());
        }
        let mut cells = vec![None; self.columns.len()];
        for (name, value) in &row.fields {
            let Some((at, kind)) = self.columns.get(&**name) else {
                return Err(format!(
                    "its field {name} was not in the rows that were read ahead, at most {LOOK_AHEAD}, which determine the columns; write JSON lines, which keep every field"
                ));
            };
            let cell = raw_value(value);
            if let Some(kind) = kind.filter(|kind| cell.as_ref().is_some_and(|cell| !kind.holds(cell))) {
                return Err(format!(
                    "its field {name} is not {}, as in the rows that were read ahead, at most {LOOK_AHEAD}, which determine the columns; write JSON lines, which keep every value",
                    kind.name()
                ));
            }
            cells[*at] = cell;
        }
        Ok(cells)
    }
}

/// A value of CSV or Parquet as a cell: bytes in base 64, as a text.
fn plain(value: &Value) -> Cell {
    match value {
        Value::Object(fields) => match &fields[..] {
            [(name, bytes @ Value::Text(_))] if name == "base64" => raw_value(bytes),
            _ => raw_value(value),
        },
        other => raw_value(other),
    }
}

/// An object as one line of JSON: as it was written, if that is one line and valid.
fn as_line(row: &formats::Row) -> Vec<u8> {
    let is_line = !row.raw.contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(&row.raw).is_ok();
    if is_line { row.raw.clone() } else { row.to_json().into_bytes() }
}
