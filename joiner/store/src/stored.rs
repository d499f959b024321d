//! Rows of a run, read back for a study.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tapewire_core::{Horizon, Run};

/// A row of table `impact`, as [`joined`] reads it.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct JoinedRow {
    /// Company; empty if the article names none.
    pub symbol: String,
    /// Who delivered the article.
    pub provider: String,
    /// Its publisher.
    pub publisher: String,
    /// The provider's id of the article.
    pub article_id: String,
    /// Headline.
    pub title: String,
    /// The name by which the model was asked about the company.
    pub asked_as: Option<String>,
    /// When the news was available, in microseconds since 1970 UTC.
    pub available_at: i64,
    /// Time of the entry, in microseconds since 1970 UTC.
    pub entry_at: Option<i64>,
    /// p(positive) - p(negative).
    pub score: Option<f64>,
    /// Likeliest class; empty without a score.
    pub label: String,
    /// The model that scored it; empty without a score.
    pub model: String,
    /// The model's revision.
    pub model_revision: String,
    /// Width in seconds of the bars that it was joined with.
    pub bar_width_s: Option<u32>,
    /// How much the article is about the company.
    pub relevance: Option<f64>,
    /// Phase of the trading day.
    pub phase: String,
    /// Why there is no price path; empty otherwise.
    pub reason: String,
    /// Why there is no score; empty otherwise.
    pub unscored: String,
    /// Log returns, in the order of [`Horizon::ALL`].
    pub returns: Vec<Option<f64>>,
    /// Abnormal log returns.
    pub abnormal: Vec<Option<f64>>,
    /// A price jumped overnight as if by an unknown split.
    pub flag_possible_split: bool,
    /// A price was too old.
    pub flag_stale: bool,
    /// Bars are missing.
    pub flag_gap: bool,
}

/// A bar of a run.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct StoredBar {
    /// Ticker.
    pub symbol: String,
    /// Start, in microseconds since 1970 UTC.
    pub start: i64,
    /// Width in seconds.
    pub width_s: u32,
    /// First price.
    pub open: f64,
    /// Last price.
    pub close: f64,
    /// When this version was received, in microseconds since 1970 UTC.
    pub received_at: i64,
}

/// A split or a dividend of a run.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct StoredAction {
    /// Ticker.
    pub symbol: String,
    /// The ex-date, as YYYY-MM-DD.
    pub ex_date: String,
    /// Distinguishes several actions of one kind on one day.
    pub id: String,
    /// `split` or `dividend`.
    pub kind: String,
    /// Of a split: shares before.
    pub split_from: Option<f64>,
    /// Of a split: shares after.
    pub split_to: Option<f64>,
    /// Of a dividend: amount for each share.
    pub amount: Option<f64>,
    /// Currency of a dividend.
    pub currency: String,
}

/// The runs that have joined rows, and their numbers of rows, the largest first; at most 20.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn runs<'a>(config: &'a ClickHouseConfig) -> BoxFuture<'a, Result<Vec<(String, u64)>, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT toString(run) AS run, count() AS rows FROM impact FINAL GROUP BY run ORDER BY rows DESC, run LIMIT 20";
        let client = config.client();
        client.query(sql).fetch_all().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
    })
}

/// The joined rows of a run, ordered by symbol, provider and article. Withdrawn mentions are left out, as in the views.
///
/// # Errors
/// As [`runs`].
pub fn joined<'a>(config: &'a ClickHouseConfig, run: &'a Run) -> BoxFuture<'a, Result<Vec<JoinedRow>, StoreError>> {
    Box::pin(async move {
        let list = |column: fn(Horizon) -> &'static str| Horizon::ALL.map(column).join(", ");
        let sql = format!(
        "SELECT
            toString(symbol) AS symbol, toString(provider) AS provider, toString(publisher) AS publisher, article_id,
            title, asked_as, toUnixTimestamp64Micro(available_at) AS available_at, toUnixTimestamp64Micro(entry_at) AS entry_at,
            score, toString(label) AS label,
            toString(model) AS model, toString(model_revision) AS model_revision, bar_width_s, relevance, toString(phase) AS phase, toString(reason) AS reason,
            toString(unscored) AS unscored, [{}] AS returns, [{}] AS abnormal,
            flag_possible_split, flag_stale, flag_gap
        FROM impact FINAL
        WHERE run = {{run:String}} AND impact.reason != 'withdrawn'
        ORDER BY impact.symbol, impact.provider, article_id",
        list(Horizon::return_column),
        list(Horizon::abnormal_column)
    );
        config.rows_of(run, &sql).await
    })
}

/// Passes the bars of a run to `each`: those of its joined companies and of `benchmark` that start within `span`: at or
/// after its first moment and before its second (microseconds since 1970 UTC).
///
/// # Errors
/// As [`runs`].
pub async fn bars(
    config: &ClickHouseConfig,
    run: &Run,
    benchmark: &str,
    span: (i64, i64),
    each: impl FnMut(StoredBar),
) -> Result<(), StoreError> {
    let of = "(bars.symbol = {benchmark:String} OR bars.symbol IN (
                SELECT symbol FROM impact WHERE run = {run:String} AND entry_at IS NOT NULL))";
    let query = bars_query(config, run, of, span).param("benchmark", benchmark);
    pass(config, query, each).await
}

/// Passes the bars of some symbols of a run to `each`: those that start within `span`, as in [`bars`].
///
/// # Errors
/// As [`runs`].
pub async fn bars_of(
    config: &ClickHouseConfig,
    run: &Run,
    symbols: &[&str],
    span: (i64, i64),
    each: impl FnMut(StoredBar),
) -> Result<(), StoreError> {
    let query = bars_query(config, run, "bars.symbol IN {symbols:Array(String)}", span).param("symbols", symbols);
    pass(config, query, each).await
}

fn bars_query(config: &ClickHouseConfig, run: &Run, of: &str, (from, until): (i64, i64)) -> clickhouse::query::Query {
    let sql = format!(
        "SELECT toString(symbol) AS symbol, toUnixTimestamp64Micro(start) AS start, width_s, open, close,
            toUnixTimestamp64Micro(bars.received_at) AS received_at
        FROM bars FINAL
        WHERE run = {{run:String}} AND bars.start >= fromUnixTimestamp64Micro({{from:Int64}})
            AND bars.start < fromUnixTimestamp64Micro({{until:Int64}}) AND {of}
        ORDER BY run, bars.symbol, width_s, bars.start"
    );
    config.client().query(&sql).param("run", run.as_str()).param("from", from).param("until", until)
}

async fn pass(
    config: &ClickHouseConfig,
    query: clickhouse::query::Query,
    mut each: impl FnMut(StoredBar),
) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_clickhouse(error, &config.url);
    let mut rows = query.fetch::<StoredBar>().map_err(failed)?;
    while let Some(bar) = rows.next().await.map_err(failed)? {
        each(bar);
    }
    Ok(())
}

/// How many bars of each symbol a run has, from `from` to `until` (microseconds since 1970 UTC).
///
/// # Errors
/// As [`runs`].
pub fn bar_counts<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
    (from, until): (i64, i64),
) -> BoxFuture<'a, Result<Vec<(String, u64)>, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT toString(symbol) AS symbol, count() AS bars
        FROM bars FINAL
        WHERE run = {run:String} AND start >= fromUnixTimestamp64Micro({from:Int64})
            AND start < fromUnixTimestamp64Micro({until:Int64})
        GROUP BY symbol
        ORDER BY symbol";
        let query = config.client().query(sql).param("run", run.as_str()).param("from", from).param("until", until);
        query.fetch_all().await.map_err(|error| StoreError::from_clickhouse(error, &config.url))
    })
}

/// The splits and dividends of a run.
///
/// # Errors
/// As [`runs`].
pub fn actions<'a>(config: &'a ClickHouseConfig, run: &'a Run) -> BoxFuture<'a, Result<Vec<StoredAction>, StoreError>> {
    Box::pin(async move {
        let sql = "SELECT toString(symbol) AS symbol, toString(ex_date) AS ex_date, id, toString(kind) AS kind,
            split_from, split_to, amount, toString(currency) AS currency
        FROM actions FINAL
        WHERE run = {run:String}
        ORDER BY symbol, ex_date, kind, id";
        config.rows_of(run, sql).await
    })
}
