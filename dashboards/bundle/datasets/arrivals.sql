WITH
    chosen_articles AS (
        SELECT received_at, provider
        FROM articles FINAL
        WHERE {{ chosen('run') }} AND {{ within('received_at') }}
    ),
    (SELECT dateDiff('second', min(chosen_articles.received_at), max(chosen_articles.received_at)) / 50 FROM chosen_articles) AS wanted,
    arrayFirst(length -> length >= wanted, [60, 300, 900, 1800, 3600, 7200, 10800, 21600, 86400, 604800, 2678400, 31622400, 3162240000]) AS length
SELECT
    toDateTime(intDiv(toUnixTimestamp(chosen_articles.received_at), length) * length, 'UTC') AS received_at,
    provider,
    count() AS articles
FROM chosen_articles
GROUP BY received_at, provider
