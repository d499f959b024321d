{{ config(order_by="(run, symbol, available_at)") }}

select
    mentions.*,
    toDate(mentions.available_at) as day,
    joined.status as status,
    joined.reason as reason,
    joined.phase as phase,
    joined.entry_at as entry_at,
    joined.entry_price as entry_price,
    joined.price_before as price_before,
    joined.price_before_at as price_before_at,
    joined.volume_ratio as volume_ratio
from {{ ref('stg_mentions') }} as mentions
left join {{ ref('stg_joined') }} as joined using (run, symbol, provider, article_id)
