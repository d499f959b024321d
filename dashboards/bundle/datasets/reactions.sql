WITH
    means AS (
        SELECT *
        FROM filtered_mean_outcome({{ arguments() }})
    ),
    (SELECT if(countIf(outcome = 'abnormal return') > 0, 'abnormal return', 'return') FROM means) AS studied
SELECT
    max(means.published_at) AS published_at,
    -- Axes order their labels by name; invisible characters put a later horizon after an earlier one.
    concat(
        repeat(char(226, 128, 139), step),
        if(any(minutes) IS NULL, replaceAll(any(means.horizon), '_', ' '), concat(toString(any(minutes)), ' min'))
    ) AS horizon,
    anyIf(toNullable(mean_outcome * 10000), label = 'positive') AS positive,
    anyIf(toNullable(mean_outcome * 10000), label = 'neutral') AS neutral,
    anyIf(toNullable(mean_outcome * 10000), label = 'negative') AS negative
FROM means
WHERE outcome = studied
GROUP BY step
