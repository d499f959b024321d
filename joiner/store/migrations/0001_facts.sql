-- Facts, as the joiner writes them. All are upserts: the same key again replaces, and the
-- version column says which of two rows holds. Read them with FINAL or through the views.
--
-- Times are UTC microseconds. `run` is `live` or the name of a replay and stands in every key.
-- A repeated insert is recognised by its content for the last 10,000 inserts
-- (non_replicated_deduplication_window); behind that the versions do the same more slowly.

CREATE TABLE IF NOT EXISTS articles
(
    run LowCardinality(String),
    article_id String,
    revision UInt64 COMMENT 'fingerprint of title, description and symbols',
    provider LowCardinality(String),
    publisher LowCardinality(String),
    author String,
    title String,
    description String,
    url String,
    symbols Array(LowCardinality(String)),
    keywords Array(String),
    published_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    seq UInt64 COMMENT 'position in its partition of the topic; an edit is always later'
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS mentions
(
    run LowCardinality(String),
    symbol LowCardinality(String) COMMENT 'empty: the article names no company',
    article_id String,
    article_revision UInt64,
    title String,
    provider LowCardinality(String),
    publisher LowCardinality(String),
    url String,
    published_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    scored_at DateTime64(6, 'UTC'),
    available_at DateTime64(6, 'UTC') COMMENT 'the latest of the three clocks',
    relevance Nullable(Float64),
    p_positive Nullable(Float64),
    p_neutral Nullable(Float64),
    p_negative Nullable(Float64),
    score Nullable(Float64) COMMENT 'p(positive) - p(negative)',
    label LowCardinality(String) COMMENT 'empty: not scored',
    model LowCardinality(String),
    model_revision LowCardinality(String),
    truncated Bool,
    unscored LowCardinality(String) COMMENT 'why there is no score; empty: there is one',
    seq UInt64 COMMENT 'position in its partition of the topic'
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, symbol, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS bars
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    width_s UInt32 COMMENT 'seconds',
    start DateTime64(6, 'UTC'),
    open Float64,
    high Float64,
    low Float64,
    close Float64,
    volume Float64 COMMENT 'shares',
    vwap Nullable(Float64),
    trades Nullable(UInt64),
    received_at DateTime64(6, 'UTC') COMMENT 'a later one corrects'
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, width_s, start)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS trades
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    at DateTime64(6, 'UTC'),
    id String,
    sequence UInt64,
    price Float64,
    size Float64 COMMENT 'shares',
    received_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(at)
ORDER BY (run, symbol, at, id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS halts
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    at DateTime64(6, 'UTC'),
    halted Bool COMMENT 'true: trading stopped; false: it went on',
    reason String,
    received_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (run, symbol, at, halted)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS impact
(
    run LowCardinality(String),
    symbol LowCardinality(String) COMMENT 'empty: the article names no company',
    article_id String,
    version UInt64 COMMENT 'positions of the mention and of the last record that changed the row',
    status LowCardinality(String) COMMENT 'pending, open, final, not_joined',
    reason LowCardinality(String) COMMENT 'why not joined: no_symbol, not_equity, no_bars, no_entry_bar',
    phase LowCardinality(String) COMMENT 'pre_market, session, after_hours, closed',
    title String,
    provider LowCardinality(String),
    publisher LowCardinality(String),
    url String,
    published_at DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    scored_at DateTime64(6, 'UTC'),
    available_at DateTime64(6, 'UTC'),
    relevance Nullable(Float64),
    p_positive Nullable(Float64),
    p_neutral Nullable(Float64),
    p_negative Nullable(Float64),
    score Nullable(Float64),
    label LowCardinality(String),
    model LowCardinality(String),
    model_revision LowCardinality(String),
    unscored LowCardinality(String),
    bar_width_s Nullable(UInt32) COMMENT 'seconds',
    price_before Nullable(Float64) COMMENT 'last close at or before available_at',
    price_before_at Nullable(DateTime64(6, 'UTC')),
    entry_at Nullable(DateTime64(6, 'UTC')) COMMENT 'start of the first bar after available_at',
    entry_price Nullable(Float64) COMMENT 'its open',
    ret_1m Nullable(Float64) COMMENT 'log return from the entry, as are all ret_',
    ret_5m Nullable(Float64),
    ret_15m Nullable(Float64),
    ret_30m Nullable(Float64),
    ret_60m Nullable(Float64),
    ret_close Nullable(Float64),
    ret_next_open Nullable(Float64),
    ret_next_close Nullable(Float64),
    ar_1m Nullable(Float64) COMMENT 'the same less the market model, as are all ar_',
    ar_5m Nullable(Float64),
    ar_15m Nullable(Float64),
    ar_30m Nullable(Float64),
    ar_60m Nullable(Float64),
    ar_close Nullable(Float64),
    ar_next_open Nullable(Float64),
    ar_next_close Nullable(Float64),
    alpha Nullable(Float64) COMMENT 'market model: intercept a bar',
    beta Nullable(Float64) COMMENT 'market model: slope on the benchmark',
    volume_ratio Nullable(Float64) COMMENT 'entry bar over its trailing mean at the same time of day',
    flag_stale Bool,
    flag_halted Bool,
    flag_gap Bool,
    flag_late Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (run, symbol, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS dead_letters
(
    kafka_partition Int32,
    kafka_offset Int64,
    stage LowCardinality(String) COMMENT 'who gave up on it',
    origin String COMMENT 'where it came from',
    reason String,
    bytes String COMMENT 'as they came',
    at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000;
