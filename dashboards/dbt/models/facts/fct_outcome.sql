{{ config(order_by="(run, symbol, available_at)") }}

select run, symbol, provider, article_id, step, horizon, minutes, available_at, entry_at, score, label, ret, ar
from {{ source('tapewire', 'impact_by_horizon') }}
where ret is not null
