//! What `migrate` does last, each time: it adds missing columns to `impact`, lists in comments the values that columns
//! can have, and replaces the views of `impact` and `mentions`, all from the code's lists of columns, values and
//! horizons. A migration's text never changes; what is made here follows the build that migrated last.

use crate::rows::IMPACT_COLUMNS;
use crate::stories::{sentiment_index, stories};
use tapewire_core::impact::{Phase, Reason, Status};
use tapewire_core::{Horizon, Unscored};

/// Columns of `impact` that the view `report` leaves out. It has all others, including those added later.
const NOT_REPORTED: &str = "version, received_at, scored_at, p_positive, p_neutral, p_negative, model, model_revision, \
    unscored, bar_width_s, price_before, price_before_at, alpha, beta";
/// The first columns of `report`.
const REPORTED_FIRST: &str = "run, published_at, available_at, symbol, provider, article_id";

/// How new a mention is to its symbol, and which earlier article it repeats. The words of its title are compared by the
/// Jaccard index with those of the symbol's mentions of the 24 hours before it. `novelty` is 1 less the greatest
/// similarity, NULL if the title has no word. `story` is the key (`provider/id`) of the earliest of these articles
/// whose similarity is at least 0.5, or the mention's own key; it is not the `story` of view `stories`. Of two mentions
/// in the same microsecond the one with the lesser (provider, id) is the earlier.
const NOVELTY: &str = r"CREATE OR REPLACE VIEW novelty AS
SELECT
    run,
    symbol,
    provider,
    article_id,
    available_at,
    if(empty(words), NULL, 1 - arrayMax(arrayPushBack(similarity, 0.))) AS novelty,
    arrayPushBack(
        arrayFilter((key, alike) -> alike >= 0.5, arrayMap(other -> concat(other.2, '/', other.3), earlier), similarity),
        concat(provider, '/', article_id)
    )[1] AS story
FROM
(
    SELECT
        run,
        symbol,
        provider,
        article_id,
        available_at,
        words,
        -- The window counts in whole seconds.
        arraySort(arrayFilter(
            other -> (other.1, other.2, other.3) < (available_at, provider, article_id)
                AND other.1 > available_at - toIntervalDay(1),
            near
        )) AS earlier,
        arrayMap(other -> length(arrayIntersect(other, words)) / length(arrayDistinct(arrayConcat(other, words))), earlier.4) AS similarity
    FROM
    (
        SELECT
            run,
            symbol,
            provider,
            article_id,
            available_at,
            arrayDistinct(extractAll(lowerUTF8(title), '[\\p{L}\\p{N}]+')) AS words,
            groupArray((available_at, provider, article_id, words)) OVER (
                PARTITION BY run, symbol ORDER BY toUnixTimestamp(available_at)
                RANGE BETWEEN 86400 PRECEDING AND CURRENT ROW
            ) AS near
        FROM current_mentions
        WHERE symbol != ''
    )
)";

/// The rank information coefficient of each horizon and kind of return, with its interval. It is a view with parameters,
/// which filter rows before they are ranked: `information_coefficient(runs = [], symbols = [], since = '1970-01-01', until =
/// '2200-01-01')`; an empty list is no filter.
///
/// Definitions are those of `tapewire study`: Spearman's correlation, where equal values share the mean of their ranks;
/// the jackknife's standard error over clusters; Student's distribution with one degree of freedom fewer than clusters;
/// no interval for fewer than 30 pairs or 10 days. Two things differ. All mentions with a score and an outcome count,
/// also repeated headlines and outcomes that overlap. And each day of entries (in New York) is a cluster of its own,
/// even where the mentions of one article have entries on several days.
///
/// The server has no quantile of Student's distribution. It is taken from the confidence interval that `studentTTest`
/// returns for the difference of two samples with mean 0 and variance 1, whose sizes add up to the degrees of freedom
/// plus 2.
const INFORMATION_COEFFICIENT: &str = r"CREATE OR REPLACE VIEW information_coefficient AS
WITH
    pairs AS (
        SELECT
            step, horizon, minutes, reached.1 AS outcome, assumeNotNull(reached.2) AS value, assumeNotNull(score) AS signed,
            published_at, toDate(assumeNotNull(entry_at), 'America/New_York') AS day
        FROM impact_by_horizon
        ARRAY JOIN [('return', ret), ('abnormal return', ar)] AS reached
        WHERE (empty({runs:Array(String)}) OR has({runs:Array(String)}, run))
          AND (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol))
          AND published_at >= {since:DateTime64(6, 'UTC')} AND published_at < {until:DateTime64(6, 'UTC')}
          AND score IS NOT NULL AND reached.2 IS NOT NULL AND entry_at IS NOT NULL
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
            (others * sum(x * residual) + sum_x * sum(residual)) / nullIf(others * others_xx - sum_x * sum_x, 0) AS change
        FROM fitted
        GROUP BY step, horizon, minutes, outcome, day
    ),
    by_horizon AS (
        SELECT
            step, horizon, minutes, outcome, any(total) AS pairs, count() AS days, max(newest) AS published_at,
            if(pairs < 3, NULL, any(correlation)) AS coefficient,
            -- Residuals of an exact fit are rounding errors.
            if(pairs < 30 OR days < 10 OR 1 - coefficient * coefficient < 1e-13,
               NULL, sqrt((days - 1) / days * sum(change * change))) AS standard_error,
            intDiv(days - 1, 2) + 1 AS size_a, days + 1 - size_a AS size_b,
            arrayConcat(
                [sqrt((size_a - 1) / 2), -sqrt((size_a - 1) / 2)],
                arrayResize(emptyArrayFloat64(), greatest(size_a, 2) - 2, 0.),
                [sqrt((size_b - 1) / 2), -sqrt((size_b - 1) / 2)],
                arrayResize(emptyArrayFloat64(), greatest(size_b, 2) - 2, 0.)
            ) AS samples,
            arrayConcat(
                arrayResize(emptyArrayUInt8(), greatest(size_a, 2), 0), arrayResize(emptyArrayUInt8(), greatest(size_b, 2), 1)
            ) AS labels,
            arrayReduce('studentTTest(0.95)', samples, labels).4 / sqrt(1 / size_a + 1 / size_b) AS quantile
        FROM by_day
        GROUP BY step, horizon, minutes, outcome
    )
SELECT
    step, horizon, minutes, outcome, pairs, days, coefficient, standard_error,
    coefficient - quantile * standard_error AS low, coefficient + quantile * standard_error AS high, published_at
FROM by_horizon";

/// The statements, in order. Each may be repeated, and run by two processes at once.
pub(crate) fn statements() -> [String; 11] {
    [
        add_columns(),
        comments("impact"),
        comments("mentions"),
        report(),
        impact_by_horizon(),
        current_mentions(),
        news_by_minute(),
        NOVELTY.to_owned(),
        stories(),
        sentiment_index(),
        INFORMATION_COEFFICIENT.to_owned(),
    ]
}

/// The mentions that count: the latest record of each, without those that an edit of their article has withdrawn. In
/// `mentions` and `impact` these stay, with the reason `withdrawn`.
fn current_mentions() -> String {
    "CREATE OR REPLACE VIEW current_mentions AS SELECT * FROM mentions FINAL WHERE unscored != 'withdrawn'".to_owned()
}

/// Articles about each symbol in each minute (UTC) of their publication.
fn news_by_minute() -> String {
    "CREATE OR REPLACE VIEW news_by_minute AS
    SELECT run, symbol, toStartOfMinute(published_at, 'UTC') AS minute, uniqExact(provider, article_id) AS articles
    FROM current_mentions
    GROUP BY run, symbol, minute"
        .to_owned()
}

fn add_columns() -> String {
    let add = IMPACT_COLUMNS.iter().map(|column| {
        let (name, sql_type, comment) = (column.name, column.sql_type, column.comment.trim().replace('\'', "''"));
        format!("ADD COLUMN IF NOT EXISTS {name} {sql_type} COMMENT '{comment}'")
    });
    format!("ALTER TABLE impact {}", add.collect::<Vec<_>>().join(", "))
}

/// The comments of columns whose values are from a list in the code. `mentions` has only `unscored`.
fn comments(table: &str) -> String {
    let columns = [
        ("status", Status::NAMES, "", ""),
        ("reason", Reason::NAMES, "why not joined: ", "; empty: joined, or pending"),
        ("phase", Phase::NAMES, "when in the trading day the mention became available: ", ""),
        ("unscored", Unscored::NAMES, "why there is no score: ", "; empty: there is one"),
    ];
    let comment = |(column, values, before, after): (&str, &[&str], &str, &str)| {
        format!("COMMENT COLUMN IF EXISTS {column} '{before}{}{after}'", values.join(", "))
    };
    format!("ALTER TABLE {table} {}", columns.map(comment).join(", "))
}

/// One row for each mention, for people to read.
fn report() -> String {
    format!(
        "CREATE OR REPLACE VIEW report AS
        SELECT {REPORTED_FIRST}, * EXCEPT ({REPORTED_FIRST}, {NOT_REPORTED})
        FROM impact FINAL
        WHERE reason != 'withdrawn'"
    )
}

/// One row for each mention and horizon. `step` numbers the horizons in the order of time; `minutes` is NULL for those
/// that are not measured in minutes; `ret` and `ar` are the log return and the abnormal one.
fn impact_by_horizon() -> String {
    let horizons = Horizon::ALL.iter().zip(1..).map(|(horizon, step)| {
        let minutes = horizon.minutes().map_or("NULL".to_owned(), |minutes| minutes.to_string());
        let (name, ret, ar) = (horizon.name(), horizon.return_column(), horizon.abnormal_column());
        format!("({step}, '{name}', {minutes}, {ret}, {ar})")
    });
    format!(
        "CREATE OR REPLACE VIEW impact_by_horizon AS
        SELECT
            run, symbol, provider, article_id, published_at, available_at, entry_at, score, label,
            toUInt8(reached.1) AS step, reached.2 AS horizon, CAST(reached.3 AS Nullable(UInt16)) AS minutes,
            reached.4 AS ret, reached.5 AS ar
        FROM impact FINAL
        ARRAY JOIN [{}] AS reached
        WHERE reason != 'withdrawn'",
        horizons.collect::<Vec<_>>().join(", ")
    )
}
