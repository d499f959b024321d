//! The verdict on the findings, and the sentence that states it.

use crate::daily::{DaysFindings, TESTS};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::Outcome;
use crate::filters::Removed;
use crate::findings::{HIT_RATE, HorizonFindings, Permutation, RANK_IC, Settings};
use crate::parts::Split;
use crate::text::{basis_points, counted, p_value};
use serde::Serialize;
use tapewire_core::Horizon;

/// The answer to whether scores order the returns that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They do at some horizon: the rank correlation holds after correction, and is stronger than that of scores
    /// shuffled within days.
    Found,
    /// At no horizon can an order be told from chance. That does not rule one out.
    NotFound,
    /// No horizon has enough data, or a rank correlation holds after correction where scores can't be shuffled within days
    /// in enough ways to check it.
    NothingCanBeSaid,
}

/// The sentence names at most this number of further tests.
const MAX_NAMED: usize = 3;

/// What a verdict is on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Studied<'a> {
    pub horizons: &'a [HorizonFindings],
    pub split: Option<&'a Split>,
    pub days: Option<&'a DaysFindings>,
    pub settings: &'a Settings,
    /// Number of events that the filters left.
    pub events: usize,
    pub filters: &'a [Removed],
    /// Number of tests that p-values are adjusted for.
    pub tests: usize,
}

/// The verdict on all horizons, and the sentence for it. Parts and days do not change the verdict; their tests that hold
/// are named after the sentence.
pub(crate) fn verdict(studied: Studied<'_>) -> (Verdict, String) {
    let Studied { horizons, settings, tests, .. } = studied;
    let known: Vec<&HorizonFindings> = horizons.iter().filter(|horizon| horizon.rank_ic.value().is_some()).collect();
    if known.is_empty() {
        let sentence = sentence_without_data(studied) + &further_findings(studied);
        return (Verdict::NothingCanBeSaid, sentence);
    }
    let by_clusters: Vec<&HorizonFindings> = known.iter().copied().filter(|horizon| holds(horizon, settings)).collect();
    let found: Vec<&HorizonFindings> =
        by_clusters.iter().copied().filter(|horizon| permuted(horizon).is_some_and(|p| p <= settings.level)).collect();
    let (verdict, mut sentence) = if !found.is_empty() {
        (Verdict::Found, sentence_found(&found, settings, tests))
    } else if let Some(horizon) = by_clusters.iter().find(|horizon| !can_be_checked(horizon, settings)) {
        (Verdict::NothingCanBeSaid, sentence_not_checked(horizon, settings))
    } else if let Some(horizon) = by_clusters.first() {
        (Verdict::NotFound, sentence_not_within_days(horizon))
    } else {
        (Verdict::NotFound, sentence_not_found(&known, horizons.len(), tests))
    };
    sentence.push_str(&further_findings(studied));
    (verdict, sentence)
}

fn holds(horizon: &HorizonFindings, settings: &Settings) -> bool {
    horizon.rank_ic.value().and_then(|ic| ic.p_adjusted).is_some_and(|p| p <= settings.level)
}

fn permuted(horizon: &HorizonFindings) -> Option<f64> {
    horizon.permutation.value().and_then(|permutation: &Permutation| permutation.p_adjusted)
}

/// Whether shuffles within days may find that scores order the outcomes.
fn can_be_checked(horizon: &HorizonFindings, settings: &Settings) -> bool {
    horizon.permutation.value().is_some_and(|permutation| permutation.can_not_reach(settings.level).is_none())
}

fn sentence_without_data(studied: Studied<'_>) -> String {
    let Studied { horizons, settings, events, filters, .. } = studied;
    if events == 0 {
        let last = filters.iter().find(|filter| filter.left == 0 && filter.removed > 0);
        return match last {
            Some(Removed { filter, removed, .. }) => {
                format!("Nothing can be said: no event is left, filter {filter} removed the last {removed}.")
            }
            None => "Nothing can be said: no mention is an event.".to_owned(),
        };
    }
    let Settings { minimum_events, minimum_days, outcome, .. } = settings;
    let is_enough = |horizon: &&HorizonFindings| horizon.n >= *minimum_events && horizon.days >= *minimum_days;
    let size = |horizon: &&HorizonFindings| (horizon.n, std::cmp::Reverse(horizon.overlapping));
    let most = horizons.iter().filter(is_enough).max_by_key(size).or_else(|| horizons.iter().max_by_key(size));
    let Some(most) = most.filter(|horizon| horizon.n > 0) else {
        let kind = if *outcome == Outcome::Abnormal { "an abnormal return" } else { "a return" };
        let names: Vec<&str> = horizons.iter().map(|horizon| horizon.horizon).collect();
        let at = if names.len() == Horizon::COUNT { "any horizon".to_owned() } else { names.join(", ") };
        let counted = if events == 1 {
            "the only event does not have".to_owned()
        } else {
            format!("none of {events} events has")
        };
        return format!("Nothing can be said: {counted} {kind} at {at}.");
    };
    if is_enough(&most) {
        let reason = match &most.rank_ic {
            crate::ValueOrReason::NotKnown(reason) => reason.as_str(),
            crate::ValueOrReason::Value(_) => "no horizon has a rank correlation",
        };
        return format!("Nothing can be said: {reason} ({}, n = {}, {} days).", most.horizon, most.n, most.days);
    }
    format!(
        "Nothing can be said: no horizon has {minimum_events} events on {minimum_days} days (the most is {} on {}, at {}).",
        counted(most.n, "event", "events"),
        counted(most.days, "day", "days"),
        most.horizon
    )
}

fn sentence_found(found: &[&HorizonFindings], settings: &Settings, tests: usize) -> String {
    let list = |higher: bool| -> Vec<String> {
        let own =
            found.iter().filter(|horizon| horizon.rank_ic.value().is_some_and(|ic| (ic.estimate > 0.0) == higher));
        own.filter_map(|horizon| {
            let (ic, permutation) = (horizon.rank_ic.value()?, permuted(horizon)?);
            Some(format!(
                "{} (rank IC {:+.3}, adjusted p {}, permutation p {}, n = {}, {} days)",
                horizon.horizon,
                ic.estimate,
                p_value(ic.p_adjusted.unwrap_or(1.0)),
                p_value(permutation),
                horizon.n,
                horizon.days
            ))
        })
        .collect()
    };
    let mut parts = Vec::new();
    for (higher, word) in [(true, "higher"), (false, "lower")] {
        let list = list(higher);
        if !list.is_empty() {
            parts.push(format!(
                "higher scores were followed by {word} {}s at {}",
                settings.outcome.words(),
                list.join(", ")
            ));
        }
    }
    format!(
        "Yes: {}. The p-values count all {tests} tests. This is an association in these data, before any cost of trading.",
        parts.join("; ")
    )
}

fn sentence_not_found(known: &[&HorizonFindings], all: usize, tests: usize) -> String {
    let which = match known.len() {
        1 => format!("the rank correlation of {}, the only horizon with enough data, is not", known[0].horizon),
        some if some < all => format!("none of the rank correlations of the {some} horizons with enough data is"),
        all => format!("none of the {all} horizons' rank correlations is"),
    };
    let rank = |horizon: &&&HorizonFindings| {
        horizon.rank_ic.value().map(|ic| (ic.p_adjusted.unwrap_or(1.0), ic.p.unwrap_or(1.0)))
    };
    let smallest = known.iter().min_by(|a, b| {
        let (a, b) = (rank(a).unwrap_or((1.0, 1.0)), rank(b).unwrap_or((1.0, 1.0)));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let detail = smallest.map_or_else(String::new, |horizon| {
        let p = horizon.rank_ic.value().and_then(|ic| ic.p_adjusted).unwrap_or(1.0);
        format!(
            " (smallest adjusted p {}, at {}, n = {}, {} days)",
            p_value(p),
            horizon.horizon,
            horizon.n,
            horizon.days
        )
    });
    format!("No: {which} distinguishable from chance after correction for all {tests} tests{detail}.")
}

fn sentence_not_within_days(horizon: &HorizonFindings) -> String {
    format!(
        "No: {}, but scores shuffled within each day do as well too often (permutation p {}), so it is not shown that the \
         scores of single articles order the returns.",
        holds_at(horizon),
        p_value(permuted(horizon).unwrap_or(1.0))
    )
}

/// Where shuffles can't find anything, whatever the scores are, that they find nothing says nothing.
fn sentence_not_checked(horizon: &HorizonFindings, settings: &Settings) -> String {
    let Settings { level, permutations, .. } = settings;
    let why = match &horizon.permutation {
        ValueOrReason::NotKnown(reason) => reason.clone(),
        ValueOrReason::Value(permutation) => {
            let smallest = permutation.smallest_p_adjusted.unwrap_or(1.0);
            let is_drawn = permutation.smallest_p <= 1.0 / (1.0 + *permutations as f64);
            let of =
                if is_drawn { format!("{permutations} shuffles") } else { "the articles of these days".to_owned() };
            let raise = if is_drawn { "; raise --permutations" } else { "" };
            format!("the smallest adjusted permutation p that {of} can give is {smallest:.3}, above {level}{raise}")
        }
    };
    format!(
        "Nothing can be said: {}, but whether the scores of single articles order the returns can't be checked by shuffling \
         scores within days: {why}.",
        holds_at(horizon)
    )
}

/// That the rank correlation holds, with its numbers.
fn holds_at(horizon: &HorizonFindings) -> String {
    format!(
        "at {} the rank correlation differs from 0 after correction ({:+.3}, adjusted p {}, n = {}, {} days)",
        horizon.horizon,
        horizon.rank_ic.value().map_or(0.0, |ic| ic.estimate),
        p_value(horizon.rank_ic.value().and_then(|ic| ic.p_adjusted).unwrap_or(1.0)),
        horizon.n,
        horizon.days
    )
}

/// Tests other than the rank correlations of all events that hold after correction. They do not change the verdict.
fn further_findings(studied: Studied<'_>) -> String {
    let Studied { horizons, split, days, settings, .. } = studied;
    let mut named = Vec::new();
    for horizon in horizons {
        named.extend(
            horizon
                .estimates()
                .into_iter()
                .skip(1)
                .filter_map(|named| described_if_significant(named, horizon.horizon, "", settings)),
        );
    }
    for part in split.iter().flat_map(|split| &split.parts) {
        let of_part = format!(" for {}", part.name);
        for horizon in &part.horizons {
            named.extend(
                horizon
                    .estimates()
                    .into_iter()
                    .filter_map(|named| described_if_significant(named, horizon.horizon, &of_part, settings)),
            );
        }
    }
    for ic in days.iter().flat_map(|days| &days.rank_ics) {
        named.extend(described_if_significant((RANK_IC, &ic.rank_ic), &format!("day {}", ic.day), "", settings));
    }
    for group in days.iter().flat_map(|days| &days.groups) {
        for tests in &group.tests {
            let known =
                TESTS.iter().zip(tests.each()).filter_map(|(name, test)| Some((name, test.value()?.p_adjusted?)));
            named.extend(known.filter(|(_, p)| *p <= settings.level).map(|(name, p)| {
                let caar = tests.caar.map_or_else(String::new, |caar| format!("{}, ", basis_points(caar)));
                format!("days 1 to {} after {} news ({name}, {caar}adjusted p {})", tests.day, group.label, p_value(p))
            }));
        }
    }
    if named.is_empty() {
        return String::new();
    }
    let more = named.len().saturating_sub(MAX_NAMED);
    named.truncate(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more in the table") } else { String::new() };
    format!(" Also different from chance after correction: {}{more}.", named.join(", "))
}

/// An estimate that holds after correction, in words.
fn described_if_significant(
    (what, estimate): (&str, &ValueOrReason<Estimate>),
    at: &str,
    of_part: &str,
    settings: &Settings,
) -> Option<String> {
    let estimate = estimate.value()?;
    let p = estimate.p_adjusted.filter(|p| *p <= settings.level)?;
    let value = match what {
        RANK_IC => format!("{:+.3}", estimate.estimate),
        HIT_RATE => format!("{:.1} %", estimate.estimate * 100.0),
        _ => basis_points(estimate.estimate),
    };
    Some(format!("{what} at {at}{of_part} ({value}, adjusted p {})", p_value(p)))
}
