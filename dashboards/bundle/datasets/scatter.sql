SELECT published_at, score, coalesce(ar_15m, ret_15m) * 10000 AS basis_points
FROM report
WHERE {{ joined() }} AND {{ chosen('symbol') }}
  AND score IS NOT NULL AND coalesce(ar_15m, ret_15m) IS NOT NULL
ORDER BY published_at DESC
LIMIT 2000
