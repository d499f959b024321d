//! Joins the wire to the tape and writes it down.

pub mod archive;
pub mod error;
pub mod join;
pub mod runner;
pub mod statistics;
pub mod summary;
pub mod tables;

pub use error::JoinerError;
