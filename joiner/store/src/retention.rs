//! How long rows are kept, and when they move to another volume: settings, and the tables' TTL in ClickHouse.
//!
//! Rows of replays are kept until somebody deletes them: their times are those of their files, which may be years ago.
//! So are bars and indicators of a day or more, which are few and which studies of many days need. All other rows that
//! a setting names are removed in whole months, because tables are partitioned by month, and because a part of a table
//! is then rewritten once a month, and not each time a row gets too old.

mod days;

pub use days::Days;

use crate::{ClickHouseConfig, StoreError};
use clickhouse::{Client, Row};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long rows of the run `live` are kept; without a setting for ever.
///
/// A row is removed when its month is over for as long as the setting says. Rows of replays and backfills are never
/// removed. `tapewire migrate` applies the settings: docs/running.md.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Articles, by the time at which they were received.
    #[schemars(example = &"400d")]
    pub articles: Option<Days>,
    /// Mentions and their joined rows, the tables `mentions` and `impact`, by the time at which they were received.
    #[schemars(example = &"1000d")]
    pub mentions: Option<Days>,
    /// Bars narrower than a day, by their start. Bars of a day or more are kept.
    #[schemars(example = &"400d")]
    pub bars: Option<Days>,
    /// Trades, by their time.
    #[schemars(example = &"30d")]
    pub trades: Option<Days>,
    /// Indicators of bars narrower than a day, by the start of the bar. After a restart the indicators of a symbol that
    /// has fewer than 121 bars in this time begin from scratch.
    #[schemars(example = &"400d")]
    pub indicators: Option<Days>,
    /// Dead letters of the run `live` and of no known run, by the time of the event or of arrival.
    #[schemars(example = &"90d")]
    pub dead_letters: Option<Days>,
}

/// Another volume of the server, such as one of slower disks, for older bars, trades and indicators.
///
/// Whole months of all runs move there, and stay there if the setting is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColdConfig {
    /// Storage policy of the server that has the volume beside all those of the tables' present policy. Not set: no
    /// rows are moved.
    #[schemars(example = &"tiered")]
    pub policy: Option<String>,
    /// Name of the volume.
    pub volume: String,
    /// How long after the end of its month a row is moved.
    pub after: Days,
}

impl Default for ColdConfig {
    fn default() -> Self {
        Self { policy: None, volume: "cold".into(), after: Days::new(90).expect("it is within the limits") }
    }
}

/// A table whose rows may have an end.
struct Table {
    name: &'static str,
    setting: fn(&RetentionConfig) -> Option<Days>,
    /// The column by whose month rows are removed.
    time: &'static str,
    /// Which rows may be removed.
    removed: &'static str,
    /// Whether the table is partitioned by the month of `time`, so that parts are of one month and can be moved.
    by_month: bool,
}

const LIVE: &str = "run = 'live'";
const LIVE_AND_NARROW: &str = "run = 'live' AND width_s < 86400";
/// A letter that itself could not be read is of 1970.
const LIVE_OR_UNKNOWN: &str = "run IN ('live', '') AND toYear(at) > 1970";

const fn table(
    name: &'static str,
    setting: fn(&RetentionConfig) -> Option<Days>,
    time: &'static str,
    removed: &'static str,
    by_month: bool,
) -> Table {
    Table { name, setting, time, removed, by_month }
}

/// A table and the states that are made of it have the same setting.
const TABLES: [Table; 8] = [
    table("articles", |setting| setting.articles, "received_at", LIVE, false),
    table("mentions", |setting| setting.mentions, "received_at", LIVE, false),
    table("impact", |setting| setting.mentions, "received_at", LIVE, false),
    table("bars", |setting| setting.bars, "start", LIVE_AND_NARROW, true),
    table("bars_1m_state", |setting| setting.bars, "start", LIVE, true),
    table("trades", |setting| setting.trades, "at", LIVE, true),
    table("indicators", |setting| setting.indicators, "start", LIVE_AND_NARROW, true),
    table("dead_letters", |setting| setting.dead_letters, "at", LIVE_OR_UNKNOWN, false),
];

/// The time of rows that are not removed. ClickHouse takes a part for expired as a whole by the latest of its times, so
/// every row needs one. A `DELETE WHERE` would not let it drop a part without reading it.
const NEVER: &str = "toDateTime('2106-01-01 00:00:00', 'UTC')";

impl Table {
    /// When the month of a row ends, and `days` after it.
    fn after(&self, days: Days) -> String {
        format!("{OURS}{}), 1), 'UTC') + toIntervalDay({})", self.time, days.number())
    }

    /// What follows the word TTL; empty if rows are neither moved nor removed.
    fn ttl(&self, config: &ClickHouseConfig) -> String {
        let cold = config.cold.policy.is_some() && self.by_month;
        let moved =
            cold.then(|| format!("{} TO VOLUME '{}'", self.after(config.cold.after), quoted(&config.cold.volume)));
        let removed = (self.setting)(&config.retention);
        let removed = removed.map(|days| format!("if({}, {}, {NEVER})", self.removed, self.after(days)));
        moved.into_iter().chain(removed).collect::<Vec<_>>().join(", ")
    }

    /// What is to be, in words.
    fn words(&self, config: &ClickHouseConfig) -> String {
        let kept = match (self.setting)(&config.retention) {
            Some(days) => format!("table {}: rows of the run live are kept for {days}", self.name),
            None => format!("table {}: rows are kept for ever", self.name),
        };
        match &config.cold.policy {
            Some(_) if self.by_month => {
                format!("{kept}, on volume `{}` after {}", config.cold.volume, config.cold.after)
            }
            _ => kept,
        }
    }
}

/// By this a TTL of ours is known from one that an operator has given a table.
const OURS: &str = "toDateTime(addMonths(toStartOfMonth(";

/// A table whose TTL or storage policy is not as the settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: &'static str,
    /// What is to be, in words.
    pub words: String,
    policy: Option<String>,
    /// The new TTL; empty: none.
    ttl: Option<String>,
}

/// A table as the server has it.
#[derive(Row, Deserialize)]
struct Stored {
    name: String,
    engine_full: String,
    storage_policy: String,
}

/// The tables that are not as the settings say. A TTL that is not from these settings is left as it is where they have
/// none for its table.
///
/// # Errors
/// [`StoreError::Cold`] if the server has no such policy or volume; otherwise the [errors of queries](StoreError#errors-of-queries).
pub fn changes<'a>(config: &'a ClickHouseConfig) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
    Box::pin(async move {
        let client = config.client();
        let failed = |error| StoreError::from_clickhouse(error, &config.url);
        check_cold(config).await?;
        let names = TABLES.map(|table| table.name);
        let sql = "SELECT name, engine_full, storage_policy FROM system.tables
            WHERE database = currentDatabase() AND name IN {names:Array(String)}";
        let stored: Vec<Stored> = client.query(sql).param("names", &names[..]).fetch_all().await.map_err(failed)?;
        let wanted =
            as_the_server_writes_them(&client, &TABLES.map(|table| table.ttl(config))).await.map_err(failed)?;
        let mut changes = Vec::new();
        for (table, wanted) in TABLES.iter().zip(wanted) {
            let Some(stored) = stored.iter().find(|stored| stored.name == table.name) else {
                let reason = format!("there is no table {}", table.name);
                return Err(StoreError::NotMigrated { url: config.url.clone(), reason });
            };
            let policy = config.cold.policy.clone().filter(|policy| table.by_month && *policy != stored.storage_policy);
            let found = ttl_of(&stored.engine_full);
            let is_foreign = wanted.is_empty() && !found.contains(OURS);
            let ttl = (found != wanted && !is_foreign).then_some(wanted);
            if policy.is_some() || ttl.is_some() {
                changes.push(Change { table: table.name, words: table.words(config), policy, ttl });
            }
        }
        Ok(changes)
    })
}

/// Makes changes. ClickHouse computes again when the rows of each part end, from the columns that say it; it then
/// removes and moves rows in the background.
///
/// # Errors
/// [`StoreError::Cold`] if a table can't take the storage policy; otherwise the [errors of queries](StoreError#errors-of-queries).
pub(crate) async fn apply(config: &ClickHouseConfig, changes: &[Change]) -> Result<(), StoreError> {
    let client = config.client().with_setting("materialize_ttl_after_modify", "1");
    let failed = |error| StoreError::from_clickhouse(error, &config.url);
    for Change { table, policy, ttl, .. } in changes {
        if let Some(policy) = policy {
            let set = format!("ALTER TABLE {table} MODIFY SETTING storage_policy = '{}'", quoted(policy));
            client.query(&set).execute().await.map_err(|error| no_policy_for(table, policy, failed(error)))?;
        }
        let Some(ttl) = ttl else { continue };
        // Otherwise ClickHouse would read and write every column of every part at once.
        let cheaply = format!("ALTER TABLE {table} MODIFY SETTING materialize_ttl_recalculate_only = 1");
        client.query(&cheaply).execute().await.map_err(failed)?;
        match ttl.as_str() {
            "" => remove(&client, table).await.map_err(failed)?,
            ttl => client.query(&format!("ALTER TABLE {table} MODIFY TTL {ttl}")).execute().await.map_err(failed)?,
        }
    }
    Ok(())
}

/// Another process may have removed it already.
async fn remove(client: &Client, table: &str) -> clickhouse::error::Result<()> {
    match client.query(&format!("ALTER TABLE {table} REMOVE TTL")).execute().await {
        Err(error) if error.to_string().contains("doesn't have any table TTL expression") => Ok(()),
        result => result,
    }
}

/// Refuses a policy or a volume that the server does not have.
async fn check_cold(config: &ClickHouseConfig) -> Result<(), StoreError> {
    let Some(policy) = &config.cold.policy else { return Ok(()) };
    let sql = "SELECT policy_name, volume_name FROM system.storage_policies ORDER BY policy_name, volume_priority";
    let found = config.server().query(sql).fetch_all::<(String, String)>().await;
    let found = found.map_err(|error| StoreError::from_clickhouse(error, &config.url))?;
    let wrong = |setting: &'static str, reason: String| Err(StoreError::Cold { setting, reason });
    let volumes: Vec<&str> =
        found.iter().filter(|(name, _)| name == policy).map(|(_, volume)| volume.as_str()).collect();
    if volumes.is_empty() {
        let mut known: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        known.dedup();
        let known = known.join(", ");
        return wrong("clickhouse.cold.policy", format!("the server has no storage policy `{policy}`, but {known}"));
    }
    if !volumes.contains(&config.cold.volume.as_str()) {
        let (volume, known) = (&config.cold.volume, volumes.join(", "));
        return wrong("clickhouse.cold.volume", format!("policy `{policy}` has no volume `{volume}`, but {known}"));
    }
    Ok(())
}

fn no_policy_for(table: &str, policy: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::ClickHouse { reason, .. } => {
            let reason = format!("table {table} can't take the storage policy `{policy}`: {reason}");
            StoreError::Cold { setting: "clickhouse.cold.policy", reason }
        }
        error => error,
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// Expressions of TTL in the server's own spelling, in which it shows those of its tables.
async fn as_the_server_writes_them(client: &Client, ttls: &[String]) -> clickhouse::error::Result<Vec<String>> {
    let statement = |ttl: &String| format!("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a TTL {ttl}");
    let mut written = Vec::new();
    for ttl in ttls {
        if ttl.is_empty() {
            written.push(String::new());
            continue;
        }
        let query = client.query("SELECT formatQuerySingleLine({sql:String})").param("sql", statement(ttl));
        written.push(ttl_of(&query.fetch_one::<String>().await?).to_owned());
    }
    Ok(written)
}

/// What follows the word TTL in a statement or in the text of an engine.
fn ttl_of(text: &str) -> &str {
    let Some((_, rest)) = text.split_once(" TTL ") else { return "" };
    rest.rsplit_once(" SETTINGS ").map_or(rest, |(ttl, _)| ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_found_between_the_order_and_the_settings() {
        let engine =
            "MergeTree PARTITION BY m ORDER BY (a, b) TTL x + toIntervalDay(1), y SETTINGS index_granularity = 8192";
        assert_eq!(ttl_of(engine), "x + toIntervalDay(1), y");
        assert_eq!(ttl_of("MergeTree ORDER BY a SETTINGS index_granularity = 8192"), "");
        assert_eq!(ttl_of("CREATE TABLE t ORDER BY a TTL x"), "x");
    }

    #[test]
    fn every_ttl_is_known_as_ours_and_only_months_are_moved() {
        let days = |number| Days::new(number);
        let retention = RetentionConfig {
            articles: days(1),
            mentions: days(2),
            bars: days(3),
            trades: days(4),
            indicators: days(5),
            dead_letters: days(6),
        };
        let cold = ColdConfig { policy: Some("tiered".into()), ..ColdConfig::default() };
        let removing = ClickHouseConfig { retention: retention.clone(), ..ClickHouseConfig::default() };
        let moving = ClickHouseConfig { cold: cold.clone(), ..ClickHouseConfig::default() };
        for table in &TABLES {
            assert!(table.ttl(&removing).contains(OURS), "{}", table.name);
            assert_eq!(table.ttl(&moving).contains("TO VOLUME 'cold'"), table.by_month, "{}", table.name);
            assert_eq!(table.ttl(&ClickHouseConfig::default()), "");
        }
    }
}
