-- A dead letter belongs to a run, and is the same one when its input is replayed again: its key is (run, id), where the id
-- is made of the stage, the origin, the reason and the bytes. Until now its key was its place on the topic, so each replay
-- of the same file added its unreadable lines once more.
--
-- Letters that were written before have no run: their topic did not say it.
--
-- A key can't be changed in place, so the table is copied, as 0005_provider.sql explains. The old table stays as
-- `dead_letters_before_0006`; drop it when you have looked at the new one.

CREATE TABLE IF NOT EXISTS dead_letters_by_run
(
    run LowCardinality(String) COMMENT 'empty: not known',
    id String COMMENT 'hash of stage, origin, reason and bytes',
    kafka_partition Int32 COMMENT 'where it was last seen on the topic',
    kafka_offset Int64,
    stage LowCardinality(String) COMMENT 'which stage gave up on it; empty: the letter itself could not be read',
    origin String COMMENT 'where it came from',
    reason String COMMENT 'why, in words for a person',
    bytes String COMMENT 'as received',
    at DateTime64(6, 'UTC') COMMENT 'time of the event or of arrival; 1970 if the letter itself could not be read'
)
ENGINE = ReplacingMergeTree
ORDER BY (run, id)
SETTINGS non_replicated_deduplication_window = 10000;

RENAME TABLE dead_letters TO dead_letters_before_0006, dead_letters_by_run TO dead_letters;
RENAME TABLE dead_letters_by_run TO dead_letters;

INSERT INTO dead_letters
    (run, id, kafka_partition, kafka_offset, stage, origin, reason, bytes, at)
SELECT
    '', lower(hex(SHA256(concat(stage, '\0', origin, '\0', reason, '\0', bytes)))), kafka_partition, kafka_offset, stage,
    origin, reason, bytes, at
FROM dead_letters_before_0006 FINAL
SETTINGS insert_deduplicate = 0;

DROP TABLE IF EXISTS IF EMPTY dead_letters_by_run;

-- Which installation this database is. Topics are read into one database only, and name it by this id.
CREATE TABLE IF NOT EXISTS installation
(
    id UUID,
    made_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (made_at, id);
