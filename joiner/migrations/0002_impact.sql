-- The joined row: one article, one company, and what the price did next. It is written again
-- with a higher version whenever its content grows or is corrected.
--
-- Returns are natural logarithms, from the entry price to the horizon; `ar_*` is the same less
-- what the market model expects of the benchmark's. NULL: not reached yet, or not to be had.
CREATE TABLE IF NOT EXISTS impact
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    article_id String,
    version UInt64,
    status LowCardinality(String),
    reason LowCardinality(String),
    phase LowCardinality(String),
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
    bar_width_s Nullable(UInt32),
    price_before Nullable(Float64),
    price_before_at Nullable(DateTime64(6, 'UTC')),
    entry_at Nullable(DateTime64(6, 'UTC')),
    entry_price Nullable(Float64),
    ret_1m Nullable(Float64),
    ret_5m Nullable(Float64),
    ret_15m Nullable(Float64),
    ret_30m Nullable(Float64),
    ret_60m Nullable(Float64),
    ret_close Nullable(Float64),
    ret_next_open Nullable(Float64),
    ret_next_close Nullable(Float64),
    ar_1m Nullable(Float64),
    ar_5m Nullable(Float64),
    ar_15m Nullable(Float64),
    ar_30m Nullable(Float64),
    ar_60m Nullable(Float64),
    ar_close Nullable(Float64),
    ar_next_open Nullable(Float64),
    ar_next_close Nullable(Float64),
    alpha Nullable(Float64),
    beta Nullable(Float64),
    volume_ratio Nullable(Float64),
    flag_stale Bool,
    flag_halted Bool,
    flag_gap Bool,
    flag_late Bool,
    INDEX by_published_at published_at TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (run, symbol, article_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW report AS
SELECT
    run, symbol, article_id, published_at, received_at, scored_at, available_at,
    title, provider, publisher, url,
    score, label, p_positive, p_neutral, p_negative, relevance, model, unscored,
    status, reason, phase,
    bar_width_s, price_before, price_before_at, entry_at, entry_price,
    ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close,
    ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close,
    alpha, beta, volume_ratio,
    flag_stale, flag_halted, flag_gap, flag_late
FROM impact FINAL;
