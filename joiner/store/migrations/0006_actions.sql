-- Splits and dividends, by which prices of two days can be compared: bars are as printed.

CREATE TABLE IF NOT EXISTS actions
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    ex_date Date32 COMMENT 'first trading day without the dividend or after the split, in New York',
    kind LowCardinality(String) COMMENT 'split or dividend',
    id String COMMENT 'tells several of one kind on one day apart',
    split_from Nullable(Float64) COMMENT 'this number of shares became split_to shares',
    split_to Nullable(Float64),
    amount Nullable(Float64) COMMENT 'dividend for each share',
    currency LowCardinality(String) COMMENT 'of the dividend; empty: US dollars',
    received_at DateTime64(6, 'UTC') COMMENT 'a later one corrects'
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (run, symbol, ex_date, kind, id)
SETTINGS non_replicated_deduplication_window = 10000;

ALTER TABLE impact
    COMMENT COLUMN IF EXISTS reason 'why not joined: no_symbol, not_equity, no_bars, no_regular_bars, no_entry_bar, too_late; empty: joined',
    COMMENT COLUMN IF EXISTS price_before 'last price at or before available_at: a close or, after a session, its closing auction; adjusted for splits and dividends up to the entry',
    COMMENT COLUMN IF EXISTS entry_at 'start of the first bar after available_at whose open is a price of the regular session',
    COMMENT COLUMN IF EXISTS ret_close 'to the official closing price where the bars have it, otherwise to the last bar of the session; see close_is_official',
    COMMENT COLUMN IF EXISTS ret_next_open 'to the open of the next session''s first bar, adjusted for splits and dividends; NULL where the opening price is not known',
    COMMENT COLUMN IF EXISTS ret_next_close 'as ret_close, of the next session, adjusted for splits and dividends',
    COMMENT COLUMN IF EXISTS volume_ratio 'volume of the entry bar over its mean at the same time of day in the sessions before, in shares of today',
    COMMENT COLUMN IF EXISTS flag_stale 'a price was older than join.stale_after at its moment; a horizon without a younger one is NULL',
    COMMENT COLUMN IF EXISTS flag_halted 'trading was halted between available_at and the last horizon reached',
    COMMENT COLUMN IF EXISTS flag_gap 'a missing bar made the entry or a horizon''s price older or later, or more bars are missing than join.gap_share';
