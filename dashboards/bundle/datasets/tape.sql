{%- set range = get_time_filter('start', target_type='DateTime') -%}
{%- set whole_tape = not range.from_expr and not range.to_expr -%}
{%- set first = 'first_drawn' if whole_tape else range.from_expr -%}
-- Each part is named once, by the next one: ClickHouse analyses a part again wherever it is named, which took longer than
-- reading the rows.
WITH
    (SELECT groupArray(symbol) FROM ({{ watched(1, 'bars', of='start') }})) AS shown,
    {{ finest_of('bars') }} AS finest,
    {%- if whole_tape %}
    {{ session_of_the_news('bars') }},
    {%- endif %}
    -- With the bars of the ten days before: articles since the last of them belong to the first bar that is drawn.
    tape AS (
        SELECT
            symbol, bars.start AS begin, open, high, low, close, volume, finest AS unit,
            {{ 'bars.start >= ' ~ first if first else 'true' }} AS is_drawn
        FROM bars FINAL
        WHERE {{ chosen('run') }} AND {{ is_shown() }} AND width_s = finest
        {%- if first %}
          AND bars.start >= {{ first }} - 864000
        {%- endif %}
        {%- if whole_tape %}
          AND bars.start <= last_drawn
        {%- elif range.to_expr %}
          AND bars.start < {{ range.to_expr }}
        {%- endif %}
    ),
    counted AS (
        SELECT
            *, countIf(is_drawn) OVER () AS count_drawn,
            ifNull(
                max(if(is_drawn, NULL, begin)) OVER () + unit, min(if(is_drawn, begin, NULL)) OVER () - 86400
            ) AS news_start
        FROM tape
    ),
    -- About 300 bars at most, each of a usual length.
    drawn AS (
        SELECT
            symbol,
            greatest(unit, arrayFirst(length -> length = 604800 OR count_drawn * unit / length <= 300,
                                      [60, 300, 900, 1800, 3600, 7200, 14400, 86400, 604800])) AS width,
            toDateTime(intDiv(toUnixTimestamp(begin), width) * width, 'UTC') AS bucket,
            any(counted.news_start) AS since_news, max(begin + unit) AS end,
            argMin(counted.open, begin) AS open, max(counted.high) AS high, min(counted.low) AS low,
            argMax(counted.close, begin) AS close, sum(counted.volume) AS volume
        FROM counted
        WHERE is_drawn
        GROUP BY symbol, width, bucket
    ),
    placed AS (
        SELECT
            *,
            row_number() OVER (ORDER BY bucket) AS place, count() OVER () AS count_placed, max(end) OVER () AS last_end,
            lagInFrame(bucket) OVER (ORDER BY bucket ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS bucket_before
        FROM drawn
    ),
    stories AS (
        SELECT groupArray((published_at, toString(label), assumeNotNull(score))) AS told
        FROM current_mentions
        WHERE {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }} AND {{ is_shown() }} AND score IS NOT NULL
    ),
    -- An article belongs to the bar in which it came out, otherwise to the next one.
    joined AS (
        SELECT
            *,
            if(place = 1, since_news, bucket_before + width) AS news_from,
            if(place = count_placed, last_end, bucket + width) AS news_until,
            arrayFilter(story -> story.1 >= news_from AND story.1 < news_until, told) AS of_bar
        FROM placed
        CROSS JOIN stories
    )
SELECT
    symbol,
    bucket AS start,
    if(is_end, bucket + width, bucket) AS moment,
    concat(
        if(is_end, 'until ', ''),
        if(width < 86400, formatDateTime(moment, '%Y-%m-%d %H:%i', 'UTC'), formatDateTime(moment, '%Y-%m-%d', 'UTC'))
    ) AS bar,
    is_end,
    width AS width_s,
    open, high, low, close,
    if(is_end, NULL, joined.volume) AS volume,
    if(is_end, [], of_bar) AS news,
    arrayCount(story -> story.2 = 'positive', news) AS positive,
    arrayCount(story -> story.2 = 'neutral', news) AS neutral,
    arrayCount(story -> story.2 = 'negative', news) AS negative,
    arraySum(story -> if(story.2 = 'positive', story.3, 0), news) / nullIf(positive, 0) AS positive_score,
    arraySum(story -> if(story.2 = 'neutral', story.3, 0), news) / nullIf(neutral, 0) AS neutral_score,
    arraySum(story -> if(story.2 = 'negative', story.3, 0), news) / nullIf(negative, 0) AS negative_score
FROM joined
-- A line of one point has no width, and neither has its range: a single bar has its end, too.
ARRAY JOIN if(count_placed = 1, [false, true], [false]) AS is_end
ORDER BY start, is_end
