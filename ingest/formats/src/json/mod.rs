//! Rows of JSON files: an object on each line, objects one after the other, a list of objects, or a list under a key.

mod layout;
mod pandas;
mod scan;
mod value;

pub(crate) use layout::{Layout, is_list_of_lists};
pub(crate) use pandas::REMEDY as PANDAS_REMEDY;
pub(crate) use value::fields;

use crate::buffer::{Buffer, KEPT_BYTES, Line, MAX_ROW_BYTES, too_long};
use crate::reader::{Next, Rows};
use crate::{FormatError, Row, Unreadable};
use pandas::Orient;
use scan::{Scan, Scanned};
use std::collections::HashMap;
use std::sync::Arc;

/// How many field names are kept and shared, so that not every row needs its own copies.
const KNOWN_NAMES: usize = 4096;

/// The deepest indentation, in bytes, by which the elements of a list are found again after a broken one.
const MAX_INDENT: usize = 256;

pub(crate) struct Json {
    buffer: Buffer,
    layout: Layout,
    names: HashMap<String, Arc<str>>,
    /// Whether the list has begun and not ended.
    in_list: bool,
    /// White space in front of the elements, if each is on a line of its own.
    indent: Option<Vec<u8>>,
    /// How many elements of lists have been read.
    elements: u64,
    /// [`Options::tables`](crate::Options::tables).
    tables: bool,
}

/// The number and the bytes of a row, and the reason if it can't be read.
type Piece = (u64, Vec<u8>, Result<(), String>);

impl Json {
    pub fn new(buffer: Buffer, layout: Layout, tables: bool) -> Self {
        Self { buffer, layout, names: HashMap::new(), in_list: false, indent: None, elements: 0, tables }
    }

    /// Refuses the first object of the file if it is a table of pandas, and no row.
    fn check_table(&self, first: &Result<Row, Unreadable>) -> Result<(), FormatError> {
        let orient = match first {
            Ok(row) => Orient::of(&row.fields).filter(|orient| !self.tables || *orient == Orient::Index),
            Err(row) if row.reason == too_long() => Orient::of_beginning(&row.raw),
            Err(_) => None,
        };
        orient.map_or(Ok(()), |orient| Err(orient.refused(self.buffer.place())))
    }

    fn row(&mut self, (number, raw, whole): Piece) -> Result<Row, Unreadable> {
        match whole.and_then(|()| value::fields(&raw)) {
            Ok(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (self.name(name), value)).collect();
                Ok(Row { number, raw, fields })
            }
            Err(reason) => Err(Unreadable { number, raw, reason }),
        }
    }

    fn name(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.names.get(&name) {
            return known.clone();
        }
        let shared: Arc<str> = name.as_str().into();
        if self.names.len() < KNOWN_NAMES {
            self.names.insert(name, shared.clone());
        }
        shared
    }

    fn line(&mut self) -> Result<Option<Piece>, FormatError> {
        loop {
            let number = self.buffer.line_number();
            return Ok(Some(match self.buffer.line()? {
                None => return Ok(None),
                Some(Line::Whole(line)) if line.trim_ascii().is_empty() => continue,
                Some(Line::Whole(line)) => (number, line.trim_ascii().to_vec(), Ok(())),
                Some(Line::TooLong(beginning)) => (number, beginning, Err(too_long())),
            }));
        }
    }

    /// The next object of a file of objects one after the other. After a broken object, reading continues at the next
    /// line that begins with `{`.
    fn one_after_the_other(&mut self) -> Result<Option<Piece>, FormatError> {
        // Some files have commas between the objects.
        if self.buffer.skip(is_separator)?.is_none() {
            return Ok(None);
        }
        let number = self.buffer.line_number();
        Ok(Some(match self.value()? {
            Found::Whole(raw) => (number, raw, Ok(())),
            Found::TooLong(beginning) => (number, beginning, Err(too_long())),
            Found::CutOff => return Err(self.cut_off("its last object has no end")),
            Found::Broken(problem) => {
                let raw = self.skip_lines(|line| line.starts_with(b"{"))?;
                (number, raw, Err(problem))
            }
        }))
    }

    /// The next element of the list, or of the next list.
    fn element(&mut self) -> Result<Option<Piece>, FormatError> {
        loop {
            if !self.in_list && !self.open_list()? {
                return Ok(None);
            }
            match self.next_element()? {
                None => return Err(self.cut_off("its list has no end")),
                Some(b']') => {
                    self.buffer.consume(1);
                    self.close_list()?;
                }
                Some(_) => break,
            }
        }
        self.elements += 1;
        let number = self.elements;
        Ok(Some(match self.value()? {
            Found::Whole(raw) => (number, raw, Ok(())),
            Found::TooLong(beginning) => (number, beginning, Err(too_long())),
            Found::CutOff => return Err(self.cut_off("its last row has no end")),
            Found::Broken(problem) => {
                if self.indent.is_none() && number == 1 {
                    self.indent = self.indent_of_next_line()?;
                }
                let Some(indent) = self.indent.clone() else {
                    let rows = self.buffer.rows;
                    let problem = format!("row {number} is {problem}; the rows after it can't be told apart");
                    return Err(FormatError::Damaged { place: self.buffer.place().to_owned(), rows, problem });
                };
                let raw = self.skip_lines(|line| begins_element(line, &indent))?;
                (number, raw, Err(problem))
            }
        }))
    }

    /// Moves to the first element of the next list; `false` at the end of the file.
    fn open_list(&mut self) -> Result<bool, FormatError> {
        let Some(next) = self.buffer.skip(is_separator)? else { return Ok(false) };
        let skipped = match &self.layout {
            Layout::Under(key) => match layout::list_under(&mut self.buffer, Some(key))? {
                Some(found) => found.begins,
                None => {
                    let problem = format!("what follows has no list {key}");
                    return Err(self.damaged(problem));
                }
            },
            _ if next == b'[' => 1,
            _ => return Err(self.damaged("something follows the end of its list".into())),
        };
        self.buffer.consume(skipped);
        self.in_list = true;
        Ok(true)
    }

    /// After the end of a list: reads the rest of the object that the list is in.
    fn close_list(&mut self) -> Result<(), FormatError> {
        self.in_list = false;
        if !matches!(self.layout, Layout::Under(_)) {
            return Ok(());
        }
        let mut scan = Scan::rest_of_object();
        loop {
            let unread = self.buffer.unread();
            let count = unread.len();
            match scan.feed(unread) {
                Scanned::End(length) => {
                    self.buffer.consume(length);
                    return Ok(());
                }
                Scanned::Open => self.buffer.consume(count),
                Scanned::Invalid(_) => return Err(self.damaged("what follows its list is not JSON".into())),
            }
            if !self.buffer.read_more()? {
                return Err(self.cut_off("the object around its list has no end"));
            }
        }
    }

    /// Skips to the next element and returns its first byte; notes the white space in front of the first.
    fn next_element(&mut self) -> Result<Option<u8>, FormatError> {
        let mut indent: Option<Vec<u8>> = None;
        loop {
            for (at, &byte) in self.buffer.unread().iter().enumerate() {
                match byte {
                    b'\n' => indent = Some(Vec::new()),
                    b' ' | b'\t' => {
                        if let Some(indent) = indent.as_mut().filter(|indent| indent.len() < MAX_INDENT) {
                            indent.push(byte);
                        }
                    }
                    // Some programs begin a line with the comma.
                    b',' => match &mut indent {
                        Some(indent) if indent.len() < MAX_INDENT => indent.push(b','),
                        _ => indent = None,
                    },
                    b'\r' => {}
                    _ => {
                        self.buffer.consume(at);
                        // The first element may follow the bracket on its line, and the others be on their own.
                        if self.elements < 2 && indent.is_some() {
                            self.indent = indent;
                        }
                        return Ok(Some(byte));
                    }
                }
            }
            self.buffer.consume(self.buffer.unread().len());
            if !self.buffer.read_more()? {
                return Ok(None);
            }
        }
    }

    /// The white space in front of the second element, if it begins on the next line. Called when the first element is
    /// broken and begins on the line of the bracket. `None` if the first element seems to span several lines, because
    /// objects nested in it could then be taken for elements.
    fn indent_of_next_line(&mut self) -> Result<Option<Vec<u8>>, FormatError> {
        let Some(length) = self.buffer.line_length()? else { return Ok(None) };
        let first = self.buffer.unread()[..length].trim_ascii();
        if first == b"{" || !first.ends_with(b",") && !first.ends_with(b"}") {
            return Ok(None);
        }
        while self.buffer.unread().len() < length + MAX_INDENT && self.buffer.read_more()? {}
        let next = self.buffer.unread().get(length..).unwrap_or_default();
        let next = next.strip_prefix(b"\n").unwrap_or(next);
        let white = next.iter().take_while(|byte| b" \t,".contains(byte)).count();
        Ok(next.get(white).filter(|byte| **byte == b'{').map(|_| next[..white].to_vec()))
    }

    /// The value that begins here. A broken one is not consumed.
    fn value(&mut self) -> Result<Found, FormatError> {
        let mut scan = Scan::value();
        let mut scanned = 0;
        loop {
            match scan.feed(&self.buffer.unread()[scanned..]) {
                Scanned::End(length) => return Ok(Found::Whole(self.buffer.take(scanned + length))),
                Scanned::Invalid(at) => {
                    let problem = match value::fields(&self.buffer.unread()[..scanned + at + 1]) {
                        Err(problem) => problem,
                        Ok(_) => "not a JSON object".into(),
                    };
                    return Ok(Found::Broken(problem));
                }
                Scanned::Open => scanned = self.buffer.unread().len(),
            }
            if scanned > MAX_ROW_BYTES {
                return self.skip_value(scan);
            }
            if !self.buffer.read_more()? {
                return Ok(Found::CutOff);
            }
        }
    }

    /// Skips the rest of a value that is too long; all unread bytes belong to it.
    fn skip_value(&mut self, mut scan: Scan) -> Result<Found, FormatError> {
        let beginning = self.buffer.take(KEPT_BYTES);
        self.buffer.consume(self.buffer.unread().len());
        loop {
            if !self.buffer.read_more()? {
                return Ok(Found::CutOff);
            }
            let count = self.buffer.unread().len();
            match scan.feed(self.buffer.unread()) {
                Scanned::End(length) => self.buffer.consume(length),
                Scanned::Invalid(at) => self.buffer.consume(at),
                Scanned::Open => {
                    self.buffer.consume(count);
                    continue;
                }
            }
            return Ok(Found::TooLong(beginning));
        }
    }

    /// Skips the rest of this line, and further lines until the next one is wanted. Returns the beginning of what was
    /// skipped.
    fn skip_lines(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, FormatError> {
        let mut skipped = Vec::new();
        loop {
            match self.buffer.line()? {
                None => break,
                Some(Line::Whole(line) | Line::TooLong(line)) => {
                    let room = KEPT_BYTES.saturating_sub(skipped.len());
                    skipped.extend_from_slice(&line[..line.len().min(room)]);
                    skipped.push(b'\n');
                }
            }
            let length = self.buffer.line_length()?.unwrap_or(KEPT_BYTES);
            if is_wanted(&self.buffer.unread()[..length]) {
                break;
            }
        }
        let end = skipped.trim_ascii_end().len();
        skipped.truncate(end);
        Ok(skipped)
    }

    fn cut_off(&self, what: &str) -> FormatError {
        FormatError::CutOff { place: self.buffer.place().to_owned(), rows: self.buffer.rows, what: what.to_owned() }
    }

    fn damaged(&self, problem: String) -> FormatError {
        FormatError::Damaged { place: self.buffer.place().to_owned(), rows: self.buffer.rows, problem }
    }
}

/// What was found where a value should be.
enum Found {
    Whole(Vec<u8>),
    /// The beginning of a value that is too long. The whole value is consumed.
    TooLong(Vec<u8>),
    /// The reason why this is not a value.
    Broken(String),
    CutOff,
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',')
}

/// Whether a line begins an element with this indentation, or ends the list.
fn begins_element(line: &[u8], indent: &[u8]) -> bool {
    let own = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_element = |rest: &[u8]| rest.starts_with(b"{");
    let ends = own <= indent.len() && line[own..].starts_with(b"]");
    ends || line.strip_prefix(indent).is_some_and(is_element)
}

impl Rows for Json {
    fn next(&mut self) -> Next {
        let piece = match self.layout {
            Layout::Lines => self.line()?,
            Layout::OneAfterTheOther => self.one_after_the_other()?,
            Layout::List | Layout::Under(_) => self.element()?,
        };
        let Some(piece) = piece else { return Ok(None) };
        self.buffer.rows += 1;
        let is_first = self.buffer.rows == 1 && matches!(self.layout, Layout::Lines | Layout::OneAfterTheOther);
        let row = self.row(piece);
        if is_first {
            self.check_table(&row)?;
        }
        Ok(Some(row))
    }

    fn is_ready(&self) -> bool {
        self.layout == Layout::Lines && self.buffer.has_line()
    }

    fn columns(&self) -> Option<&[Arc<str>]> {
        None
    }

    fn without_rows(&self) -> &'static str {
        match self.layout {
            Layout::Lines => "blank lines",
            _ => "an empty list",
        }
    }
}
