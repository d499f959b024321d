SELECT
    max(report.published_at) AS published_at,
    symbol,
    count() AS mentions,
    {{ in_direction() }}
FROM report
WHERE {{ joined() }} AND entry_at IS NOT NULL AND score IS NOT NULL
GROUP BY symbol
ORDER BY mentions DESC
LIMIT 200
