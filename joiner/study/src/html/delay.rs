//! The rank IC if the news had been known later.

use super::intervals::{Intervals, Series};
use super::svg::not_drawn;
use crate::estimate::ValueOrReason;
use crate::findings::Findings;
use crate::methods::width_in_words;
use crate::panels::Delay;

pub(super) fn html(findings: &Findings) -> String {
    let (id, title) = ("delay", "Rank IC if the news had been known later");
    let delays = match &findings.panels.delays {
        ValueOrReason::Value(delays) => delays,
        ValueOrReason::NotKnown(reason) => return not_drawn(id, title, reason),
    };
    let horizons = shown(delays);
    let classes = ["main", "other"];
    let series = horizons.iter().zip(classes).map(|(&place, class)| Series {
        name: format!("at {}", delays[0].horizons[place].horizon),
        class,
        points: delays.iter().map(|delay| &delay.horizons[place].rank_ic).collect(),
    });
    let note = moved(findings, delays);
    Intervals {
        id,
        title,
        says: "If the effect is gone after a short delay, only someone who traded faster than that could have used it. \
               All delays have the same events and scores; each horizon begins at the later entry.",
        groups: delays.iter().map(group).collect(),
        group_is: "delay",
        series: series.collect(),
        factor: 1.0,
        unit: "rank correlation",
        with_p: false,
        line_before: None,
        note: &note,
    }
    .html()
}

/// The shortest horizon with a value, and the one with the most events if it is another; the first if none has one.
fn shown(delays: &[Delay]) -> Vec<usize> {
    let horizons = &delays[0].horizons;
    let known = || (0..horizons.len()).filter(|&place| horizons[place].rank_ic.value().is_some());
    let most = known().max_by_key(|&place| (horizons[place].n, place));
    match (known().next(), most) {
        (Some(first), Some(most)) if first != most => vec![first, most],
        (Some(first), _) => vec![first],
        _ => (0..horizons.len().min(1)).collect(),
    }
}

fn group(delay: &Delay) -> String {
    if delay.seconds == 0 { "as known".to_owned() } else { format!("{} later", width_in_words(delay.seconds)) }
}

/// How many entries each delay moves: bars are often too wide to tell two moments apart.
fn moved(findings: &Findings, delays: &[Delay]) -> String {
    let counts = delays
        .iter()
        .filter(|delay| delay.seconds > 0)
        .map(|delay| format!("{} of {} for {}", delay.moved, delay.events, width_in_words(delay.seconds)));
    let counts: Vec<String> = counts.collect();
    let widths: Vec<String> = findings.panels.bar_widths.iter().map(|width| width_in_words(width.seconds)).collect();
    let narrowest = findings.panels.bar_widths.iter().map(|width| width.seconds).min().unwrap_or(0);
    let limit = if narrowest > 1 {
        format!(
            " Bars of {} can't tell delays apart that are shorter than that: the entry is the open of the first bar that \
             starts after the news, and a delay moves it only across such a start.",
            widths.join(" and ")
        )
    } else {
        String::new()
    };
    format!("Entries that are later because of the delay: {}.{limit}", counts.join(", "))
}
