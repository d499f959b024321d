//! Kinds of files that are not read: how their first bytes are recognised, and what the user can do instead.

use crate::FormatError;
use memchr::memmem;

/// Kinds of files that are not read: their magic number, its offset, the name of the kind, and what to do instead.
#[rustfmt::skip]
const REFUSED: &[(usize, &[u8], &str, &str)] = &[
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", SAVE_SHEET),
    (0, b"%PDF-", "a PDF", "save its text or its table as CSV"),
    (0, b"SQLite format 3\0", "an SQLite database", "write the table as CSV: sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > news.csv"),
    (8, b"DUCK", "a DuckDB database", "write the table as Parquet: duckdb FILE \"COPY TABLE_NAME TO 'news.parquet'\""),
    (0, b"ARROW1", "an Arrow (Feather) file", "write it as Parquet: python3 -c \"import pandas; pandas.read_feather('FILE').to_parquet('FILE.parquet')\""),
    (0, b"FEA1", "a Feather file", "write it as Parquet: python3 -c \"import pandas; pandas.read_feather('FILE').to_parquet('FILE.parquet')\""),
    (0, b"\xff\xff\xff\xff", "an Arrow stream", "write it as Parquet"),
    (0, b"Obj\x01", "an Avro file", "write it as JSON lines: avro-tools tojson FILE > news.jsonl"),
    (0, b"ORC", "an ORC file", "write it as Parquet: python3 -c \"import pandas; pandas.read_orc('FILE').to_parquet('FILE.parquet')\""),
    (0, b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet: python3 -c \"import pandas; pandas.read_hdf('FILE').to_parquet('FILE.parquet')\""),
    (0, b"\x93NUMPY", "a NumPy array", "write it as CSV with names"),
    (257, b"ustar", "a tar archive", "unpack it (tar -xf FILE) and give the files in it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it (7z x FILE) and give the files in it"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it (unrar x FILE) and give the files in it"),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4", "decompress it: lz4 -d FILE"),
    (0, b"\xff\x06\0\0sNaPpY", "compressed with Snappy", "decompress it"),
    (0, b"\x1f\x9d", "compressed with compress (.Z)", "decompress it: uncompress FILE"),
    (0, b"\x1f\xa0", "compressed with compress (.Z)", "decompress it: uncompress FILE"),
    (0, b"]\0\0", "compressed with LZMA", "decompress it: xz --format=lzma -d FILE"),
    (0, b"LZIP", "compressed with lzip", "decompress it: lzip -d FILE"),
    (0, b"\x89PNG", "an image", "give a file of text"),
    (0, b"\xff\xd8\xff", "an image", "give a file of text"),
    (0, b"\x7fELF", "a program", "give a file of text"),
];

const SAVE_SHEET: &str = "save the sheet as CSV (UTF-8)";

/// Refuses contents of a kind that is not read.
pub(crate) fn refuse_other_kinds(beginning: &[u8], place: &str) -> Result<(), FormatError> {
    let refused = |what: &str, remedy: &str| {
        Err(FormatError::Refused {
            place: place.to_owned(),
            what: what.to_owned(),
            remedy: remedy.replace("FILE", place),
        })
    };
    if beginning.starts_with(b"PK\x03\x04") || beginning.starts_with(b"PK\x05\x06") {
        let (what, remedy) = zip(beginning);
        return refused(what, remedy);
    }
    // A text may begin with the letters of a magic number: ORCL is a ticker.
    let could_be_text = !beginning.iter().any(is_control);
    let is_meant = |magic: &[u8]| !could_be_text || !magic.iter().all(u8::is_ascii_alphanumeric);
    let found = REFUSED
        .iter()
        .find(|(at, magic, ..)| is_meant(magic) && beginning.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, what, remedy)) = found {
        return refused(what, remedy);
    }
    if is_pickle(beginning) {
        return refused(
            "a Python pickle",
            "write it as Parquet: python3 -c \"import pandas; pandas.read_pickle('FILE').to_parquet('FILE.parquet')\"",
        );
    }
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    let is_end = |rest: &[u8]| !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    let begins = |words: &[u8]| {
        text.split_at_checked(words.len())
            .is_some_and(|(begin, rest)| begin.eq_ignore_ascii_case(words) && is_end(rest))
    };
    if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") || begins(b"<body") {
        return refused(
            "a web page",
            "it may be an error page that was saved instead of the data; fetch the data again",
        );
    }
    if begins(b"<?xml") || begins(b"<rss") || begins(b"<feed") {
        return refused("XML", "write it as CSV or JSON lines");
    }
    Ok(())
}

/// Refuses contents that should be UTF-8 text but have more control characters than any text has.
pub(crate) fn refuse_binary(beginning: &[u8], place: &str) -> Result<(), FormatError> {
    let controls = beginning.iter().filter(|byte| is_control(byte)).count();
    if beginning.len() < 64 || controls * 10 < beginning.len() {
        return Ok(());
    }
    Err(FormatError::Refused {
        place: place.to_owned(),
        what: "not text, nor any other kind that is known".into(),
        remedy: "give CSV, JSON lines or Parquet".into(),
    })
}

/// Whether a byte is a control character that does not occur in text.
pub(crate) fn is_control(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 14..=26 | 28..=31)
}

/// The kind of file that a zip archive is, and what to do instead.
fn zip(beginning: &[u8]) -> (&'static str, &'static str) {
    let has = |name: &[u8]| memmem::find(beginning, name).is_some();
    if has(b"xl/") || (has(b"[Content_Types].xml") && !has(b"word/") && !has(b"ppt/")) {
        ("an Excel workbook (.xlsx)", SAVE_SHEET)
    } else if has(b"application/vnd.oasis.opendocument.spreadsheet") {
        ("an OpenDocument workbook (.ods)", SAVE_SHEET)
    } else if has(b"word/") {
        ("a Word document", "save its text as .txt")
    } else {
        (
            "a zip archive",
            "unpack it (unzip FILE) and give the files in it, or give one of them on the standard input: unzip -p FILE NAME | tapewire ... -",
        )
    }
}

/// Whether contents are a Python pickle of protocol 2 to 5. The protocol's number is the second byte; in protocols 4
/// and 5 a frame follows.
fn is_pickle(beginning: &[u8]) -> bool {
    matches!(beginning, [0x80, 2 | 3, b'c' | b'}' | b']' | b'(', ..] | [0x80, 4 | 5, 0x95, ..])
}
