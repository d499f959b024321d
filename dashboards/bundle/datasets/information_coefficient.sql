SELECT
    -- Axes order their labels by name; invisible characters put a later horizon after an earlier one.
    concat(
        repeat(char(226, 128, 139), step),
        if(minutes IS NULL, replaceAll(horizon, '_', ' '), concat(toString(minutes), ' min')),
        ' (', toString(min(pairs) OVER (PARTITION BY step)), ')',
        -- Half the width of the interval, on a line of its own.
        ifNull(concat('\n±', toDecimalString(max((high - low) / 2) OVER (PARTITION BY step), 2)), '')
    ) AS horizon_and_pairs,
    outcome,
    coefficient,
    low,
    high,
    days,
    published_at
FROM filtered_information_coefficient({{ arguments() }})
