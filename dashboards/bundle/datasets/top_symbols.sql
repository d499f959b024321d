WITH counted AS (
    SELECT symbol, if(label = '', 'not scored', label) AS label, uniqExact(article_id) AS articles,
           max(mentions.published_at) AS published_at
    FROM mentions FINAL
    WHERE symbol != '' AND {{ chosen('run') }} AND {{ within('published_at') }}
    GROUP BY symbol, label
)
SELECT symbol, label, articles, published_at
FROM counted
WHERE symbol IN (
    SELECT symbol FROM counted GROUP BY symbol ORDER BY sum(articles) DESC, symbol LIMIT 12
)
