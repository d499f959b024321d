{%- set range = get_time_filter('start', target_type='DateTime') -%}
WITH
    {%- if not range.from_expr and not range.to_expr %}
    (SELECT max(at) FROM latest_price WHERE {{ chosen('run') }} AND {{ chosen('symbol') }}) AS last_price_at,
    least(last_price_at, ifNull(
        (SELECT maxOrNull(current_mentions.published_at) FROM current_mentions WHERE {{ mentioned(of='start') }}) + toIntervalDay(1),
        last_price_at
    )) AS newest,
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
    -- Of each company only its narrowest bars: a move of a minute would be in the hour and the day, too.
    anomalies AS (
        SELECT
            symbol, width_s, indicators.start AS begin, begin + toIntervalSecond(width_s) AS end, log_return, robust_z_60, close, volume,
            min(width_s) OVER (PARTITION BY symbol) AS finest
        FROM indicators FINAL
        WHERE {{ chosen('run') }} AND (symbol, width_s, indicators.start) IN (SELECT symbol, width_s, begin FROM versions) AND is_anomaly
        QUALIFY width_s = finest
        ORDER BY begin DESC, symbol
        LIMIT 200
    ),
    news AS (
        SELECT symbol, groupArray((published_at, score, url, title)) AS stories
        FROM current_mentions
        WHERE {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }}
          AND symbol IN (SELECT symbol FROM anomalies)
          AND published_at > (SELECT min(begin) FROM anomalies) - toIntervalMinute(30)
        GROUP BY symbol
    )
SELECT
    begin AS start,
    symbol,
    multiIf(width_s % 86400 = 0, 'day', width_s % 3600 = 0, concat(toString(intDiv(width_s, 3600)), ' h'),
            width_s % 60 = 0, concat(toString(intDiv(width_s, 60)), ' min'), concat(toString(width_s), ' s')) AS width,
    exp(log_return) - 1 AS moved,
    robust_z_60 AS deviations,
    close,
    volume,
    arraySort(arrayFilter(story -> story.1 <= end AND story.1 > begin - toIntervalMinute(30), stories)) AS around,
    length(around) AS articles,
    if(articles = 0, NULL, around[-1].2) AS score,
    if(articles = 0, '', {{ linked('around[-1].3', 'around[-1].4') }}) AS headline
FROM anomalies
LEFT JOIN news USING (symbol)
