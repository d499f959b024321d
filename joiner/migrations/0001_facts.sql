-- Facts. Delivery is at least once, so each table keeps one row a key: of several the one with
-- the greatest version. Read with FINAL, or through the views of the later migrations.
--
-- `run` keeps live data ('live') and every replay apart. All times are UTC. An insert that is
-- retried with the same token is dropped whole within the deduplication window.

-- `seq` is the record's position in its partition of topic news.
CREATE TABLE IF NOT EXISTS articles
(
    run LowCardinality(String),
    article_id String,
    revision UInt64,
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
    seq UInt64,
    INDEX by_published_at published_at TYPE minmax
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, article_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- `symbol` is empty where the article names no company; `label` where it could not be scored,
-- and then `unscored` says why. `seq` is the record's position in its partition of topic sentiment.
CREATE TABLE IF NOT EXISTS mentions
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    article_id String,
    article_revision UInt64,
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
    truncated Bool,
    unscored LowCardinality(String),
    seq UInt64,
    INDEX by_published_at published_at TYPE minmax
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, symbol, article_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- A corrected bar has a later `received_at`; `seq`, its position in the topic, decides between
-- equal ones in the read models.
CREATE TABLE IF NOT EXISTS bars
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    width_s UInt32,
    start DateTime64(6, 'UTC'),
    open Float64,
    high Float64,
    low Float64,
    close Float64,
    volume Float64,
    vwap Nullable(Float64),
    trades Nullable(UInt64),
    received_at DateTime64(6, 'UTC'),
    seq UInt64
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(start)
ORDER BY (run, symbol, width_s, start)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS trades
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    at DateTime64(6, 'UTC'),
    id String,
    sequence UInt64,
    price Float64,
    size Float64,
    received_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(at)
ORDER BY (run, symbol, at, id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS halts
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    at DateTime64(6, 'UTC'),
    halted Bool,
    reason String,
    received_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (run, symbol, at)
SETTINGS non_replicated_deduplication_window = 1000;

-- Nothing is dropped unseen: what no stage could read, as it came. `at` is in the key so that a
-- topic that was made anew does not overwrite what the old one held.
CREATE TABLE IF NOT EXISTS dead_letters
(
    kafka_partition Int32,
    kafka_offset Int64,
    at DateTime64(6, 'UTC'),
    stage LowCardinality(String),
    origin String,
    reason String,
    bytes String
)
ENGINE = ReplacingMergeTree
ORDER BY (kafka_partition, kafka_offset, at)
SETTINGS non_replicated_deduplication_window = 1000;
