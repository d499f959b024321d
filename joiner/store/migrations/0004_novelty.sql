-- How new a mention is to its symbol, and which story it belongs to.
--
-- Similarity of two titles is the Jaccard index of their sets of words (Broder 1997, "On the resemblance and
-- containment of documents"), case and punctuation aside. A mention is held against those of the same run and
-- symbol that could be acted on in the 24 hours before it, of two in the same microsecond the one with the lesser id.
-- Words alone find repeats, edits and syndicated copies; two wires that word one event differently are two stories.
--
-- It is a view, so it follows from the mentions however often they were written and in whatever order. It costs
-- what a symbol's mentions of a day, squared, cost: ask for a run and a symbol, or keep what you asked for.

CREATE VIEW IF NOT EXISTS novelty AS
SELECT
    run,
    symbol,
    article_id,
    available_at,
    if(empty(words), NULL, 1 - arrayMax(arrayPushBack(similarity, 0.))) AS novelty,
    arrayPushBack(arrayFilter((id, alike) -> alike >= 0.5, earlier.2, similarity), article_id)[1] AS story
FROM
(
    SELECT
        run,
        symbol,
        article_id,
        available_at,
        words,
        -- The window counts in whole seconds.
        arraySort(arrayFilter(
            other -> (other.1, other.2) < (available_at, article_id) AND other.1 > available_at - toIntervalDay(1), near
        )) AS earlier,
        arrayMap(other -> length(arrayIntersect(other, words)) / length(arrayDistinct(arrayConcat(other, words))), earlier.3) AS similarity
    FROM
    (
        SELECT
            run,
            symbol,
            article_id,
            available_at,
            arrayDistinct(extractAll(lowerUTF8(title), '[\\p{L}\\p{N}]+')) AS words,
            groupArray((available_at, article_id, words)) OVER (
                PARTITION BY run, symbol ORDER BY toUnixTimestamp(available_at)
                RANGE BETWEEN 86400 PRECEDING AND CURRENT ROW
            ) AS near
        FROM mentions FINAL
        WHERE symbol != ''
    )
);
