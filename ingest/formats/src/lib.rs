//! Rows of files as people have them: any accepted format, compression and encoding becomes rows of named values.
//!
//! What the values mean (a time, a price, a list of tickers) is decided by those who read the rows.

mod value;

pub use value::{Row, Unreadable, Value};
