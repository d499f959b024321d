WITH
    pairs AS (
        SELECT step, horizon, outcome, score, value, published_at
        FROM (
            SELECT published_at, score, reached.1 AS step, reached.2 AS horizon, reached.3 AS outcome, reached.4 AS value
            FROM report
            ARRAY JOIN [
                (1, '1 min', 'return', ret_1m), (1, '1 min', 'abnormal return', ar_1m),
                (2, '5 min', 'return', ret_5m), (2, '5 min', 'abnormal return', ar_5m),
                (3, '15 min', 'return', ret_15m), (3, '15 min', 'abnormal return', ar_15m),
                (4, '30 min', 'return', ret_30m), (4, '30 min', 'abnormal return', ar_30m),
                (5, '60 min', 'return', ret_60m), (5, '60 min', 'abnormal return', ar_60m),
                (6, 'close', 'return', ret_close), (6, 'close', 'abnormal return', ar_close),
                (7, 'next open', 'return', ret_next_open), (7, 'next open', 'abnormal return', ar_next_open),
                (8, 'next close', 'return', ret_next_close), (8, 'next close', 'abnormal return', ar_next_close)
            ] AS reached
            WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ within('published_at') }}
        )
        WHERE score IS NOT NULL AND value IS NOT NULL
    ),
    -- Equal values share the mean of their ranks.
    ranked AS (
        SELECT
            step, horizon, outcome, published_at,
            rank() OVER (PARTITION BY step, outcome ORDER BY score)
                + (count() OVER (PARTITION BY step, outcome, score) - 1) / 2 AS score_rank,
            rank() OVER (PARTITION BY step, outcome ORDER BY value)
                + (count() OVER (PARTITION BY step, outcome, value) - 1) / 2 AS value_rank
        FROM pairs
    )
SELECT
    -- Axes order their labels by name; invisible characters put a later horizon behind an earlier one.
    concat(repeat(char(226, 128, 139), step), horizon, ' (', toString(min(count()) OVER (PARTITION BY step)), ')') AS horizon_and_pairs,
    outcome,
    -- Fewer than three pairs, or ranks all equal, correlate with nothing.
    if(count() < 3 OR min(score_rank) = max(score_rank) OR min(value_rank) = max(value_rank),
       NULL, corrStable(score_rank, value_rank)) AS coefficient,
    max(ranked.published_at) AS published_at
FROM ranked
GROUP BY step, horizon, outcome
