//! Migrations of the schema. They can't be undone.
//!
//! ClickHouse has no transactions around its DDL. Instead of a lock, every statement of a migration may be run again, by
//! the same process after a crash or by another one at the same time. A migration is recorded, with the checksum of its
//! text, only after all of it has run.
//!
//! Columns and views that follow from the code's lists are in no migration: they are made at the end of each call of
//! [`migrate`], and so is the table of replayed dead letters, which nothing else depends on. How long rows are kept follows
//! from the settings, and is applied there, too.

use crate::error::code;
use crate::{ClickHouseConfig, StoreError, letters, retention, views};
use clickhouse::{Client, Row};
use futures_util::future::BoxFuture;
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
        &[$(Migration { version: $version, name: $name, sql: include_str!(concat!("../migrations/", $name, ".sql")) }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_facts",
    2 "0002_read_models",
    3 "0003_windows",
    4 "0004_novelty",
    5 "0005_provider",
    6 "0006_dead_letters_by_run",
    7 "0007_actions",
    8 "0008_asked_as",
    9 "0009_withdrawn",
    10 "0010_instruments",
    11 "0011_information_coefficient",
    12 "0012_stories",
    13 "0013_indicators",
    14 "0014_symbols_found",
    15 "0015_alerts",
    16 "0016_bar_views",
];

/// Tables that a migration copied from and did not drop, with the number of the migration.
const LEFTOVERS: [(&str, u32); 4] = [
    ("articles_before_0005", 5),
    ("mentions_before_0005", 5),
    ("impact_before_0005", 5),
    ("dead_letters_before_0006", 6),
];

const SCHEMA_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
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

/// What a call of [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Names of the migrations applied by this call, in order.
    pub applied: Vec<&'static str>,
    /// Version of the schema afterwards.
    pub version: u32,
    /// What this call changed of how long tables keep their rows, and where: a line for each table.
    pub retention: Vec<String>,
}

/// Creates the database if it is missing and brings its schema to this build's version.
///
/// ```no_run
/// # async fn example() -> Result<(), tapewire_store::StoreError> {
/// use tapewire_store::{ClickHouseConfig, migrate};
///
/// let done = migrate(&ClickHouseConfig { database: "research".into(), ..ClickHouseConfig::default() }).await?;
/// println!("applied {:?}, now at version {}", done.applied, done.version);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`StoreError::Unreachable`]; [`StoreError::Cold`] if the server lacks the volume for older rows, after everything else is
/// done; [`StoreError::ChangedMigration`] if an applied migration's file was edited; [`StoreError::NewerSchema`] if a newer build migrated the database;
/// [`StoreError::ClickHouse`] for anything else the server refuses.
pub fn migrate<'a>(config: &'a ClickHouseConfig) -> BoxFuture<'a, Result<Migrated, StoreError>> {
    Box::pin(async move {
        let failed = |error| StoreError::from_clickhouse(error, &config.url);
        let create = format!("CREATE DATABASE IF NOT EXISTS `{}`", config.database.replace('`', ""));
        config.server().query(&create).execute().await.map_err(failed)?;
        let client = config.client();
        client.query(SCHEMA_MIGRATIONS).execute().await.map_err(failed)?;
        let known = applied(&client).await.map_err(failed)?;
        refuse_unknown_migrations(&known, &config.database)?;

        let mut applied = Vec::new();
        for migration in MIGRATIONS.iter().filter(|m| known.iter().all(|k| k.version != m.version)) {
            match apply(&client, migration).await {
                Ok(()) => applied.push(migration.name),
                // Another process may have applied this migration already, and dropped what this one wanted to change.
                Err(_) if is_applied(&client, migration).await.map_err(failed)? => {}
                Err(error) => return Err(failed(error)),
            }
        }
        for statement in views::statements() {
            execute(&client, &statement).await.map_err(failed)?;
        }
        execute(&client, letters::REPLAYS).await.map_err(failed)?;
        drop_empty_leftovers(&client).await.map_err(failed)?;
        create_installation_id(&client).await.map_err(failed)?;
        let changes = retention::changes(config).await?;
        retention::apply(config, &changes).await?;
        let retention = changes.into_iter().map(|change| change.words).collect();
        Ok(Migrated { applied, version: newest_version(), retention })
    })
}

/// Refuses a database that is not at this build's version.
///
/// # Errors
/// [`StoreError::NotMigrated`] if there is no database, [`StoreError::OlderSchema`] if migrations are missing, otherwise as
/// [`migrate`].
pub async fn check_version(config: &ClickHouseConfig) -> Result<(), StoreError> {
    let known = applied(&config.client()).await.map_err(|error| StoreError::from_clickhouse(error, &config.url))?;
    refuse_unknown_migrations(&known, &config.database)?;
    let version = known.iter().map(|row| row.version).max().unwrap_or(0);
    match known.len() == MIGRATIONS.len() {
        true => Ok(()),
        false => Err(StoreError::OlderSchema { database: config.database.clone(), version, wanted: newest_version() }),
    }
}

/// The id that a database was given by its first [`migrate`]: two databases of the same name have different ids.
///
/// # Errors
/// [`StoreError::NotMigrated`] before that, otherwise the [errors of queries](StoreError#errors-of-queries).
pub async fn installation_id(config: &ClickHouseConfig) -> Result<String, StoreError> {
    let ids: Vec<String> = config
        .client()
        .query("SELECT toString(id) FROM installation ORDER BY made_at, id LIMIT 1")
        .fetch_all()
        .await
        .map_err(|error| StoreError::from_clickhouse(error, &config.url))?;
    let unnamed = || StoreError::NotMigrated { url: config.url.clone(), reason: "the installation has no id".into() };
    ids.into_iter().next().ok_or_else(unnamed)
}

/// The server's time zone. Sessions of [`ClickHouseConfig::client`] are in UTC in any case.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub async fn server_time_zone(config: &ClickHouseConfig) -> Result<String, StoreError> {
    let zone = config.server().query("SELECT serverTimezone()").fetch_one().await;
    zone.map_err(|error| StoreError::from_clickhouse(error, &config.url))
}

/// The version of the schema that this build needs.
pub fn newest_version() -> u32 {
    MIGRATIONS.last().map_or(0, |m| m.version)
}

async fn applied(client: &Client) -> clickhouse::error::Result<Vec<Applied>> {
    client.query("SELECT ?fields FROM schema_migrations FINAL ORDER BY version").fetch_all().await
}

async fn apply(client: &Client, migration: &Migration) -> clickhouse::error::Result<()> {
    for statement in statements(migration.sql) {
        execute(client, statement).await?;
    }
    record(client, migration).await
}

async fn is_applied(client: &Client, migration: &Migration) -> clickhouse::error::Result<bool> {
    Ok(applied(client).await?.iter().any(|row| row.version == migration.version))
}

/// Two processes that migrate at once may each write an id; the first id counts.
async fn create_installation_id(client: &Client) -> clickhouse::error::Result<()> {
    if client.query("SELECT count() FROM installation").fetch_one::<u64>().await? == 0 {
        client.query("INSERT INTO installation (id) SELECT generateUUIDv4()").execute().await?;
    }
    Ok(())
}

/// Removes the database and everything in it.
///
/// # Errors
/// As [`migrate`].
pub async fn drop_database(config: &ClickHouseConfig) -> Result<(), StoreError> {
    let drop = format!("DROP DATABASE IF EXISTS `{}` SYNC", config.database.replace('`', ""));
    config.server().query(&drop).execute().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
}

/// Runs a statement. It is not an error if the statement has been run before.
async fn execute(client: &Client, statement: &str) -> clickhouse::error::Result<()> {
    match client.query(statement).execute().await {
        Err(error) if code(&error).is_some_and(|code| was_run_before(statement, code)) => Ok(()),
        result => result,
    }
}

/// Whether ClickHouse's error code says that the statement has been run before. 57: the table exists; 60: it does not;
/// 705: it has rows.
fn was_run_before(statement: &str, code: u32) -> bool {
    let statement = without_comments(statement);
    match code {
        57 => statement.starts_with("RENAME TABLE "),
        // The table to rename, or to take the columns from, has its later name already.
        60 => statement.starts_with("RENAME TABLE ") || is_copy_of_columns(&statement),
        705 => statement.starts_with("DROP TABLE IF EXISTS IF EMPTY "),
        _ => false,
    }
}

/// `CREATE TABLE IF NOT EXISTS new AS old ...`
fn is_copy_of_columns(statement: &str) -> bool {
    statement.starts_with("CREATE TABLE IF NOT EXISTS ") && statement.split_whitespace().nth(6) == Some("AS")
}

/// Drops those of [`LEFTOVERS`] that never had a row, as in a database that was created at a later version. Not within
/// an hour after the migration was recorded, because another process that is still applying it needs them for its renames.
async fn drop_empty_leftovers(client: &Client) -> clickhouse::error::Result<()> {
    for (table, version) in LEFTOVERS {
        let settled = "SELECT max(applied_at) < now() - 3600 FROM schema_migrations WHERE version = ?";
        if client.query(settled).bind(version).fetch_one::<u8>().await? == 1 {
            execute(client, &format!("DROP TABLE IF EXISTS IF EMPTY {table}")).await?;
        }
    }
    Ok(())
}

/// Refuses a database with an applied migration that this build does not have, or has with another text.
fn refuse_unknown_migrations(known: &[Applied], database: &str) -> Result<(), StoreError> {
    for row in known {
        match MIGRATIONS.iter().find(|m| m.version == row.version) {
            None => return Err(StoreError::NewerSchema { database: database.to_owned(), version: row.version }),
            Some(ours) if checksum(ours) != row.checksum => {
                return Err(StoreError::ChangedMigration { database: database.to_owned(), name: row.name.clone() });
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
    hex::encode(Sha256::digest(migration.sql))
}

/// The statements of a file. A semicolon at the end of a line ends a statement; migrations have no other semicolons.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

fn without_comments(statement: &str) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a statement could do harm when it is run again or by two at once; `None` if it could not.
    fn harm(statement: &str) -> Option<&'static str> {
        let statement = without_comments(statement);
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["CREATE", "TABLE" | "VIEW", "IF", "NOT", "EXISTS", ..]
            | ["CREATE", "MATERIALIZED", "VIEW", "IF", "NOT", "EXISTS", ..]
            | ["CREATE", "OR", "REPLACE", "VIEW", ..] => None,
            ["CREATE", ..] => Some("fails where it exists"),
            // A view and an empty table hold no rows, and a view fills the tables named below from another table. Any
            // other table could hold rows that are nowhere else.
            ["DROP", "VIEW", "IF", "EXISTS", _] | ["DROP", "TABLE", "IF", "EXISTS", "IF", "EMPTY", _] => None,
            ["DROP", "TABLE", "IF", "EXISTS", name]
                if name.ends_with("_state") || *name == "news_by_minute_articles" =>
            {
                None
            }
            ["DROP", ..] => Some("may drop rows"),
            ["ALTER", "TABLE", ..] => {
                let changes = words.windows(4).filter(|words| words[1] == "COLUMN" && words[0] != "EXISTS");
                let guarded = |words: &[&str]| match words[0] {
                    "ADD" => words[2..] == ["IF", "NOT"],
                    "MODIFY" | "COMMENT" => words[2..] == ["IF", "EXISTS"],
                    _ => false,
                };
                match changes.clone().count() > 0 && changes.clone().all(guarded) {
                    true => None,
                    false => Some("changes a column without IF [NOT] EXISTS"),
                }
            }
            // The old table keeps its name with `_before_`, so a second run fails and does not rename the new table.
            ["RENAME", "TABLE", table, "TO", before, new, "TO", table_again]
                if before.starts_with(&format!("{table}_before_"))
                    && before.ends_with(',')
                    && new.starts_with(&format!("{table}_by_"))
                    && table == table_again =>
            {
                None
            }
            // The second half of that exchange, for a server that stopped after the first.
            ["RENAME", "TABLE", new, "TO", table] if new.starts_with(&format!("{table}_by_")) => None,
            ["RENAME", ..] => Some("is not the exchange of a table with its copy"),
            ["INSERT", "INTO", table, ..] => {
                let source = words.windows(3).find(|words| words[0] == "FROM").map(|words| (words[1], words[2]));
                match source {
                    Some((source, "FINAL"))
                        // A state that is filled from the bars holds nothing that they don't.
                        if (source.starts_with(&format!("{table}_before_"))
                            || source == "bars" && table.ends_with("_state"))
                            && statement.ends_with(" insert_deduplicate = 0") =>
                    {
                        None
                    }
                    _ => Some("is not a copy of rows that stay, or may be dropped as a repeated insert"),
                }
            }
            _ => Some("is of no kind that is known to be harmless"),
        }
    }

    #[test]
    fn harm_is_seen() {
        for statement in [
            "CREATE TABLE x (a UInt8)",
            "DROP TABLE IF EXISTS impact",
            "DROP TABLE x_state",
            "ALTER TABLE x ADD COLUMN a UInt8",
            "ALTER TABLE x ADD COLUMN IF NOT EXISTS a UInt8, MODIFY COLUMN b UInt8",
            "ALTER TABLE x DELETE WHERE true",
            "RENAME TABLE x TO y",
            "RENAME TABLE x TO x_before_0005",
            "EXCHANGE TABLES x AND y",
            "INSERT INTO x SELECT * FROM y",
            "INSERT INTO x SELECT * FROM x_before_0005 FINAL",
            "INSERT INTO x SELECT * FROM bars FINAL SETTINGS insert_deduplicate = 0",
            "INSERT INTO x_state SELECT * FROM bars SETTINGS insert_deduplicate = 0",
            "TRUNCATE TABLE x",
        ] {
            assert!(harm(statement).is_some(), "{statement}");
        }
    }

    #[test]
    fn what_counts_as_done_is_told_by_statement_and_code() {
        let copy = "-- a comment\nCREATE TABLE IF NOT EXISTS x_by_y AS x\nENGINE = MergeTree";
        for (statement, code, done) in [
            ("RENAME TABLE x TO y", 57, true),
            ("RENAME TABLE x TO y", 60, true),
            ("RENAME TABLE x TO y", 705, false),
            (copy, 60, true),
            ("CREATE TABLE IF NOT EXISTS x\n(\n    a UInt8\n)", 60, false),
            ("CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1", 60, false),
            ("INSERT INTO x SELECT * FROM x_before_0005", 60, false),
            ("DROP TABLE IF EXISTS IF EMPTY x", 705, true),
            ("DROP TABLE IF EXISTS x", 705, false),
        ] {
            assert_eq!(was_run_before(statement, code), done, "{statement}: {code}");
        }
    }

    #[test]
    fn migrations_are_numbered_without_gaps_and_safe_to_repeat() {
        for (migration, expected) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, expected);
            assert!(migration.name.starts_with(&format!("{expected:04}_")), "{}", migration.name);
            for statement in statements(migration.sql) {
                assert_eq!(harm(statement), None, "{}: {statement}", migration.name);
            }
        }
    }

    #[test]
    fn comments_alone_are_not_a_statement() {
        let found: Vec<&str> = statements("-- a;b\nSELECT 1;\n\n-- the end\n").collect();
        assert_eq!(found, ["-- a;b\nSELECT 1"]);
    }
}
