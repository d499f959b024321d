select
    run,
    symbol,
    provider,
    article_id,
    status,
    nullIf(toString(reason), '') as reason,
    nullIf(toString(phase), '') as phase,
    available_at,
    entry_at,
    entry_price,
    price_before,
    price_before_at,
    volume_ratio,
    missing_bars,
    flag_stale,
    flag_halted,
    flag_gap,
    flag_adjusted,
    flag_possible_split
from {{ source('tapewire', 'impact') }} as impact final
-- With the table's name, because ClickHouse would take the alias above, which is NULL for most rows.
where impact.reason != 'withdrawn'
