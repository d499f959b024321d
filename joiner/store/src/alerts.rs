//! What may be worth an alert, and the alerts that were sent: the table `alerts`.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::{Row, RowOwned, RowRead};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tapewire_core::Run;

/// A bar whose return is out of the ordinary.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct Anomaly {
    /// Ticker.
    pub symbol: String,
    /// Width of the bar in seconds.
    pub width_s: u32,
    /// Its start, in microseconds since 1970 UTC.
    pub start: i64,
    /// Its log return from the bar before.
    pub log_return: f64,
    /// The return in robust standard deviations of the 60 bars before.
    pub robust_z: f64,
    /// Its last price.
    pub close: f64,
}

/// News of a symbol whose mean score is far from that of its news before.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct SentimentShock {
    /// Ticker.
    pub symbol: String,
    /// When the newest article was available, in microseconds since 1970 UTC.
    pub at: i64,
    /// Headlines in the window, each once.
    pub articles: u64,
    /// Mean of their scores.
    pub mean: f64,
    /// Mean score of the headlines of the 30 days before the window.
    pub usual: f64,
    /// The difference, in standard deviations of a mean of as many headlines.
    pub z: f64,
    /// The headline whose score is farthest from the usual mean.
    pub title: String,
}

/// Row of `alerts`. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct AlertRow {
    pub kind: String,
    pub subject: String,
    pub at: i64,
    pub target: String,
    pub value: f64,
    pub text: String,
    pub sent_at: i64,
}

/// Bars of the live run that end at or after `since` and are anomalies, the oldest first.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub async fn anomalies(config: &ClickHouseConfig, since: Timestamp) -> Result<Vec<Anomaly>, StoreError> {
    let sql = "SELECT toString(symbol) AS symbol, width_s, toUnixTimestamp64Micro(indicators.start) AS start,
            assumeNotNull(log_return) AS log_return, assumeNotNull(robust_z_60) AS robust_z, close
        FROM indicators FINAL
        WHERE run = {live:String} AND indicators.start >= fromUnixTimestamp64Micro({since:Int64}) - INTERVAL 1 DAY
            AND indicators.start + toIntervalSecond(width_s) >= fromUnixTimestamp64Micro({since:Int64})
            AND is_anomaly AND log_return IS NOT NULL
        ORDER BY indicators.start, indicators.symbol";
    let query = config.client().query(sql).param("live", Run::live().as_str());
    fetch(config, query.param("since", since.as_microsecond())).await
}

/// Symbols of the live run whose headlines since `since` have a mean score at least `threshold` standard deviations from
/// that of their headlines of the 30 days before. A headline counts once, however often it is told. Symbols with fewer than
/// `minimum` headlines in the window, or fewer than 30 before it, are left out.
///
/// # Errors
/// As [`anomalies`].
pub async fn shocks(
    config: &ClickHouseConfig,
    since: Timestamp,
    minimum: u32,
    threshold: f64,
) -> Result<Vec<SentimentShock>, StoreError> {
    let sql = "WITH fromUnixTimestamp64Micro({since:Int64}) AS since,
        told AS (
            SELECT symbol, title, min(available_at) AS first_at, argMin(score, available_at) AS told_score
            FROM current_mentions
            WHERE run = {live:String} AND symbol != '' AND score IS NOT NULL AND available_at >= since - INTERVAL 30 DAY
                AND symbol IN (
                    SELECT symbol FROM current_mentions
                    WHERE run = {live:String} AND symbol != '' AND score IS NOT NULL AND available_at >= since
                )
            GROUP BY symbol, title
        ),
        by_symbol AS (
            SELECT symbol, countIf(first_at >= since) AS articles, countIf(first_at < since) AS before,
                avgIf(told_score, first_at >= since) AS mean, avgIf(told_score, first_at < since) AS usual,
                stddevSampIf(told_score, first_at < since) AS deviation, max(first_at) AS newest,
                groupArrayIf((told_score, title), first_at >= since) AS titles
            FROM told GROUP BY symbol
            HAVING articles >= {minimum:UInt32} AND before >= 30 AND deviation > 0
        )
        SELECT toString(symbol) AS symbol, toUnixTimestamp64Micro(newest) AS at, articles, assumeNotNull(mean) AS mean,
            assumeNotNull(usual) AS usual, assumeNotNull((mean - usual) / (deviation / sqrt(articles))) AS z,
            arraySort(pair -> -abs(pair.1 - usual), titles)[1].2 AS title
        FROM by_symbol WHERE abs(z) >= {threshold:Float64} ORDER BY symbol";
    let query = config.client().query(sql).param("live", Run::live().as_str());
    let query = query.param("since", since.as_microsecond()).param("minimum", minimum);
    fetch(config, query.param("threshold", threshold)).await
}

/// Alerts that were sent at or after `since`.
///
/// # Errors
/// As [`anomalies`].
pub async fn sent_alerts(config: &ClickHouseConfig, since: Timestamp) -> Result<Vec<AlertRow>, StoreError> {
    let sql = "SELECT toString(kind) AS kind, subject, toUnixTimestamp64Micro(alerts.at) AS at, toString(target) AS target,
            value, text, toUnixTimestamp64Micro(alerts.sent_at) AS sent_at
        FROM alerts FINAL WHERE alerts.sent_at >= fromUnixTimestamp64Micro({since:Int64}) ORDER BY sent_at, subject, target";
    fetch(config, config.client().query(sql).param("since", since.as_microsecond())).await
}

async fn fetch<T: RowOwned + RowRead>(
    config: &ClickHouseConfig,
    query: clickhouse::query::Query,
) -> Result<Vec<T>, StoreError> {
    config.answer(query.fetch_all()).await
}
