//! The dialect of CSV, which the output takes over from the input.

use crate::columns::Column;
use tapewire_formats::Options;

/// The dialect of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub separator: u8,
    /// The end of a row.
    pub line_end: &'static str,
    /// The header row as in the input, without its end; made from the names of the columns if the input has none.
    pub header: Vec<u8>,
}

impl Dialect {
    /// The dialect of an input with these columns.
    pub fn of(dialect: &tapewire_formats::Dialect, columns: &[Column], options: &Options) -> Self {
        let separator = dialect.separator;
        let header = match std::str::from_utf8(&dialect.header) {
            Ok(header) if options.header && options.columns.is_none() => header.as_bytes().to_vec(),
            _ => header_of(columns, separator),
        };
        Self { separator, line_end: if dialect.crlf { "\r\n" } else { "\n" }, header }
    }

    /// The dialect for an empty CSV file.
    pub fn empty() -> Self {
        Self { separator: b',', line_end: "\n", header: Vec::new() }
    }
}

/// A header with the names of the columns.
pub(crate) fn header_of(columns: &[Column], separator: u8) -> Vec<u8> {
    let names = columns.iter().map(|column| quoted(&column.name, separator));
    names.collect::<Vec<_>>().join(&char::from(separator).to_string()).into_bytes()
}

/// A field in CSV, quoted if necessary.
pub(crate) fn quoted(field: &str, separator: u8) -> String {
    let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\r' | b'\n');
    if field.bytes().any(special) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
