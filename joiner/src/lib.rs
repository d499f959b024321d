//! Joins the wire to the tape and writes it down.
//!
//! | module | holds |
//! |---|---|
//! | [`archive`] | articles and dead letters, from their topics to their tables |
//! | [`tables`] | ClickHouse: schema, rows, writing them once |
//! | [`error`] | what can go wrong |

pub mod archive;
pub mod error;
pub mod tables;

pub use error::JoinerError;
