//! Estimates with their intervals, by group.

use super::svg::{BOTTOM, LEFT, Picture, RIGHT, Scale, Table, below, key, left_axis, mark, not_drawn};
use crate::estimate::{Estimate, ValueOrReason};
use crate::text::p_value;
use std::fmt::Write as _;

/// One thing that is drawn in each group.
pub(super) struct Series<'a> {
    pub name: String,
    /// Class of its color in the style.
    pub class: &'static str,
    /// One estimate for each group.
    pub points: Vec<&'a ValueOrReason<Estimate>>,
}

/// What to draw.
pub(super) struct Intervals<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub says: &'a str,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// What groups are, for the table's first column.
    pub group_is: &'a str,
    pub series: Vec<Series<'a>>,
    /// What estimates are multiplied by, and the unit after that.
    pub factor: f64,
    pub unit: &'a str,
    /// Whether adjusted p-values are written below.
    pub with_p: bool,
    /// Groups before this one are set off by a line, with what it separates.
    pub line_before: Option<(usize, &'a str)>,
    pub note: &'a str,
}

impl Intervals<'_> {
    pub(super) fn html(&self) -> String {
        let known = || self.series.iter().flat_map(|series| &series.points).filter_map(|point| point.value());
        let ends = known().flat_map(|estimate| [estimate.low * self.factor, estimate.high * self.factor]);
        let Some(scale) = Scale::up(ends.chain([0.0])) else {
            let reason = self.series.iter().flat_map(|series| &series.points).find_map(|point| point.reason());
            return not_drawn(self.id, self.title, reason.unwrap_or("no group has a value"));
        };
        let mut svg = left_axis(scale, self.unit);
        let step = (RIGHT - LEFT) / self.groups.len() as f64;
        if let Some((place, says)) = self.line_before {
            let x = LEFT + step * place as f64;
            let _ = writeln!(
                svg,
                "<line class=\"cut\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"14\" y2=\"{BOTTOM}\"/>\
                 <text x=\"{:.1}\" y=\"24\">{says}</text>",
                x + 5.0
            );
        }
        for (place, group) in self.groups.iter().enumerate() {
            self.group(&mut svg, place, group, LEFT + step * (place as f64 + 0.5), step, scale);
        }
        let names: Vec<(usize, &str, &str)> =
            self.series.iter().enumerate().map(|(shape, series)| (shape, series.class, series.name.as_str())).collect();
        Picture {
            id: self.id,
            title: self.title,
            says: self.says,
            svg,
            height: BOTTOM + 4.0 + 14.0 * if self.with_p { 3.0 } else { 2.0 } + 6.0,
            key: key(&names, &format!("Lines are 95 % intervals. {}", self.note)),
            table: self.table(),
        }
        .html()
    }

    fn group(&self, svg: &mut String, place: usize, group: &str, middle: f64, step: f64, scale: Scale) {
        // Of many groups, names and reasons have less space.
        let is_narrow = step < 70.0;
        svg.push_str(&below(middle, 1.0, if is_narrow { "n" } else { "" }, group));
        let apart = (step * 0.2).min(30.0);
        let mut counts = Vec::new();
        for (nth, series) in self.series.iter().enumerate() {
            let x = middle + apart * (nth as f64 - (self.series.len() as f64 - 1.0) / 2.0);
            let Some(estimate) = series.points[place].value() else {
                counts.push("–".to_owned());
                continue;
            };
            let at = |value: f64| scale.at(value * self.factor);
            let _ = writeln!(
                svg,
                "<g class=\"{}\"><line class=\"interval\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>{}</g>",
                series.class,
                at(estimate.low),
                at(estimate.high),
                mark(nth, x, at(estimate.estimate))
            );
            counts.push(estimate.n.to_string());
        }
        let is_empty = counts.iter().all(|count| count == "–");
        let text = match (is_empty, is_narrow) {
            (true, false) => "not enough data".to_owned(),
            (true, true) => "too few".to_owned(),
            _ => format!("n = {}", counts.join(" / ")),
        };
        svg.push_str(&below(middle, 2.0, "n", &text));
        let p = self
            .series
            .first()
            .and_then(|series| series.points[place].value())
            .and_then(|estimate| estimate.p_adjusted);
        if let (true, Some(p)) = (self.with_p, p) {
            svg.push_str(&below(middle, 3.0, "n", &format!("adj. p {}", p_value(p).replace("below", "<"))));
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[self.group_is, "series", "estimate", "95 % from", "to", "n"]);
        if self.with_p {
            table.head.extend(["p".to_owned(), "adjusted p".to_owned()]);
        }
        for (place, group) in self.groups.iter().enumerate() {
            for series in &self.series {
                let mut row = vec![group.clone(), series.name.clone()];
                match series.points[place] {
                    ValueOrReason::Value(estimate) => {
                        let number = |value: f64| format!("{:+.*} {}", self.digits(), value * self.factor, self.unit);
                        row.extend(
                            [estimate.estimate, estimate.low, estimate.high]
                                .map(|value| number(value).trim().to_owned()),
                        );
                        row.push(estimate.n.to_string());
                        if self.with_p {
                            row.push(estimate.p.map_or_else(String::new, p_value));
                            row.push(estimate.p_adjusted.map_or_else(String::new, p_value));
                        }
                    }
                    ValueOrReason::NotKnown(reason) => row.push(reason.clone()),
                }
                table.rows.push(row);
            }
        }
        table
    }

    /// Digits after the point: correlations need more than basis points.
    fn digits(&self) -> usize {
        if self.factor == 1.0 { 3 } else { 1 }
    }
}
