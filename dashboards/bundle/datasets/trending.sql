{%- set range = get_time_filter('published_at', target_type='DateTime') -%}
WITH
    (SELECT max(current_mentions.published_at) FROM current_mentions WHERE {{ mentioned() }}) AS newest,
    news AS (
        SELECT
            symbol, uniqExact(provider, article_id) AS articles, avg(score) AS mean_score,
            max(current_mentions.published_at) AS newest_at, argMax((title, url), current_mentions.published_at) AS newest_story
        FROM current_mentions
        WHERE {{ mentioned() }} AND current_mentions.published_at > newest - toIntervalDay(7)
        GROUP BY symbol
        ORDER BY articles DESC, symbol
        LIMIT 50
    ),
    quotes AS (
        SELECT
            symbol, toNullable(price) AS quoted, toNullable(at) AS quoted_at,
            {{ 'least(at, ' ~ range.to_expr ~ ')' if range.to_expr else 'at' }} AS known_to
        FROM latest_price
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM news)
    ),
    recent AS (
        SELECT
            symbol, width_s, indicators.start AS begin, close, number, log_return, vwap, rsi_14,
            realized_volatility_30 AS deviation, is_anomaly, min(width_s) OVER (PARTITION BY symbol) AS finest
        FROM indicators FINAL
        JOIN quotes USING (symbol)
        WHERE {{ chosen('run') }} AND symbol IN (SELECT symbol FROM quotes)
          AND begin > (SELECT min(known_to) FROM quotes) - toIntervalDay(10)
          AND begin > known_to - toIntervalDay(10) AND begin < known_to
    ),
    -- A session begins with the bar that has no return. Its series begins again there if the price seems to have split.
    computed AS (
        SELECT
            *,
            maxIf(begin, log_return IS NULL) OVER (PARTITION BY symbol) AS opened,
            if(width_s >= 86400, max(begin) OVER (PARTITION BY symbol), opened) AS session_began,
            argMaxIf(number, begin, log_return IS NULL) OVER (PARTITION BY symbol) = 1 AS begins_again
        FROM recent
        WHERE width_s = finest
    ),
    -- Nullable, so that a company without bars has NULL and not 0.
    prices AS (
        SELECT
            symbol,
            toNullable(argMax(close, begin)) AS last_close,
            toNullable(max(begin + toIntervalSecond(width_s))) AS last_end,
            toNullable(argMaxIf(close, begin, begin < opened)) AS close_before,
            if(any(width_s) >= 86400, exp(argMax(tuple(log_return), begin).1) - 1,
               if(countIf(begin < opened) = 0 OR any(begins_again), NULL, last_close / close_before - 1)) AS change,
            argMax(tuple(deviation), begin).1 AS volatility,
            argMax(tuple(rsi_14), begin).1 AS rsi,
            last_close / argMax(tuple(vwap), begin).1 - 1 AS from_vwap,
            if(countIf(is_anomaly IS NOT NULL AND begin >= session_began) = 0, NULL,
               countIf(is_anomaly AND begin >= session_began)) AS anomalies
        FROM computed
        GROUP BY symbol
    )
SELECT
    symbol,
    if(company = '', '', concat('<span>', encodeXMLComponent(company), '</span>')) AS company_name,
    articles,
    mean_score,
    coalesce(last_close, if(quoted_at = known_to, quoted, NULL)) AS price,
    coalesce(last_end, if(quoted_at = known_to, quoted_at, NULL)) AS price_at,
    change,
    volatility,
    rsi,
    from_vwap,
    anomalies,
    newest_at AS published_at,
    {{ linked('newest_story.2', 'newest_story.1') }} AS headline
FROM news
LEFT JOIN prices USING (symbol)
LEFT JOIN quotes USING (symbol)
LEFT JOIN {{ companies() }} AS known USING (symbol)
