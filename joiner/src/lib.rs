//! Joins the wire to the tape and writes it down.
//!
//! | module | holds |
//! |---|---|
//! | [`archive`] | articles and dead letters, from their topics to their tables |
//! | [`join`] | the pure join: events in, rows out |
//! | [`shell`] | the join between Kafka and ClickHouse |
//! | [`statistics`] | what can be said about scores and outcomes |
//! | [`summary`] | what a run came to, read back |
//! | [`tables`] | ClickHouse: schema, rows, writing them once |
//! | [`error`] | what can go wrong |

pub mod archive;
pub mod error;
pub mod join;
pub mod shell;
pub mod statistics;
pub mod summary;
pub mod tables;

pub use error::JoinerError;
