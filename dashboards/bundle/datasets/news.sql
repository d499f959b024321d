SELECT
    run,
    if(symbol = '', '–', symbol) AS symbol,
    published_at,
    -- The table shows HTML, so a title is escaped, and only an HTTP or HTTPS address becomes a link.
    if(match(url, '^https?://'),
       concat('<a href="', encodeXMLComponent(url), '" target="_blank" rel="noreferrer">', encodeXMLComponent(title), '</a>'),
       encodeXMLComponent(title)) AS headline,
    publisher,
    if(label = '', 'not scored', label) AS label,
    score,
    relevance
FROM current_mentions
