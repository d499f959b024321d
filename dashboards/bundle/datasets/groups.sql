SELECT
    max(report.published_at) AS published_at,
    of_kind.1 AS kind,
    of_kind.2 AS part,
    count() AS mentions,
    {{ in_direction() }}
FROM report
ARRAY JOIN [('session', toString(phase)), ('source', toString(provider)), ('class', toString(label))] AS of_kind
WHERE {{ joined() }} AND {{ chosen('symbol') }} AND entry_at IS NOT NULL AND score IS NOT NULL
GROUP BY kind, part
ORDER BY mentions DESC
LIMIT 200
