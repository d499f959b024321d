//! The end of each run of `migrate`: it adds missing columns to `impact` and makes the views over it, both from the
//! code's lists of columns and horizons. A migration's text never changes; these follow the build that migrated last.

use crate::rows::IMPACT_COLUMNS;
use tapewire_core::Horizon;

/// Columns of `impact` that the view `report` leaves out. Every other column is in it, a new one too.
const NOT_REPORTED: &str = "version, received_at, scored_at, p_positive, p_neutral, p_negative, model, model_revision, \
    unscored, bar_width_s, price_before, price_before_at, alpha, beta";
/// The first columns of `report`.
const REPORTED_FIRST: &str = "run, published_at, available_at, symbol, provider, article_id";

/// The statements, in order. Each may be repeated, and run by two processes at once.
pub(crate) fn statements() -> [String; 5] {
    [add_columns(), report(), impact_by_horizon(), current_mentions(), news_by_minute()]
}

/// The mentions that count: the latest record of each, without those that an edit of their article has taken back. In
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
