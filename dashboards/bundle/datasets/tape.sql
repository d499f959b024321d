{%- set range = get_time_filter('start', target_type='DateTime') -%}
{%- set whole_tape = not range.from_expr and not range.to_expr -%}
WITH
    (SELECT groupArray(symbol) FROM ({{ watched(1, 'bars', of='start') }})) AS shown,
    {{ finest_of('bars') }} AS finest,
    {%- if whole_tape %}
    {{ session_of_the_news('bars') }},
    {%- endif %}
    tape AS (
        SELECT symbol, bars.start AS begin, open, high, low, close, volume
        FROM bars FINAL
        WHERE {{ chosen('run') }} AND {{ is_shown() }} AND {{ within('bars.start', of='start') }} AND width_s = finest
        {%- if whole_tape %}
          AND {{ is_of_the_session('bars.start') }}
        {%- endif %}
    ),
    (
        SELECT (
            min(begin), max(begin) + finest,
            -- About 300 bars at most, each of a usual length.
            greatest(finest, arrayFirst(length -> length = 604800 OR uniqExact(begin) * finest / length <= 300,
                                        [60, 300, 900, 1800, 3600, 7200, 14400, 86400, 604800])),
            arraySort(groupUniqArray(toUnixTimestamp(begin)))
        )
        FROM tape
    ) AS extent,
    extent.3 AS width,
    (
        SELECT if(count() = 0, extent.1 - 86400, max(bars.start) + finest) FROM bars
        WHERE {{ chosen('run') }} AND width_s = finest AND bars.start < extent.1 AND bars.start >= extent.1 - 864000
    ) AS news_start,
    drawn AS (
        SELECT
            symbol, toDateTime(intDiv(toUnixTimestamp(begin), width) * width, 'UTC') AS bucket,
            argMin(tape.open, begin) AS open, max(tape.high) AS high, min(tape.low) AS low,
            argMax(tape.close, begin) AS close, sum(tape.volume) AS volume
        FROM tape
        GROUP BY symbol, bucket
    ),
    arrayDistinct(arrayMap(second -> intDiv(second, width) * width, extent.4)) AS buckets,
    -- An article belongs to the bar in which it came out, otherwise to the next one.
    news AS (
        SELECT
            toDateTime(arrayFirst(second -> second + width > toUnixTimestamp(published_at), buckets), 'UTC') AS bucket,
            countIf(label = 'positive') AS positive, avgIf(score, label = 'positive') AS positive_score,
            countIf(label = 'neutral') AS neutral, avgIf(score, label = 'neutral') AS neutral_score,
            countIf(label = 'negative') AS negative, avgIf(score, label = 'negative') AS negative_score
        FROM current_mentions
        WHERE {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }} AND {{ is_shown() }} AND score IS NOT NULL
          AND published_at >= news_start AND published_at < extent.2
        GROUP BY bucket
    )
SELECT
    drawn.symbol AS symbol,
    drawn.bucket AS start,
    formatDateTime(drawn.bucket, if(width < 86400, '%Y-%m-%d %H:%i', '%Y-%m-%d'), 'UTC') AS bar,
    width AS width_s,
    open, high, low, close, volume,
    positive, neutral, negative,
    if(positive = 0, NULL, positive_score) AS positive_score,
    if(neutral = 0, NULL, neutral_score) AS neutral_score,
    if(negative = 0, NULL, negative_score) AS negative_score
FROM drawn
LEFT JOIN news ON news.bucket = drawn.bucket
ORDER BY start
