SELECT
    min(alerts.sent_at) AS sent_at,
    at,
    kind,
    subject,
    any(alerts.text) AS text,
    arrayStringConcat(arraySort(groupUniqArray(target)), ', ') AS sent_to
FROM alerts FINAL
WHERE {{ within('alerts.sent_at', of='sent_at') }}
GROUP BY kind, subject, at
