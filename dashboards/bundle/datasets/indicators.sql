{%- set range = get_time_filter('start', target_type='DateTime') -%}
{%- set whole_tape = not range.from_expr and not range.to_expr -%}
WITH
    (SELECT groupArray(symbol) FROM ({{ watched(1, 'indicators', of='start') }})) AS shown,
    {{ finest_of('indicators') }} AS finest
    {%- if whole_tape %},
    {{ session_of_the_news('indicators') }}
    {%- endif %}
SELECT
    symbol,
    indicators.start AS start,
    close,
    sma_20,
    bollinger_upper_20 AS upper,
    bollinger_lower_20 AS lower,
    vwap,
    rsi_14 AS rsi
FROM indicators FINAL
WHERE {{ chosen('run') }} AND {{ is_shown() }} AND width_s = finest AND {{ within('indicators.start', of='start') }}
{%- if whole_tape %}
  AND {{ is_of_the_session('indicators.start') }}
{%- endif %}
ORDER BY indicators.start DESC
LIMIT 1500
