//! Whether outcomes are above 0 as often as scores imply.

use super::svg::{BOTTOM, LEFT, Picture, Scale, TOP, Table, below, key, left_axis, mark, not_drawn};
use crate::estimate::ValueOrReason;
use crate::findings::Findings;
use std::fmt::Write as _;

pub(super) fn html(findings: &Findings) -> String {
    let id = "calibration";
    let horizon = findings.panels.horizon.map_or_else(String::new, |name| format!(", at {}", name.replace('_', " ")));
    let title = format!("Calibration: how often the {} was above 0{horizon}", findings.settings.outcome.words());
    let calibration = match &findings.panels.calibration {
        ValueOrReason::Value(calibration) => calibration,
        ValueOrReason::NotKnown(reason) => return not_drawn(id, &title, reason),
    };
    let left = Scale::up([0.0, 100.0]).expect("0 is not 100");
    let across = Scale::across(-3.0, 103.0);
    let mut svg = axes(left, across);
    let mut table = Table::new(&["group of scores", "implied", "above 0", "95 % from", "to", "n"]);
    for (number, bin) in (1..).zip(&calibration.bins) {
        let mut row = vec![number.to_string(), percent(bin.implied)];
        match &bin.share {
            ValueOrReason::Value(share) => {
                let (low, high) = (share.low.max(0.0), share.high.min(1.0));
                let x = across.at(bin.implied * 100.0);
                let _ = writeln!(
                    svg,
                    "<g class=\"main\"><line class=\"interval\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>{}</g>",
                    left.at(low * 100.0).min(BOTTOM),
                    left.at(high * 100.0).max(TOP),
                    mark(0, x, left.at(share.estimate * 100.0))
                );
                row.extend([share.estimate, low, high].map(percent));
            }
            ValueOrReason::NotKnown(reason) => row.extend([reason.clone(), String::new(), String::new()]),
        }
        row.push(bin.n.to_string());
        table.rows.push(row);
    }
    let note = format!(
        "Lines are 95 % intervals; the dashed line is perfect calibration. Groups have equally many scores. {} outcomes of \
         exactly 0 do not count. Brier score {:.4}; {:.4} if the probability of every event were the overall share.",
        calibration.zeros, calibration.brier, calibration.brier_of_share
    );
    Picture {
        id,
        title: &title,
        says: &format!(
            "The model scores texts and was not trained to predict prices: a flat row of points near {} says that scores are \
             not probabilities of a rise. n = {}.",
            percent(calibration.share),
            calibration.n
        ),
        svg,
        height: BOTTOM + 46.0,
        key: key(&[(0, "main", "share above 0")], &note),
        table,
    }
    .html()
}

/// Both axes, in percent, the diagonal of a perfect calibration, and a line at one half.
fn axes(left: Scale, across: Scale) -> String {
    let mut svg = left_axis(left, "% above 0");
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        svg.push_str(&below(across.at(percent), 1.0, "", &format!("{percent} %")));
    }
    svg.push_str(&below(
        f64::midpoint(LEFT, across.at(100.0)),
        2.3,
        "unit",
        "probability that the score implies, (1 + score) / 2",
    ));
    let _ = writeln!(
        svg,
        "<line class=\"ideal\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <line class=\"zero\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{half:.1}\" y2=\"{half:.1}\"/>",
        across.at(0.0),
        left.at(0.0),
        across.at(100.0),
        left.at(100.0),
        across.at(103.0),
        half = left.at(50.0)
    );
    svg
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
