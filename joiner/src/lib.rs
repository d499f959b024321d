//! Joins the wire to the tape: reads topics, computes outcomes, writes rows.
//!
//! [`join`] is pure: records in, rows out. [`runner`] runs it between Kafka and the tables of `tapewire-store`, and
//! [`indicators`] does so with the indicators of bars.

pub mod error;
pub mod indicators;
pub mod join;
pub mod runner;

pub use error::JoinerError;
