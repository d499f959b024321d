SELECT
    source,
    kind,
    watermark,
    formatReadableTimeDelta(greatest(0, dateDiff('second', watermark, now())), 'days', 'seconds') AS behind,
    if(idle, 'idle', 'followed') AS state
FROM source_progress FINAL
WHERE {{ chosen('run') }}
