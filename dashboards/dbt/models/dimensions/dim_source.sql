select
    provider,
    publisher,
    count() as articles,
    min(published_at) as first_published_at,
    max(published_at) as last_published_at
from {{ ref('stg_articles') }}
group by provider, publisher
