//! Views with parameters that estimate what followed the news, as `tapewire study` does.
//!
//! `information_coefficient(runs = [], symbols = [], since = '1970-01-01', until = '2200-01-01')` filters rows before they are
//! ranked; an empty list is no filter. `mean_outcome` has the same parameters.
//!
//! `filtered_information_coefficient` and `filtered_mean_outcome` have more, for the dashboard: `providers`, `phases`,
//! and `tickers` and `patterns`, of which one is enough. A pattern is a regular expression of a headline or of a
//! company's name. They are views of their own because a view's parameters have no defaults.
//!
//! Definitions are those of `tapewire study`: the jackknife's standard error over clusters, Student's distribution with one
//! degree of freedom fewer than clusters, and neither for fewer than 30 pairs or 10 days. Two things differ. All mentions with
//! a score and an outcome count, also repeated headlines and outcomes that overlap. And each day of entries is a cluster of
//! its own, even where the mentions of one article have entries on several days. A day is the date in UTC, which is that of the
//! session, except of the Sunday evening that begins the Monday of currencies.
//!
//! The server has no quantile and no tail of Student's distribution. They are taken from `studentTTest`, for two samples with
//! variance 1 whose sizes add up to the degrees of freedom plus 2: the quantile from the confidence interval of the difference
//! of their means, 0; the p-value after one of them is moved so that the test's statistic is the one wanted.

/// The statements that make the views.
pub(crate) fn statements() -> [String; 4] {
    let view = |prefix: &str, name: &str, body: &str, filters: &str| {
        let body = body.replace("CHOSEN", CHOSEN).replace("FILTERS", filters);
        let body = body.replace("STUDENT", STUDENT).replace("P_VALUE", P_VALUE);
        format!("CREATE OR REPLACE VIEW {prefix}{name} AS\n{body}")
    };
    let [coefficient, mean] = [("information_coefficient", INFORMATION_COEFFICIENT), ("mean_outcome", MEAN_OUTCOME)];
    [
        view("", coefficient.0, coefficient.1, ""),
        view("", mean.0, mean.1, ""),
        view("filtered_", coefficient.0, coefficient.1, FILTERS),
        view("filtered_", mean.0, mean.1, FILTERS),
    ]
}

/// Scored mentions and what was reached at each horizon, of the runs, symbols and times that are asked for.
const CHOSEN: &str = "FROM impact_by_horizon
        ARRAY JOIN [('return', ret), ('abnormal return', ar)] AS reached
        WHERE (empty({runs:Array(String)}) OR has({runs:Array(String)}, run))
          AND (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol))
          AND published_at >= {since:DateTime64(6, 'UTC')} AND published_at < {until:DateTime64(6, 'UTC')}
          AND score IS NOT NULL AND reached.2 IS NOT NULL AND entry_at IS NOT NULL FILTERS";

/// What the views whose names begin with `filtered_` ask for besides. Wires send entities in titles.
const FILTERS: &str = "
          AND (empty({providers:Array(String)}) OR has({providers:Array(String)}, provider))
          AND (empty({phases:Array(String)}) OR has({phases:Array(String)}, phase))
          AND (
              (empty({tickers:Array(String)}) AND empty({patterns:Array(String)}))
              OR has({tickers:Array(String)}, symbol)
              OR arrayExists(pattern -> match(decodeHTMLComponent(title), pattern), {patterns:Array(String)})
              OR symbol IN (
                  SELECT symbol FROM (SELECT symbol, argMax(name, valid_from) AS company FROM instruments FINAL GROUP BY symbol)
                  WHERE arrayExists(pattern -> match(company, pattern), {patterns:Array(String)})
              )
          )";

/// Two samples for `days` clusters, which of their values are of the second, and the quantile for an interval of 95 %.
const STUDENT: &str = "intDiv(days - 1, 2) + 1 AS size_a, days + 1 - size_a AS size_b,
            arrayConcat(
                [sqrt((size_a - 1) / 2), -sqrt((size_a - 1) / 2)],
                arrayResize(emptyArrayFloat64(), greatest(size_a, 2) - 2, 0.),
                [sqrt((size_b - 1) / 2), -sqrt((size_b - 1) / 2)],
                arrayResize(emptyArrayFloat64(), greatest(size_b, 2) - 2, 0.)
            ) AS samples,
            arrayConcat(
                arrayResize(emptyArrayUInt8(), greatest(size_a, 2), 0), arrayResize(emptyArrayUInt8(), greatest(size_b, 2), 1)
            ) AS is_second,
            arrayReduce('studentTTest(0.95)', samples, is_second).4 / sqrt(1 / size_a + 1 / size_b) AS quantile";

/// The two-sided p-value of the statistic `t`.
const P_VALUE: &str = "if(t IS NULL, NULL, arrayReduce(
        'studentTTest',
        arrayMap((value, is) -> value + is * ifNull(t, 0) * sqrt(1 / size_a + 1 / size_b), samples, is_second),
        is_second
    ).2)";

/// The rank information coefficient of each horizon and kind of return: Spearman's correlation of score and outcome, where
/// equal values share the mean of their ranks. There is no standard error where one day alone determines the coefficient.
const INFORMATION_COEFFICIENT: &str = r"WITH
    pairs AS (
        SELECT
            step, horizon, minutes, reached.1 AS outcome,
            -- A window may take -0 and 0 for two values, depending on how it sorts; the sum has no -0.
            assumeNotNull(reached.2) + 0. AS value, assumeNotNull(score) + 0. AS signed,
            published_at, toDate(assumeNotNull(entry_at), 'UTC') AS day
        CHOSEN
    ),
    -- Equal values share the mean of their ranks.
    ranked AS (
        SELECT
            step, horizon, minutes, outcome, published_at, day,
            rank() OVER (PARTITION BY step, outcome ORDER BY signed)
                + (count() OVER (PARTITION BY step, outcome, signed) - 1) / 2 AS score_rank,
            rank() OVER (PARTITION BY step, outcome ORDER BY value)
                + (count() OVER (PARTITION BY step, outcome, value) - 1) / 2 AS value_rank
        FROM pairs
    ),
    -- Ranks with mean 0 and variance 1. If all scores or all returns are equal, there is no correlation.
    standardized AS (
        SELECT
            step, horizon, minutes, outcome, published_at, day, count() OVER whole AS n,
            (score_rank - (n + 1) / 2) / nullIf(stddevPopStable(score_rank) OVER whole, 0) AS x,
            (value_rank - (n + 1) / 2) / nullIf(stddevPopStable(value_rank) OVER whole, 0) AS y
        FROM ranked
        WINDOW whole AS (PARTITION BY step, outcome)
    ),
    fitted AS (
        SELECT *, avg(x * y) OVER (PARTITION BY step, outcome) AS r, y - r * x AS residual
        FROM standardized
    ),
    -- How much the slope of the regression of y on x changes when a day is left out.
    by_day AS (
        SELECT
            step, horizon, minutes, outcome, day, max(published_at) AS newest, any(n) AS total, any(r) AS correlation,
            total - count() AS others, sum(x) AS sum_x, total - sum(x * x) AS others_xx,
            others * others_xx - sum_x * sum_x AS variation,
            -- One of this size is the rounding error of 0: the others have no slope.
            if(variation <= 1e-12 * others * total,
               NULL, (others * sum(x * residual) + sum_x * sum(residual)) / variation) AS change
        FROM fitted
        GROUP BY step, horizon, minutes, outcome, day
    ),
    by_horizon AS (
        SELECT
            step, horizon, minutes, outcome, any(total) AS pairs, count() AS days, max(newest) AS published_at,
            if(pairs < 3, NULL, any(correlation)) AS coefficient,
            sqrt((days - 1) / days * sum(change * change)) AS jackknife,
            -- Residuals of an exact fit are rounding errors, and so are changes where all days are alike.
            if(pairs < 30 OR days < 10 OR 1 - coefficient * coefficient < 1e-13 OR countIf(change IS NULL) > 0 OR jackknife < 1e-13,
               NULL, jackknife) AS standard_error,
            STUDENT
        FROM by_day
        GROUP BY step, horizon, minutes, outcome
    )
SELECT
    step, horizon, minutes, outcome, pairs, days, coefficient, standard_error,
    coefficient - quantile * standard_error AS low, coefficient + quantile * standard_error AS high,
    coefficient / standard_error AS t, P_VALUE AS p, published_at
FROM by_horizon";

/// The mean outcome at each horizon after news of each class, for each kind of return. There is no standard error for fewer
/// than 10 events of the class.
const MEAN_OUTCOME: &str = r"WITH
    pairs AS (
        SELECT
            step, horizon, minutes, reached.1 AS outcome, assumeNotNull(reached.2) AS value, label, published_at,
            toDate(assumeNotNull(entry_at), 'UTC') AS day
        CHOSEN
    ),
    enough AS (
        SELECT step, outcome, count() >= 30 AND uniqExact(day) >= 10 AS is_enough FROM pairs GROUP BY step, outcome
    ),
    by_day AS (
        SELECT
            step, horizon, minutes, outcome, label, day, max(published_at) AS newest, count() AS of_day, sum(value) AS total,
            sum(of_day) OVER whole AS n, sum(total) OVER whole / n AS mean,
            -- How much the mean changes when the day is left out.
            (of_day * mean - total) / nullIf(n - of_day, 0) AS change
        FROM pairs
        GROUP BY step, horizon, minutes, outcome, label, day
        WINDOW whole AS (PARTITION BY step, outcome, label)
    ),
    by_label AS (
        SELECT
            step, horizon, minutes, outcome, label, any(n) AS events, count() AS days, max(newest) AS published_at,
            any(mean) AS mean_outcome, sqrt((days - 1) / days * sum(change * change)) AS jackknife,
            STUDENT
        FROM by_day
        GROUP BY step, horizon, minutes, outcome, label
    )
SELECT
    step, horizon, minutes, outcome, label, events, days, mean_outcome,
    -- Less is a rounding error: the means of all days are equal.
    if(is_enough AND events >= 10 AND days >= 2 AND jackknife > 1e-13 * abs(mean_outcome), jackknife, NULL) AS standard_error,
    mean_outcome - quantile * standard_error AS low, mean_outcome + quantile * standard_error AS high,
    mean_outcome / standard_error AS t, P_VALUE AS p, published_at
FROM by_label
INNER JOIN enough USING (step, outcome)";

#[cfg(test)]
mod tests {
    use tapewire_core::exchange::Market;

    #[test]
    fn no_session_crosses_midnight_in_utc_except_that_of_currencies() {
        let utc = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
        for market in Market::ALL {
            for session in market.calendar().sessions() {
                let (open, last) = (utc(session.open), utc(session.close - jiff::SignedDuration::from_nanos(1)));
                let is_begun_on_sunday = market == Market::Currencies && open.weekday() == jiff::civil::Weekday::Sunday;
                let first = if is_begun_on_sunday { open.tomorrow().unwrap() } else { open };
                assert_eq!((first, last), (session.date, session.date), "{market}");
            }
        }
    }
}
