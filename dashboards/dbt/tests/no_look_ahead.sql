-- A mention is available after its article was published, received and scored, and no entry is before that.
select run, symbol, provider, article_id, published_at, received_at, scored_at, available_at, entry_at
from {{ ref('fct_mention') }}
where
    available_at != greatest(published_at, received_at, scored_at)
    or entry_at < available_at
    or price_before_at > available_at
