select
    run,
    symbol,
    provider,
    article_id,
    title,
    publisher,
    published_at,
    received_at,
    scored_at,
    available_at,
    relevance,
    score,
    -- Empty for a mention without a score.
    nullIf(toString(label), '') as label,
    nullIf(toString(unscored), '') as unscored,
    model,
    model_revision,
    asked_as
from {{ source('tapewire', 'current_mentions') }}
