select
    run,
    provider,
    article_id,
    publisher,
    title,
    url,
    symbols,
    published_at,
    received_at,
    dateDiff('microsecond', published_at, received_at) / 1e6 as delay_s
from {{ source('tapewire', 'articles') }} final
