{%- set range = get_time_filter('start', target_type='DateTime') -%}
WITH
    shown AS ({{ watched(1, of='start') }}),
    (
        SELECT min(width_s) FROM indicators
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM shown) AND {{ within('indicators.start', of='start') }}
    ) AS finest,
    {{ around_the_news('indicators') }} AS middle
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
WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM shown) AND width_s = finest AND {{ within('indicators.start', of='start') }}
{%- if not range.from_expr and not range.to_expr %}
  AND {{ day_around('indicators.start') }}
{%- endif %}
ORDER BY indicators.start DESC
LIMIT 1500
