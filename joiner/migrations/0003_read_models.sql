-- What dashboards read. Each state keeps, for every key, the latest version seen, so a bar or a
-- mention that is sent or inserted again changes nothing and is never counted twice.

-- Minute bars are the facts themselves.
CREATE OR REPLACE VIEW bars_1m AS
SELECT run, symbol, start, open, high, low, close, volume
FROM bars FINAL
WHERE width_s = 60
-- One key is always in one month, so months need not be merged with each other.
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Five-minute bars out of minute bars: five slots a row, one a minute, each with its latest
-- version of (open, high, low, close, volume).
CREATE TABLE IF NOT EXISTS bars_5m_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    start DateTime64(6, 'UTC'),
    minutes AggregateFunction(
        argMaxResample(0, 5, 1),
        Tuple(Float64, Float64, Float64, Float64, Float64),
        Tuple(DateTime64(6, 'UTC'), UInt64),
        UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, start);

CREATE MATERIALIZED VIEW IF NOT EXISTS bars_5m_from_bars TO bars_5m_state AS
SELECT
    run,
    symbol,
    toDateTime64(toStartOfInterval(bars.start, INTERVAL 5 MINUTE), 6, 'UTC') AS start,
    argMaxResampleState(0, 5, 1)(
        (open, high, low, close, volume),
        (received_at, seq),
        toUInt8(toMinute(bars.start) % 5)) AS minutes
FROM bars
WHERE width_s = 60
GROUP BY run, symbol, start;

CREATE OR REPLACE VIEW bars_5m AS
SELECT
    run, symbol, start,
    printed[1].1 AS open,
    arrayMax(minute -> minute.2, printed) AS high,
    arrayMin(minute -> minute.3, printed) AS low,
    printed[-1].4 AS close,
    arraySum(minute -> minute.5, printed) AS volume
FROM
(
    SELECT
        run, symbol, start,
        -- A minute without a bar has no positive open.
        arrayFilter(minute -> minute.1 > 0, argMaxResampleMerge(0, 5, 1)(minutes)) AS printed
    FROM bars_5m_state
    GROUP BY run, symbol, start
);

-- The last price of each symbol: close of a bar as of its end, or a trade.
CREATE TABLE IF NOT EXISTS latest_price_state
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    latest AggregateFunction(
        argMax,
        Tuple(Float64, DateTime64(6, 'UTC')),
        Tuple(DateTime64(6, 'UTC'), DateTime64(6, 'UTC'), UInt64))
)
ENGINE = AggregatingMergeTree
ORDER BY (run, symbol);

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_price_from_bars TO latest_price_state AS
SELECT
    run, symbol,
    argMaxState((close, start + toIntervalSecond(width_s)), (start + toIntervalSecond(width_s), received_at, seq)) AS latest
FROM bars
GROUP BY run, symbol;

CREATE MATERIALIZED VIEW IF NOT EXISTS latest_price_from_trades TO latest_price_state AS
SELECT run, symbol, argMaxState((price, at), (at, received_at, sequence)) AS latest
FROM trades
GROUP BY run, symbol;

CREATE OR REPLACE VIEW latest_price AS
SELECT run, symbol, merged.1 AS price, merged.2 AS at
FROM (SELECT run, symbol, argMaxMerge(latest) AS merged FROM latest_price_state GROUP BY run, symbol);

-- Articles on each company by the minute they were published in; '' counts those that name none.
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

CREATE MATERIALIZED VIEW IF NOT EXISTS news_by_minute_from_mentions TO news_by_minute_state AS
SELECT run, symbol, toStartOfMinute(toDateTime(published_at, 'UTC')) AS minute, uniqExactState(article_id) AS articles
FROM mentions
GROUP BY run, symbol, minute;

CREATE OR REPLACE VIEW news_by_minute AS
SELECT run, symbol, minute, uniqExactMerge(state.articles) AS articles
FROM news_by_minute_state AS state
GROUP BY run, symbol, minute;
