//! The events that contribute most to the rank IC, and those with the largest outcomes.

use super::escaped;
use super::svg::not_drawn;
use crate::estimate::ValueOrReason;
use crate::findings::Findings;
use crate::text::basis_points;
use std::fmt::Write as _;

pub(super) fn html(findings: &Findings) -> String {
    let horizon = findings.panels.horizon.map_or_else(String::new, |name| format!(" at {}", name.replace('_', " ")));
    let title = format!("The ten largest contributions to the rank IC{horizon}");
    let contributions = match &findings.panels.contributions {
        ValueOrReason::Value(contributions) => contributions,
        ValueOrReason::NotKnown(reason) => return not_drawn("contributions", &title, reason) + &largest(findings),
    };
    let listed = contributions.largest.len();
    let share = contributions.largest.iter().map(|event| event.share).sum::<f64>() * 100.0;
    let mut table = format!(
        "<section id=\"contributions\"><h3>{}</h3>\n<p class=\"says\">The rank IC of {:+.4} is the sum of what {} events \
         contribute: {:.1} % of the contributions are above 0. These {listed} add up to {:+.4}; their sizes are \
         {share:.1} % of the sum of all sizes. A finding that rests on a few events is a weak one.</p>\n\
         <div class=\"wide\"><table class=\"words\"><thead><tr><th>symbol</th><th>available (UTC)</th><th>headline</th>\
         <th class=\"number\">score</th><th class=\"number\">{}</th><th class=\"number\">contribution</th>\
         <th class=\"number\">share</th></tr></thead><tbody>\n",
        escaped(&title),
        contributions.total,
        contributions.n,
        contributions.share_positive * 100.0,
        contributions.sum_of_largest,
        findings.settings.outcome.words()
    );
    for event in &contributions.largest {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{:+.2}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{:+.4}</td><td class=\"number\">{:.2} %</td></tr>",
            escaped(&event.symbol),
            event.available_at.strftime("%Y-%m-%d %H:%M"),
            escaped(&event.headline),
            event.score,
            basis_points(event.outcome),
            event.contribution,
            event.share * 100.0
        );
    }
    table.push_str("</tbody></table></div></section>\n");
    table + &largest(findings)
}

/// The events with the largest outcomes, whatever their scores.
fn largest(findings: &Findings) -> String {
    let Some(horizon) = findings.horizon_with_most_events else { return String::new() };
    let mut table = format!(
        "<details id=\"largest\"><summary>The largest outcomes at {}, of either sign</summary><div class=\"wide\">\
         <table class=\"words\"><thead><tr><th>symbol</th><th>available (UTC)</th><th>headline</th>\
         <th class=\"number\">score</th><th class=\"number\">{}</th></tr></thead><tbody>\n",
        horizon.replace('_', " "),
        findings.settings.outcome.words()
    );
    for example in &findings.examples {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{:+.2}</td><td class=\"number\">{}</td></tr>",
            escaped(&example.symbol),
            example.available_at.strftime("%Y-%m-%d %H:%M"),
            escaped(&example.headline),
            example.score,
            basis_points(example.outcome)
        );
    }
    table.push_str("</tbody></table></div></details>\n");
    table
}
