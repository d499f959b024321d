{%- set range = get_time_filter('start', target_type='DateTime') -%}
WITH
    shown AS ({{ watched(8, of='start') }}),
    (
        SELECT min(width_s) FROM bars
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM shown) AND {{ within('bars.start', of='start') }}
    ) AS finest,
    {{ around_the_news('bars') }} AS middle,
    prices AS (
        SELECT symbol, bars.start AS begin, close
        FROM bars FINAL
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM shown) AND width_s = finest AND {{ within('bars.start', of='start') }}
        {%- if not range.from_expr and not range.to_expr %}
          AND {{ day_around('bars.start') }}
        {%- endif %}
    ),
    (SELECT dateDiff('second', min(begin), max(begin)) / 400 FROM prices) AS wanted,
    arrayFirst(length -> length >= wanted, [60, 300, 900, 3600, 14400, 86400, 604800, 2678400, 3162240000]) AS step,
    steps AS (
        SELECT
            symbol, toDateTime(intDiv(toUnixTimestamp(begin), step) * step, 'UTC') AS bucket, argMax(close, begin) AS last_close
        FROM prices
        GROUP BY symbol, bucket
    )
SELECT
    symbol,
    bucket AS start,
    last_close / first_value(last_close) OVER (PARTITION BY symbol ORDER BY bucket) - 1 AS change
FROM steps
