//! Rows of files as people have them: any accepted format, compression and encoding becomes rows of named values.
//!
//! What the values mean (a time, a price, a list of tickers) is decided by those who read the rows.
//!
//! # What is read
//!
//! | | recognised by |
//! |---|---|
//! | CSV with `,`, `;`, tab or `\|` between values, with or without a header | being nothing else |
//! | JSON: an object a line, objects one after the other, a list of objects, a list under a key (`{"results":[...]}`) | its first object |
//! | Parquet with any codec | its first bytes |
//! | lines of text | [`Options::format`] or [`Options::otherwise`] only |
//!
//! Each plain, or compressed with gzip, Zstandard, bzip2 or xz, in UTF-8, UTF-16, or in any encoding that
//! [`Options::encoding`] names. Contents decide, not names. Anything else is refused with a remedy.
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
//! It does not grow with the file: a row has at most 4 MiB, and whatever is longer is skipped while it is read. Of
//! Parquet the pages of a row group are held that its writer made.

mod buffer;
mod compression;
mod delimited;
mod encoding;
mod error;
mod json;
mod lines;
mod options;
mod parquet;
mod reader;
mod signature;
mod source;
mod value;

pub use delimited::Dialect;
pub use error::FormatError;
pub use options::{Format, Options};
pub use reader::Reader;
pub use value::{Row, Unreadable, Value};
