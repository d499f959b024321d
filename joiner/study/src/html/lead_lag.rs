//! Scores against returns before and after the news.

use super::intervals::{Intervals, Series};
use crate::findings::Findings;

pub(super) fn html(findings: &Findings) -> String {
    let lead_lag = &findings.panels.lead_lag;
    let title = "What moved first: rank correlation of the score with returns before and after the news";
    let before = lead_lag.lags.iter().position(|lag| lag.window == "entry").unwrap_or(0);
    let note = format!(
        "Windows before the news end at the last price before it; “entry” is the step from there to the first price anyone \
         could have traded at. These returns are not adjusted for the market. Windows after it begin at the entry, and \
         their outcomes are those of the table. “Too few” is not enough data.{}{}",
        if lead_lag.note.is_some() { " " } else { "" },
        lead_lag.note.as_deref().unwrap_or_default()
    );
    Intervals {
        id: "lead-lag",
        title,
        says: "Bars left of the line show whether prices had moved before the news, so that the news reports the move or was \
               known already. What is at the entry can't be traded on.",
        groups: lead_lag.lags.iter().map(|lag| lag.window.replace('_', " ").replace('-', "−")).collect(),
        group_is: "window",
        series: vec![Series {
            name: "rank correlation".to_owned(),
            class: "main",
            points: lead_lag.lags.iter().map(|lag| &lag.rank_ic).collect(),
        }],
        factor: 1.0,
        unit: "rank correlation",
        with_p: false,
        line_before: Some((before, "the news")),
        note: &note,
    }
    .html()
}
