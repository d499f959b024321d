-- Every mention and every joined row of tapewire is in the facts.
select 'mentions' as what, count() as missing
from {{ source('tapewire', 'current_mentions') }} as mentions
left anti join {{ ref('fct_mention') }} as facts using (run, symbol, provider, article_id)
having missing > 0
union all
select 'joined rows' as what, count() as missing
from (select run, symbol, provider, article_id from {{ source('tapewire', 'impact') }} final where reason != 'withdrawn') as joined
left anti join (select * from {{ ref('fct_mention') }} where status is not null) as facts using (run, symbol, provider, article_id)
having missing > 0
