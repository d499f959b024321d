//! Studies without an event that counts, and what to do about them.

use anyhow::bail;
use std::collections::HashSet;
use tapewire_core::{Horizon, Symbol};
use tapewire_study::{Findings, Outcome, Row, Settings};

/// The benchmark, if abnormal returns are studied and the filter of symbols leaves no other symbol with an entry.
pub fn only_benchmark(rows: &[Row], settings: &Settings, benchmark: Option<&Symbol>) -> Option<Symbol> {
    let wanted = &settings.filters.symbols;
    let left: HashSet<&Symbol> = rows
        .iter()
        .filter(|row| row.entry_at.is_some())
        .filter_map(|row| row.symbol.as_ref())
        .filter(|symbol| wanted.is_empty() || wanted.contains(symbol))
        .collect();
    let benchmark = benchmark.filter(|benchmark| left.len() == 1 && left.contains(benchmark));
    benchmark.filter(|_| settings.outcome == Outcome::Abnormal).cloned()
}

/// Fails if there is nothing to study: that is a fault of the input, not a finding. `raw` is the number of rows with a
/// return of any kind; `only_benchmark` is the benchmark if no other symbol is left.
pub fn refuse(findings: &Findings, raw: usize, only_benchmark: Option<&Symbol>) -> anyhow::Result<()> {
    if findings.horizons.iter().any(|horizon| horizon.n > 0) {
        return Ok(());
    }
    let (asked, reached) = (&findings.settings.horizons, &findings.reached);
    if let (Some(benchmark), 1.., []) = (only_benchmark, findings.events, reached.as_slice()) {
        bail!(
            "the only symbol left is the benchmark {benchmark}, which has no abnormal return: --returns raw studies returns \
             that are not adjusted"
        );
    }
    if findings.events > 0 && asked.len() < Horizon::COUNT && !reached.is_empty() {
        let asked: Vec<&str> = asked.iter().map(|horizon| horizon.name()).collect();
        let (asked, words) = (asked.join(","), findings.settings.outcome.words());
        let article = if findings.settings.outcome == Outcome::Abnormal { "an" } else { "a" };
        bail!("--horizons {asked}: no event has {article} {words} then; there are some at {}", reached.join(", "));
    }
    if raw > 0 && findings.settings.outcome == Outcome::Abnormal && findings.events > 0 {
        let widths = &findings.panels.bar_widths;
        let why = match !widths.is_empty() && widths.iter().all(|width| width.seconds >= 86_400) {
            true => "the market model is estimated from returns within sessions, and bars of a day have none",
            false => "the market model needs bars of the benchmark and the symbol in the sessions before",
        };
        bail!("no event has an abnormal return: {why}; --returns raw studies returns that are not adjusted");
    }
    if let Some(last) = findings.filters.iter().find(|filter| filter.left == 0 && filter.removed > 0) {
        bail!("no event is left: filter {} removed the last {}", last.filter, last.removed);
    }
    let Some(most) = findings.left_out.first().filter(|_| findings.events == 0) else {
        bail!("no mention has a return; check that the bars reach beyond the news");
    };
    let advice = match most.reason {
        "no_bars" | "no_regular_bars" | "no_entry_bar" | "no_symbol" | "pending" | "outside_calendar" => {
            "; check that news and bars are of the same time and symbols, and --alias NEWS=TAPE where they are named \
             differently"
        }
        _ => "",
    };
    let lacks = match most.reason {
        "no_score" | "empty_text" | "model_failed" | "promotional" => "score",
        _ => "return",
    };
    bail!("no mention has a {lacks}; {} of {} mentions: {}{advice}", most.rows, findings.rows, most.words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use tapewire_study::row::Flags;
    use tapewire_study::{Filters, study};

    fn row(symbol: &str, place: usize) -> Row {
        let available_at: Timestamp = "2024-07-01T14:00:00Z".parse().expect("a time");
        let mut abnormal = [None; Horizon::COUNT];
        abnormal[place] = (symbol != "SPY").then_some(0.01);
        Row {
            symbol: Some(Symbol::new(symbol).expect("a symbol")),
            provider: "wire".into(),
            publisher: String::new(),
            article_id: symbol.into(),
            title: format!("news of {symbol}"),
            asked_as: None,
            available_at,
            entry_at: Some(available_at + jiff::SignedDuration::from_mins(1)),
            score: Some(0.5),
            label: None,
            model: None,
            bar_width_s: None,
            relevance: None,
            phase: None,
            reason: None,
            returns: [Some(0.01); Horizon::COUNT],
            abnormal,
            flags: Flags::default(),
        }
    }

    fn refused(rows: &[Row], symbols: &[&str], horizon: usize) -> String {
        let symbols = symbols.iter().map(|symbol| Symbol::new(symbol).expect("a symbol")).collect();
        let filters = Filters { symbols, ..Filters::default() };
        let settings = Settings { filters, horizons: vec![Horizon::ALL[horizon]], ..Settings::default() };
        let only = only_benchmark(rows, &settings, Some(&Symbol::new("SPY").expect("a symbol")));
        refuse(&study(rows, &settings), 2, only.as_ref()).expect_err("no event counts").to_string()
    }

    #[test]
    fn a_study_of_the_benchmark_alone_says_so() {
        let rows = [row("AAPL", 1), row("SPY", 1)];
        let said = refused(&rows, &["SPY"], 1);
        assert!(
            said.starts_with("the only symbol left is the benchmark SPY") && said.contains("--returns raw"),
            "{said}"
        );
    }

    #[test]
    fn horizons_are_named_at_which_events_that_are_left_have_an_outcome() {
        let rows = [row("AAPL", 1), row("MSFT", 2)];
        let said = refused(&rows, &["MSFT"], 1);
        let horizon = |place: usize| Horizon::ALL[place].name();
        let expected = format!(
            "--horizons {}: no event has an abnormal return then; there are some at {}",
            horizon(1),
            horizon(2)
        );
        assert_eq!(said, expected);
    }
}
