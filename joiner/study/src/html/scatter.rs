//! Scores against outcomes, with a straight line.

use super::in_basis_points;
use super::svg::{BOTTOM, LEFT, Picture, RIGHT, Scale, Table, below, key, left_axis, not_drawn, number};
use crate::estimate::ValueOrReason;
use crate::findings::Findings;
use crate::panels::{MOST_POINTS, Scatter};
use crate::text::basis_points;
use std::fmt::Write as _;

pub(super) fn html(findings: &Findings) -> String {
    let id = "scatter";
    let outcome = findings.settings.outcome.words();
    let horizon = findings.panels.horizon.map_or_else(String::new, |name| format!(" at {}", name.replace('_', " ")));
    let title = format!("Score and {outcome}{horizon}");
    let scatter = match &findings.panels.scatter {
        ValueOrReason::Value(scatter) => scatter,
        ValueOrReason::NotKnown(reason) => return not_drawn(id, &title, reason),
    };
    let (low, high) = (in_basis_points(scatter.drawn.0), in_basis_points(scatter.drawn.1));
    let Some(up) = Scale::up([low, high]) else { return not_drawn(id, &title, "all outcomes are 0") };
    let (least, most) = (scatter.fit[0].score, scatter.fit[scatter.fit.len() - 1].score);
    let space = (most - least) * 0.02;
    let across = Scale::across(least - space, most + space);
    let mut svg = left_axis(up, "basis points");
    for tick in across.ticks(8.0) {
        svg.push_str(&below(across.at(tick), 1.0, "", &number(tick)));
    }
    svg.push_str(&below(f64::midpoint(LEFT, RIGHT), 2.3, "unit", "score"));
    marks(&mut svg, scatter, across, up);
    line(&mut svg, scatter, across, up, (low, high));
    Picture {
        id,
        title: &title,
        says: &says(scatter, outcome),
        svg,
        height: BOTTOM + 46.0,
        key: key(&[], &note(scatter)),
        table: table(scatter),
    }
    .html()
}

fn says(scatter: &Scatter, outcome: &str) -> String {
    format!(
        "One unit of score goes with a mean {outcome} that differs by {} ({} to {}). The line explains {:.2} % of the variance. \
         n = {}.",
        basis_points(scatter.slope.estimate),
        basis_points(scatter.slope.low),
        basis_points(scatter.slope.high),
        scatter.r_squared * 100.0,
        scatter.n
    )
}

fn note(scatter: &Scatter) -> String {
    let drawn = if scatter.points.is_empty() {
        format!("With more than {MOST_POINTS} events, darker cells have more of them.")
    } else {
        "Each point is an event.".to_owned()
    };
    let outside = if scatter.outside == 0 {
        String::new()
    } else {
        format!(
            " {} events with the outcomes furthest from 0 are outside the picture, but count in the line.",
            scatter.outside
        )
    };
    format!("{drawn}{outside} The line is least squares, with the 95 % interval of the mean as its band.")
}

fn marks(svg: &mut String, scatter: &Scatter, across: Scale, up: Scale) {
    for (score, outcome) in &scatter.points {
        if (scatter.drawn.0..=scatter.drawn.1).contains(outcome) {
            let (x, y) = (across.at(*score), up.at(in_basis_points(*outcome)));
            let _ = write!(svg, "<circle class=\"main point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
        }
    }
    let Some((width, height)) = scatter.cell_size else { return };
    let most = scatter.cells.iter().map(|cell| cell.n).max().unwrap_or(1) as f64;
    for cell in &scatter.cells {
        let (x, right) = (across.at(cell.score), across.at(cell.score + width));
        let (foot, top) = (up.at(in_basis_points(cell.outcome)), up.at(in_basis_points(cell.outcome + height)));
        let _ = write!(
            svg,
            "<rect class=\"main cell\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{:.2}\"/>",
            right - x,
            foot - top,
            (cell.n as f64 / most).sqrt() * 0.8 + 0.03
        );
    }
}

fn line(svg: &mut String, scatter: &Scatter, across: Scale, up: Scale, (low, high): (f64, f64)) {
    let place = |score: f64, outcome: f64| {
        format!("{:.1},{:.1}", across.at(score), up.at(in_basis_points(outcome).clamp(low, high)))
    };
    let upper = scatter.fit.iter().map(|point| place(point.score, point.high));
    let lower = scatter.fit.iter().rev().map(|point| place(point.score, point.low));
    let ends: Vec<String> = upper.chain(lower).collect();
    let means: Vec<String> = scatter.fit.iter().map(|point| place(point.score, point.mean)).collect();
    let _ = writeln!(
        svg,
        "<polygon class=\"negative band\" points=\"{}\"/><polyline class=\"negative curve\" points=\"{}\"/>",
        ends.join(" "),
        means.join(" ")
    );
}

fn table(scatter: &Scatter) -> Table {
    let mut table = Table::new(&["score", "mean on the line (bp)", "95 % from", "to"]);
    for point in &scatter.fit {
        let mut row = vec![format!("{:+.2}", point.score)];
        row.extend([point.mean, point.low, point.high].map(|value| format!("{:+.1}", in_basis_points(value))));
        table.rows.push(row);
    }
    table
}
