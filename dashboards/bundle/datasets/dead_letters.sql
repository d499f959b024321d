SELECT
    at,
    stage,
    origin,
    reason,
    -- Enough to recognise the input; `tapewire dead-letter show` prints all of it.
    substringUTF8(toValidUTF8(dead_letters.bytes), 1, 300) AS bytes,
    id
FROM dead_letters FINAL
WHERE (run = '' OR {{ chosen('run') }}) AND {{ within('at') }}
