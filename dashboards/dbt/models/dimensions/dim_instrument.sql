-- Every symbol that occurs, with its latest description if one is known.
with seen as (
    select distinct symbol from {{ ref('stg_mentions') }}
    union distinct
    select distinct symbol from {{ ref('stg_bars') }}
),

described as (
    select
        symbol,
        argMax(name, valid_from) as name,
        argMax(kind, valid_from) as kind,
        argMax(exchange, valid_from) as exchange,
        argMax(cik, valid_from) as cik
    from {{ source('tapewire', 'instruments') }} final
    group by symbol
)

select seen.symbol as symbol, described.name as name, described.kind as kind, described.exchange as exchange, described.cik as cik
from seen
left join described on described.symbol = seen.symbol
