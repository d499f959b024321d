WITH named AS (SELECT DISTINCT symbol FROM current_mentions WHERE symbol != '' AND {{ chosen('run') }})
SELECT arrayJoin([symbol, company]) AS search
FROM named
LEFT JOIN (SELECT symbol, argMax(name, valid_from) AS company FROM instruments FINAL GROUP BY symbol) AS known USING (symbol)
WHERE search != ''
