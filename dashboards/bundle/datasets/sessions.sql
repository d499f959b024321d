-- Of all runs: Superset does not tell a filter's list which run is chosen. Without FINAL, which would read the whole
-- table.
SELECT DISTINCT phase AS session FROM impact WHERE phase != ''
