//! ClickHouse: how to reach it, its schema, its rows, and writing them once.

pub mod config;
pub mod migrate;
pub mod rows;
pub mod writer;

pub use config::ClickHouseConfig;
pub use migrate::{Migrated, drop_database, migrate};
pub use writer::Writer;
