//! What a run came to, read back from the tables.

use crate::JoinerError;
use crate::tables::ClickHouseConfig;
use clickhouse::Row;
use serde::Deserialize;
use tapewire_core::Run;
use tapewire_core::impact::{Horizon, PerHorizon};

/// Counts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Counts {
    /// Articles.
    pub articles: u64,
    /// (Article, company) pairs; an article without a company counts as one.
    pub mentions: u64,
    /// Of these, with a sentiment.
    pub scored: u64,
    /// Bars.
    pub bars: u64,
    /// Symbols that have bars.
    pub symbols: u64,
    /// Joined rows.
    pub impacts: u64,
}

/// How many joined rows ended so.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Ending {
    /// `pending`, `open`, `final` or `not_joined`.
    pub status: String,
    /// Why not joined; empty otherwise.
    pub reason: String,
    /// Rows.
    pub rows: u64,
}

/// Score and outcomes of one joined row that has a score and an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Article.
    pub article_id: String,
    /// Company.
    pub symbol: String,
    /// p(positive) - p(negative).
    pub score: f64,
    /// Log returns by horizon.
    pub returns: PerHorizon,
    /// Abnormal log returns by horizon.
    pub abnormal: PerHorizon,
}

#[derive(Row, Deserialize)]
struct OutcomeRow {
    article_id: String,
    symbol: String,
    score: f64,
    returns: Vec<Option<f64>>,
    abnormal: Vec<Option<f64>>,
}

/// Counts the rows of a run.
///
/// # Errors
/// As every query: [`JoinerError::Unreachable`], [`JoinerError::NotMigrated`], [`JoinerError::ClickHouse`].
pub async fn counts(config: &ClickHouseConfig, run: &Run) -> Result<Counts, JoinerError> {
    let query = "SELECT
        assumeNotNull((SELECT count() FROM articles FINAL WHERE run = {run:String})) AS articles,
        assumeNotNull((SELECT count() FROM mentions FINAL WHERE run = {run:String})) AS mentions,
        assumeNotNull((SELECT count() FROM mentions FINAL WHERE run = {run:String} AND score IS NOT NULL)) AS scored,
        assumeNotNull((SELECT count() FROM bars FINAL WHERE run = {run:String})) AS bars,
        assumeNotNull((SELECT uniqExact(symbol) FROM bars WHERE run = {run:String})) AS symbols,
        assumeNotNull((SELECT count() FROM impact FINAL WHERE run = {run:String})) AS impacts";
    let client = config.client();
    client
        .query(query)
        .param("run", run.as_str())
        .fetch_one()
        .await
        .map_err(|error| JoinerError::from_clickhouse(error, &config.url))
}

/// How the joined rows of a run ended, most frequent first.
///
/// # Errors
/// As [`counts`].
pub async fn endings(config: &ClickHouseConfig, run: &Run) -> Result<Vec<Ending>, JoinerError> {
    let query = "SELECT status, reason, count() AS rows FROM impact FINAL WHERE run = {run:String}
        GROUP BY status, reason ORDER BY rows DESC, status, reason";
    let client = config.client();
    client
        .query(query)
        .param("run", run.as_str())
        .fetch_all()
        .await
        .map_err(|error| JoinerError::from_clickhouse(error, &config.url))
}

/// Scores and outcomes of a run, ordered by article and company.
///
/// # Errors
/// As [`counts`].
pub async fn outcomes(config: &ClickHouseConfig, run: &Run) -> Result<Vec<Outcome>, JoinerError> {
    let columns = |prefix: &str| {
        let names: Vec<String> = Horizon::ALL.iter().map(|h| format!("{prefix}_{}", h.name())).collect();
        names.join(", ")
    };
    let query = format!(
        "SELECT article_id, toString(symbol) AS symbol, assumeNotNull(score) AS score,
            [{}] AS returns, [{}] AS abnormal
        FROM impact FINAL
        WHERE run = {{run:String}} AND impact.score IS NOT NULL AND entry_price IS NOT NULL
        ORDER BY article_id, symbol",
        columns("ret"),
        columns("ar"),
    );
    let client = config.client();
    let rows: Vec<OutcomeRow> = client
        .query(&query)
        .param("run", run.as_str())
        .fetch_all()
        .await
        .map_err(|error| JoinerError::from_clickhouse(error, &config.url))?;
    let per_horizon = |values: Vec<Option<f64>>| PerHorizon::try_from(values).expect("a column for each horizon");
    Ok(rows
        .into_iter()
        .map(|row| Outcome {
            article_id: row.article_id,
            symbol: row.symbol,
            score: row.score,
            returns: per_horizon(row.returns),
            abnormal: per_horizon(row.abnormal),
        })
        .collect())
}
