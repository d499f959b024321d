SELECT
    run,
    provider,
    symbol,
    published_at,
    entry_at,
    {{ linked('url', 'title') }} AS headline,
    if(label = '', 'not scored', label) AS label,
    score,
    entry_price,
    ret_5m AS return_5m,
    ret_15m AS return_15m,
    ret_60m AS return_60m,
    ar_5m AS abnormal_5m,
    ar_15m AS abnormal_15m,
    ar_60m AS abnormal_60m,
    volume_ratio,
    coalesce(ret_5m, ret_15m, ret_60m) IS NULL AS waits,
    arrayStringConcat(arrayFilter(note -> note != '', [
        multiIf(status = 'pending', 'waiting for entry', status = 'open', 'horizons open', ''),
        if(flag_stale, 'stale price', ''), if(flag_halted, 'halted', ''),
        if(flag_gap, 'gap in bars', ''), if(flag_no_open, 'no opening price', ''),
        if(flag_adjusted, 'adjusted', ''), if(flag_possible_split, 'possible split', ''), if(flag_late, 'late', '')
    ]), ', ') AS notes
FROM report
WHERE status != 'not_joined' AND {{ found('symbol', 'title') }}
