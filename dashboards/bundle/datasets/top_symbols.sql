WITH
    covered AS (
        SELECT symbol, if(label = '', 'not scored', label) AS label, provider, article_id, published_at
        FROM current_mentions
        WHERE symbol != '' AND {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }}
          AND {{ within('published_at') }}
    )
SELECT symbol, label, uniqExact(provider, article_id) AS articles, max(covered.published_at) AS published_at
FROM covered
WHERE symbol IN (SELECT symbol FROM covered GROUP BY symbol ORDER BY uniqExact(provider, article_id) DESC, symbol LIMIT 12)
GROUP BY symbol, label
