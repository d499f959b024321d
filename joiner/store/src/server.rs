//! The server itself: its version, its clock, its disks.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use futures_util::future::BoxFuture;
use serde::Deserialize;

/// What a ClickHouse server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Server {
    /// Version, such as `25.8.2.29`.
    pub version: String,
    /// Its time zone.
    pub zone: String,
    /// Its clock, in microseconds since 1970 UTC.
    pub now: i64,
}

/// A disk of a ClickHouse server.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Disk {
    /// Name in ClickHouse's settings.
    pub name: String,
    /// Free space for ClickHouse, in bytes.
    pub free: u64,
    /// Size, in bytes.
    pub total: u64,
}

/// Asks the server about itself; needs no database.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn server<'a>(config: &'a ClickHouseConfig) -> BoxFuture<'a, Result<Server, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT version() AS version, serverTimezone() AS zone, toUnixTimestamp64Micro(now64(6)) AS now";
        config.server().query(sql).fetch_one().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
    })
}

/// The server's local disks; needs no database.
///
/// # Errors
/// As [`server`]; [`StoreError::ClickHouse`] also where the user may not read the table of disks.
pub fn disks<'a>(config: &'a ClickHouseConfig) -> BoxFuture<'a, Result<Vec<Disk>, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT name, free_space AS free, total_space AS total FROM system.disks
        WHERE type = 'Local' AND total_space > 0 ORDER BY name";
        config.server().query(sql).fetch_all().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
    })
}
