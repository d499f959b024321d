//! The findings as one page: no script, nothing from the network. A file for each panel.

mod caar;
mod calibration;
mod contributions;
mod delay;
mod ic;
mod intervals;
mod joined;
mod lead_lag;
mod quantiles;
mod scatter;
mod style;
mod svg;
mod table;

pub(crate) use table::horizons;

use crate::findings::Findings;
use crate::sections;
use crate::sentence::Verdict;
use crate::text::{counted, possible_splits};
use std::fmt::Write as _;

/// What a page says beside the findings.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Title of the page.
    pub title: String,
    /// Where the data are from, one fact in each line: files, model, benchmark.
    pub facts: Vec<String>,
}

/// Text escaped for HTML. Characters that HTML does not allow are left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The page.
pub fn page(findings: &Findings, source: &Source) -> String {
    let title = escaped(&source.title);
    let class = match findings.verdict {
        Verdict::Found => "found",
        Verdict::NotFound => "not-found",
        Verdict::NothingCanBeSaid => "nothing",
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><style>{}</style></head><body>\n<main>\n<h1>{title}</h1>\n<p class=\"verdict {class}\">{}</p>\n",
        style::STYLE,
        verdict(&findings.sentence),
    );
    let Findings { rows, articles, events, symbols, .. } = findings;
    let period = match (findings.from, findings.until) {
        (Some(from), Some(until)) => format!(", from {} to {}", from.strftime("%Y-%m-%d"), until.strftime("%Y-%m-%d")),
        _ => String::new(),
    };
    let _ = writeln!(
        page,
        "<p>{} in {}; {events} of them are events, of {}{period}.</p>",
        counted(*rows, "mention", "mentions"),
        counted(*articles, "article", "articles"),
        counted(*symbols, "company", "companies")
    );
    page.push_str("<h2>Did prices move after the news?</h2>\n");
    page.push_str(&caar::html(findings));
    page.push_str(&ic::html(findings));
    page.push_str(&quantiles::html(findings));
    page.push_str("<h2>By horizon</h2>\n");
    page.push_str(&horizons(&findings.horizons, findings.settings.level));
    for split in possible_splits(findings) {
        let _ = writeln!(page, "<p>{}.</p>", escaped(&split));
    }
    page.push_str(&sections::html(findings));
    page.push_str("<h2>Score and outcome</h2>\n");
    page.push_str(&scatter::html(findings));
    page.push_str(&calibration::html(findings));
    page.push_str(&contributions::html(findings));
    page.push_str("<h2>Before the news, and after a delay</h2>\n");
    page.push_str(&lead_lag::html(findings));
    page.push_str(&delay::html(findings));
    page.push_str("<h2>What was joined, and what was not</h2>\n");
    page.push_str(&joined::html(findings));
    page.push_str(&methods(findings, source));
    page.push_str("</main>\n</body></html>\n");
    page
}

/// The sentence with its answer, which is before the first colon, in large letters.
fn verdict(sentence: &str) -> String {
    match sentence.split_once(": ") {
        Some((answer, rest)) => format!("<strong>{}:</strong> {}", escaped(answer), escaped(rest)),
        None => escaped(sentence),
    }
}

fn methods(findings: &Findings, source: &Source) -> String {
    let mut text = String::from("<h2>Methods</h2>\n");
    for paragraph in findings.methods.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let _ = writeln!(text, "<p>{}</p>", escaped(paragraph));
    }
    text.push_str("<h2>Data</h2>\n<ul>");
    for fact in source.facts.iter().cloned().chain(sections::filters(findings)) {
        let _ = write!(text, "<li>{}</li>", escaped(&fact));
    }
    text.push_str("</ul>\n");
    text
}

/// A log return in basis points, without the unit.
fn in_basis_points(value: f64) -> f64 {
    value * 10_000.0
}
