-- `latest_price` and `bars_5m` follow the table `bars`: of two versions of a bar that were received at the same time, as
-- in a replay that is sent again, the one that was written later holds. `argMax` kept the one that was written first.
--
-- A bar of a day or more counts in `latest_price` from its start, because narrower bars of its time are newer than what it
-- says before they are over. Without any, its price is that of the moment when it was received, if that is before its end.

CREATE TABLE IF NOT EXISTS latest_bar_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    price Float64,
    at DateTime64(6, 'UTC'),
    version Int128 COMMENT 'end of the bar, or its start if it is of a day or more, and when it was received'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (run, symbol);

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_bar_feed TO latest_bar_state AS
WITH start + toIntervalSecond(width_s) AS end, width_s >= 86400 AS is_wide
SELECT
    run,
    symbol,
    close AS price,
    if(is_wide, least(end, received_at), end) AS at,
    bitShiftLeft(toInt128(toUnixTimestamp64Micro(if(is_wide, start, end))), 64) + toUnixTimestamp64Micro(received_at) AS version
FROM bars;

INSERT INTO latest_bar_state (run, symbol, price, at, version)
WITH
    start + toIntervalSecond(width_s) AS end,
    width_s >= 86400 AS is_wide,
    bitShiftLeft(toInt128(toUnixTimestamp64Micro(if(is_wide, start, end))), 64) + toUnixTimestamp64Micro(received_at) AS place,
    argMax((close, if(is_wide, least(end, received_at), end)), place) AS newest
SELECT run, symbol, newest.1, newest.2, max(place)
FROM bars FINAL
GROUP BY run, symbol
SETTINGS do_not_merge_across_partitions_select_final = 1, insert_deduplicate = 0;

CREATE OR REPLACE VIEW latest_price AS
SELECT run, symbol, price, at
FROM latest_bar_state FINAL;

CREATE OR REPLACE VIEW bars_5m AS
SELECT
    run,
    symbol,
    CAST(toStartOfFiveMinutes(minutes.start) AS DateTime64(6, 'UTC')) AS start,
    argMin(minutes.open, minutes.start) AS open,
    max(minutes.high) AS high,
    min(minutes.low) AS low,
    argMax(minutes.close, minutes.start) AS close,
    sum(minutes.volume) AS volume
FROM bars_1m_state AS minutes FINAL
GROUP BY run, symbol, start;

DROP VIEW IF EXISTS latest_price_feed;
DROP VIEW IF EXISTS bars_5m_feed;
DROP TABLE IF EXISTS latest_price_state;
DROP TABLE IF EXISTS bars_5m_state;
