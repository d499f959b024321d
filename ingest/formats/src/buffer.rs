//! Bytes of a file that are read but not yet consumed, as UTF-8 where they are text.

use crate::FormatError;
use crate::compression::ByteSource;
use memchr::{memchr, memchr_iter};
use std::io::{ErrorKind, Read as _};

/// The longest row, in bytes. Longer rows are refused, so that a file without line ends can't fill the memory.
pub(crate) const MAX_ROW_BYTES: usize = 4 << 20;

/// How many bytes are kept of a row that is refused for its size.
pub(crate) const KEPT_BYTES: usize = 64 << 10;

/// How many bytes are read at a time.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Buffer {
    source: ByteSource,
    place: String,
    bytes: Vec<u8>,
    /// Bytes before this index are consumed.
    start: usize,
    /// The number of the line that the next byte is in, counted from 1.
    line: u64,
    /// How many rows were returned; errors say it.
    pub rows: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// The beginning of a line of more than [`MAX_ROW_BYTES`]; the rest is skipped.
    TooLong(Vec<u8>),
}

impl Buffer {
    pub fn new(source: ByteSource, place: &str) -> Self {
        Self { source, place: place.to_owned(), bytes: Vec::new(), start: 0, line: 1, rows: 0 }
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The number of the line that the next byte is in, counted from 1.
    pub fn line_number(&self) -> u64 {
        self.line
    }

    pub fn consume(&mut self, count: usize) {
        let consumed = &self.bytes[self.start..self.start + count];
        self.line += memchr_iter(b'\n', consumed).count() as u64;
        self.start += count;
    }

    /// Consumes bytes and returns them.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.unread()[..count].to_vec();
        self.consume(count);
        taken
    }

    /// Reads more bytes; returns `false` at the end of the input.
    ///
    /// # Errors
    /// The file can't be read, or its compressed data is damaged or has no end.
    pub fn read_more(&mut self) -> Result<bool, FormatError> {
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
        Ok(read.map_err(FormatError::reading(&self.place, self.rows))? > 0)
    }

    /// Consumes all bytes up to the first that is not one of these, reading more where needed. Returns that byte, or
    /// `None` at the end.
    pub fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) -> Result<Option<u8>, FormatError> {
        loop {
            let skipped = self.unread().iter().take_while(|&&byte| is_skipped(byte)).count();
            self.consume(skipped);
            if let Some(&byte) = self.unread().first() {
                return Ok(Some(byte));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    /// Length of the next line, including its end if it has one; `None` if it is too long.
    pub fn line_length(&mut self) -> Result<Option<usize>, FormatError> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.unread()[searched..]) {
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
    pub fn line(&mut self) -> Result<Option<Line>, FormatError> {
        match self.line_length()? {
            Some(0) => Ok(None),
            Some(length) => {
                let line = without_end(&self.unread()[..length]).to_vec();
                self.consume(length);
                Ok(Some(Line::Whole(line)))
            }
            None => {
                let beginning = self.unread()[..KEPT_BYTES].to_vec();
                self.skip_line()?;
                Ok(Some(Line::TooLong(beginning)))
            }
        }
    }

    /// Skips the rest of a line of any length.
    pub fn skip_line(&mut self) -> Result<(), FormatError> {
        loop {
            if let Some(at) = memchr(b'\n', self.unread()) {
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
        memchr(b'\n', self.unread()).is_some()
    }
}

pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The reason why a row that is too long is refused.
pub(crate) fn too_long() -> String {
    format!("the row is longer than {} MiB", MAX_ROW_BYTES >> 20)
}
