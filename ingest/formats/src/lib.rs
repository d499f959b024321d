//! Rows of files as people have them: any accepted format, compression and encoding becomes rows of named values.
//!
//! What the values mean (a time, a price, a list of tickers) is decided by the callers. Rows are also written, as Parquet
//! ([`write_parquet`]).
//!
//! # What is read
//!
//! | | recognised by |
//! |---|---|
//! | CSV with `,`, `;`, tab or `\|` between values, with or without a header | not being JSON or Parquet |
//! | JSON: an object a line, objects one after the other, a list of objects, a list under a key (`{"results":[...]}`) | its first object |
//! | Parquet with any codec | its first bytes |
//! | lines of text | [`Options::format`] or [`Options::otherwise`] only |
//!
//! A file may be compressed with gzip, Zstandard, bzip2 or xz. Text is UTF-8, UTF-16, or the encoding that
//! [`Options::encoding`] names. Files are recognised by their contents, not by their names. A file of any other kind is
//! refused, and the error says what to do instead.
//!
//! # Example
//!
//! ```
//! use tapewire_formats::{Options, Reader, Value};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = &b"symbol;headline\nMKR;Maker lifts its outlook\nMKR\n"[..];
//! let mut reader = Reader::from_read(file, "news.csv", &Options::default())?;
//! assert_eq!(reader.columns().map(<[_]>::len), Some(2));
//!
//! let row = reader.next().ok_or("no row")??.map_err(|unreadable| unreadable.reason)?;
//! assert_eq!(row.number, 2);
//! assert_eq!(row.get("headline"), Some(&Value::Text("Maker lifts its outlook".into())));
//!
//! // A row that can't be read costs only itself.
//! let unreadable = reader.next().ok_or("no row")??.unwrap_err();
//! assert_eq!((unreadable.number, &unreadable.raw[..]), (3, &b"MKR"[..]));
//! assert_eq!(unreadable.reason, "1 field where the header has 2");
//! assert!(reader.next().is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # Memory
//!
//! Memory does not grow with the file: a row has at most 4 MiB, and a longer row is skipped while it is read. Of a
//! Parquet file, pages of one row group are held; the writer of the file chose their size.

mod buffer;
mod compression;
mod delimited;
mod encoding;
mod error;
mod json;
mod lines;
mod options;
mod parquet;
mod parquet_writer;
mod reader;
mod rejected;
mod signature;
mod source;
mod value;

pub use delimited::Dialect;
pub use error::FormatError;
pub use options::{Format, Options};
pub use parquet_writer::{Cell, ColumnType, write_parquet};
pub use reader::Reader;
pub use rejected::RejectedLine;
pub use value::{Row, Unreadable, Value, is_missing_text};
