//! The tables in ClickHouse: how to reach them, their schema, writing rows and reading summaries.
//!
//! All rows are written through [`Writer`]. This crate does not use Kafka.

pub mod account;
pub mod alerts;
mod columns;
pub mod config;
mod effects;
pub mod error;
pub mod indicators;
pub mod letters;
pub mod migrate;
pub mod retention;
pub mod rows;
pub mod server;
pub mod sources;
pub mod stored;
mod stories;
pub mod summary;
mod views;
pub mod writer;

pub use config::ClickHouseConfig;
pub use error::StoreError;
pub use migrate::{Migrated, check_version, drop_database, installation_id, migrate, newest_version, server_time_zone};
pub use writer::Writer;
