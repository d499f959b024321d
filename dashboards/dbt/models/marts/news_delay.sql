select
    run,
    provider,
    publisher,
    count() as articles,
    quantileExact(0.5)(delay_s) as median_delay_s,
    quantileExact(0.95)(delay_s) as p95_delay_s,
    max(received_at) as last_received_at
from {{ ref('stg_articles') }}
group by run, provider, publisher
