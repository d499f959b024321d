WITH
    -- Weighted as in view `sentiment_index`. An article's companies are counted before some are chosen.
    mentions_of_companies AS (
        SELECT
            symbol, title, published_at, if(label = '', 'not scored', label) AS label, score,
            coalesce(relevance, 1 / count() OVER (PARTITION BY run, provider, article_id)) AS weight
        FROM current_mentions
        WHERE symbol != '' AND {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ within('published_at') }}
    ),
    chosen_mentions AS (
        SELECT published_at, label, score, weight FROM mentions_of_companies
        WHERE {{ chosen('symbol') }} AND {{ found('symbol', 'title') }}
    ),
    -- About fifty steps over whatever period is shown, each of a round length.
    (SELECT dateDiff('second', min(chosen_mentions.published_at), max(chosen_mentions.published_at)) / 50 FROM chosen_mentions) AS wanted,
    arrayFirst(length -> length >= wanted, [300, 900, 1800, 3600, 7200, 10800, 21600, 86400, 604800, 2678400, 31622400, 3162240000]) AS step
SELECT
    toDateTime(intDiv(toUnixTimestamp(chosen_mentions.published_at), step) * step, 'UTC') AS published_at,
    label,
    count() AS mentions,
    sum(score * weight) AS weighted_score,
    sumIf(weight, score IS NOT NULL) AS total_weight
FROM chosen_mentions
GROUP BY published_at, label
