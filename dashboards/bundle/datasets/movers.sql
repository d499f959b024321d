SELECT
    published_at,
    symbol,
    if(label = '', 'not scored', label) AS label,
    score,
    {{ linked('url', 'title') }} AS headline,
    entry_at,
    multiIf(coalesce(ar_60m, ret_60m) IS NOT NULL, '60 min', coalesce(ar_15m, ret_15m) IS NOT NULL, '15 min', '5 min') AS horizon,
    coalesce(ar_60m, ret_60m, ar_15m, ret_15m, ar_5m, ret_5m) AS moved,
    abs(moved) AS size,
    volume_ratio,
    arrayStringConcat(arrayFilter(note -> note != '', [
        if(flag_stale, 'stale price', ''), if(flag_halted, 'halted', ''), if(flag_gap, 'gap in bars', ''),
        if(flag_adjusted, 'adjusted', ''), if(flag_possible_split, 'possible split', ''), if(flag_late, 'late', '')
    ]), ', ') AS notes
FROM report
WHERE {{ joined() }} AND {{ chosen('symbol') }}
  AND coalesce(ar_60m, ret_60m, ar_15m, ret_15m, ar_5m, ret_5m) IS NOT NULL
ORDER BY size DESC
LIMIT 100
