//! What was joined, and what was not and why.

use super::svg::{Picture, Table, WIDTH, key};
use super::{escaped, svg};
use crate::Novelty;
use crate::findings::Findings;
use std::fmt::Write as _;

/// Where bars begin: names are left of it.
const START: f64 = 250.0;
const ROW: f64 = 24.0;

pub(super) fn html(findings: &Findings) -> String {
    if findings.rows == 0 {
        return svg::not_drawn("joined", "Mentions", "there is no mention");
    }
    let told = match findings.settings.filters.novelty {
        Novelty::First => "scored, with an entry, and told for the first time",
        Novelty::All => "scored, with an entry",
    };
    let mut lines: Vec<(String, String, usize, &str)> =
        vec![("events".to_owned(), told.to_owned(), findings.events, "main")];
    let filtered = findings.filters.iter().filter(|filter| filter.removed > 0);
    lines.extend(
        filtered.map(|filter| ("filter".to_owned(), format!("removed by: {}", filter.filter), filter.removed, "rest")),
    );
    lines.extend(
        findings.left_out.iter().map(|left| (left.reason.to_owned(), left.words.to_owned(), left.rows, "rest")),
    );
    let most = lines.iter().map(|line| line.2).max().unwrap_or(1).max(1) as f64;
    let mut picture = String::new();
    let mut table = Table::new(&["mentions that are", "because", "number", "share"]);
    for (place, (name, words, rows, class)) in lines.into_iter().enumerate() {
        let y = 4.0 + ROW * place as f64;
        let share = rows as f64 / findings.rows as f64 * 100.0;
        let _ = writeln!(
            picture,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class} bar\" x=\"{START}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"16\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{rows} ({share:.1} %)</text>",
            START - 8.0,
            y + 12.0,
            escaped(&short(&name, &words)),
            START + (WIDTH - START - 110.0) * rows as f64 / most + 6.0,
            y + 12.0,
            width = (WIDTH - START - 110.0) * rows as f64 / most,
        );
        table.rows.push(vec![name, words, rows.to_string(), format!("{share:.1} %")]);
    }
    let height = 4.0 + ROW * table.rows.len() as f64;
    let mentions = Picture {
        id: "joined",
        title: &format!("All {} mentions: events, and why the others do not count", findings.rows),
        says: "Every mention is an event, or has one reason why it is not. If few mentions are events, the study says little \
               about the others.",
        svg: picture,
        height,
        key: key(
            &[],
            "The first column under “Numbers” has each reason's name; where table `impact` has the same reason, it has \
             the same name there.",
        ),
        table,
    };
    mentions.html() + &by_horizon(findings)
}

/// A name that fits beside the bars.
fn short(name: &str, words: &str) -> String {
    if name == "events" || words.chars().count() > 38 { name.replace('_', " ") } else { words.to_owned() }
}

fn by_horizon(findings: &Findings) -> String {
    let mut table = format!(
        "<h3>The {} events at each horizon</h3>\n<table><thead><tr><th>horizon</th><th>events that count</th>\
         <th>without an outcome</th><th>overlapping an earlier event</th></tr></thead><tbody>\n",
        findings.events
    );
    for horizon in &findings.horizons {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&horizon.horizon.replace('_', " ")),
            horizon.n,
            horizon.without_outcome,
            horizon.overlapping
        );
    }
    table.push_str("</tbody></table>\n");
    table
}
