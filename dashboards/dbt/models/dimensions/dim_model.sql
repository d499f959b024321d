select
    model,
    model_revision,
    count() as mentions,
    min(scored_at) as first_scored_at,
    max(scored_at) as last_scored_at
from {{ ref('stg_mentions') }}
where model != ''
group by model, model_revision
