-- What a ticker stands for, as the sources list it. `valid_from` is in the key, so a ticker that another company got later has
-- a row for each.

CREATE TABLE IF NOT EXISTS instruments
(
    symbol LowCardinality(String),
    name String COMMENT 'the issuer, as the source has it',
    aliases Array(String) COMMENT 'further names by which texts mention it',
    kind LowCardinality(String) COMMENT 'stock, preferred, depositary_receipt, fund, warrant, right, unit or other',
    exchange LowCardinality(String) COMMENT 'as the source says it; empty if it does not',
    cik Nullable(UInt64) COMMENT 'the issuer at the SEC',
    figi Nullable(String) COMMENT 'composite FIGI',
    valid_from Date32 COMMENT 'first day; 1900-01-01: as far back as anybody asks',
    valid_to Nullable(Date32) COMMENT 'last day; NULL: still so',
    source LowCardinality(String) COMMENT 'builtin or sec',
    seen_at DateTime64(6, 'UTC') COMMENT 'when the list was read; a later one replaces'
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (symbol, valid_from)
SETTINGS non_replicated_deduplication_window = 10000;
