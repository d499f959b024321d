//! Dead letters, read back, and which of them were replayed.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::query::Query;
use clickhouse::{Row, RowOwned, RowRead};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The table of letters that have been replayed. `tapewire migrate` creates it together with the views, not by a
/// numbered migration, because no other table changes.
pub(crate) const REPLAYS: &str = "CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    run String COMMENT 'that of the letter',
    id String COMMENT 'that of the letter',
    replayed_at DateTime64(6, 'UTC'),
    records UInt32 COMMENT 'how many records were sent'
)
ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (run, id)";

/// Which letters are wanted; an empty filter wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Beginnings of ids.
    pub ids: Vec<String>,
    /// A part of the reason, in any case.
    pub reason: Option<String>,
    /// A part of the origin, in any case.
    pub origin: Option<String>,
    /// The stage.
    pub stage: Option<String>,
    /// The run; an empty text is that of letters whose run is not known.
    pub run: Option<String>,
    /// No letter of an earlier time.
    pub since: Option<Timestamp>,
    /// Whether letters that were replayed are left out.
    pub not_replayed: bool,
}

/// A dead letter without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Listed {
    /// Run; empty if it is not known.
    pub run: String,
    /// Hash of stage, origin, reason and bytes, in hexadecimal digits.
    pub id: String,
    /// The stage that could not read it; empty if the letter itself could not be read.
    pub stage: String,
    /// Where it came from.
    pub origin: String,
    /// Why it could not be read.
    pub reason: String,
    /// Length of its bytes.
    pub size: u64,
    /// When it was received, in microseconds since 1970 UTC.
    pub at: i64,
    /// When it was last replayed, in microseconds since 1970 UTC; 0 if it never was.
    pub replayed_at: i64,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Letter {
    /// See [`Listed::run`].
    pub run: String,
    /// See [`Listed::id`].
    pub id: String,
    /// See [`Listed::stage`].
    pub stage: String,
    /// See [`Listed::origin`].
    pub origin: String,
    /// See [`Listed::reason`].
    pub reason: String,
    /// As received.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// See [`Listed::at`].
    pub at: i64,
    /// See [`Listed::replayed_at`].
    pub replayed_at: i64,
}

/// How many letters have one reason, in which numbers are written as `N` and quotations as `...`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct ReasonCount {
    /// The stage.
    pub stage: String,
    /// The reason.
    pub reason: String,
    /// Letters.
    pub letters: u64,
    /// Of these, letters that were replayed.
    pub replayed: u64,
}

/// That a letter was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize)]
pub struct Replayed {
    /// Run of the letter.
    pub run: String,
    /// Id of the letter.
    pub id: String,
    /// When, in microseconds since 1970 UTC.
    pub replayed_at: i64,
    /// How many records were sent.
    pub records: u32,
}

/// What the tables have of an article.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StoredArticle {
    /// Fingerprint of what can be edited.
    pub revision: u64,
    /// Its companies.
    pub symbols: Vec<String>,
    /// When it was received, in microseconds since 1970 UTC.
    pub received_at: i64,
}

/// The letters and whether they were replayed, with the filter's conditions.
const LETTERS: &str = "(
    SELECT
        toString(letters.run) AS run, letters.id AS id, toString(letters.stage) AS stage, letters.origin AS origin,
        letters.reason AS reason, letters.bytes AS bytes, toUnixTimestamp64Micro(letters.at) AS at,
        toUnixTimestamp64Micro(replays.replayed_at) AS replayed_at
    FROM dead_letters AS letters FINAL
    LEFT JOIN (SELECT run, id, replayed_at FROM dead_letter_replays FINAL) AS replays
        ON letters.run = replays.run AND letters.id = replays.id
    WHERE (empty({ids:Array(String)}) OR arrayExists(part -> startsWith(letters.id, part), {ids:Array(String)}))
        AND (positionCaseInsensitiveUTF8(letters.reason, {reason:String}) > 0 OR {reason:String} = '')
        AND (positionCaseInsensitiveUTF8(letters.origin, {origin:String}) > 0 OR {origin:String} = '')
        AND ({any_stage:Bool} OR letters.stage = {stage:String})
        AND ({any_run:Bool} OR letters.run = {run:String})
        AND (letters.at >= fromUnixTimestamp64Micro({since:Int64}))
        AND (NOT {not_replayed:Bool} OR replays.replayed_at = fromUnixTimestamp64Micro(0))
)";

impl Filter {
    fn apply(&self, query: Query) -> Query {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        query
            .param("ids", &self.ids)
            .param("reason", text(&self.reason))
            .param("origin", text(&self.origin))
            .param("any_stage", self.stage.is_none())
            .param("stage", text(&self.stage))
            .param("any_run", self.run.is_none())
            .param("run", text(&self.run))
            .param("since", self.since.map_or(0, Timestamp::as_microsecond).max(0))
            .param("not_replayed", self.not_replayed)
    }
}

/// The letters that the filter wants, the newest first, at most `limit`.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn list<'a>(
    config: &'a ClickHouseConfig,
    filter: &'a Filter,
    limit: u64,
) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
    Box::pin(async move {
        let sql = format!(
            "SELECT run, id, stage, origin, reason, length(bytes) AS size, at, replayed_at FROM {LETTERS}
        ORDER BY at DESC, run, id LIMIT {limit}"
        );
        fetch(config, filter, &sql, |query| query).await
    })
}

/// How many letters the filter wants for each stage and reason, the most frequent first, at most `limit` reasons.
///
/// # Errors
/// As [`list`].
pub fn reasons<'a>(
    config: &'a ClickHouseConfig,
    filter: &'a Filter,
    limit: u64,
) -> BoxFuture<'a, Result<Vec<ReasonCount>, StoreError>> {
    Box::pin(async move {
        let sql = format!(
            "SELECT stage, replaceRegexpAll(replaceRegexpAll(reason, '`[^`]*`', '`...`'), '[0-9]+', 'N') AS reason,
            count() AS letters, countIf(replayed_at > 0) AS replayed
        FROM {LETTERS} GROUP BY stage, reason ORDER BY letters DESC, stage, reason LIMIT {limit}"
        );
        fetch(config, filter, &sql, |query| query).await
    })
}

/// The letters that the filter wants, the oldest first, at most `limit` after the one at (`at`, run, id).
///
/// # Errors
/// As [`list`].
pub fn page<'a>(
    config: &'a ClickHouseConfig,
    filter: &'a Filter,
    after: Option<&'a (i64, String, String)>,
    limit: u64,
) -> BoxFuture<'a, Result<Vec<Letter>, StoreError>> {
    Box::pin(async move {
        let sql = format!(
            "SELECT run, id, stage, origin, reason, bytes, at, replayed_at FROM {LETTERS}
        WHERE (at, run, id) > ({{after_at:Int64}}, {{after_run:String}}, {{after_id:String}})
        ORDER BY at, run, id LIMIT {limit}"
        );
        let (at, run, id) = after.cloned().unwrap_or((i64::MIN, String::new(), String::new()));
        fetch(config, filter, &sql, |query| query.param("after_at", at).param("after_run", run).param("after_id", id))
            .await
    })
}

/// Notes that letters were replayed.
///
/// # Errors
/// As [`list`].
pub fn note<'a>(config: &'a ClickHouseConfig, replayed: &'a [Replayed]) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        let failed = |error| StoreError::from_clickhouse(error, &config.url);
        let mut insert = config.client().insert::<Replayed>("dead_letter_replays").await.map_err(failed)?;
        for row in replayed {
            insert.write(row).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    })
}

/// What the tables have of an article of a run.
///
/// # Errors
/// As [`list`].
pub fn article<'a>(
    config: &'a ClickHouseConfig,
    run: &'a str,
    provider: &'a str,
    id: &'a str,
) -> BoxFuture<'a, Result<Option<StoredArticle>, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT revision, arrayMap(symbol -> toString(symbol), symbols) AS symbols,
            toUnixTimestamp64Micro(received_at) AS received_at
        FROM articles FINAL
        WHERE run = {run:String} AND provider = {provider:String} AND article_id = {id:String}";
        let query = config.client().query(sql).param("run", run).param("provider", provider).param("id", id);
        query.fetch_optional().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
    })
}

async fn fetch<T: RowOwned + RowRead>(
    config: &ClickHouseConfig,
    filter: &Filter,
    sql: &str,
    with: impl FnOnce(Query) -> Query,
) -> Result<Vec<T>, StoreError> {
    let query = with(filter.apply(config.client().query(sql)));
    query.fetch_all().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
}
