-- How far each source has been followed, and the alerts that were sent. Read both with FINAL.

CREATE TABLE IF NOT EXISTS source_progress
(
    run LowCardinality(String),
    kind LowCardinality(String) COMMENT 'news or prices',
    source LowCardinality(String),
    watermark DateTime64(6, 'UTC') COMMENT 'until when the source is complete',
    idle Bool COMMENT 'true: it has failed for longer than its idle timeout, or stands by for another',
    position UInt64 COMMENT 'of the watermark in its topic; the highest counts'
)
ENGINE = ReplacingMergeTree(position)
ORDER BY (run, kind, source);

CREATE TABLE IF NOT EXISTS alerts
(
    kind LowCardinality(String) COMMENT 'anomaly, sentiment_shock or stale_source',
    subject String COMMENT 'the symbol or the source',
    at DateTime64(6, 'UTC') COMMENT 'the bar that is out of the ordinary, the newest article of the shock, the watermark of the source',
    target LowCardinality(String) COMMENT 'table, webhook or slack',
    value Float64 COMMENT 'standard deviations; of a stale source, seconds',
    text String,
    sent_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(sent_at)
ORDER BY (kind, subject, at, target);
