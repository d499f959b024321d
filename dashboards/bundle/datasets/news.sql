SELECT
    run,
    provider,
    if(symbol = '', '–', symbol) AS symbol,
    published_at,
    {{ linked('url', 'title') }} AS headline,
    publisher,
    if(label = '', 'not scored', label) AS label,
    score,
    relevance
FROM current_mentions
WHERE {{ found('current_mentions.symbol', 'title') }}
