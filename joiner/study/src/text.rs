//! The findings as a table for a terminal.

use crate::estimate::{Estimate, ValueOrReason};
use crate::filters::PossibleSplits;
use crate::findings::{Findings, HorizonFindings, MINIMUM_GROUP, NO_LABEL};
use crate::sections;
use std::fmt::Write as _;

/// A p-value with two decimals, with three below 0.01, or `below 0.001`. It has more decimals where rounding would put it
/// on the other side of 0.05.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "below 0.001".to_owned(),
        p if p < 0.01 => format!("{p:.3}"),
        p => with_decimals(p, 2),
    }
}

/// A p-value with this number of decimals, or as many more as show which side of 0.05 it is on.
fn with_decimals(p: f64, decimals: usize) -> String {
    let is_above = |shown: &String| shown.parse::<f64>().is_ok_and(|shown| shown > 0.05);
    let shown = (decimals..9).map(|decimals| format!("{p:.decimals$}"));
    let mut shown = shown.skip_while(|shown| is_above(shown) != (p > 0.05));
    shown.next().unwrap_or_else(|| format!("{p}"))
}

/// A number of things, whose name is given in the singular and the plural.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// How a table shows that a value is not known: `few` if there is not enough data, `no label` if there are no classes, and
/// otherwise `undef`.
fn missing(reason: Option<&str>) -> &'static str {
    match reason {
        Some(NO_LABEL) => "no label",
        Some(reason) if !reason.starts_with("not enough data") => "undef",
        _ => "few",
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
    line(format!(
        "{} in {}; {events} of them are events, of {}",
        counted(*rows, "mention", "mentions"),
        counted(*articles, "article", "articles"),
        counted(*symbols, "company", "companies")
    ));
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
    for note in sections::clusters(findings).into_iter().chain(possible_splits(findings)) {
        line(format!("  {note}"));
    }
    line(String::new());
    line(legend(findings));
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

/// What the columns and the words of the table mean.
fn legend(findings: &Findings) -> String {
    let Findings { settings, tests, .. } = findings;
    let (outcome, level) = (settings.outcome.words(), settings.level);
    let (events, days) = (settings.minimum_events, settings.minimum_days);
    format!(
        "positive, negative: mean {outcome} after news of the class; spread: highest less lowest fifth of scores, in basis \
         points;\n\
         t by the jackknife over days and articles; adj. p: Holm over all {tests} tests; perm. p: articles shuffled within \
         days, Holm\n\
         *: adjusted p at most {level}; few: not enough data ({events} events on {days} days, {MINIMUM_GROUP} in a group, \
         and scores that differ)\n\
         undef: undefined for another reason, which --json and the page give; no label: no event has a class"
    )
}

/// What is left out, or kept, because a price jumped as if by an unknown split: a line for each number of events.
pub(crate) fn possible_splits(findings: &Findings) -> Vec<String> {
    let what = |count: usize| match (findings.settings.filters.possible_splits, count) {
        (PossibleSplits::LeaveOut, 1) => "is left out (--possible-splits keep counts it)",
        (PossibleSplits::LeaveOut, _) => "are left out (--possible-splits keep counts them)",
        (PossibleSplits::Keep, 1) => "counts nevertheless (--possible-splits keep)",
        (PossibleSplits::Keep, _) => "count nevertheless (--possible-splits keep)",
    };
    let alike = findings.horizons.chunk_by(|one, next| one.possible_splits == next.possible_splits);
    let line = |alike: &[HorizonFindings]| {
        let horizons: Vec<&str> = alike.iter().map(|horizon| horizon.horizon).collect();
        let (count, what) = (counted(alike[0].possible_splits, "outcome", "outcomes"), what(alike[0].possible_splits));
        format!("at {}, {count} that may be across an unknown split (flag_possible_split) {what}", horizons.join(", "))
    };
    alike.filter(|alike| alike[0].possible_splits > 0).map(line).collect()
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
    let or = |value: Option<String>, reason: Option<&str>| value.unwrap_or_else(|| missing(reason).to_owned());
    let number = |value: Option<String>| or(value, None);
    let shown = |p: f64| if p < 0.001 { "<0.001".to_owned() } else { with_decimals(p, 3) };
    let permuted = horizon.permutation.value().and_then(|permutation| permutation.p_adjusted);
    let _ = write!(
        text,
        " {:>8} {:>7} {:>8} {:>8}  {:>18} {:>18} {:>7} {:>10}",
        number(ic.map(|ic| format!("{:+.3}", ic.estimate))),
        number(ic.and_then(|ic| ic.t).map(|t| format!("{t:+.2}"))),
        number(ic.and_then(|ic| ic.p_adjusted).map(shown)),
        or(permuted.map(shown), horizon.permutation.reason()),
        mean(&horizon.positive, level),
        mean(&horizon.negative, level),
        or(
            horizon.hit_rate.value().map(|rate| format!("{:.1} %{}", rate.estimate * 100.0, star(rate, level))),
            horizon.hit_rate.reason()
        ),
        or(
            horizon.spread.value().map(|spread| format!("{:+.1}{}", spread.estimate * 10_000.0, star(spread, level))),
            horizon.spread.reason()
        ),
    );
    text
}

fn mean(mean: &ValueOrReason<Estimate>, level: f64) -> String {
    match mean.value() {
        Some(mean) => format!("{:+.1}{} ({})", mean.estimate * 10_000.0, star(mean, level), mean.n),
        None => missing(mean.reason()).to_owned(),
    }
}

fn star(estimate: &Estimate, level: f64) -> &'static str {
    star_of(estimate.p_adjusted, level)
}

/// A star for an adjusted p-value of at most `level`.
pub(crate) fn star_of(p_adjusted: Option<f64>, level: f64) -> &'static str {
    if p_adjusted.is_some_and(|p| p <= level) { "*" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_is_never_rounded_to_the_other_side_of_the_level() {
        for (p, shown) in [
            (0.0504, "0.0504"),
            (0.0546, "0.055"),
            (0.0496, "0.05"),
            (0.05, "0.05"),
            (0.3, "0.30"),
            (0.002, "0.002"),
            (0.0001, "below 0.001"),
        ] {
            assert_eq!(p_value(p), shown, "{p}");
        }
        assert_eq!(with_decimals(0.0504, 3), "0.0504");
    }

    #[test]
    fn a_value_that_is_missing_says_why_in_a_word() {
        assert_eq!(missing(Some("not enough data: 3 events, at least 10 needed")), "few");
        assert_eq!(missing(Some("all residuals are equal, so the statistic is undefined")), "undef");
        assert_eq!(missing(Some(NO_LABEL)), "no label");
    }
}
