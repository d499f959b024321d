//! The findings as a table for a terminal.

use crate::estimate::{Estimate, ValueOrReason};
use crate::findings::{Findings, HorizonFindings, MINIMUM_GROUP};
use crate::sections;
use std::fmt::Write as _;

/// A p-value with two decimals, with three below 0.01, or `below 0.001`.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "below 0.001".to_owned(),
        p if p < 0.01 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// A log return in basis points, as `+3.1 bp`.
pub fn basis_points(value: f64) -> String {
    format!("{:+.1} bp", value * 10_000.0)
}

/// The table, the reasons why rows do not count, and the sentence.
pub fn table(findings: &Findings) -> String {
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(content.trim_end());
        text.push('\n');
    };
    let Findings { rows, articles, events, symbols, settings, .. } = findings;
    line(format!("{rows} mentions in {articles} articles; {events} of them are events, of {symbols} companies"));
    for left in &findings.left_out {
        line(format!("  {:>7}  {}: {}", left.rows, left.reason, left.words));
    }
    for filter in sections::filters(findings) {
        line(format!("  {filter}"));
    }
    line(String::new());
    line(table_head());
    for horizon in &findings.horizons {
        line(row(horizon, settings.level));
    }
    let lost = |horizon: &HorizonFindings| (horizon.overlapping, horizon.without_outcome);
    // Neighbouring horizons that lose as many events share a line.
    for alike in
        findings.horizons.chunk_by(|one, next| lost(one) == lost(next)).filter(|horizon| lost(&horizon[0]) != (0, 0))
    {
        let horizons: Vec<&str> = alike.iter().map(|horizon| horizon.horizon).collect();
        line(format!(
            "  at {}, of {events} events {} overlap an earlier one of their company and {} have no {}",
            horizons.join(", "),
            alike[0].overlapping,
            alike[0].without_outcome,
            settings.outcome.words()
        ));
    }
    for clusters in sections::clusters(findings) {
        line(format!("  {clusters}"));
    }
    line(String::new());
    line(format!(
        "positive, negative: mean {} after news of the class; spread: highest less lowest fifth of scores, in basis points;",
        settings.outcome.words()
    ));
    line(format!(
        "t by the jackknife over days and articles; adj. p: Holm over all {} tests; perm. p: articles shuffled within days, Holm",
        findings.tests
    ));
    line(format!(
        "*: adjusted p at most {}; few: not enough data ({} events on {} days, {MINIMUM_GROUP} in a group, and scores that differ)",
        settings.level, settings.minimum_events, settings.minimum_days
    ));
    if let Some(limits) = permutation_limits(findings) {
        line(limits);
    }
    let sections = sections::text(findings);
    if !sections.is_empty() {
        line(sections);
    }
    line(String::new());
    line(findings.sentence.clone());
    text
}

/// Where the permutation test can't find anything, and the smallest adjusted p-value that it can have there.
fn permutation_limits(findings: &Findings) -> Option<String> {
    let limit = |horizon: &HorizonFindings| {
        let smallest = horizon.permutation.value()?.can_not_reach(findings.settings.level)?;
        Some(format!("{smallest:.3} at {}", horizon.horizon))
    };
    let limits: Vec<String> = findings.horizons.iter().filter_map(limit).collect();
    let limits = Some(limits.join(", ")).filter(|limits| !limits.is_empty())?;
    Some(format!("perm. p is at least {limits}, whatever the scores are: there are too few different shuffles"))
}

/// The names of the columns of the table of horizons.
pub(crate) fn table_head() -> String {
    format!(
        "{:<10} {:>6} {:>5} {:>8} {:>7} {:>8} {:>8}  {:>18} {:>18} {:>7} {:>10}",
        "horizon", "n", "days", "rank IC", "t", "adj. p", "perm. p", "positive (n)", "negative (n)", "hits", "spread"
    )
}

/// One line of the table of horizons, with stars for adjusted p-values of at most `level`.
pub(crate) fn row(horizon: &HorizonFindings, level: f64) -> String {
    let mut text = format!("{:<10} {:>6} {:>5}", horizon.horizon, horizon.n, horizon.days);
    if let ValueOrReason::NotKnown(reason) = &horizon.rank_ic {
        let _ = write!(text, "  {reason}");
        return text;
    }
    let ic = horizon.rank_ic.value();
    let number = |value: Option<String>| value.unwrap_or_else(|| "few".to_owned());
    let p = |p: Option<f64>| number(p.map(|p| if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }));
    let permuted = horizon.permutation.value().and_then(|permutation| permutation.p_adjusted);
    let _ = write!(
        text,
        " {:>8} {:>7} {:>8} {:>8}  {:>18} {:>18} {:>7} {:>10}",
        number(ic.map(|ic| format!("{:+.3}", ic.estimate))),
        number(ic.map(|ic| format!("{:+.2}", ic.t))),
        p(ic.and_then(|ic| ic.p_adjusted)),
        p(permuted),
        mean(&horizon.positive, level),
        mean(&horizon.negative, level),
        number(horizon.hit_rate.value().map(|rate| format!("{:.1} %{}", rate.estimate * 100.0, star(rate, level)))),
        number(horizon.spread.value().map(|spread| format!(
            "{:+.1}{}",
            spread.estimate * 10_000.0,
            star(spread, level)
        ))),
    );
    text
}

fn mean(mean: &ValueOrReason<Estimate>, level: f64) -> String {
    match mean.value() {
        Some(mean) => format!("{:+.1}{} ({})", mean.estimate * 10_000.0, star(mean, level), mean.n),
        None => "few".to_owned(),
    }
}

fn star(estimate: &Estimate, level: f64) -> &'static str {
    star_of(estimate.p_adjusted, level)
}

/// A star for an adjusted p-value of at most `level`.
pub(crate) fn star_of(p_adjusted: Option<f64>, level: f64) -> &'static str {
    if p_adjusted.is_some_and(|p| p <= level) { "*" } else { "" }
}
