//! The findings as one page: no script, nothing from the network.

use crate::charts::{Point, Series, intervals, names};
use crate::estimate::{Estimate, Figure};
use crate::events::Outcome;
use crate::filters::Novelty;
use crate::findings::{Findings, HorizonFindings, QUANTILES};
use crate::sections;
use crate::text::{basis_points, p_value};
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}\
    .verdict{font-size:1.2rem;border-left:4px solid #35608f;padding:.2rem 1rem;background:#f3f6f9}\
    table{border-collapse:collapse;width:100%;font-size:.85rem;margin:1rem 0}\
    th,td{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:right;vertical-align:top}\
    th:first-child,td:first-child,.words td{text-align:left}figure{margin:2rem 0}figcaption{font-weight:600}\
    svg{width:100%;height:auto}svg text{font-size:11px;fill:#444;stroke:none}svg .n{fill:#888;font-size:9px}.grid{stroke:#e4e4e4}\
    .zero{stroke:#888}.none,.few{color:#888}.key{font-size:.85rem;color:#444}";

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
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p class=\"verdict\">{}</p>\n",
        escaped(&findings.sentence),
        title = escaped(&source.title),
    );
    let Findings { rows, articles, events, symbols, .. } = findings;
    let period = match (findings.from, findings.until) {
        (Some(from), Some(until)) => format!(", from {} to {}", from.strftime("%Y-%m-%d"), until.strftime("%Y-%m-%d")),
        _ => String::new(),
    };
    let _ = writeln!(
        page,
        "<p>{rows} mentions in {articles} articles; {events} of them are events, of {symbols} companies{period}.</p>"
    );
    page.push_str("<ul>");
    for fact in &source.facts {
        let _ = write!(page, "<li>{}</li>", escaped(fact));
    }
    for filter in sections::filters(findings) {
        let _ = write!(page, "<li>{}</li>", escaped(&filter));
    }
    page.push_str("</ul>\n<h2>By horizon</h2>\n");
    page.push_str(&horizons(&findings.horizons));
    page.push_str(&charts(findings));
    page.push_str(&sections::html(findings));
    page.push_str(&left_out(findings));
    page.push_str(&examples(findings));
    page.push_str(&methods(findings));
    page.push_str("</body></html>\n");
    page
}

fn charts(findings: &Findings) -> String {
    let horizons = &findings.horizons;
    let outcome = findings.settings.outcome.words();
    let points = |of: fn(&HorizonFindings) -> &Figure<Estimate>, factor| {
        horizons.iter().map(|horizon| Point::of(of(horizon), factor)).collect()
    };
    let classes = [
        Series { name: "positive", color: "#2a7d4f", points: points(|of| &of.positive, 10_000.0) },
        Series { name: "neutral", color: "#8a8a8a", points: points(|of| &of.neutral, 10_000.0) },
        Series { name: "negative", color: "#b3392f", points: points(|of| &of.negative, 10_000.0) },
    ];
    let mut all =
        intervals(&format!("Mean {outcome} after news, by horizon and class"), &names(horizons), &classes, "bp");
    let ic = [Series { name: "rank IC", color: "#35608f", points: points(|of| &of.rank_ic, 1.0) }];
    all.push_str(&intervals("Rank IC by horizon", &names(horizons), &ic, ""));
    let largest = horizons.iter().find(|of| Some(of.horizon) == findings.largest_horizon);
    match largest.map(|of| (of.horizon, of.quantiles.value())) {
        Some((horizon, Some(quantiles))) => {
            let points = quantiles.iter().map(|quantile| Point::of(&quantile.mean, 10_000.0)).collect();
            let groups: Vec<String> = (1..=QUANTILES)
                .zip(quantiles)
                .map(|(number, quantile)| match quantile.mean_score {
                    Some(score) => format!("{number} (score {score:+.2})"),
                    None => number.to_string(),
                })
                .collect();
            let title = format!("Mean {outcome} by fifth of the score, at {horizon}, the horizon with the most events");
            let series = [Series { name: "mean", color: "#35608f", points }];
            all.push_str(&intervals(&title, &groups, &series, "bp"));
        }
        _ => all.push_str("<p class=\"none\">By fifth of the score: not enough data</p>\n"),
    }
    all
}

/// The table of horizons.
pub(crate) fn horizons(horizons: &[HorizonFindings]) -> String {
    let mut table = "<table><tr><th>horizon</th><th>n</th><th>days</th><th>rank IC</th><th>t</th><th>adjusted p</th>\
         <th>permutation p</th><th>after positive</th><th>after neutral</th><th>after negative</th><th>hit rate</th>\
         <th>spread</th></tr>\n"
        .to_owned();
    for of in horizons {
        let _ = write!(table, "<tr><td>{}</td><td>{}</td><td>{}</td>", of.horizon, of.n, of.days);
        if let Figure::NotKnown(reason) = &of.rank_ic {
            let _ = writeln!(table, "<td colspan=\"9\" class=\"few\">{}</td></tr>", escaped(reason));
            continue;
        }
        let ic = of.rank_ic.value();
        let permutation = of.permutation.value().and_then(|permutation| permutation.p_adjusted);
        let cells = [
            ic.map(|ic| format!("{:+.3}<br>{:+.3} to {:+.3}", ic.estimate, ic.low, ic.high)),
            ic.map(|ic| format!("{:+.2}", ic.t)),
            ic.and_then(|ic| ic.p_adjusted).map(p_value),
            permutation.map(p_value),
            mean(&of.positive),
            mean(&of.neutral),
            mean(&of.negative),
            of.hit_rate.value().map(|rate| with_p(format!("{:.1} %", rate.estimate * 100.0), rate)),
            mean(&of.spread),
        ];
        for cell in cells {
            let cell = cell.unwrap_or_else(|| "<span class=\"few\">not enough data</span>".to_owned());
            let _ = write!(table, "<td>{cell}</td>");
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</table>\n");
    table
}

fn mean(figure: &Figure<Estimate>) -> Option<String> {
    figure.value().map(|mean| with_p(basis_points(mean.estimate), mean))
}

fn with_p(value: String, of: &Estimate) -> String {
    let p = of.p_adjusted.map_or_else(String::new, |p| format!("<br>p {}", p_value(p)));
    format!("{value}<br>t {:+.2}, n = {}{p}", of.t, of.n)
}

fn left_out(findings: &Findings) -> String {
    let mut table =
        "<h2>What does not count</h2>\n<table class=\"words\"><tr><th>mentions</th><th>reason</th></tr>\n".to_owned();
    for left in &findings.left_out {
        let _ = writeln!(table, "<tr><td>{}</td><td><code>{}</code>: {}</td></tr>", left.rows, left.reason, left.words);
    }
    table.push_str(
        "</table>\n<table><tr><th>horizon</th><th>events</th><th>without an outcome</th><th>overlapping</th></tr>",
    );
    for of in &findings.horizons {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            of.horizon, of.n, of.without_outcome, of.overlapping
        );
    }
    table.push_str("</table>\n");
    table
}

fn examples(findings: &Findings) -> String {
    let Some(horizon) = findings.largest_horizon else { return String::new() };
    let mut table = format!(
        "<h2>Largest outcomes at {horizon}</h2>\n<table class=\"words\"><tr><th>symbol</th><th>available</th>\
         <th>headline</th><th>score</th><th>{}</th></tr>\n",
        findings.settings.outcome.words()
    );
    for example in &findings.examples {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:+.2}</td><td>{}</td></tr>",
            escaped(&example.symbol),
            example.available_at.strftime("%Y-%m-%d %H:%M UTC"),
            escaped(&example.headline),
            example.score,
            basis_points(example.outcome)
        );
    }
    table.push_str("</table>\n");
    table
}

fn methods(findings: &Findings) -> String {
    let settings = &findings.settings;
    let outcome = match settings.outcome {
        Outcome::Abnormal => {
            "The outcome is the log return from the entry, the first price anyone could have traded at after the news was \
             known, less what a market model (constant and slope on the benchmark, from the sessions before) expects."
        }
        Outcome::Raw => {
            "The outcome is the log return from the entry, the first price anyone could have traded at after the news was \
             known. It is not adjusted for the market."
        }
    };
    let stories = match settings.filters.novelty {
        Novelty::First => "A company's story that is told again within 72 hours, in the same or in other words, counts once, the first time.",
        Novelty::All => "A company's story that is told again counts each time.",
    };
    format!(
        "<h2>Methods</h2>\n<p>{outcome} The score is p(positive) &minus; p(negative) of the text about the company, unless the \
         rows are of another model. {} At each horizon, an event of a company that \
         begins before the outcome of an earlier one has ended does not count. With fewer than {} events, or from fewer \
         than {} days, a horizon has no statistic; a group needs {} events.</p>\n<p>The rank IC is Spearman's correlation of \
         score and outcome. Standard errors are jackknifed over clusters: events of one day, and of one article about \
         several companies, are one cluster. The hit rate is the share of outcomes that have the sign of the score; its t \
         is of the distance from 50 %. The spread is the mean outcome of the highest fifth of scores less that of the \
         lowest. Adjusted p-values are Holm's, over all {} tests on this page, counted by the program. The permutation p \
         shuffles scores among the events of each day, {} times with seed {}, and is adjusted for the number of horizons, of all parts; \
         only what holds by both, at {}, is called found. Other choices of data or rules, tried before this study, are not \
         counted here.</p>\n{}",
        stories,
        settings.minimum_events,
        settings.minimum_days,
        crate::findings::MINIMUM_GROUP,
        findings.tests,
        settings.permutations,
        settings.seed,
        settings.level,
        sections::methods(findings),
    )
}
