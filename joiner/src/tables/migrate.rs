//! The schema, moved forward only.
//!
//! ClickHouse has no transactions around its DDL, so instead of a lock every migration is written
//! to be safe to run twice and by two at once (`IF NOT EXISTS`), and is recorded, with the checksum
//! of its text, only after all of it has run. A crash half-way repeats it.

use crate::JoinerError;
use crate::tables::ClickHouseConfig;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A step of the schema: number, name and text, as the files in `migrations/` have them.
struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration { version: $version, name: $name, sql: include_str!(concat!("../../migrations/", $name, ".sql")) }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![1 "0001_facts", 2 "0002_read_models", 3 "0003_windows", 4 "0004_novelty"];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the migration file',
    applied_at DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree ORDER BY version";

#[derive(Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    checksum: String,
}

/// What a run of [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Names of the migrations applied now, in order; empty if all were there.
    pub applied: Vec<&'static str>,
    /// Version of the schema afterwards.
    pub version: u32,
}

/// Creates the database if need be and brings its schema to this build's version.
///
/// # Errors
/// [`JoinerError::Unreachable`]; [`JoinerError::ChangedMigration`] if an applied migration's file
/// was edited; [`JoinerError::NewerSchema`] if the database is ahead of this build;
/// [`JoinerError::ClickHouse`] for whatever else the server refuses.
pub async fn migrate(config: &ClickHouseConfig) -> Result<Migrated, JoinerError> {
    let failed = |error| JoinerError::from_clickhouse(error, &config.url);
    let create = format!("CREATE DATABASE IF NOT EXISTS `{}`", config.database.replace('`', ""));
    config.server().query(&create).execute().await.map_err(failed)?;
    let client = config.client();
    client.query(LEDGER).execute().await.map_err(failed)?;
    let known: Vec<Applied> = client
        .query("SELECT ?fields FROM schema_migrations FINAL ORDER BY version")
        .fetch_all()
        .await
        .map_err(failed)?;
    check(&known, &config.database)?;

    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|m| known.iter().all(|k| k.version != m.version)) {
        for statement in statements(migration.sql) {
            client.query(statement).execute().await.map_err(failed)?;
        }
        record(&client, migration).await.map_err(failed)?;
        applied.push(migration.name);
    }
    Ok(Migrated { applied, version: MIGRATIONS.last().map_or(0, |m| m.version) })
}

/// Removes the database and all that is in it.
///
/// # Errors
/// As [`migrate`].
pub async fn drop_database(config: &ClickHouseConfig) -> Result<(), JoinerError> {
    let drop = format!("DROP DATABASE IF EXISTS `{}` SYNC", config.database.replace('`', ""));
    config.server().query(&drop).execute().await.map_err(|error| JoinerError::from_clickhouse(error, &config.url))
}

/// Refuses a database whose history is not the beginning of ours.
fn check(known: &[Applied], database: &str) -> Result<(), JoinerError> {
    for row in known {
        match MIGRATIONS.iter().find(|m| m.version == row.version) {
            None => return Err(JoinerError::NewerSchema { database: database.to_owned(), version: row.version }),
            Some(ours) if checksum(ours) != row.checksum => {
                return Err(JoinerError::ChangedMigration { database: database.to_owned(), name: row.name.clone() });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

async fn record(client: &Client, migration: &Migration) -> clickhouse::error::Result<()> {
    let mut insert = client.insert::<Applied>("schema_migrations").await?;
    let row = Applied { version: migration.version, name: migration.name.to_owned(), checksum: checksum(migration) };
    insert.write(&row).await?;
    insert.end().await
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The statements of a file. A semicolon at a line's end ends one; our migrations have none elsewhere.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps_and_safe_to_repeat() {
        for (migration, expected) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, expected);
            assert!(migration.name.starts_with(&format!("{expected:04}_")), "{}", migration.name);
            for statement in statements(migration.sql) {
                assert!(statement.contains("IF NOT EXISTS"), "{}: {statement}", migration.name);
            }
        }
    }

    #[test]
    fn comments_alone_are_no_statement() {
        let found: Vec<&str> = statements("-- a;b\nSELECT 1;\n\n-- the end\n").collect();
        assert_eq!(found, ["-- a;b\nSELECT 1"]);
    }
}
