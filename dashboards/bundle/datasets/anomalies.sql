{%- set range = get_time_filter('start', target_type='DateTime') -%}
WITH
    {%- if not range.from_expr and not range.to_expr %}
    least(
        (SELECT max(at) FROM latest_price WHERE {{ chosen('run') }}),
        (SELECT max(current_mentions.published_at) FROM current_mentions WHERE {{ mentioned(of='start') }}) + toIntervalDay(1)
    ) AS newest,
    {%- endif %}
    -- Without FINAL, which takes seconds for a week of many companies. A version that was replaced may be among them.
    versions AS (
        SELECT symbol, width_s, indicators.start AS begin
        FROM indicators
        WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ within('indicators.start', of='start') }} AND is_anomaly
        {%- if is_narrowed() %}
          AND symbol IN (SELECT symbol FROM current_mentions WHERE {{ mentioned(of='start') }})
        {%- endif %}
        {%- if not range.from_expr and not range.to_expr %}
          AND begin > newest - toIntervalDay(7) AND begin <= newest
        {%- endif %}
        ORDER BY begin DESC, symbol
        LIMIT 400
    ),
    unusual AS (
        SELECT symbol, indicators.start AS begin, begin + toIntervalSecond(width_s) AS end, log_return, robust_z_60, close, volume
        FROM indicators FINAL
        WHERE {{ chosen('run') }} AND (symbol, width_s, indicators.start) IN (SELECT symbol, width_s, begin FROM versions) AND is_anomaly
        ORDER BY begin DESC, symbol
        LIMIT 200
    ),
    news AS (
        SELECT symbol, groupArray((published_at, score, url, title)) AS stories
        FROM current_mentions
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM unusual)
          AND published_at > (SELECT min(begin) FROM unusual) - toIntervalMinute(30)
        GROUP BY symbol
    )
SELECT
    begin AS start,
    symbol,
    exp(log_return) - 1 AS moved,
    robust_z_60 AS deviations,
    close,
    volume,
    arraySort(arrayFilter(story -> story.1 <= end AND story.1 > end - toIntervalMinute(30), stories)) AS before,
    length(before) AS articles,
    if(articles = 0, NULL, before[-1].2) AS score,
    if(articles = 0, '', {{ linked('before[-1].3', 'before[-1].4') }}) AS headline
FROM unusual
LEFT JOIN news USING (symbol)
