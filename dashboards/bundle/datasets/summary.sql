WITH chosen_mentions AS (
    SELECT symbol, provider, article_id, published_at, score
    FROM current_mentions
    WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }}
      AND {{ within('published_at') }}
)
SELECT
    max(chosen_mentions.published_at) AS published_at,
    uniqExact(provider, article_id) AS articles,
    uniqExactIf(symbol, symbol != '') AS symbols,
    count() AS mentions,
    if(count() = 0, '–', concat(toString(round(100 * countIf(score IS NOT NULL) / count())), ' %')) AS scored_share,
    if(countIf(score IS NOT NULL) = 0, '–',
       concat(if(avg(score) < 0, '−', '+'), toDecimalString(abs(avg(score)), 2))) AS mean_score,
    (
        SELECT countIf(entry_at IS NOT NULL) FROM report
        WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }}
          AND {{ within('published_at') }}
    ) AS joined,
    if(count() = 0, '–', formatDateTime(max(chosen_mentions.published_at), '%e %b %Y, %H:%i UTC', 'UTC')) AS newest
FROM chosen_mentions
