//! What comes in from outside: news, prices, files.
pub mod backoff;
pub mod error;
pub mod providers;
pub use error::IngestError;
