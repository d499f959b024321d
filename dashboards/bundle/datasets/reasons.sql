WITH
    rows AS (
        SELECT
            report.published_at AS published_at,
            multiIf(status = 'final', 'joined', status = 'open', 'joined, later horizons open', status = 'pending', 'waits for a price',
                    'not joined') AS what,
            reason AS why
        FROM report
        WHERE {{ chosen('run') }} AND {{ within('published_at') }}
        UNION ALL
        SELECT current_mentions.published_at AS published_at, 'no score' AS what, unscored AS why
        FROM current_mentions
        WHERE score IS NULL AND {{ chosen('run') }} AND {{ within('published_at') }}
    ),
    (SELECT countIf(what != 'no score') FROM rows) AS total
SELECT max(rows.published_at) AS published_at, what, why, count() AS mentions, count() / total AS share
FROM rows
GROUP BY what, why
