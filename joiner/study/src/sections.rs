//! What the table and the page say of filters, intervals, parts and days.

use crate::daily::{
    BLOCK, DayGroup, DayMean, DayTest, DayTests, DaysFindings, ESTIMATION_DAYS, Expected, GAP_DAYS, MINIMUM_ESTIMATION,
    TESTS,
};
use crate::estimate::{Estimate, ValueOrReason};
use crate::findings::{Findings, HorizonFindings};
use crate::html::escaped;
use crate::intervals::Band;
use crate::text::{basis_points, counted, p_value, possible_splits, row, star_of, table_head};
use std::fmt::Write as _;

/// The filters, a line each.
pub(crate) fn filters(findings: &Findings) -> Vec<String> {
    let line = |removed: &crate::filters::Removed| {
        let count = counted(removed.removed, "event", "events");
        format!("filter {}: {count} removed, {} left", removed.filter, removed.left)
    };
    findings.filters.iter().map(line).collect()
}

/// Where standard errors have another number of clusters than days, a line each.
pub(crate) fn clusters(findings: &Findings) -> Vec<String> {
    let line = |horizon: &HorizonFindings| {
        let HorizonFindings { horizon, clusters, days, .. } = horizon;
        let why = match horizon.starts_with("next_") {
            true => "pairs of neighbouring days, whose returns overlap",
            false => "articles have events on several days",
        };
        format!("at {horizon}, standard errors are of {clusters} clusters instead of {days} days: {why}")
    };
    let differ = |horizon: &&HorizonFindings| horizon.n > 0 && horizon.clusters != horizon.days;
    findings.horizons.iter().filter(differ).map(line).collect()
}

/// The further sections of the text.
pub(crate) fn text(findings: &Findings) -> String {
    let mut text = intervals_text(&findings.horizons);
    if let Some(split) = &findings.split {
        let (with, without): (Vec<_>, Vec<_>) = split.parts.iter().partition(|part| part.has_statistics());
        for part in with {
            let (name, by) = (&part.name, split.by.name());
            let (events, of) = (counted(part.events, "event", "events"), counted(part.symbols, "company", "companies"));
            let _ = writeln!(text, "\n{by} {name}: {events} of {of}");
            let _ = writeln!(text, "{}", table_head());
            for horizon in &part.horizons {
                let _ = writeln!(text, "{}", row(horizon, findings.settings.level).trim_end());
            }
        }
        if !without.is_empty() {
            let names: Vec<String> =
                without.iter().take(10).map(|part| format!("{} ({})", part.name, part.events)).collect();
            let more = without.len().saturating_sub(10);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = writeln!(
                text,
                "\nnot enough data by {} (number of events): {}{more}",
                split.by.name(),
                names.join(", ")
            );
        }
    }
    if let Some(days) = &findings.days {
        text.push_str(&days_text(days, findings.settings.level));
    }
    text
}

fn intervals_text(horizons: &[HorizonFindings]) -> String {
    let mut text = String::new();
    for horizon in horizons {
        let Some(ic) = horizon.rank_ic.value() else { continue };
        if text.is_empty() {
            let _ = writeln!(
                text,
                "\n{:<10} {:>8}  {:>18} {:>18} {:>18}",
                "rank IC", "", "jackknife", "Newey-West", "bootstrap"
            );
        }
        let band = |band: &ValueOrReason<Band>| band.value().map(|band| (band.low, band.high));
        let shown = |ends: Option<(f64, f64)>| {
            ends.map_or_else(|| "not enough data".to_owned(), |(low, high)| format!("{low:+.3} to {high:+.3}"))
        };
        let _ = writeln!(
            text,
            "{:<10} {:>+8.3}  {:>18} {:>18} {:>18}",
            horizon.horizon,
            ic.estimate,
            shown(Some((ic.low, ic.high))),
            shown(band(&horizon.rank_ic_newey_west)),
            shown(band(&horizon.rank_ic_bootstrap)),
        );
    }
    text
}

/// A rank IC with its interval and its test; `adjusted` names the adjusted p-value.
fn rank_ic_words(found: &Estimate, adjusted: &str) -> String {
    let Estimate { estimate, low, high, .. } = found;
    let t = found.t.map_or_else(String::new, |t| format!(", t {t:+.2}"));
    let p = found.p_adjusted.map_or_else(String::new, |p| format!(", {adjusted} {}", p_value(p)));
    format!("{estimate:+.3} ({low:+.3} to {high:+.3}){t}{p}")
}

fn days_text(days: &DaysFindings, level: f64) -> String {
    let mut text = format!("\n{}\n", days_words(days));
    for ic in &days.rank_ics {
        let what = match &ic.rank_ic {
            ValueOrReason::Value(found) => rank_ic_words(found, "adj. p"),
            ValueOrReason::NotKnown(reason) => reason.clone(),
        };
        let _ = writeln!(text, "day {:>2}: rank IC of score and CAR, n = {}: {what}", ic.day, ic.n);
    }
    for group in &days.groups {
        let _ = writeln!(text, "\nafter {} news{}", group.label, not_known(group));
        if group.not_known.is_some() && group.curve.is_empty() {
            continue;
        }
        let _ = write!(text, "{:<8} {:>5} {:>10}  {:>20}", "day", "n", "CAAR", "95 % interval");
        let _ = write!(text, " | {:>8} {:>11}", "n tested", "CAAR tested");
        for name in TESTS {
            let _ = write!(text, " {name:>17}");
        }
        text.push('\n');
        for tests in &group.tests {
            let Some(mean) = group.curve.iter().find(|mean| mean.day == tests.day) else { continue };
            let ends = ends(mean).unwrap_or_else(|| "few".to_owned());
            let _ = write!(text, "1 to {:<3} {:>5} {:>10}  {ends:>20}", mean.day, mean.n, basis_points(mean.caar));
            let (n, caar) = tested(tests).unwrap_or_else(|| ("few".to_owned(), "few".to_owned()));
            let _ = write!(text, " | {n:>8} {caar:>11}");
            for (place, test) in tests.each().into_iter().enumerate() {
                let shown = match test.value() {
                    None => "few".to_owned(),
                    Some(test) if !tests.is_counted(place) => format!("({:+.2})", test.statistic),
                    Some(test) => format!("{:+.2}{}", test.statistic, star_of(test.p_adjusted, level)),
                };
                let _ = write!(text, " {shown:>17}");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{TESTED_WORDS}");
        if has_not_counted(group) {
            let _ = writeln!(text, "in parentheses: {NOT_COUNTED_WORDS}");
        }
    }
    text
}

/// Which events the tests of days have, beside those of the mean.
const TESTED_WORDS: &str =
    "n tested, CAAR tested: up to day d the tests have only events of sessions that are at least d apart";

/// Why some tests of days are not counted.
const NOT_COUNTED_WORDS: &str = "tests that take events of one session for independent, where n tested share sessions; they \
    have no adjusted p and are not among the tests of the study";

/// Whether a group has tests that are not counted, see [`DayTests::is_counted`].
fn has_not_counted(group: &DayGroup) -> bool {
    group.tests.iter().any(|tests| tests.sessions < tests.n && tests.caar.is_some())
}

/// The number of events of the tests of a day, and their mean.
fn tested(tests: &DayTests) -> Option<(String, String)> {
    Some((tests.n.to_string(), basis_points(tests.caar?)))
}

/// The interval of a mean.
fn ends(mean: &DayMean) -> Option<String> {
    Some(format!("{} to {}", basis_points(mean.low?), basis_points(mean.high?)))
}

fn not_known(group: &DayGroup) -> String {
    group.not_known.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
}

fn days_words(days: &DaysFindings) -> String {
    let without_model = match days.without_model {
        0 => String::new(),
        events => format!(
            ", {events} without a model of expected returns (of the benchmark itself, of another market, or with a price that \
             never moves)"
        ),
    };
    let splits = match days.possible_splits {
        0 => String::new(),
        nights => format!(
            "; {} that may be an unknown split of 3:2, 4:3 or 5:4 {} no return (--possible-splits keep counts {})",
            counted(nights, "day across a night", "days across nights"),
            if nights == 1 { "has" } else { "have" },
            if nights == 1 { "it" } else { "them" }
        ),
    };
    format!(
        "returns of days 1 to {} after the session of the entry, from close to close, minus {}, estimated from \
         {ESTIMATION_DAYS} earlier sessions: {} events on {} days; left out: {} that overlap an earlier event of their company, \
         {} without {MINIMUM_ESTIMATION} usable earlier returns, {} without a return on day 1{without_model}{splits}",
        days.days,
        expected_words(days.expected),
        days.n,
        days.sessions,
        days.overlapping,
        days.without_history,
        days.without_outcome
    )
}

fn expected_words(expected: Expected) -> &'static str {
    match expected {
        Expected::MarketModel => "what a market model expects",
        Expected::MeanAdjusted => "the mean return",
    }
}

/// The further sections of the page.
pub(crate) fn html(findings: &Findings) -> String {
    let mut page: String = clusters(findings).iter().map(|line| format!("<p>{}.</p>\n", escaped(line))).collect();
    page.push_str(&intervals_html(findings));
    if let Some(split) = &findings.split {
        let _ = writeln!(
            page,
            "<h2>By {}</h2>\n<p>Each part is studied by itself, but its p-values are adjusted for all {} tests of the \
             study.</p>",
            split.by.name(),
            findings.tests
        );
        for part in &split.parts {
            let _ = writeln!(
                page,
                "<h3>{}</h3>\n<p>{} of {}</p>",
                escaped(&part.name),
                counted(part.events, "event", "events"),
                counted(part.symbols, "company", "companies")
            );
            if part.has_statistics() {
                page.push_str(&crate::html::horizons(&part.horizons, findings.settings.level));
            } else {
                page.push_str("<p class=\"none\">not enough data</p>\n");
            }
        }
    }
    if let Some(days) = &findings.days {
        page.push_str(&days_html(days));
    }
    page
}

fn intervals_html(findings: &Findings) -> String {
    let mut table = String::new();
    for horizon in &findings.horizons {
        let Some(ic) = horizon.rank_ic.value() else { continue };
        let cell = |band: &ValueOrReason<Band>, unit: &str| match band {
            ValueOrReason::Value(band) => format!("{:+.3} to {:+.3}<br>{} {unit}", band.low, band.high, band.span),
            ValueOrReason::NotKnown(reason) => format!("<span class=\"few\">{}</span>", escaped(reason)),
        };
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{:+.3}</td><td>{:+.3} to {:+.3}</td><td>{}</td><td>{}</td></tr>",
            horizon.horizon,
            ic.estimate,
            ic.low,
            ic.high,
            cell(&horizon.rank_ic_newey_west, "lags"),
            cell(&horizon.rank_ic_bootstrap, "days in a block"),
        );
    }
    if table.is_empty() {
        return table;
    }
    format!(
        "<h2>Intervals of the rank IC</h2>\n<table><tr><th>horizon</th><th>rank IC</th><th>jackknife over clusters</th>\
         <th>Newey-West over days</th><th>bootstrap of blocks of days</th></tr>\n{table}</table>\n"
    )
}

fn days_html(days: &DaysFindings) -> String {
    let mut page = format!("<h2>Days after the entry</h2>\n<p>{}.</p>\n", days_words(days));
    page.push_str("<table><tr><th>day</th><th>n</th><th>rank IC of score and CAR</th></tr>\n");
    for ic in &days.rank_ics {
        let cell = match &ic.rank_ic {
            ValueOrReason::Value(found) => rank_ic_words(found, "adjusted p"),
            ValueOrReason::NotKnown(reason) => format!("<span class=\"few\">{}</span>", escaped(reason)),
        };
        let _ = writeln!(page, "<tr><td>{}</td><td>{}</td><td>{cell}</td></tr>", ic.day, ic.n);
    }
    page.push_str("</table>\n");
    for group in &days.groups {
        let _ = writeln!(page, "<h3>After {} news</h3>", group.label);
        if let Some(reason) = &group.not_known {
            let _ = writeln!(page, "<p class=\"none\">{}</p>", escaped(reason));
            continue;
        }
        let _ = writeln!(page, "<p>{TESTED_WORDS}.</p>");
        if has_not_counted(group) {
            let _ = writeln!(page, "<p>Not counted: {NOT_COUNTED_WORDS}.</p>");
        }
        page.push_str("<table><tr><th>days</th><th>n</th><th>CAAR</th><th>n tested</th><th>CAAR tested</th>");
        for name in TESTS {
            let _ = write!(page, "<th>{name}</th>");
        }
        page.push_str("</tr>\n");
        for mean in &group.curve {
            let _ = write!(
                page,
                "<tr><td>1 to {}</td><td>{}</td><td>{}<br>{}</td>",
                mean.day,
                mean.n,
                basis_points(mean.caar),
                ends(mean).unwrap_or_else(|| "<span class=\"few\">not enough data for an interval</span>".to_owned())
            );
            match group.tests.iter().find(|tests| tests.day == mean.day) {
                Some(tests) => {
                    let few = || "<span class=\"few\">not enough data</span>".to_owned();
                    let (n, caar) = tested(tests).unwrap_or_else(|| (few(), few()));
                    let _ = write!(page, "<td>{n}</td><td>{caar}</td>");
                    for (place, test) in tests.each().into_iter().enumerate() {
                        let _ = write!(page, "<td>{}</td>", test_html(test, tests.is_counted(place)));
                    }
                }
                None => page.push_str("<td colspan=\"8\"></td>"),
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table>\n");
    }
    page
}

fn test_html(test: &ValueOrReason<DayTest>, is_counted: bool) -> String {
    let Some(test) = test.value() else { return "<span class=\"few\">not enough data</span>".to_owned() };
    if !is_counted {
        return format!("{:+.2}<br><span class=\"few\">not counted</span>", test.statistic);
    }
    let p = test.p_adjusted.map_or_else(String::new, |p| format!("<br>adjusted p {}", p_value(p)));
    format!("{:+.2}{p}", test.statistic)
}

/// What the methods say of filters, intervals and days, a paragraph each.
pub(crate) fn methods(findings: &Findings) -> Vec<String> {
    let mut said = Vec::new();
    let filters = filters(findings);
    if !filters.is_empty() {
        said.push(format!("Filters, in the order in which they were applied. {}.", filters.join(". ")));
    }
    said.push(format!(
        "Intervals. Beside the jackknife, the rank IC has an interval by Newey and West's standard error of what each day \
         contributes (Driscoll and Kraay), and a percentile interval by a circular bootstrap of blocks of days, {} times. \
         These intervals are not tests. Intervals of correlations end at -1 and 1, those of shares at 0 and 1, where they would \
         reach beyond; a share of exactly 0 or 1 has Wilson's interval, with clusters as trials, and no test.",
        findings.settings.bootstraps
    ));
    let splits = possible_splits(findings);
    if !splits.is_empty() {
        said.push(format!(
            "Possible splits. The join flags rows whose price jumped overnight as if by an unknown split; {}.",
            splits.join("; ")
        ));
    }
    if let Some(days) = &findings.days {
        let model = expected_words(days.expected);
        said.push(format!(
            "Days. Day d is the d-th session after that of the entry; news after the close belongs to the next session. \
             Returns are from close to close, so that day 1 begins at the close of the entry's session. Abnormal returns \
             are those less {model}, from {ESTIMATION_DAYS} sessions, which end {GAP_DAYS} before the entry's. Of a \
             company's events, one that begins before the last day of an earlier one does not count. Returns up to \
             day d > 1 overlap with those of neighbouring sessions: for their rank ICs and intervals, the events of up to \
             {BLOCK} d sessions in a row are one cluster, and the six tests have only events of sessions \
             that are at least d apart, whose number and mean are beside them. Where several of these share a session, \
             only Kolari and Pynnonen's test is counted, which allows for their correlation; the others take them for \
             independent. The rank test is that of Corrado and Zivney (1992), for windows of unequal length."
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tests_cell_calls_an_adjusted_p_so() {
        let test = |p_adjusted| ValueOrReason::Value(DayTest { statistic: 2.5, p: 0.0124, p_adjusted });
        assert_eq!(test_html(&test(Some(0.25)), true), "+2.50<br>adjusted p 0.25");
        assert_eq!(test_html(&test(None), true), "+2.50");
        assert!(test_html(&test(None), false).contains("not counted"));
        assert!(test_html(&ValueOrReason::NotKnown("few".into()), false).contains("not enough data"));
    }
}
