WITH
    pairs AS (
        SELECT
            published_at, score, step, reached.1 AS outcome, reached.2 AS value,
            if(minutes IS NULL, replaceAll(horizon, '_', ' '), concat(toString(minutes), ' min')) AS name
        FROM impact_by_horizon
        ARRAY JOIN [('return', ret), ('abnormal return', ar)] AS reached
        WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ within('published_at') }}
          AND score IS NOT NULL AND value IS NOT NULL
    ),
    -- Equal values share the mean of their ranks.
    ranked AS (
        SELECT
            step, name, outcome, published_at,
            rank() OVER (PARTITION BY step, outcome ORDER BY score)
                + (count() OVER (PARTITION BY step, outcome, score) - 1) / 2 AS score_rank,
            rank() OVER (PARTITION BY step, outcome ORDER BY value)
                + (count() OVER (PARTITION BY step, outcome, value) - 1) / 2 AS value_rank
        FROM pairs
    )
SELECT
    -- Axes order their labels by name; invisible characters put a later horizon after an earlier one.
    concat(repeat(char(226, 128, 139), step), name, ' (', toString(min(count()) OVER (PARTITION BY step)), ')') AS horizon_and_pairs,
    outcome,
    -- The correlation of fewer than three pairs, or of ranks that are all equal, is undefined.
    if(count() < 3 OR min(score_rank) = max(score_rank) OR min(value_rank) = max(value_rank),
       NULL, corrStable(score_rank, value_rank)) AS coefficient,
    max(ranked.published_at) AS published_at
FROM ranked
GROUP BY step, name, outcome
