//! Joins the wire to the tape: reads topics, computes outcomes, writes rows.
//!
//! [`join`] is pure: events in, rows out. [`shell`] runs it between Kafka and the tables of `tapewire-store`.

pub mod error;
pub mod join;
pub mod shell;

pub use error::JoinerError;
