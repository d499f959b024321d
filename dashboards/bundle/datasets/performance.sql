{%- set range = get_time_filter('start', target_type='DateTime') -%}
{%- set whole_tape = not range.from_expr and not range.to_expr -%}
WITH
    (SELECT groupArray(symbol) FROM ({{ watched(8, 'bars', of='start') }})) AS shown,
    {{ finest_of('bars') }} AS finest,
    {%- if whole_tape %}
    {{ session_of_the_news('bars') }},
    {%- endif %}
    prices AS (
        SELECT symbol, bars.start AS begin, close
        FROM bars FINAL
        WHERE {{ chosen('run') }} AND {{ is_shown() }} AND width_s = finest AND {{ within('bars.start', of='start') }}
        {%- if whole_tape %}
          AND {{ is_of_the_session('bars.start') }}
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
