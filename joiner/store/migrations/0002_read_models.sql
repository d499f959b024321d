-- What dashboards and people read, kept by materialized views.
--
-- A materialized view sees an insert, not the table: whatever sums or counts there doubles when a
-- bar is re-sent. So each read model keeps, for every key, the version that holds (Replacing,
-- argMax by received_at, or a set of ids), and a view of the plain name puts it together.

CREATE TABLE IF NOT EXISTS bars_1m_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    start DateTime64(6, 'UTC'),
    open Float64,
    high Float64,
    low Float64,
    close Float64,
    volume Float64,
    received_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, start);

CREATE MATERIALIZED VIEW IF NOT EXISTS bars_1m_feed TO bars_1m_state AS
SELECT run, symbol, start, open, high, low, close, volume, received_at
FROM bars
WHERE width_s = 60;

CREATE VIEW IF NOT EXISTS bars_1m AS
SELECT run, symbol, start, open, high, low, close, volume
FROM bars_1m_state FINAL;

-- Five slots a row, one for each minute: a re-sent minute replaces its slot and nothing else.
-- A slot is (open, high, low, close, volume); no price is 0, so an open of 0 is a minute without a trade.
CREATE TABLE IF NOT EXISTS bars_5m_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    start DateTime64(6, 'UTC'),
    minute_0 AggregateFunction(argMaxIf, Tuple(Float64, Float64, Float64, Float64, Float64), DateTime64(6, 'UTC'), UInt8),
    minute_1 AggregateFunction(argMaxIf, Tuple(Float64, Float64, Float64, Float64, Float64), DateTime64(6, 'UTC'), UInt8),
    minute_2 AggregateFunction(argMaxIf, Tuple(Float64, Float64, Float64, Float64, Float64), DateTime64(6, 'UTC'), UInt8),
    minute_3 AggregateFunction(argMaxIf, Tuple(Float64, Float64, Float64, Float64, Float64), DateTime64(6, 'UTC'), UInt8),
    minute_4 AggregateFunction(argMaxIf, Tuple(Float64, Float64, Float64, Float64, Float64), DateTime64(6, 'UTC'), UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, start);

CREATE MATERIALIZED VIEW IF NOT EXISTS bars_5m_feed TO bars_5m_state AS
WITH (open, high, low, close, volume) AS slot, toMinute(bars.start) % 5 AS minute
SELECT
    run,
    symbol,
    toDateTime64(toStartOfInterval(bars.start, INTERVAL 5 MINUTE), 6, 'UTC') AS start,
    argMaxIfState(slot, received_at, minute = 0) AS minute_0,
    argMaxIfState(slot, received_at, minute = 1) AS minute_1,
    argMaxIfState(slot, received_at, minute = 2) AS minute_2,
    argMaxIfState(slot, received_at, minute = 3) AS minute_3,
    argMaxIfState(slot, received_at, minute = 4) AS minute_4
FROM bars
WHERE width_s = 60
GROUP BY run, symbol, start;

CREATE VIEW IF NOT EXISTS bars_5m AS
SELECT
    run,
    symbol,
    start,
    printed[1].1 AS open,
    arrayMax(slot -> slot.2, printed) AS high,
    arrayMin(slot -> slot.3, printed) AS low,
    printed[-1].4 AS close,
    arraySum(slot -> slot.5, printed) AS volume
FROM
(
    SELECT run, symbol, start, arrayFilter(slot -> slot.1 > 0, [
        argMaxIfMerge(minute_0),
        argMaxIfMerge(minute_1),
        argMaxIfMerge(minute_2),
        argMaxIfMerge(minute_3),
        argMaxIfMerge(minute_4)
    ]) AS printed
    FROM bars_5m_state
    GROUP BY run, symbol, start
);

-- The newest bar of a symbol; of two versions of it the one received later.
CREATE TABLE IF NOT EXISTS latest_price_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    newest AggregateFunction(argMax, Tuple(Float64, DateTime64(6, 'UTC')), Tuple(DateTime64(6, 'UTC'), DateTime64(6, 'UTC')))
)
ENGINE = AggregatingMergeTree
ORDER BY (run, symbol);

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_price_feed TO latest_price_state AS
WITH start + toIntervalSecond(width_s) AS end
SELECT run, symbol, argMaxState((close, end), (end, received_at)) AS newest
FROM bars
GROUP BY run, symbol;

CREATE VIEW IF NOT EXISTS latest_price AS
SELECT run, symbol, argMaxMerge(newest).1 AS price, argMaxMerge(newest).2 AS at
FROM latest_price_state
GROUP BY run, symbol;

-- Ids and not a count, so that an article written twice counts once.
CREATE TABLE IF NOT EXISTS news_by_minute_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    minute DateTime('UTC'),
    articles AggregateFunction(uniqExact, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (run, symbol, minute);

CREATE MATERIALIZED VIEW IF NOT EXISTS news_by_minute_feed TO news_by_minute_state AS
SELECT run, symbol, toStartOfMinute(published_at, 'UTC') AS minute, uniqExactState(article_id) AS articles
FROM mentions
GROUP BY run, symbol, minute;

CREATE VIEW IF NOT EXISTS news_by_minute AS
SELECT run, symbol, minute, uniqExactMerge(articles) AS articles
FROM news_by_minute_state
GROUP BY run, symbol, minute;

-- One row for each mention with what a desk looks at, ordered for reading by symbol.
CREATE TABLE IF NOT EXISTS report_state
(
    run LowCardinality(String),
    published_at DateTime64(6, 'UTC'),
    available_at DateTime64(6, 'UTC'),
    symbol LowCardinality(String),
    article_id String,
    version UInt64,
    title String,
    publisher LowCardinality(String),
    url String,
    score Nullable(Float64),
    label LowCardinality(String),
    relevance Nullable(Float64),
    status LowCardinality(String),
    reason LowCardinality(String),
    phase LowCardinality(String),
    entry_at Nullable(DateTime64(6, 'UTC')),
    entry_price Nullable(Float64),
    ret_1m Nullable(Float64), ret_5m Nullable(Float64), ret_15m Nullable(Float64), ret_30m Nullable(Float64),
    ret_60m Nullable(Float64), ret_close Nullable(Float64), ret_next_open Nullable(Float64), ret_next_close Nullable(Float64),
    ar_1m Nullable(Float64), ar_5m Nullable(Float64), ar_15m Nullable(Float64), ar_30m Nullable(Float64),
    ar_60m Nullable(Float64), ar_close Nullable(Float64), ar_next_open Nullable(Float64), ar_next_close Nullable(Float64),
    volume_ratio Nullable(Float64),
    flag_stale Bool, flag_halted Bool, flag_gap Bool, flag_late Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (run, symbol, article_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS report_feed TO report_state AS
SELECT
    run, published_at, available_at, symbol, article_id, version, title, publisher, url, score, label, relevance,
    status, reason, phase, entry_at, entry_price,
    ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close,
    ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close,
    volume_ratio, flag_stale, flag_halted, flag_gap, flag_late
FROM impact;

CREATE VIEW IF NOT EXISTS report AS
SELECT * EXCEPT (version)
FROM report_state FINAL;
