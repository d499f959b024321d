SELECT
    -- Axes order their labels by name; invisible characters put a later horizon after an earlier one.
    concat(
        repeat(char(226, 128, 139), step),
        if(minutes IS NULL, replaceAll(horizon, '_', ' '), concat(toString(minutes), ' min')),
        ' (', toString(min(pairs) OVER (PARTITION BY step)), ')'
    ) AS horizon_and_pairs,
    outcome,
    coefficient,
    low,
    high,
    days,
    published_at
FROM information_coefficient(
    runs = {{ list('run') }}, symbols = {{ list('symbol') }}, since = {{ since() }}, until = {{ until() }}
)
