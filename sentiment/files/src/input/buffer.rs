//! Bytes of an input that are read but not yet consumed.

use crate::FilesError;
use std::io::{ErrorKind, Read};

/// Longer rows are refused, so that a file without line ends can't fill the memory.
pub(crate) const MAX_ROW_BYTES: usize = 4 << 20;

/// Bytes to read at once.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Buffer {
    source: Box<dyn Read + Send>,
    place: String,
    bytes: Vec<u8>,
    /// Bytes before this index are consumed.
    start: usize,
    position: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// The beginning of a line of more than [`MAX_ROW_BYTES`]; the rest is skipped.
    TooLong(Vec<u8>),
}

impl Buffer {
    pub fn new(source: Box<dyn Read + Send>, place: &str) -> Self {
        Self { source, place: place.to_owned(), bytes: Vec::new(), start: 0, position: 0 }
    }

    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
        self.position += count as u64;
        debug_assert!(self.start <= self.bytes.len());
    }

    /// Reads more bytes; returns `false` at the end of the input.
    pub fn read_more(&mut self) -> Result<bool, FilesError> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let end = self.bytes.len();
        self.bytes.resize(end + READ_BYTES, 0);
        let read = loop {
            match self.source.read(&mut self.bytes[end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes.truncate(end + *read.as_ref().unwrap_or(&0));
        Ok(read.map_err(FilesError::io(&self.place))? > 0)
    }

    /// Reads until at least `count` bytes are unread, or the input ends.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], FilesError> {
        while self.unread().len() < count && self.read_more()? {}
        Ok(self.unread())
    }

    /// Length of the next line, including its end if it has one; `None` if it is too long.
    pub fn line_length(&mut self) -> Result<Option<usize>, FilesError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.unread()[searched..].iter().position(|&byte| byte == b'\n') {
                return Ok(Some(searched + at + 1));
            }
            searched = self.unread().len();
            if searched > MAX_ROW_BYTES {
                return Ok(None);
            }
            if !self.read_more()? {
                return Ok(Some(searched));
            }
        }
    }

    /// The next line.
    pub fn line(&mut self) -> Result<Option<Line>, FilesError> {
        match self.line_length()? {
            Some(0) => Ok(None),
            Some(length) => {
                let line = without_end(&self.unread()[..length]).to_vec();
                self.consume(length);
                Ok(Some(Line::Whole(line)))
            }
            None => {
                let beginning = self.unread()[..READ_BYTES].to_vec();
                self.skip_line()?;
                Ok(Some(Line::TooLong(beginning)))
            }
        }
    }

    /// Skips the rest of a line of any length.
    pub fn skip_line(&mut self) -> Result<(), FilesError> {
        loop {
            if let Some(at) = self.unread().iter().position(|&byte| byte == b'\n') {
                self.consume(at + 1);
                return Ok(());
            }
            self.consume(self.unread().len());
            if !self.read_more()? {
                return Ok(());
            }
        }
    }

    /// Whether a whole line can be returned without reading.
    pub fn has_line(&self) -> bool {
        self.unread().contains(&b'\n')
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The reason why a row that is too long is refused.
pub(crate) fn too_long() -> String {
    format!("the row is longer than {} MiB", MAX_ROW_BYTES >> 20)
}

/// Bytes as text, or the reason why they are not text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} of the row on", error.valid_up_to() + 1))
}
