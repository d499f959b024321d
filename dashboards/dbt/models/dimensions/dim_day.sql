with days as (
    select toDate(available_at) as day from {{ ref('stg_mentions') }}
    union distinct
    select toDate(start) as day from {{ ref('stg_bars') }}
)

select
    day,
    toISOYear(day) as iso_year,
    toISOWeek(day) as iso_week,
    toDayOfWeek(day) as weekday,
    day in (select toDate(start) from {{ ref('stg_bars') }}) as has_bars
from days
