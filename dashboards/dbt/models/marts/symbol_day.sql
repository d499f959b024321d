-- News and prices of each symbol by day in UTC. Of several widths of bars the narrowest below a day counts.
with news as (
    select
        run,
        symbol,
        day,
        count() as mentions,
        count(score) as scored,
        avg(score) as mean_score,
        avg(volume_ratio) as mean_volume_ratio
    from {{ ref('fct_mention') }}
    where symbol != ''
    group by run, symbol, day
),

prices as (
    select
        run,
        symbol,
        toDate(start) as day,
        width_s,
        argMin(open, start) as first_price,
        argMax(close, start) as last_price,
        max(high) as high,
        min(low) as low,
        sum(volume) as volume
    from {{ ref('stg_bars') }}
    where width_s < 86400
    group by run, symbol, day, width_s
    order by width_s
    limit 1 by run, symbol, day
)

select
    run,
    symbol,
    day,
    coalesce(news.mentions, 0) as mentions,
    coalesce(news.scored, 0) as scored,
    news.mean_score as mean_score,
    news.mean_volume_ratio as mean_volume_ratio,
    prices.first_price as first_price,
    prices.last_price as last_price,
    prices.high as high,
    prices.low as low,
    prices.volume as volume,
    log(prices.last_price / prices.first_price) as ret
from news
full join prices using (run, symbol, day)
