//! Files as people have them.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod compressed;
mod delimited;
mod encodings;
mod json;
mod parquet;
mod refused;

use std::io::{Cursor, Read};
use std::path::PathBuf;
use tapewire_formats::{Format, FormatError, Options, Reader, Row, Unreadable, Value};

/// Returns at most this many bytes at a time, like a pipe.
pub(crate) struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(buffer.len());
        self.0.read(&mut buffer[..size])
    }
}

/// All items of a file, and the error that ended the reading, if any.
pub(crate) fn all(bytes: &[u8], options: &Options) -> (Vec<Result<Row, Unreadable>>, Option<FormatError>) {
    let mut items = Vec::new();
    let size = if bytes.len() > 100_000 { 10_007 } else { 7 };
    let reader = match Reader::from_read(Pieces(Cursor::new(bytes.to_vec()), size), "file", options) {
        Ok(reader) => reader,
        Err(error) => return (items, Some(error)),
    };
    for item in reader {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

/// A row as `number name=value name=value`, or `number !reason`.
pub(crate) fn shown(item: &Result<Row, Unreadable>) -> String {
    match item {
        Ok(row) => {
            let fields = row.fields.iter().map(|(name, value)| match value {
                Value::Text(text) => format!(" {name}={text}"),
                other => format!(" {name}={}", other.to_json()),
            });
            format!("{}{}", row.number, fields.collect::<String>())
        }
        Err(unreadable) => format!("{} !{}", unreadable.number, unreadable.reason),
    }
}

/// The rows of a file that is read to its end without an error.
pub(crate) fn rows_of(bytes: &[u8], options: &Options) -> Vec<String> {
    let (items, error) = all(bytes, options);
    assert!(error.is_none(), "{}", error.unwrap());
    items.iter().map(shown).collect()
}

pub(crate) fn rows(bytes: &[u8]) -> Vec<String> {
    rows_of(bytes, &Options::default())
}

/// The error that a file ends with, with its sources.
pub(crate) fn error_of(bytes: &[u8], options: &Options) -> String {
    all(bytes, options).1.expect("an error").to_string()
}

pub(crate) fn in_folder(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_file_says_its_format_and_how_far_it_has_been_read() {
    let (_folder, path) = in_folder("news.txt", b"a,b\n1,2\n");
    let mut reader = Reader::open(&path, &Options::default()).unwrap();
    assert_eq!((reader.format(), reader.total()), (Format::Csv, Some(8)));
    assert_eq!(reader.columns().unwrap().iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    assert!(reader.is_ready());
    assert!(reader.next().unwrap().unwrap().is_ok() && reader.next().is_none() && reader.next().is_none());
    assert_eq!(reader.position(), 8);
}

#[test]
fn text_is_lines_where_it_is_asked_for() {
    let text = Options { format: Some(Format::Text), ..Options::default() };
    assert_eq!(rows_of(b"a, b\r\n\n{\"c\"}", &text), ["1 text=a, b", "2 text=", "3 text={\"c\"}"]);
    let otherwise = Options { otherwise: Format::Text, ..Options::default() };
    assert_eq!(rows_of(b"[Desk] a, b\n", &otherwise), ["1 text=[Desk] a, b"]);
    assert_eq!(rows_of(b"{sic} a\n", &otherwise), ["1 text={sic} a"]);
    assert_eq!(rows_of(b"{\"a\":1}\n", &otherwise), ["1 a=1"]);
}
