//! Rows of the table `indicators`, and the newest of them read back.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Row of `indicators`. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct IndicatorRow {
    pub run: String,
    pub symbol: String,
    pub width_s: u32,
    pub start: i64,
    pub version: u64,
    pub open: f64,
    pub close: f64,
    pub price: f64,
    pub volume: f64,
    pub received_at: i64,
    pub missing_bars: Option<u32>,
    pub session_missing_bars: u32,
    pub sma_20: Option<f64>,
    pub ema_20: Option<f64>,
    pub bollinger_upper_20: Option<f64>,
    pub bollinger_lower_20: Option<f64>,
    pub rsi_14: Option<f64>,
    pub macd: Option<f64>,
    pub macd_signal: Option<f64>,
    pub macd_histogram: Option<f64>,
    pub vwap: Option<f64>,
    pub momentum_10: Option<f64>,
    pub log_return: Option<f64>,
    pub realized_volatility_30: Option<f64>,
    pub robust_z_60: Option<f64>,
    pub is_anomaly: Option<bool>,
    pub number: u64,
    pub macd_fast: Option<f64>,
    pub macd_slow: Option<f64>,
    pub rises: Option<f64>,
    pub falls: Option<f64>,
    pub session_value: f64,
    pub session_volume: f64,
}

/// The newest rows of some symbols of a run, at most `limit` of each, ordered by symbol and time. With `since` (microseconds
/// since 1970 UTC) only rows that start then or later are read, which spares ClickHouse the whole history of the symbols.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub async fn newest(
    config: &ClickHouseConfig,
    run: &str,
    width_s: u32,
    symbols: &[&str],
    since: Option<i64>,
    limit: usize,
) -> Result<Vec<IndicatorRow>, StoreError> {
    // A row's month follows from its key, so rows of one key are never in two partitions of the table.
    let sql = format!(
        "SELECT * FROM (
            SELECT {columns} FROM indicators FINAL
            WHERE run = {{run:String}} AND width_s = {{width:UInt32}} AND symbol IN {{symbols:Array(String)}}
                AND indicators.start >= fromUnixTimestamp64Micro({{since:Int64}})
            ORDER BY indicators.symbol, indicators.start DESC
            LIMIT {limit} BY symbol
        ) ORDER BY symbol, start
        SETTINGS do_not_merge_across_partitions_select_final = 1",
        columns = columns()
    );
    let query = config.client().query(&sql).param("run", run).param("width", width_s).param("symbols", symbols);
    config.answer(query.param("since", since.unwrap_or(0)).fetch_all()).await
}

/// The columns as they are read into an [`IndicatorRow`].
fn columns() -> String {
    let column = |name: &&str| match *name {
        "run" | "symbol" => format!("toString(indicators.{name}) AS {name}"),
        "start" | "received_at" => format!("toUnixTimestamp64Micro(indicators.{name}) AS {name}"),
        name => name.to_owned(),
    };
    <IndicatorRow as Row>::COLUMN_NAMES.iter().map(column).collect::<Vec<_>>().join(", ")
}
