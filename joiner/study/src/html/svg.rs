//! What all pictures are made of: scales, axes, marks, and the figure with its title, description and table.

use super::escaped;
use std::fmt::Write as _;

/// Size of a picture, in units of its view box.
pub(super) const WIDTH: f64 = 760.0;
/// Space for labels.
pub(super) const LEFT: f64 = 70.0;
pub(super) const RIGHT: f64 = 748.0;
pub(super) const TOP: f64 = 14.0;
pub(super) const BOTTOM: f64 = 232.0;

/// From values to places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: (f64, f64),
    to: (f64, f64),
}

impl Scale {
    /// Values across the picture.
    pub(super) fn across(low: f64, high: f64) -> Self {
        Self { from: (low, high), to: (LEFT, RIGHT) }
    }

    /// Values up the picture, with 5 % of space above and below. `None` if there is only one value.
    pub(super) fn up(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = values.into_iter().fold(start, |(low, high), value| (low.min(value), high.max(value)));
        let space = (high - low) * 0.05;
        (high > low).then_some(Self { from: (low - space, high + space), to: (BOTTOM, TOP) })
    }

    pub(super) fn at(self, value: f64) -> f64 {
        self.to.0 + (value - self.from.0) / (self.from.1 - self.from.0) * (self.to.1 - self.to.0)
    }

    /// Round values within the scale; about `wanted` of them.
    pub(super) fn ticks(self, wanted: f64) -> Vec<f64> {
        let (low, high) = self.from;
        let rough = (high - low) / wanted;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let (from, to) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        (from..=to).map(|tick| tick as f64 * step).collect()
    }
}

/// A number without the digits that rounding errors add: `0.1 + 0.2` is written as `0.3`.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// The lines and labels of the axis at the left; the line at 0 is darker.
pub(super) fn left_axis(scale: Scale, unit: &str) -> String {
    let mut svg = String::new();
    for tick in scale.ticks(6.0) {
        let (at, class) = (scale.at(tick), if tick == 0.0 { "zero" } else { "grid" });
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            number(tick)
        );
    }
    let middle = f64::midpoint(TOP, BOTTOM);
    let _ = writeln!(
        svg,
        "<text class=\"unit\" transform=\"translate(14 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        escaped(unit)
    );
    svg
}

/// Text below the picture, `line` lines from the axis.
pub(super) fn below(x: f64, line: f64, class: &str, text: &str) -> String {
    let y = BOTTOM + 4.0 + 14.0 * line;
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>\n", escaped(text))
}

/// A mark whose shape says which series it is, also without its color: circle, square, triangle, diamond.
pub(super) fn mark(series: usize, x: f64, y: f64) -> String {
    let r = 4.5;
    match series % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r}\"/>"),
        1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>", x - 4.0, y - 4.0),
        2 => {
            format!("<path d=\"M{:.1} {:.1}L{:.1} {:.1}L{x:.1} {:.1}Z\"/>", x - 5.0, y - 4.0, x + 5.0, y - 4.0, y + 5.0)
        }
        _ => format!(
            "<path d=\"M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}Z\"/>",
            y - 5.5,
            x + 5.5,
            y + 5.5,
            x - 5.5
        ),
    }
}

/// The key of the series: a mark and a name for each.
pub(super) fn key(series: &[(usize, &str, &str)], note: &str) -> String {
    let mut text = String::from("<p class=\"key\">");
    for (shape, class, name) in series {
        let _ = write!(
            text,
            "<span><svg class=\"swatch\" viewBox=\"0 0 14 14\" aria-hidden=\"true\"><g class=\"{class}\">{}</g></svg> {}</span> ",
            mark(*shape, 7.0, 7.0),
            escaped(name)
        );
    }
    let _ = writeln!(text, "{}</p>", escaped(note));
    text
}

/// A table of the numbers of a picture.
pub(super) struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    fn html(&self) -> String {
        let mut table = String::from("<table><thead><tr>");
        for name in &self.head {
            let _ = write!(table, "<th scope=\"col\">{}</th>", escaped(name));
        }
        table.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            table.push_str("<tr>");
            for cell in row {
                let _ = write!(table, "<td>{}</td>", escaped(cell));
            }
            table.push_str("</tr>\n");
        }
        table.push_str("</tbody></table>");
        table
    }
}

/// A picture with all that belongs to it.
pub(super) struct Picture<'a> {
    /// A name without spaces, which no other picture has.
    pub id: &'a str,
    pub title: &'a str,
    /// What it shows, in a sentence or two; also read to those who can't see it.
    pub says: &'a str,
    /// The inside of the SVG, and its height.
    pub svg: String,
    pub height: f64,
    /// HTML below it.
    pub key: String,
    pub table: Table,
}

impl Picture<'_> {
    pub(super) fn html(&self) -> String {
        let Self { id, title, says, svg, height, key, table } = self;
        let (title, says) = (escaped(title), escaped(says));
        format!(
            "<figure id=\"{id}\"><h3>{title}</h3>\n<p class=\"says\">{says}</p>\n\
             <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{says} The numbers are in the table below.</desc>\n\
             {svg}</svg>\n{key}<details><summary>Numbers</summary>{}</details></figure>\n",
            table.html()
        )
    }
}

/// The place of a picture that can't be drawn, with the reason.
pub(super) fn not_drawn(id: &str, title: &str, reason: &str) -> String {
    let reason = if reason.starts_with("not ") { reason.to_owned() } else { format!("not enough data: {reason}") };
    format!("<figure id=\"{id}\"><h3>{}</h3>\n<p class=\"none\">{}</p></figure>\n", escaped(title), escaped(&reason))
}
