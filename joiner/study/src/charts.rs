//! Pictures of the findings, as SVG.

use crate::estimate::{Estimate, Figure};
use crate::findings::HorizonFindings;
use crate::html::escaped;
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
/// Space for labels at the left, and for the names of the groups at the bottom.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;

/// One thing that is drawn in each group.
pub(crate) struct Series<'a> {
    pub name: &'a str,
    pub color: &'static str,
    /// One point for each group, in the unit of the axis.
    pub points: Vec<Point>,
}

/// An estimate with its interval.
pub(crate) enum Point {
    Known { value: f64, low: f64, high: f64, n: usize },
    NotEnough,
}

impl Point {
    pub(crate) fn of(figure: &Figure<Estimate>, factor: f64) -> Self {
        match figure.value() {
            Some(Estimate { estimate, low, high, n, .. }) => {
                Self::Known { value: estimate * factor, low: low * factor, high: high * factor, n: *n }
            }
            None => Self::NotEnough,
        }
    }
}

/// A chart of points with intervals, by group. `unit` is the unit of the axis.
pub(crate) fn intervals(title: &str, groups: &[String], series: &[Series<'_>], unit: &str) -> String {
    let ends = series.iter().flat_map(|series| &series.points).flat_map(|point| match point {
        Point::Known { low, high, .. } => [Some(*low), Some(*high)],
        Point::NotEnough => [None, None],
    });
    let ends: Vec<f64> = ends.flatten().chain([0.0]).collect();
    let (low, high) = ends.iter().fold((0.0_f64, 0.0_f64), |(low, high), &end| (low.min(end), high.max(end)));
    if high - low <= 0.0 {
        return format!("<p class=\"none\">{}: not enough data</p>\n", escaped(title));
    }
    let scale = (HEIGHT - TOP - BOTTOM) / (high - low) / 1.1;
    let middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
    let y = |value: f64| middle - (value - (low + high) / 2.0) * scale;
    let step = (WIDTH - LEFT) / groups.len() as f64;
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(title),
        escaped(title)
    );
    for tick in ticks(low, high) {
        let (at, class) = (y(tick), if tick == 0.0 { "zero" } else { "grid" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {}</text>",
            LEFT - 6.0,
            at + 4.0,
            number(tick),
            escaped(unit)
        );
    }
    for (place, group) in groups.iter().enumerate() {
        let x = LEFT + step * (place as f64 + 0.5);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM + 16.0,
            escaped(group)
        );
        let apart = step * 0.2;
        let mut counts = Vec::new();
        for (nth, series_of) in series.iter().enumerate() {
            let x = x + apart * (nth as f64 - (series.len() as f64 - 1.0) / 2.0);
            match &series_of.points[place] {
                Point::Known { value, low, high, n } => {
                    let _ = writeln!(
                        svg,
                        "<g stroke=\"{color}\" fill=\"{color}\"><title>{}: {value:.3} {} ({low:.3} to {high:.3}), n = {n}\
                         </title><line stroke-width=\"2\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                         <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\"/></g>",
                        escaped(series_of.name),
                        escaped(unit),
                        y(*low),
                        y(*high),
                        y(*value),
                        color = series_of.color,
                    );
                    counts.push(n.to_string());
                }
                Point::NotEnough => counts.push("–".to_owned()),
            }
        }
        let text = if counts.iter().all(|count| count == "–") {
            "not enough data".to_owned()
        } else {
            format!("n = {}", counts.join(" / "))
        };
        let _ = writeln!(
            svg,
            "<text class=\"n\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            HEIGHT - BOTTOM + 32.0
        );
    }
    svg.push_str("</svg>\n<p class=\"key\">");
    for series in series {
        let _ = write!(svg, "<span style=\"color:{}\">●</span> {} ", series.color, escaped(series.name));
    }
    svg.push_str("— lines are 95 % intervals; – is not enough data</p></figure>\n");
    svg
}

/// Names of the horizons.
pub(crate) fn names(horizons: &[HorizonFindings]) -> Vec<String> {
    horizons.iter().map(|of| of.horizon.to_owned()).collect()
}

/// Round numbers within a range, 0 included.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let (from, to) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (from..=to).map(|tick| tick as f64 * step).collect()
}

fn number(value: f64) -> String {
    // Without the digits that rounding errors add: `0.1 + 0.2` is written as `0.3`.
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.to_owned() }
}
