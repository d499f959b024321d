WITH
    ics AS (
        SELECT *
        FROM filtered_information_coefficient({{ arguments() }})
    ),
    means AS (
        SELECT *
        FROM filtered_mean_outcome({{ arguments() }})
    ),
    (SELECT if(countIf(outcome = 'abnormal return') > 0, 'abnormal return', 'return') FROM ics) AS studied,
    tests AS (
        SELECT step, 'coefficient' AS what, p FROM ics WHERE outcome = studied AND p IS NOT NULL
        UNION ALL
        SELECT step, label AS what, p FROM means WHERE outcome = studied AND label IN ('positive', 'negative') AND p IS NOT NULL
    ),
    placed AS (
        SELECT step, what, p, row_number() OVER (ORDER BY p) AS place, count() OVER () AS of_all FROM tests
    ),
    adjusted AS (
        SELECT
            step, what,
            least(1, max((of_all - place + 1) * p) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS adjusted_p
        FROM placed
    ),
    p_values AS (
        SELECT
            step,
            anyIf(toNullable(adjusted_p), what = 'coefficient') AS coefficient_p,
            anyIf(toNullable(adjusted_p), what = 'positive') AS positive_p,
            anyIf(toNullable(adjusted_p), what = 'negative') AS negative_p
        FROM adjusted
        GROUP BY step
    ),
    -- In basis points.
    classes AS (
        SELECT
            step,
            anyIf(toNullable(mean_outcome * 10000), label = 'positive') AS positive,
            anyIf(toNullable(mean_outcome * 10000), label = 'negative') AS negative,
            anyIf(low * 10000, label = 'positive') AS positive_low,
            anyIf(high * 10000, label = 'positive') AS positive_high,
            anyIf(low * 10000, label = 'negative') AS negative_low,
            anyIf(high * 10000, label = 'negative') AS negative_high,
            sumIf(events, label = 'positive') AS positive_events,
            sumIf(events, label = 'negative') AS negative_events
        FROM means
        WHERE outcome = studied
        GROUP BY step
    )
SELECT
    published_at,
    step,
    if(minutes IS NULL, replaceAll(horizon, '_', ' '), concat(toString(minutes), ' min')) AS horizon,
    outcome,
    pairs,
    days,
    coefficient,
    ifNull(concat(printf('%+.3f', low), ' to ', printf('%+.3f', high)), 'not enough data') AS coefficient_interval,
    coefficient_p,
    positive,
    ifNull(concat(printf('%+.1f', positive_low), ' to ', printf('%+.1f', positive_high)), 'not enough data') AS positive_interval,
    positive_events,
    positive_p,
    negative,
    ifNull(concat(printf('%+.1f', negative_low), ' to ', printf('%+.1f', negative_high)), 'not enough data') AS negative_interval,
    negative_events,
    negative_p
FROM ics
LEFT JOIN p_values USING (step)
LEFT JOIN classes USING (step)
WHERE outcome = studied
