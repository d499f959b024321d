{#- Expressions used more than once. They are macros because Superset's SQL parser does not know lambdas in WITH. -#}
{%- macro money(price) -%} if({{ price }} < 5, toDecimalString({{ price }}, 4), toDecimalString({{ price }}, 2)) {%- endmacro -%}
{%- macro amount(shares) -%}
  multiIf({{ shares }} >= 1e6, concat(toDecimalString({{ shares }} / 1e6, 2), 'M'),
          {{ shares }} >= 1e3, concat(toString(round({{ shares }} / 1e3)), 'k'), toString(round({{ shares }})))
{%- endmacro -%}
{%- macro clock(moment) -%} formatDateTime({{ moment }}, '%e %b %H:%i', 'UTC') {%- endmacro -%}
{%- macro price_y(price) -%} price_foot - ({{ price }} - lowest) / span * (price_foot - price_top) {%- endmacro -%}
{%- set symbols = filter_values('symbol') -%}
{%- set range = get_time_filter('start', target_type='DateTime') -%}
{%- set whole_tape = not range.from_expr and not range.to_expr -%}
WITH
    -- What is drawn: the chosen companies, otherwise those with most articles. Unless a time is chosen, the session of
    -- their latest news, or the bars around it where a session has only a few.
    (SELECT min(width_s) FROM bars WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ within('start') }}) AS finest,
    (
        SELECT groupArray(symbol)
        FROM (
            SELECT symbol
            FROM (
                SELECT DISTINCT symbol FROM bars
                WHERE {{ chosen('run') }} AND {{ chosen('symbol') }} AND {{ within('start') }} AND width_s = finest
            ) AS traded
            LEFT JOIN (
                SELECT symbol, uniqExact(provider, article_id) AS articles FROM current_mentions
                WHERE {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }}
                {%- if is_narrowed() %} AND {{ within('current_mentions.published_at', of='start') }}{% endif %}
                GROUP BY symbol
            ) AS covered USING (symbol)
            {%- if is_narrowed() %}
            WHERE articles > 0
            {%- endif %}
            ORDER BY articles DESC, symbol
            LIMIT {{ 4 if symbols else 2 }}
        )
    ) AS shown,
    {%- if whole_tape %}
    {{ session_of_the_news('bars') }},
    {%- endif %}
    tape AS (
        SELECT symbol, bars.start AS begin, open, high, low, close, volume
        FROM bars FINAL
        WHERE {{ chosen('run') }} AND {{ is_shown() }} AND {{ within('start') }} AND width_s = finest
        {%- if whole_tape %}
          AND {{ is_of_the_session('bars.start') }}
        {%- endif %}
    ),
    (SELECT (min(begin), max(begin), uniqExact(begin)) FROM tape) AS extent,
    extent.1 AS window_start,
    extent.2 + finest AS window_end,
    -- About 130 candles at most, each of a usual length.
    greatest(finest, arrayFirst(length -> length = 604800 OR extent.3 * finest / length <= 130,
                                [60, 300, 900, 1800, 3600, 86400, 604800])) AS width,
    -- News published after the previous session is drawn at the opening, when it could first be traded on.
    (
        SELECT if(count() = 0, window_start - 86400, max(bars.start) + finest) FROM bars
        WHERE {{ chosen('run') }} AND width_s = finest AND bars.start < window_start AND bars.start >= window_start - 864000
    ) AS news_start,

    -- Geometry of one panel in pixels: prices above, volume below them, scores at the foot.
    length(shown) AS panels,
    if(panels = 1, 1500, 740) AS panel_width,
    if(panels > 2, 195, 430) AS panel_height,
    panel_width - 58 AS plot_width,
    0.03 * panel_height AS price_top, 0.56 * panel_height AS price_foot,
    0.61 * panel_height AS volume_top, 0.73 * panel_height AS volume_foot,
    0.78 * panel_height AS score_top, 0.93 * panel_height AS score_foot,
    (score_top + score_foot) / 2 AS score_zero,

    candles AS (
        SELECT
            symbol, toDateTime(intDiv(toUnixTimestamp(begin), width) * width, 'UTC') AS bucket,
            argMin(tape.open, begin) AS open, max(tape.high) AS high,
            min(tape.low) AS low, argMax(tape.close, begin) AS close, sum(tape.volume) AS volume
        FROM tape
        GROUP BY symbol, bucket
    ),
    panels_of_candles AS (
        SELECT
            symbol,
            arraySort(groupArray((bucket, open, high, low, close, volume))) AS candles,
            min(low) AS lowest, max(high) AS highest, max(volume) AS busiest,
            argMin(open, bucket) AS first_open, argMax(close, bucket) AS last_close,
            greatest(highest - lowest, highest * 1e-6) AS span,
            -- Hours without trading take no space, and the axis is the same for all panels.
            arraySort(arrayDistinct(arrayFlatten(groupArray(groupArray(bucket)) OVER ()))) AS axis,
            plot_width / length(axis) AS pitch
        FROM candles
        GROUP BY symbol
    ),
    panels_of_news AS (
        SELECT symbol, arraySort(groupArray((published_at, decodeHTMLComponent(title), label, assumeNotNull(score)))) AS news
        FROM current_mentions
        WHERE {{ chosen('run') }} AND {{ chosen('provider') }} AND {{ found('symbol', 'title') }} AND {{ is_shown() }} AND score IS NOT NULL
          AND published_at >= news_start AND published_at < window_end
        GROUP BY symbol
    )
SELECT
    indexOf(shown, symbol) AS place,
    symbol,
    window_start AS start,
    pow(10, floor(log10(span / 3))) AS magnitude,
    magnitude * multiIf(span / 3 / magnitude < 1.5, 1, span / 3 / magnitude < 3.5, 2, span / 3 / magnitude < 7.5, 5, 10) AS step,
    -- A label where a new stretch of round length begins, about seven to a panel, and at each new day.
    arrayFirst(stretch -> stretch >= length(axis) * width / if(panels = 1, 14, 7),
               [300, 900, 1800, 3600, 7200, 14400, 86400, 172800, 604800, 2678400]) AS label_every,
    arrayFilter(
        n -> n = 1 AND label_every >= 86400
            OR n > 1 AND (intDiv(toUnixTimestamp(axis[n]), label_every) != intDiv(toUnixTimestamp(axis[n - 1]), label_every)
                          OR toDate(axis[n]) != toDate(axis[n - 1])),
        arrayEnumerate(axis)
    ) AS labelled,
    toJSONString(CAST((
        symbol,
        {{ money('last_close') }},
        concat(if(last_close < first_open, '−', '+'), toDecimalString(abs(last_close / first_open - 1) * 100, 2), ' %'),
        if(last_close < first_open, 'down', 'up'),
        multiIf(width < 60, concat(toString(width), '-second bars'), width % 3600 != 0, concat(toString(intDiv(width, 60)), '-minute bars'),
                width = 3600, 'hourly bars', width < 86400, concat(toString(intDiv(width, 3600)), '-hour bars'), width = 86400, 'daily bars', concat(toString(intDiv(width, 86400)), '-day bars')),
        concat(formatDateTime(window_start, '%e %b %Y %H:%i', 'UTC'), ' – ',
               formatDateTime(window_end, if(toDate(window_start) = toDate(window_end), '%H:%i', '%e %b %Y %H:%i'), 'UTC'), ' UTC'),
        panel_width, panel_height, plot_width, plot_width + 6,
        volume_foot, score_top, score_zero, score_foot, panel_height - 2,
        {{ amount('busiest') }}, volume_top + 8,
        arrayMap(
            n -> (round({{ price_y('(ceil(lowest / step) + n) * step') }}, 1), {{ money('(ceil(lowest / step) + n) * step') }}),
            range(toUInt32(greatest(0, floor(highest / step) - ceil(lowest / step) + 1)))
        ),
        arrayMap(
            n -> (round((n - 1) * pitch, 1),
                  if(label_every >= 86400 OR n > 1 AND toDate(axis[n]) != toDate(axis[n - 1]),
                     formatDateTime(axis[n], '%e %b', 'UTC'), formatDateTime(axis[n], '%H:%i', 'UTC'))),
            labelled
        ),
        arrayMap(
            c -> (
                round((indexOf(axis, c.1) - 0.5) * pitch, 2),
                round({{ price_y('c.3') }}, 1),
                round({{ price_y('c.4') }}, 1),
                round((indexOf(axis, c.1) - 0.86) * pitch, 2),
                round({{ price_y('greatest(c.2, c.5)') }}, 1),
                round(0.72 * pitch, 2),
                round(greatest(1, abs(c.5 - c.2) / span * (price_foot - price_top)), 1),
                round(volume_foot - c.6 / greatest(busiest, 1) * (volume_foot - volume_top), 1),
                round(c.6 / greatest(busiest, 1) * (volume_foot - volume_top), 1),
                if(c.5 < c.2, 'down', 'up'),
                concat({{ clock('c.1') }}, ' UTC  open ', {{ money('c.2') }}, '  high ', {{ money('c.3') }}, '  low ', {{ money('c.4') }},
                       '  close ', {{ money('c.5') }}, '  volume ', {{ amount('c.6') }})
            ),
            candles
        ),
        arrayMap(
            a -> (
                round((arrayFirstIndex(bucket -> a.1 < bucket + width, axis) - 1
                       + greatest(0, dateDiff('second', arrayFirst(bucket -> a.1 < bucket + width, axis), a.1)) / width) * pitch, 1),
                round(score_zero - a.4 * (score_foot - score_top) / 2, 1),
                multiIf(a.3 = 'positive', 'up', a.3 = 'negative', 'down', 'flat'),
                concat({{ clock('a.1') }}, ' UTC  ', if(a.4 < 0, '−', '+'), toDecimalString(abs(a.4), 2), ' ', a.3, '  ', a.2)
            ),
            news
        )
    ), 'Tuple(symbol String, price String, change String, direction String, bars String, period String,
              width Float64, height Float64, plot_width Float64, text_x Float64,
              volume_foot Float64, score_top Float64, score_zero Float64, score_foot Float64, time_y Float64,
              busiest String, busiest_y Float64,
              levels Array(Tuple(y Float64, text String)), times Array(Tuple(x Float64, text String)),
              candles Array(Tuple(x Float64, high Float64, low Float64, left Float64, top Float64, width Float64, height Float64,
                                  volume_top Float64, volume_height Float64, direction String, tip String)),
              scores Array(Tuple(x Float64, y Float64, direction String, tip String)))')) AS panel
FROM panels_of_candles
LEFT JOIN panels_of_news USING (symbol)
