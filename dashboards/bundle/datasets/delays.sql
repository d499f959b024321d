WITH
    -- Of an article that was edited the tables have the latest revision alone: it arrived when it was edited.
    chosen_mentions AS (
        SELECT published_at, received_at, scored_at
        FROM current_mentions
        WHERE {{ chosen('run') }} AND {{ within('received_at') }}
    ),
    -- About fifty steps over whatever period is shown, each of a round length.
    (SELECT dateDiff('second', min(chosen_mentions.received_at), max(chosen_mentions.received_at)) / 50 FROM chosen_mentions) AS wanted,
    arrayFirst(length -> length >= wanted, [60, 300, 900, 1800, 3600, 7200, 10800, 21600, 86400, 604800, 2678400, 31622400, 3162240000]) AS length,
    steps AS (
        SELECT
            toDateTime(intDiv(toUnixTimestamp(chosen_mentions.received_at), length) * length, 'UTC') AS moment,
            quantilesExact(0.5, 0.99)(dateDiff('millisecond', published_at, chosen_mentions.received_at) / 1000) AS arrival,
            quantilesExact(0.5, 0.99)(dateDiff('millisecond', chosen_mentions.received_at, scored_at) / 1000) AS scoring
        FROM chosen_mentions
        GROUP BY moment
    )
SELECT
    moment AS received_at,
    of_step.1 AS step,
    of_step.2 AS seconds
FROM steps
ARRAY JOIN [
    ('publication to latest revision, median', arrival[1]),
    ('publication to latest revision, 99 in 100', arrival[2]),
    ('arrival to score, median', scoring[1]),
    ('arrival to score, 99 in 100', scoring[2])
] AS of_step
WHERE isFinite(of_step.2)
