-- Indicators of each bar of a session, as the role `indicators` writes them. NULL: not defined, as before enough bars.
-- The columns after `is_anomaly` are what the next bar's row is computed from; a restarted process reads them.
-- Read it with FINAL. Repeated inserts are not dropped here: a row that is written again replaces itself.

CREATE TABLE IF NOT EXISTS indicators
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    width_s UInt32 COMMENT 'seconds',
    start DateTime64(6, 'UTC'),
    version UInt64 COMMENT 'highest position in the topic of the bars that the row is made of',
    open Float64,
    close Float64,
    price Float64 COMMENT 'volume-weighted price of the bar; mean of high, low and close where its source has none',
    volume Float64 COMMENT 'shares',
    received_at DateTime64(6, 'UTC') COMMENT 'of the bar; a later one corrects',
    missing_bars Nullable(UInt32) COMMENT 'directly before this bar, in its session; of days: sessions without a bar',
    session_missing_bars UInt32 COMMENT 'of the session, until this bar',
    sma_20 Nullable(Float64) COMMENT 'mean of closes',
    ema_20 Nullable(Float64) COMMENT 'exponential average of closes',
    bollinger_upper_20 Nullable(Float64) COMMENT 'sma_20 and 2 population standard deviations',
    bollinger_lower_20 Nullable(Float64) COMMENT 'sma_20 less 2 population standard deviations',
    rsi_14 Nullable(Float64) COMMENT '0 to 100; NULL where the close has not moved',
    macd Nullable(Float64) COMMENT 'of 12 and 26 bars',
    macd_signal Nullable(Float64) COMMENT 'its average over 9 bars',
    macd_histogram Nullable(Float64) COMMENT 'macd less its signal',
    vwap Nullable(Float64) COMMENT 'volume-weighted price of the session until this bar',
    momentum_10 Nullable(Float64) COMMENT 'close less the close 10 bars before',
    log_return Nullable(Float64) COMMENT 'from the bar before in the session; of days, from the session before',
    realized_volatility_30 Nullable(Float64) COMMENT 'square root of the sum of 30 squared log returns',
    robust_z_60 Nullable(Float64) COMMENT 'log return less the median of those of the 60 bars before, over 1.4826 times their median absolute deviation',
    is_anomaly Nullable(Bool) COMMENT 'robust_z_60 is beyond 3 or -3',
    number UInt64 COMMENT 'which bar of its series, from 1; a price that seems to have split begins a new one',
    macd_fast Nullable(Float64),
    macd_slow Nullable(Float64),
    rises Nullable(Float64),
    falls Nullable(Float64),
    session_value Float64,
    session_volume Float64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, width_s, start);
