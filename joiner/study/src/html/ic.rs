//! The rank IC by horizon.

use super::intervals::{Intervals, Series};
use crate::findings::Findings;

pub(super) fn html(findings: &Findings) -> String {
    let points = findings.horizons.iter().map(|horizon| &horizon.rank_ic).collect();
    Intervals {
        id: "ic",
        title: "Rank information coefficient by horizon",
        says: &format!(
            "How well scores order the outcomes: +1 is the same order, −1 the reverse, and 0 no order. An effect that news has at \
             once decays with the horizon. An adjusted p above {} can't be told from chance.",
            findings.settings.level
        ),
        groups: findings.horizons.iter().map(|horizon| horizon.horizon.replace('_', " ")).collect(),
        group_is: "horizon",
        series: vec![Series { name: "rank IC".to_owned(), class: "main", points }],
        factor: 1.0,
        unit: "rank correlation",
        with_p: true,
        line_before: None,
        note: "Intervals are not adjusted for the number of tests; p-values are.",
    }
    .html()
}
