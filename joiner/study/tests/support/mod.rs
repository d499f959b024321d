//! Rows with a known effect, for the tests of several files.
#![allow(dead_code, reason = "each test file uses a part of it")]

use jiff::{SignedDuration, Timestamp};
use tapewire_core::Horizon;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::Phase;
use tapewire_study::{Row, Settings};
pub use tapewire_testkit::Dice;
use tapewire_testkit::symbol;

/// Position of the session of 1 July 2024.
pub fn first_session() -> usize {
    Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index
}

/// Minutes after the open of a session from 1 July 2024.
pub fn moment(day: usize, minutes: i64) -> Timestamp {
    Calendar::xnys().sessions()[first_session() + day].open + SignedDuration::from_mins(minutes)
}

/// A joined row with an outcome at 5 minutes. Its label is `positive` if the score is above 0, otherwise `negative`.
pub fn row(ticker: &str, id: &str, day: usize, minutes: i64, score: f64, outcome: f64) -> Row {
    let entry_at = moment(day, minutes);
    let mut returns = [None; Horizon::COUNT];
    returns[1] = Some(outcome);
    Row {
        symbol: Some(symbol(ticker)),
        provider: "wire".into(),
        publisher: "Wire".into(),
        article_id: id.into(),
        title: format!("{ticker} report {id}"),
        asked_as: None,
        available_at: entry_at - SignedDuration::from_secs(30),
        entry_at: Some(entry_at),
        score: Some(score),
        label: Some(if score > 0.0 { "positive" } else { "negative" }),
        model: None,
        bar_width_s: None,
        relevance: Some(1.0),
        phase: Some(Phase::Session),
        reason: None,
        returns,
        abnormal: returns,
        flags: tapewire_study::row::Flags::default(),
    }
}

pub const SYMBOLS: [&str; 5] = ["AAPL", "MSFT", "NVDA", "AMZN", "TSLA"];

/// Standard deviation of the outcomes.
pub const DEVIATION: f64 = 0.002;

/// `days` days of five events each. Score and outcome are jointly normal with correlation `rho`; a quarter of the
/// outcome's variance is common to the events of a day.
pub fn planted(seed: u64, days: usize, rho: f64) -> Vec<Row> {
    let mut dice = Dice(seed.wrapping_mul(0x51_7c_c1_b7_27_22_0a_95));
    let mut rows = Vec::new();
    for day in 0..days {
        let common = dice.normal();
        for ticker in SYMBOLS {
            let score = dice.normal();
            let own = dice.normal();
            let outcome = rho * score + 0.5 * common + (0.75 - rho * rho).sqrt() * own;
            rows.push(row(ticker, &format!("{day}-{ticker}"), day, 10, score, DEVIATION * outcome));
        }
    }
    rows
}

pub fn settings() -> Settings {
    Settings { permutations: 999, bootstraps: 999, ..Settings::default() }
}
