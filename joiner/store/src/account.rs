//! What the tables hold of a run, by id, to be compared with what was sent.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tapewire_core::{Run, Symbol};

/// The key of a row in `articles`, `mentions` or `impact`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Row, Deserialize)]
pub struct StoredMention {
    /// Who delivered the article.
    pub provider: String,
    /// The provider's id of the article.
    pub article_id: String,
    /// The company; empty in `articles`, and where the article names none.
    pub symbol: String,
}

/// The bars of a symbol and width: their number, and two sums over their starts, by which sets of bars are compared.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct StoredBars {
    /// Symbol.
    pub symbol: String,
    /// Seconds.
    pub width_s: u32,
    /// Number.
    pub bars: u64,
    /// Sum of the starts, in microseconds since 1970 UTC, modulo 2^64.
    pub sum: u64,
    /// Exclusive or of the starts.
    pub xor: u64,
}

/// Which table of articles or mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Articles, with an empty symbol.
    Articles,
    /// Mentions, scored or not.
    Mentions,
    /// Joined rows.
    Joined,
}

/// The keys in a table, each once, in order.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub fn mentions<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
    table: Table,
) -> BoxFuture<'a, Result<Vec<StoredMention>, StoreError>> {
    Box::pin(async move {
        let (symbol, table) = match table {
            Table::Articles => ("''", "articles"),
            Table::Mentions => ("toString(symbol)", "mentions"),
            Table::Joined => ("toString(symbol)", "impact"),
        };
        let query = format!(
            "SELECT DISTINCT toString(provider) AS provider, article_id, {symbol} AS symbol FROM {table}
        WHERE run = {{run:String}} ORDER BY provider, article_id, symbol"
        );
        config.rows_of(run, &query).await
    })
}

/// The bars of each symbol and width.
///
/// # Errors
/// As [`mentions`].
pub fn bars<'a>(config: &'a ClickHouseConfig, run: &'a Run) -> BoxFuture<'a, Result<Vec<StoredBars>, StoreError>> {
    Box::pin(async move {
        let query = "SELECT toString(symbol) AS symbol, width_s, count() AS bars,
            sum(toUInt64(toUnixTimestamp64Micro(start))) AS sum, groupBitXor(toUInt64(toUnixTimestamp64Micro(start))) AS xor
        FROM (SELECT DISTINCT symbol, width_s, start FROM bars WHERE run = {run:String})
        GROUP BY symbol, width_s ORDER BY symbol, width_s";
        config.rows_of(run, query).await
    })
}

/// The starts of the bars of a symbol and width, in microseconds since 1970 UTC, each once.
///
/// # Errors
/// As [`mentions`].
pub fn bar_starts<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
    symbol: &'a Symbol,
    width_s: u32,
) -> BoxFuture<'a, Result<Vec<i64>, StoreError>> {
    Box::pin(async move {
        let query = "SELECT DISTINCT toUnixTimestamp64Micro(start) AS start FROM bars
        WHERE run = {run:String} AND symbol = {symbol:String} AND width_s = {width:UInt32}";
        let query = config.client().query(query).param("run", run.as_str());
        config.answer(query.param("symbol", symbol.as_str()).param("width", width_s).fetch_all()).await
    })
}

/// The number of dead letters of each stage.
///
/// # Errors
/// As [`mentions`].
pub fn dead_letters<'a>(
    config: &'a ClickHouseConfig,
    run: &'a Run,
) -> BoxFuture<'a, Result<Vec<(String, u64)>, StoreError>> {
    Box::pin(async move {
        let query =
            "SELECT toString(stage) AS stage, uniqExact(id) AS letters FROM dead_letters WHERE run = {run:String}
        GROUP BY stage ORDER BY stage";
        config.rows_of(run, query).await
    })
}
