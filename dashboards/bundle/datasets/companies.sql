SELECT
    max(report.published_at) AS published_at,
    symbol,
    count() AS mentions,
    avg(sign(score) * coalesce(ar_5m, ret_5m)) AS signed_5m,
    avg(sign(score) * coalesce(ar_15m, ret_15m)) AS signed_15m,
    avg(sign(score) * coalesce(ar_60m, ret_60m)) AS signed_60m,
    countIf(score * coalesce(ar_15m, ret_15m) > 0) / nullIf(decided, 0) AS hits,
    countIf(score * coalesce(ar_15m, ret_15m) != 0) AS decided
FROM report
WHERE {{ chosen('run') }} AND {{ within('report.published_at', 'published_at') }} AND entry_at IS NOT NULL AND score IS NOT NULL
GROUP BY symbol
ORDER BY mentions DESC
LIMIT 200
