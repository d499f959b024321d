//! A database whose tables several servers have: ClickHouse's engine `Replicated`, which carries out every change of
//! the schema on all of them, with tables of the engines `Replicated...MergeTree`.
//!
//! The migrations are those of a plain database. What is different follows from their text, here.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use futures_util::future::BoxFuture;
use serde::Deserialize;

/// What a server says of its copies of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Copies {
    /// Replicated tables.
    pub tables: u64,
    /// Of these, those that can't be written because the server does not reach its keeper.
    pub read_only: u64,
    /// Changes that the server still has to fetch or to make.
    pub queued: u64,
}

/// The copies that the server which is asked has of the database's tables.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn copies(config: &ClickHouseConfig) -> BoxFuture<'_, Result<Copies, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT count() AS tables, countIf(is_readonly) AS read_only, sum(queue_size) AS queued
            FROM system.replicas WHERE database = {database:String}";
        let query = config.server().query(sql).param("database", &config.database);
        query.fetch_one().await.map_err(|error| config.failed(error))
    })
}

/// Creates the database where it is missing, on every server; returns whether it is replicated.
///
/// # Errors
/// As [`is_replicated`].
pub(crate) async fn create_database(config: &ClickHouseConfig) -> Result<bool, StoreError> {
    let name = config.database.replace(['`', '\''], "");
    let engine = match config.replicas.is_empty() {
        true => String::new(),
        // The servers have one keeper, where this path says that they have one database.
        false => format!(" ENGINE = Replicated('/clickhouse/databases/{name}', '{{shard}}', '{{replica}}')"),
    };
    let create = format!("CREATE DATABASE IF NOT EXISTS `{name}`{engine}");
    for place in 0..config.urls().count() {
        let server = config.only(place);
        server.server().query(&create).execute().await.map_err(|error| server.failed(error))?;
        if !config.replicas.is_empty() && !is_replicated(&server).await? {
            return Err(StoreError::NotReplicated { url: server.url, database: server.database });
        }
    }
    is_replicated(config).await
}

/// Whether the database is replicated.
///
/// # Errors
/// [`StoreError::NotReplicated`] if it has to be, because the settings name several servers; otherwise the
/// [errors of queries](StoreError#errors-of-queries).
pub(crate) async fn is_replicated(config: &ClickHouseConfig) -> Result<bool, StoreError> {
    let sql = "SELECT engine = 'Replicated' FROM system.databases WHERE name = {database:String}";
    let query = config.server().query(sql).param("database", &config.database);
    let found = query.fetch_optional::<u8>().await.map_err(|error| config.failed(error))?;
    let is_replicated = found == Some(1);
    if !is_replicated && !config.replicas.is_empty() {
        return Err(StoreError::NotReplicated { url: config.asked().to_owned(), database: config.database.clone() });
    }
    Ok(is_replicated)
}

/// The statements that do in a replicated database what a migration's statement does in a plain one.
///
/// A table keeps as many fingerprints of batches as its migration says, and none if it says nothing, so that a repeated
/// batch is dropped where it is in a plain database.
pub(crate) fn replicated(statement: &str) -> Vec<String> {
    if let Some(renames) = statement.strip_prefix("RENAME TABLE ") {
        // Such a database renames one table with each statement. That a name is unused in between harms nobody: no
        // replicated database is older than the migrations with two renames.
        return renames.split(',').map(|rename| format!("RENAME TABLE {}", rename.trim())).collect();
    }
    if !statement.starts_with("CREATE TABLE ") {
        return vec![statement.to_owned()];
    }
    let mut table = statement.replacen("ENGINE = ", "ENGINE = Replicated", 1);
    let window = "replicated_deduplication_window";
    if table.contains(&format!("non_{window}")) {
        table = table.replacen(&format!("non_{window}"), window, 1);
    } else {
        table += &format!("\nSETTINGS {window} = 0");
    }
    vec![table]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_as_many_fingerprints_as_its_migration_says() {
        let plain = "CREATE TABLE IF NOT EXISTS x\n(\n    a UInt8\n)\nENGINE = ReplacingMergeTree(a)\nORDER BY a";
        let expected =
            "ENGINE = ReplicatedReplacingMergeTree(a)\nORDER BY a\nSETTINGS replicated_deduplication_window = ";
        assert!(replicated(plain)[0].ends_with(&format!("{expected}0")), "{:?}", replicated(plain));
        let with_window = format!("{plain}\nSETTINGS non_replicated_deduplication_window = 10000");
        assert!(replicated(&with_window)[0].ends_with(&format!("{expected}10000")), "{:?}", replicated(&with_window));
    }

    #[test]
    fn tables_are_renamed_one_after_the_other_and_other_statements_stay() {
        assert_eq!(replicated("RENAME TABLE x TO y, z TO x"), ["RENAME TABLE x TO y", "RENAME TABLE z TO x"]);
        for same in ["CREATE VIEW IF NOT EXISTS v AS SELECT 1", "ALTER TABLE x ADD COLUMN IF NOT EXISTS a UInt8"] {
            assert_eq!(replicated(same), [same]);
        }
    }
}
