//! The cumulative average (abnormal) return after positive, neutral and negative news, in event time.

use super::in_basis_points;
use super::svg::{BOTTOM, LEFT, Picture, RIGHT, Scale, Table, below, key, left_axis, mark, not_drawn};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::Outcome;
use crate::findings::{Findings, HorizonFindings};
use std::fmt::Write as _;

const ID: &str = "caar";

type Class = (&'static str, fn(&HorizonFindings) -> &ValueOrReason<Estimate>);

const CLASSES: [Class; 3] = [
    ("positive", |horizon| &horizon.positive),
    ("neutral", |horizon| &horizon.neutral),
    ("negative", |horizon| &horizon.negative),
];

/// Where the share of the width that is drawn in minutes ends.
const MINUTES_SHARE: f64 = 0.58;

pub(super) fn html(findings: &Findings) -> String {
    let title = format!(
        "Mean {} from the entry, after positive, neutral and negative news",
        match findings.settings.outcome {
            Outcome::Abnormal => "cumulative abnormal return",
            Outcome::Raw => "return",
        }
    );
    let known =
        || findings.horizons.iter().flat_map(|horizon| CLASSES.iter().filter_map(|(_, get)| get(horizon).value()));
    let ends = known().flat_map(|mean| [in_basis_points(mean.low), in_basis_points(mean.high)]);
    let Some(scale) = Scale::up(ends.chain([0.0])) else {
        return not_drawn(ID, &title, "no class has enough events at any horizon");
    };
    let places = places(&findings.horizons);
    let mut svg = left_axis(scale, "basis points");
    axis(&mut svg, &findings.horizons, &places);
    // The bands lie below all curves.
    for (class, get) in CLASSES {
        curve(&mut svg, class, &points(findings, &places, scale, get), scale.at(0.0), true);
    }
    for (number, (class, get)) in CLASSES.into_iter().enumerate() {
        let points = points(findings, &places, scale, get);
        curve(&mut svg, class, &points, scale.at(0.0), false);
        for point in points {
            let _ = write!(svg, "<g class=\"{class}\">{}</g>", mark(number, point.x, point.y));
        }
    }
    let names: Vec<(usize, &str, &str)> =
        CLASSES.iter().enumerate().map(|(number, (class, _))| (number, *class, *class)).collect();
    Picture {
        id: ID,
        title: &title,
        says: "If the news moved the price in its direction after anyone could trade, the curve after positive news rises above \
               0, that after negative news falls below it, and their bands do not overlap.",
        svg,
        height: BOTTOM + 54.0,
        key: key(
            &names,
            "Bands are 95 % intervals of each mean. Minutes are to scale; behind the dashed line are later horizons. n is \
             of positive / neutral / negative news; each horizon has its own events.",
        ),
        table: table(findings),
    }
    .html()
}

struct Point {
    x: f64,
    y: f64,
    low: f64,
    high: f64,
    /// Whether there is time that is not to scale between this point and the one before.
    is_later: bool,
    /// Number of its horizon, from 1; the entry is 0.
    place: usize,
}

/// The place of the entry, and of each horizon: minutes to scale, and then the others side by side.
fn places(horizons: &[HorizonFindings]) -> Vec<(f64, bool)> {
    let minutes: Vec<Option<f64>> = horizons.iter().map(|horizon| minutes(horizon.horizon)).collect();
    let longest = minutes.iter().flatten().fold(0.0_f64, |longest, &minutes| longest.max(minutes));
    let later = minutes.iter().filter(|minutes| minutes.is_none()).count();
    let share = match (longest > 0.0, later) {
        (false, _) => 0.0,
        (true, 0) => 0.96,
        (true, _) => MINUTES_SHARE,
    };
    let width = RIGHT - LEFT - 10.0;
    let step = width * (1.0 - share) / later.max(1) as f64;
    let mut nth = 0.0;
    let place = |minutes: &Option<f64>| match minutes {
        Some(minutes) => (LEFT + 10.0 + width * share * minutes / longest, false),
        None => {
            nth += 1.0;
            (LEFT + 10.0 + width * share + step * (nth - 0.5), true)
        }
    };
    minutes.iter().map(place).collect()
}

/// Minutes after the entry, of horizons that are named so.
fn minutes(name: &str) -> Option<f64> {
    name.strip_suffix('m')?.parse().ok()
}

fn axis(svg: &mut String, horizons: &[HorizonFindings], places: &[(f64, bool)]) {
    svg.push_str(&below(LEFT + 10.0, 1.0, "", "entry"));
    let mut last = (LEFT + 10.0 + 22.0, f64::NEG_INFINITY);
    for (horizon, (x, is_later)) in horizons.iter().zip(places) {
        let counts: Vec<String> = CLASSES
            .iter()
            .map(|(_, get)| get(horizon).value().map_or_else(|| "–".to_owned(), |mean| mean.n.to_string()))
            .collect();
        // Horizons of a few minutes are so near to each other that only some names fit.
        let (name_fits, counts_fit) = (x - last.0 > 14.0, x - last.1 > 62.0);
        if name_fits {
            svg.push_str(&below(*x, 1.0, "", &horizon.horizon.replace('_', " ")));
            last.0 = x + 12.0;
        }
        let is_empty = counts.iter().all(|count| count == "–");
        if counts_fit && (*is_later || name_fits) {
            let text = if is_empty { "not enough data".to_owned() } else { format!("n = {}", counts.join(" / ")) };
            svg.push_str(&below(*x, 2.0, "n", &text));
            last.1 = *x;
        }
    }
    let first_later = places.iter().position(|(_, is_later)| *is_later);
    if let Some(place) = first_later.filter(|place| *place > 0) {
        let x = f64::midpoint(places[place - 1].0, places[place].0);
        let _ = writeln!(svg, "<line class=\"cut\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"14\" y2=\"{BOTTOM}\"/>");
    }
}

fn points(
    findings: &Findings,
    places: &[(f64, bool)],
    scale: Scale,
    get: fn(&HorizonFindings) -> &ValueOrReason<Estimate>,
) -> Vec<Point> {
    let with = findings.horizons.iter().zip(places).zip(1..);
    with.filter_map(|((horizon, (x, is_later)), place)| {
        let mean = get(horizon).value()?;
        let at = |value: f64| scale.at(in_basis_points(value));
        Some(Point { x: *x, y: at(mean.estimate), low: at(mean.low), high: at(mean.high), is_later: *is_later, place })
    })
    .collect()
}

/// The line through the points, from the entry at 0, or its band. Dashed where time is not to scale.
fn curve(svg: &mut String, class: &str, points: &[Point], zero: f64, band: bool) {
    if points.is_empty() {
        return;
    }
    if band {
        let upper = points.iter().map(|point| format!("{:.1},{:.1}", point.x, point.high));
        let from = points.first().filter(|first| first.place == 1).map(|_| format!("{:.1},{zero:.1}", LEFT + 10.0));
        let lower = points.iter().rev().map(|point| format!("{:.1},{:.1}", point.x, point.low));
        let ends: Vec<String> = from.into_iter().chain(upper).chain(lower).collect();
        let _ = writeln!(svg, "<polygon class=\"{class} band\" points=\"{}\"/>", ends.join(" "));
        for point in points {
            let _ = write!(
                svg,
                "<line class=\"{class}\" stroke-opacity=\".55\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                point.low,
                point.high,
                x = point.x
            );
        }
        return;
    }
    // Every outcome is 0 at the entry.
    let entry = Point { x: LEFT + 10.0, y: zero, low: zero, high: zero, is_later: false, place: 0 };
    let all: Vec<&Point> = std::iter::once(&entry).chain(points).collect();
    for pair in all.windows(2) {
        // Dashed also where horizons without a value are between.
        let is_next = pair[1].place == pair[0].place + 1 && !pair[1].is_later;
        let dashed = if is_next { "" } else { " dashed" };
        let _ = write!(
            svg,
            "<line class=\"{class} curve{dashed}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            pair[0].x, pair[0].y, pair[1].x, pair[1].y
        );
    }
}

fn table(findings: &Findings) -> Table {
    let mut table = Table::new(&["horizon", "news", "mean (bp)", "95 % from", "to", "n", "adjusted p"]);
    for horizon in &findings.horizons {
        for (class, get) in CLASSES {
            let mut row = vec![horizon.horizon.to_owned(), class.to_owned()];
            match get(horizon) {
                ValueOrReason::Value(mean) => {
                    row.extend(
                        [mean.estimate, mean.low, mean.high].map(|value| format!("{:+.1}", in_basis_points(value))),
                    );
                    row.push(mean.n.to_string());
                    row.push(mean.p_adjusted.map_or_else(String::new, crate::text::p_value));
                }
                ValueOrReason::NotKnown(reason) => row.push(reason.clone()),
            }
            table.rows.push(row);
        }
    }
    table
}
