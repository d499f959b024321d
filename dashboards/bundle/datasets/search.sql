-- Of all runs: Superset does not tell a filter's list which run is chosen.
WITH named AS (SELECT DISTINCT symbol FROM current_mentions WHERE symbol != '')
SELECT arrayJoin([symbol, company]) AS search
FROM named
LEFT JOIN {{ companies() }} AS known USING (symbol)
WHERE search != ''
