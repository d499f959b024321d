-- An article is named by its provider and its id: two providers may give the same id to different articles. So both
-- are in the keys of `articles`, `mentions` and `impact`, and in what is counted and compared in the views.
--
-- Before this migration: stop `tapewire run --role news`, wait until the other roles have read everything (consumer
-- lag 0), stop them, migrate, start all roles of the new build. The key of an article on topic `news` changes from its
-- id to provider/id, which leads to another partition, and positions in another partition may be lower. Therefore rows
-- whose records had the article's id as their key are copied with position 0: every later edit replaces them.
--
-- A key can't be changed in place, so each table is copied: a new table beside the old one, the names exchanged, the
-- rows copied. Every step can be repeated, by a run after a crash and by another run at the same time: `migrate` takes
-- it as done where the renamed table is gone (code 60), the target of a rename exists (57) or a table to drop has rows
-- (705). A rename succeeds once, because the old table keeps its new name.
--
-- The old tables stay as `..._before_0005`. Drop them when `tapewire migrate` has said that the database is at version
-- 5 and you have looked at it; the space they take is free then. Those that never had a row are dropped by a later run.

DROP VIEW IF EXISTS news_by_minute_feed;
DROP VIEW IF EXISTS report_feed;
-- Made again from the code's list of columns, by `migrate`, when all migrations are applied.
DROP VIEW IF EXISTS report;

CREATE TABLE IF NOT EXISTS articles_by_provider AS articles
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, provider, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- In one statement, so that nobody finds the name unused; the second rename again for a server that stopped between.
RENAME TABLE articles TO articles_before_0005, articles_by_provider TO articles;
RENAME TABLE articles_by_provider TO articles;

INSERT INTO articles
    (run, article_id, revision, provider, publisher, author, title, description, url, symbols, keywords, published_at,
    received_at, seq)
SELECT
    run, article_id, revision, provider, publisher, author, title, description, url, symbols, keywords, published_at,
    received_at, 0
FROM articles_before_0005 FINAL
SETTINGS insert_deduplicate = 0;

DROP TABLE IF EXISTS IF EMPTY articles_by_provider;

CREATE TABLE IF NOT EXISTS mentions_by_provider AS mentions
ENGINE = ReplacingMergeTree(seq)
ORDER BY (run, symbol, provider, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

RENAME TABLE mentions TO mentions_before_0005, mentions_by_provider TO mentions;
RENAME TABLE mentions_by_provider TO mentions;

-- Keys of articles (`provider/id`) and not a count, so that an article written twice counts once. Before the rows are
-- copied, so that they pass through it.
CREATE TABLE IF NOT EXISTS news_by_minute_articles
(
    run LowCardinality(String),
    symbol LowCardinality(String),
    minute DateTime('UTC'),
    articles AggregateFunction(uniqExact, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (run, symbol, minute);

CREATE MATERIALIZED VIEW IF NOT EXISTS news_by_minute_articles_feed TO news_by_minute_articles AS
SELECT
    run,
    symbol,
    toStartOfMinute(published_at, 'UTC') AS minute,
    uniqExactState(concat(provider, '/', article_id)) AS articles
FROM mentions
GROUP BY run, symbol, minute;

-- A mention of no company has its article's key on the topic; all others their symbol.
INSERT INTO mentions
    (run, symbol, article_id, article_revision, title, provider, publisher, url, published_at, received_at, scored_at,
    available_at, relevance, p_positive, p_neutral, p_negative, score, label, model, model_revision, truncated, windows,
    unscored, seq)
SELECT
    run, symbol, article_id, article_revision, title, provider, publisher, url, published_at, received_at, scored_at,
    available_at, relevance, p_positive, p_neutral, p_negative, score, label, model, model_revision, truncated, windows,
    unscored, if(symbol = '', 0, seq)
FROM mentions_before_0005 FINAL
SETTINGS insert_deduplicate = 0;

DROP TABLE IF EXISTS IF EMPTY mentions_by_provider;

CREATE TABLE IF NOT EXISTS impact_by_provider AS impact
ENGINE = ReplacingMergeTree(version)
ORDER BY (run, symbol, provider, article_id)
SETTINGS non_replicated_deduplication_window = 10000;

RENAME TABLE impact TO impact_before_0005, impact_by_provider TO impact;
RENAME TABLE impact_by_provider TO impact;

INSERT INTO impact
    (run, symbol, article_id, version, status, reason, phase, title, provider, publisher, url, published_at,
    received_at, scored_at, available_at, relevance, p_positive, p_neutral, p_negative, score, label, model,
    model_revision, unscored, bar_width_s, price_before, price_before_at, entry_at, entry_price,
    ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close,
    ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close,
    alpha, beta, volume_ratio, flag_stale, flag_halted, flag_gap, flag_late)
SELECT
    run, symbol, article_id, if(symbol = '', 0, version), status, reason, phase, title, provider, publisher, url,
    published_at, received_at, scored_at, available_at, relevance, p_positive, p_neutral, p_negative, score, label,
    model, model_revision, unscored, bar_width_s, price_before, price_before_at, entry_at, entry_price,
    ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close,
    ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close,
    alpha, beta, volume_ratio, flag_stale, flag_halted, flag_gap, flag_late
FROM impact_before_0005 FINAL
SETTINGS insert_deduplicate = 0;

DROP TABLE IF EXISTS IF EMPTY impact_by_provider;

CREATE OR REPLACE VIEW news_by_minute AS
SELECT run, symbol, minute, uniqExactMerge(articles) AS articles
FROM news_by_minute_articles
GROUP BY run, symbol, minute;

-- How new a mention is to its symbol, and which story it belongs to. As in 0004_novelty.sql, except that of two
-- mentions in the same microsecond the one with the lesser (provider, id) is the earlier, and that `story` is the key
-- (`provider/id`) of the story's first article.
CREATE OR REPLACE VIEW novelty AS
SELECT
    run,
    symbol,
    provider,
    article_id,
    available_at,
    if(empty(words), NULL, 1 - arrayMax(arrayPushBack(similarity, 0.))) AS novelty,
    arrayPushBack(
        arrayFilter((key, alike) -> alike >= 0.5, arrayMap(other -> concat(other.2, '/', other.3), earlier), similarity),
        concat(provider, '/', article_id)
    )[1] AS story
FROM
(
    SELECT
        run,
        symbol,
        provider,
        article_id,
        available_at,
        words,
        -- The window counts in whole seconds.
        arraySort(arrayFilter(
            other -> (other.1, other.2, other.3) < (available_at, provider, article_id)
                AND other.1 > available_at - toIntervalDay(1),
            near
        )) AS earlier,
        arrayMap(other -> length(arrayIntersect(other, words)) / length(arrayDistinct(arrayConcat(other, words))), earlier.4) AS similarity
    FROM
    (
        SELECT
            run,
            symbol,
            provider,
            article_id,
            available_at,
            arrayDistinct(extractAll(lowerUTF8(title), '[\\p{L}\\p{N}]+')) AS words,
            groupArray((available_at, provider, article_id, words)) OVER (
                PARTITION BY run, symbol ORDER BY toUnixTimestamp(available_at)
                RANGE BETWEEN 86400 PRECEDING AND CURRENT ROW
            ) AS near
        FROM mentions FINAL
        WHERE symbol != ''
    )
);

-- Both repeated what is in other tables: `report` is a view of `impact` now.
DROP TABLE IF EXISTS report_state;
DROP TABLE IF EXISTS news_by_minute_state;

ALTER TABLE articles
    COMMENT COLUMN IF EXISTS seq 'position in its partition of the topic, 0 if written before 0005; an edit is always later';

ALTER TABLE mentions
    COMMENT COLUMN IF EXISTS seq 'position in its partition of the topic; 0 if written before 0005 and the article names no company';

ALTER TABLE impact
    COMMENT COLUMN IF EXISTS reason 'why not joined: no_symbol, not_equity, no_bars, no_entry_bar, too_late; empty: joined';

ALTER TABLE dead_letters
    COMMENT COLUMN IF EXISTS stage 'which stage gave up on it; empty: the letter itself could not be read',
    COMMENT COLUMN IF EXISTS reason 'why, in words for a person',
    COMMENT COLUMN IF EXISTS bytes 'as received',
    COMMENT COLUMN IF EXISTS at 'time of the event or of arrival; 1970 if the letter itself could not be read';
