//! What `migrate` does last, each time: it adds missing columns to `impact`, lists in comments the values that columns
//! can have, and replaces the views of `impact` and `mentions`, all from the code's lists of columns, values and
//! horizons. A migration's text never changes; what is made here follows the build that migrated last.

use crate::effects;
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
/// in the same microsecond the one with the smaller (provider, id) is the earlier.
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

/// The statements, in order. Each may be repeated, and run by two processes at once.
pub(crate) fn statements() -> Vec<String> {
    let mut statements = vec![
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
    ];
    statements.extend(effects::statements());
    statements
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
            run, symbol, provider, article_id, title, published_at, available_at, phase, entry_at, score, label,
            toUInt8(reached.1) AS step, reached.2 AS horizon, CAST(reached.3 AS Nullable(UInt16)) AS minutes,
            reached.4 AS ret, reached.5 AS ar
        FROM impact FINAL
        ARRAY JOIN [{}] AS reached
        WHERE reason != 'withdrawn'",
        horizons.collect::<Vec<_>>().join(", ")
    )
}
