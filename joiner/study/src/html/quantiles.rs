//! The mean outcome by fifth of the score.

use super::intervals::{Intervals, Series};
use super::svg::not_drawn;
use crate::estimate::{Estimate, ValueOrReason};
use crate::findings::{Findings, QUANTILES};
use crate::text::{basis_points, p_value};

pub(super) fn html(findings: &Findings) -> String {
    let id = "quantiles";
    let outcome = findings.settings.outcome.words();
    let main_horizon =
        findings.horizons.iter().find(|horizon| Some(horizon.horizon) == findings.horizon_with_most_events);
    let Some(horizon) = main_horizon else {
        return not_drawn(id, &format!("Mean {outcome} by fifth of the score"), "no event has an outcome");
    };
    let title = format!("Mean {outcome} by fifth of the score, at {}", horizon.horizon.replace('_', " "));
    let quantiles = match &horizon.quantiles {
        ValueOrReason::Value(quantiles) => quantiles,
        ValueOrReason::NotKnown(reason) => return not_drawn(id, &title, reason),
    };
    let spread = match &horizon.spread {
        ValueOrReason::Value(Estimate { estimate, low, high, p_adjusted, .. }) => format!(
            "The highest fifth less the lowest, the spread, is {} ({} to {}, adjusted p {}).",
            basis_points(*estimate),
            basis_points(*low),
            basis_points(*high),
            p_value(p_adjusted.unwrap_or(1.0))
        ),
        ValueOrReason::NotKnown(reason) => format!("The spread has no value: {reason}."),
    };
    let groups = (1..=QUANTILES).zip(quantiles).map(|(number, quantile)| match quantile.mean_score {
        Some(score) => format!("fifth {number}, score {score:+.2}").replace('-', "−"),
        None => format!("fifth {number}"),
    });
    Intervals {
        id,
        title: &title,
        says: &format!("Steps from left to right mean that higher scores were followed by higher outcomes. {spread}"),
        groups: groups.collect(),
        group_is: "scores",
        series: vec![Series {
            name: "mean".to_owned(),
            class: "main",
            points: quantiles.iter().map(|quantile| &quantile.mean).collect(),
        }],
        factor: 10_000.0,
        unit: "basis points",
        with_p: false,
        line_before: None,
        note: "Fifths have equally many scores, and equal scores are in one fifth. The horizon is the one with the most events.",
    }
    .html()
}
