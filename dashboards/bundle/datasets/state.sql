WITH chosen_mentions AS (
    SELECT received_at, scored_at, score
    FROM current_mentions
    WHERE {{ chosen('run') }} AND {{ within('received_at') }}
)
SELECT
    max(chosen_mentions.received_at) AS received_at,
    if(count() = 0, '–', formatDateTime(max(chosen_mentions.received_at), '%e %b %Y, %H:%i UTC', 'UTC')) AS newest,
    (
        WITH greatest(0, dateDiff('second', min(watermark), now())) AS behind
        SELECT multiIf(count() = 0, '–', behind < 86400, formatReadableTimeDelta(behind, 'hours', 'seconds'),
                       formatReadableTimeDelta(behind, 'days', 'hours'))
        FROM source_progress FINAL WHERE {{ chosen('run') }} AND NOT idle
    ) AS slowest,
    if(count() = 0, '–',
       concat(toDecimalString(quantileExact(0.99)(dateDiff('millisecond', chosen_mentions.received_at, scored_at)) / 1000, 1), ' s'))
       AS scored_within,
    if(count() = 0, '–', concat(toString(round(100 * countIf(score IS NULL) / count(), 1)), ' %')) AS unscored,
    (
        SELECT countIf(status = 'pending') FROM report
        WHERE {{ chosen('run') }} AND {{ within('published_at', of='received_at') }}
    ) AS waiting,
    (
        SELECT count() FROM dead_letters AS letter FINAL
        WHERE (run = '' OR {{ chosen('run') }}) AND {{ within('letter.at', of='received_at') }}
    ) AS dead_letters,
    (SELECT uniqExact(kind, subject, at) FROM alerts AS alert FINAL WHERE {{ within('alert.sent_at', of='received_at') }}) AS alerts
FROM chosen_mentions
