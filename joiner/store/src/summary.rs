//! Summaries of a run, read back from the tables.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tapewire_core::Run;

/// Counts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Counts {
    /// Articles.
    pub articles: u64,
    /// (Article, company) pairs, without withdrawn ones; an article without a company counts as one.
    pub mentions: u64,
    /// Mentions with a sentiment.
    pub scored: u64,
    /// Bars.
    pub bars: u64,
    /// Symbols that have bars.
    pub symbols: u64,
    /// Rows of `impact`, whatever their status, withdrawn ones included.
    pub impacts: u64,
    /// Dead letters of the run.
    pub dead_letters: u64,
}

/// Number of joined rows with one status and reason.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StatusCount {
    /// `pending`, `open`, `final` or `not_joined`.
    pub status: String,
    /// Why not joined; empty otherwise.
    pub reason: String,
    /// Rows.
    pub rows: u64,
}

/// Score and outcome at one horizon, of a joined row that has a score and an entry.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct HorizonOutcome {
    /// Who delivered the article.
    pub provider: String,
    /// The provider's id of the article.
    pub article_id: String,
    /// Company.
    pub symbol: String,
    /// p(positive) - p(negative).
    pub score: f64,
    /// [`tapewire_core::Horizon::name`].
    pub horizon: String,
    /// Log return from the entry; `None` where the horizon is not reached or has no price.
    pub ret: Option<f64>,
    /// Abnormal log return.
    pub ar: Option<f64>,
}

/// Counts the rows of a run.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn counts<'a>(config: &'a ClickHouseConfig, run: &'a Run) -> BoxFuture<'a, Result<Counts, StoreError>> {
    Box::pin(async move {
        let query = "SELECT
        assumeNotNull((SELECT count() FROM articles FINAL WHERE run = {run:String})) AS articles,
        assumeNotNull((SELECT count() FROM current_mentions WHERE run = {run:String})) AS mentions,
        assumeNotNull((SELECT count() FROM current_mentions WHERE run = {run:String} AND score IS NOT NULL)) AS scored,
        assumeNotNull((SELECT count() FROM bars FINAL WHERE run = {run:String})) AS bars,
        assumeNotNull((SELECT uniqExact(symbol) FROM bars WHERE run = {run:String})) AS symbols,
        assumeNotNull((SELECT count() FROM impact FINAL WHERE run = {run:String})) AS impacts,
        assumeNotNull((SELECT count() FROM dead_letters FINAL WHERE run = {run:String})) AS dead_letters";
        config.answer(config.client().query(query).param("run", run.as_str()).fetch_one()).await
    })
}

/// How many joined rows of a run have each status and reason, most frequent first.
///
/// # Errors
/// As [`counts`].
pub fn status_counts<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
) -> BoxFuture<'a, Result<Vec<StatusCount>, StoreError>> {
    Box::pin(async move {
        let query = "SELECT status, reason, count() AS rows FROM impact FINAL WHERE run = {run:String}
        GROUP BY status, reason ORDER BY rows DESC, status, reason";
        config.rows_of(run, query).await
    })
}

/// Scores and outcomes of a run, by horizon in the order of time, then by article and company.
///
/// # Errors
/// As [`counts`].
pub fn outcomes<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
) -> BoxFuture<'a, Result<Vec<HorizonOutcome>, StoreError>> {
    Box::pin(async move {
        let query =
            "SELECT provider, article_id, toString(symbol) AS symbol, assumeNotNull(score) AS score, horizon, ret, ar
        FROM impact_by_horizon
        WHERE run = {run:String} AND impact_by_horizon.score IS NOT NULL AND entry_at IS NOT NULL
        ORDER BY step, provider, article_id, symbol";
        config.rows_of(run, query).await
    })
}
