//! How the findings were computed, in the words of a paper's methods section.

use crate::events::Outcome;
use crate::filters::Novelty;
use crate::findings::{Findings, MINIMUM_GROUP, MOST_SHUFFLED, QUANTILES};
use crate::panels::{Model, Panels};
use crate::sections;
use tapewire_core::story::SPAN;

/// The version of tapewire.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Paragraphs with an empty line between them.
pub(crate) fn text(findings: &Findings) -> String {
    let mut paragraphs = vec![data(findings), rules(findings), statistics(findings)];
    paragraphs.extend(sections::methods(findings));
    paragraphs.push(pictures());
    paragraphs.join("\n\n")
}

fn data(findings: &Findings) -> String {
    let Findings { rows, articles, events, symbols, panels, .. } = findings;
    let period = match (findings.from, findings.until) {
        (Some(from), Some(until)) => {
            format!(" The news of these events became available from {from:.0} to {until:.0}.")
        }
        _ => String::new(),
    };
    format!(
        "Data. tapewire {VERSION} joined {rows} mentions (one for each article and company) in {articles} articles with \
         {}; {events} of them are events, of {symbols} companies.{period} {}",
        bars(panels),
        models(panels)
    )
}

fn bars(panels: &Panels) -> String {
    let widths: Vec<String> = panels.bar_widths.iter().map(|width| width_in_words(width.seconds)).collect();
    match widths.as_slice() {
        [] => "bars".to_owned(),
        [one] => format!("bars of {one}"),
        _ => format!("bars of {}", widths.join(" and ")),
    }
}

/// A number of seconds as a person says it.
pub(crate) fn width_in_words(seconds: u32) -> String {
    match seconds {
        86_400 => "1 day".to_owned(),
        seconds if seconds % 3600 == 0 => plural(seconds / 3600, "hour"),
        seconds if seconds % 60 == 0 => plural(seconds / 60, "minute"),
        seconds => plural(seconds, "second"),
    }
}

fn plural(n: u32, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

fn models(panels: &Panels) -> String {
    let name = |model: &Model| match model.revision.as_str() {
        "" => model.name.clone(),
        revision => format!("{} (revision {revision})", model.name),
    };
    let names: Vec<String> = panels.models.iter().map(name).collect();
    if names.is_empty() {
        "The rows do not say which model scored them.".to_owned()
    } else {
        format!(
            "Sentiment was scored by {}; the score is p(positive) - p(negative) of the text about the company, between -1 \
             and 1, and the class is the likeliest of the three.",
            names.join(", ")
        )
    }
}

fn rules(findings: &Findings) -> String {
    let settings = &findings.settings;
    let outcome = match settings.outcome {
        Outcome::Abnormal => {
            "less the return that a market model expects (constant and slope on the benchmark, estimated from the sessions \
             before)"
        }
        Outcome::Raw => "not adjusted for the market",
    };
    let horizons: Vec<&str> = findings.horizons.iter().map(|horizon| horizon.horizon).collect();
    format!(
        "Events. The entry is the first price at which anyone could have traded after the news was known; no price at or \
         before that moment is used. The outcome is the log return from the entry to each horizon ({}), {outcome}. \
         {stories} At each horizon, an event of a company that begins before the outcome of an earlier one has ended does not \
         count. A horizon with fewer than {} events, or from fewer than {} days, has no statistic, and neither has a group \
         of fewer than {MINIMUM_GROUP} events.",
        horizons.join(", "),
        settings.minimum_events,
        settings.minimum_days,
        stories = stories(findings)
    )
}

/// How often a story counts that is told again.
fn stories(findings: &Findings) -> String {
    let Findings { events, untitled, .. } = findings;
    let first = format!(
        "A company's story that is told again within {} hours, in the same or in other words, counts once, the first time.",
        SPAN.as_hours()
    );
    match (findings.settings.filters.novelty, *untitled) {
        (Novelty::All, _) => "A company's story that is told again counts each time.".to_owned(),
        (Novelty::First, 0) => first,
        (Novelty::First, untitled) if untitled == *events => {
            "The rows have no titles, so a company's story that is told again counts each time.".to_owned()
        }
        (Novelty::First, untitled) => {
            format!("{first} {untitled} of the {events} events have no title, and each counts as a story of its own.")
        }
    }
}

fn statistics(findings: &Findings) -> String {
    let settings = &findings.settings;
    format!(
        "Statistics. The rank information coefficient (IC) is Spearman's correlation of score and outcome over all events, \
         equal values sharing the mean of their ranks. The hit rate is the share of outcomes that have the sign of the \
         score, tested against 50 %; events where either is 0 do not count. The spread is the mean outcome of the highest \
         {} of scores less that of the lowest. Standard errors are those of the jackknife over clusters (CRV3; Cameron and \
         Miller 2015), compared with Student's distribution with as many degrees of freedom as clusters less one; events of \
         one day, and of one article about several companies, are one cluster; where an article has events on several days, \
         days and articles are clusters of two kinds (MacKinnon, Nielsen and Webb 2024). Returns to the next close overlap \
         with those of neighbouring days, and so do those to the next open of several markets: there the two kinds are \
         pairs of neighbouring days, those that begin at even and those that begin at odd days, and fewer than {} \
         pairs have no statistic. Intervals are of 95 % and not adjusted. \
         P-values are two-sided and adjusted by Holm's method (1979) for all {} tests of the study, which the program \
         counts. The permutation test exchanges the scores of articles within each day, those of one article together and \
         with an article about as many companies ({} times, seed {}; with more than {} events its p-value is the limit for \
         all shuffles, from their exact mean and variance), and is adjusted by Holm's method for the number of horizons, of all \
         parts. Its smallest possible p-value is the share of different shuffles that order outcomes as well as any can; where \
         that is above the level after correction, the test can't find anything, and it is not said that there is nothing. An \
         effect is called found where both p-values are at most {}. Other choices of \
         data or rules, tried before this study, are not counted.",
        if QUANTILES == 5 { "fifth" } else { "quantile" },
        settings.minimum_days,
        findings.tests,
        settings.permutations,
        settings.seed,
        MOST_SHUFFLED,
        settings.level
    )
}

fn pictures() -> String {
    "Pictures. They show estimates with the same standard errors and no further tests. The line in the scatter plot is least \
     squares. Calibration compares the share of outcomes above 0, in groups of equally many scores, with (1 + score) / 2. \
     Returns before the news are log returns, not adjusted for the market, from the first price at or after the earlier \
     moment to the last price before the news, without windows that a split or a dividend may be in. The sensitivity to \
     delay joins the same news again as if it had been known later, with the same scores."
        .to_owned()
}
