//! JSON lines: one object per line. Blank lines are not rows, but they are counted.

use super::buffer::{Buffer, Line, too_long, utf8};
use super::{Counter, FilesError, InputFormat, Keep, Parts, Reading, RowReader};
use crate::columns::{Column, Kind, ScoreColumns, unite};
use crate::format::OutputFormat;
use crate::row::{Cell, Item, Row, Unreadable, scored_text};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// Number of lines that are read before the first is scored, to find the fields and their kinds; more until one of them
/// has a field. For a pipe that is copied line by line, only the first line is read.
const LOOK_AHEAD: usize = 1000;
/// Reading ahead stops early at this size.
const LOOK_AHEAD_BYTES: usize = 8 << 20;

struct Jsonl {
    buffer: Buffer,
    ahead: VecDeque<Line>,
    counter: Counter,
    is_stream: bool,
    text: String,
    company: Option<String>,
    scores: ScoreColumns,
    /// Indices by name, if the output is made of values, and the kind that the output needs.
    columns: Option<HashMap<String, (usize, Option<Kind>)>>,
    typed: bool,
}

pub(super) fn open(mut buffer: Buffer, place: &str, is_stream: bool, reading: &Reading) -> Result<Parts, FilesError> {
    let cells = reading.keep(InputFormat::Jsonl) == Keep::Cells;
    let ahead = look_ahead(&mut buffer, if is_stream && !cells { 1 } else { LOOK_AHEAD }, place)?;
    let columns = columns(&ahead);
    // If the whole input has no field, each row is rejected with its own reason.
    let (text, company) = if columns.is_empty() {
        (reading.selection.text.clone().unwrap_or_else(|| "text".into()), None)
    } else {
        let (text, company) = reading.selection.find(place, &columns)?;
        (columns[text].name.clone(), company.map(|company| columns[company].name.clone()))
    };
    let input = Jsonl {
        buffer,
        ahead,
        counter: Counter::new(place),
        is_stream,
        text: text.clone(),
        company,
        scores: reading.scores.clone(),
        columns: cells.then(HashMap::new),
        typed: reading.output == OutputFormat::Parquet,
    };
    Ok((Box::new(input), columns, text, None))
}

fn look_ahead(buffer: &mut Buffer, lines: usize, place: &str) -> Result<VecDeque<Line>, FilesError> {
    let unreadable = |problem: String| FilesError::Unreadable { place: place.to_owned(), problem };
    let (mut ahead, mut bytes, mut found) = (VecDeque::new(), 0, false);
    while ahead.len() < lines || !found {
        if bytes >= LOOK_AHEAD_BYTES {
            if found {
                break;
            }
            return Err(unreadable(format!("none of its first {} lines is a JSON object with a field", ahead.len())));
        }
        let Some(line) = buffer.line()? else { break };
        let (Line::Whole(content) | Line::TooLong(content)) = &line;
        if ahead.is_empty() && content.trim_ascii_start().starts_with(b"[") {
            return Err(unreadable("it is a JSON array, not one object per line; convert it: jq -c '.[]'".into()));
        }
        found = found || fields_of(&line).is_some_and(|fields| !fields.is_empty());
        bytes += content.len() + size_of::<Line>();
        ahead.push_back(line);
    }
    Ok(ahead)
}

/// The fields of the lines, in the order in which they first appear.
fn columns(lines: &VecDeque<Line>) -> Vec<Column> {
    let mut columns = Vec::new();
    let fields = lines.iter().filter_map(fields_of).flatten();
    unite(&mut columns, fields.map(|(name, value)| Column { name, kind: Kind::of(value) }));
    columns
}

/// The fields of a line that is an object.
fn fields_of(line: &Line) -> Option<Vec<(String, &RawValue)>> {
    match line {
        Line::Whole(line) => fields(line).ok(),
        Line::TooLong(_) => None,
    }
}

impl RowReader for Jsonl {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        loop {
            let line = match self.ahead.pop_front() {
                Some(line) => line,
                None => match self.buffer.line()? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            let place = self.counter.next();
            let (read, raw) = match line {
                Line::Whole(line) if line.trim_ascii().is_empty() => continue,
                Line::Whole(line) => (self.read(&line), line),
                Line::TooLong(beginning) => (Err(too_long()), beginning),
            };
            return Ok(Some(match read {
                Ok(Fields { cells, text, company }) => {
                    let raw = raw.trim_ascii().to_vec();
                    Item::Row(Row { place, raw, cells, text, company })
                }
                Err(reason) => Item::Unreadable(Unreadable { place, reason, raw }),
            }));
        }
    }

    fn position(&self) -> u64 {
        self.buffer.position()
    }

    fn is_ready(&self) -> bool {
        !self.is_stream || !self.ahead.is_empty() || self.buffer.has_line()
    }

    fn set_columns(&mut self, columns: &[Column]) {
        let kind = |column: &Column| column.kind.filter(|_| self.typed);
        let numbered = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), (at, kind(column))));
        if self.columns.is_some() {
            self.columns = Some(numbered.collect());
        }
    }
}

struct Fields {
    cells: Vec<Cell>,
    text: Result<String, String>,
    company: Option<String>,
}

impl Jsonl {
    fn read(&self, line: &[u8]) -> Result<Fields, String> {
        let fields = fields(line)?;
        if let Some((name, _)) = fields.iter().find(|(name, _)| self.scores.has(name)) {
            return Err(format!("it already has a field {name}, the name of a score column; see --prefix"));
        }
        // If a name occurs twice, the last one counts, as is usual.
        let find = |wanted: &str| fields.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let text = text(find(&self.text), &self.text);
        let company = self.company.as_ref().and_then(|name| string(find(name)?));
        let cells = match &self.columns {
            Some(columns) => cells(&fields, columns)?,
            None => Vec::new(),
        };
        Ok(Fields { cells, text, company })
    }
}

fn text(value: Option<&RawValue>, field: &str) -> Result<String, String> {
    let Some(value) = value else { return Err(format!("it has no field {field}")) };
    match (Kind::of(value), string(value)) {
        (None, _) => Err(format!("field {field} is null")),
        (_, Some(text)) => scored_text(&text, &format!("field {field}")),
        (_, None) => Err(format!("field {field} is not a text")),
    }
}

/// The values in the order of the columns.
fn cells(
    fields: &[(String, &RawValue)],
    columns: &HashMap<String, (usize, Option<Kind>)>,
) -> Result<Vec<Cell>, String> {
    let mut cells = vec![None; columns.len()];
    for (name, value) in fields {
        let Some((at, kind)) = columns.get(name) else {
            return Err(format!(
                "its field {name} was not in the first {LOOK_AHEAD} lines, which determine the columns; write JSON lines, which keep every field"
            ));
        };
        if let Some(kind) = kind.filter(|kind| !kind.holds(value)) {
            return Err(format!(
                "its field {name} is not {}, as in the first {LOOK_AHEAD} lines, which determine the columns; write JSON lines, which keep every value",
                kind.name()
            ));
        }
        cells[*at] = Kind::of(value).map(|_| (*value).to_owned());
    }
    Ok(cells)
}

/// The value, if it is a string.
fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The fields of an object in order, with their values as written.
pub(crate) fn fields(line: &[u8]) -> Result<Vec<(String, &RawValue)>, String> {
    let line = utf8(line)?;
    serde_json::from_str::<Object<'_>>(line)
        .map(|object| object.0)
        .map_err(|error| format!("not a JSON object: {error}"))
}

/// As received:
/// `{"id": 7, "headline": "Example Corp raises its outlook"}`
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Object)
    }
}
