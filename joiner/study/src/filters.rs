//! Which events are studied, how their scores are transformed, and how they are divided into parts.

use crate::events::{Event, Sample};
use crate::findings::QUANTILES;
use crate::row::Row;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tapewire_core::Symbol;
use tapewire_core::impact::Phase;
use tapewire_statistics::groups::quantile_of;

/// A company's scores are made comparable by their mean and standard deviation only if it has this many events.
pub const MINIMUM_FOR_Z: usize = 10;

/// Which mentions of a story are events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Novelty {
    /// All but those that repeat a story about the company of the 72 hours before.
    #[default]
    First,
    /// Every mention.
    All,
}

/// Whether outcomes across what may be an unknown split count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PossibleSplits {
    /// They are left out, and counted.
    #[default]
    LeaveOut,
    /// They count.
    Keep,
}

/// What is correlated with the outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreAs {
    /// The score as it is.
    #[default]
    Raw,
    /// The score less the mean of the company's events, over their standard deviation. A company with fewer than
    /// [`MINIMUM_FOR_Z`] events, or with equal scores, has none.
    ZScore,
    /// The fifth of all scores that it is in: -1, -0.5, 0, 0.5 or 1.
    Quantile,
}

/// Some of the quantiles of the scores, counted from 1, the lowest scores first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoreQuantiles {
    /// How many quantiles the scores are divided into.
    pub of: usize,
    /// Those that are kept.
    pub kept: Vec<usize>,
}

/// Which events are studied. An empty list keeps all.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Filters {
    /// Companies.
    #[serde(serialize_with = "symbols")]
    pub symbols: Vec<Symbol>,
    /// First day (UTC) on which the news became available.
    pub from: Option<Date>,
    /// Last day (UTC), included.
    pub to: Option<Date>,
    /// Providers.
    pub sources: Vec<String>,
    /// Publishers.
    pub publishers: Vec<String>,
    /// Phases of the trading day in which the news became available.
    #[serde(serialize_with = "phases")]
    pub phases: Vec<Phase>,
    /// Classes.
    pub labels: Vec<&'static str>,
    /// Least relevance.
    pub minimum_relevance: Option<f64>,
    /// Which mentions of a story count.
    pub novelty: Novelty,
    /// Whether outcomes across what may be an unknown split count.
    pub possible_splits: PossibleSplits,
    /// Quantiles of the scores of the events that the other filters leave.
    pub score_quantiles: Option<ScoreQuantiles>,
}

/// What one filter, or one way to transform scores, has removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The filter in words.
    pub filter: String,
    /// Number of events that it removed, after the filters before it.
    pub removed: usize,
    /// Number of events that were left.
    pub left: usize,
}

/// What events are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// When in the trading day the news became available.
    Session,
    /// Whether it is the first mention of its story.
    Novelty,
    /// Provider.
    Source,
    /// Publisher.
    Publisher,
    /// Class.
    Label,
    /// Company.
    Symbol,
    /// Fifth of the scores.
    Quantile,
    /// Month (UTC) in which the news became available.
    Month,
}

fn symbols<S: Serializer>(symbols: &[Symbol], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(symbols.iter().map(Symbol::as_str))
}

fn phases<S: Serializer>(phases: &[Phase], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(phases.iter().map(|phase| phase.as_str()))
}

/// The phase as `--session` names it.
pub fn session_name(phase: Phase) -> &'static str {
    match phase {
        Phase::PreMarket => "pre",
        Phase::Session => "regular",
        Phase::Break => "break",
        Phase::AfterHours => "post",
        Phase::Closed => "closed",
    }
}

fn day(event: &Event) -> Date {
    event.available_at.to_zoned(TimeZone::UTC).date()
}

/// One filter: its words, and whether it keeps an event.
type Filter<'a> = (String, Box<dyn Fn(&Event) -> bool + 'a>);

impl Filters {
    /// The filters other than novelty and score quantiles, in the order in which they are applied.
    fn each(&self) -> Vec<Filter<'_>> {
        let mut all: Vec<Filter<'_>> = Vec::new();
        if !self.symbols.is_empty() {
            let names: Vec<&str> = self.symbols.iter().map(Symbol::as_str).collect();
            all.push((format!("symbols {}", names.join(", ")), Box::new(|event| self.symbols.contains(&event.symbol))));
        }
        if let Some(from) = self.from {
            all.push((format!("from {from}"), Box::new(move |event| day(event) >= from)));
        }
        if let Some(to) = self.to {
            all.push((format!("to {to}"), Box::new(move |event| day(event) <= to)));
        }
        if !self.sources.is_empty() {
            let words = format!("source {}", self.sources.join(", "));
            all.push((words, Box::new(|event| self.sources.contains(&event.provider))));
        }
        if !self.publishers.is_empty() {
            let words = format!("publisher {}", self.publishers.join(", "));
            all.push((words, Box::new(|event| self.publishers.contains(&event.publisher))));
        }
        if !self.phases.is_empty() {
            let names: Vec<&str> = self.phases.iter().map(|&phase| session_name(phase)).collect();
            let keep = |event: &Event| event.phase.is_some_and(|phase| self.phases.contains(&phase));
            all.push((format!("session {}", names.join(", ")), Box::new(keep)));
        }
        if !self.labels.is_empty() {
            let keep = |event: &Event| event.label.is_some_and(|label| self.labels.contains(&label));
            all.push((format!("label {}", self.labels.join(", ")), Box::new(keep)));
        }
        if let Some(least) = self.minimum_relevance {
            let keep = move |event: &Event| event.relevance.is_some_and(|relevance| relevance >= least);
            all.push((format!("relevance of at least {least}"), Box::new(keep)));
        }
        all
    }

    /// A filter's flag and the column that it needs, if no row has a value in that column.
    pub fn filter_without_data(&self, rows: &[Row]) -> Option<(&'static str, &'static str)> {
        let lacks = |has: fn(&Row) -> bool| !rows.iter().any(has);
        if !self.phases.is_empty() && lacks(|row| row.phase.is_some()) {
            return Some(("--session", "phase"));
        }
        if !self.labels.is_empty() && lacks(|row| row.label.is_some()) {
            return Some(("--label", "label"));
        }
        if self.minimum_relevance.is_some() && lacks(|row| row.relevance.is_some()) {
            return Some(("--minimum-relevance", "relevance"));
        }
        if !self.publishers.is_empty() && lacks(|row| !row.publisher.is_empty()) {
            return Some(("--publisher", "publisher"));
        }
        if !self.sources.is_empty() && lacks(|row| !row.provider.is_empty()) {
            return Some(("--source", "provider"));
        }
        None
    }

    /// Removes the events that are not studied, and transforms the scores of the others.
    pub(crate) fn apply(&self, sample: &mut Sample, score: ScoreAs) -> Vec<Removed> {
        let mut all = Vec::new();
        if self.possible_splits == PossibleSplits::LeaveOut {
            sample.drop_possible_splits();
        }
        match self.novelty {
            Novelty::First => sample.drop_repeated(),
            Novelty::All => all.push(Removed {
                filter: "novelty all: repeated stories are events, too".to_owned(),
                removed: 0,
                left: sample.events.len(),
            }),
        }
        for (filter, keeps) in self.each() {
            let before = sample.events.len();
            sample.events.retain(|event| keeps(event));
            all.push(Removed { filter, removed: before - sample.events.len(), left: sample.events.len() });
        }
        if let Some(wanted) = &self.score_quantiles {
            let before = sample.events.len();
            let scores = sample.scores();
            // If all scores are equal, or there are fewer scores than quantiles, there are no quantiles: no event is left.
            let quantile = quantile_of(&scores, wanted.of).unwrap_or_default();
            let mut quantile = quantile.into_iter();
            sample.events.retain(|_| quantile.next().is_some_and(|own| wanted.kept.contains(&(own + 1))));
            let left = sample.events.len();
            let filter = if left == 0 { wanted.words() + &wanted.why_empty(&scores) } else { wanted.words() };
            all.push(Removed { filter, removed: before - left, left });
        }
        all.extend(score.apply(sample));
        all
    }
}

impl ScoreQuantiles {
    /// Why the quantiles have none of the scores, to be read after their words.
    fn why_empty(&self, scores: &[f64]) -> String {
        if scores.len() < self.of {
            return format!(" (there are fewer scores, {}, than quantiles)", scores.len());
        }
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let most = sorted.chunk_by(|one, next| one == next).max_by_key(|equal| equal.len());
        most.map_or_else(String::new, |equal| {
            format!(
                " (empty, because {} of {} scores are equal to {}, and equal scores are in one quantile; use --label, or \
                 another quantile)",
                equal.len(),
                scores.len(),
                equal[0]
            )
        })
    }

    /// The quantiles in words.
    pub fn words(&self) -> String {
        let kept: Vec<String> = self.kept.iter().map(usize::to_string).collect();
        format!("score quantile {} of {}, the lowest being 1", kept.join(" and "), self.of)
    }
}

impl ScoreAs {
    fn apply(self, sample: &mut Sample) -> Option<Removed> {
        match self {
            Self::Raw => None,
            Self::ZScore => {
                let before = sample.events.len();
                let mut by_symbol: HashMap<Symbol, Vec<f64>> = HashMap::new();
                for event in &sample.events {
                    by_symbol.entry(event.symbol.clone()).or_default().push(event.score);
                }
                let mean_and_deviation = |scores: &Vec<f64>| {
                    let n = scores.len() as f64;
                    let mean = scores.iter().sum::<f64>() / n;
                    let deviation = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
                    let differ = scores.iter().any(|score| score != &scores[0]);
                    (scores.len() >= MINIMUM_FOR_Z && differ).then_some((mean, deviation))
                };
                let by_symbol: HashMap<Symbol, (f64, f64)> = by_symbol
                    .iter()
                    .filter_map(|(symbol, scores)| Some((symbol.clone(), mean_and_deviation(scores)?)))
                    .collect();
                sample.events.retain_mut(|event| match by_symbol.get(&event.symbol) {
                    Some((mean, deviation)) => {
                        event.score = (event.score - mean) / deviation;
                        true
                    }
                    None => false,
                });
                let filter =
                    format!("score zscore: companies with {MINIMUM_FOR_Z} events whose scores differ, each by itself");
                Some(Removed { filter, removed: before - sample.events.len(), left: sample.events.len() })
            }
            Self::Quantile => {
                let scores = sample.scores();
                match quantile_of(&scores, QUANTILES) {
                    Ok(fifths) => {
                        for (event, fifth) in sample.events.iter_mut().zip(fifths) {
                            event.score = fifth as f64 / 2.0 - 1.0;
                        }
                    }
                    // Equal scores are in no fifth. They stay equal, and a study of them says so.
                    Err(_) => sample.events.iter_mut().for_each(|event| event.score = 0.0),
                }
                let filter = "score quantile: the fifth of all scores, from -1 to 1".to_owned();
                Some(Removed { filter, removed: 0, left: sample.events.len() })
            }
        }
    }
}

impl SplitBy {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Novelty => "novelty",
            Self::Source => "source",
            Self::Publisher => "publisher",
            Self::Label => "label",
            Self::Symbol => "symbol",
            Self::Quantile => "quantile",
            Self::Month => "month",
        }
    }

    /// The part of an event; `fifth` is that of its score.
    fn part(self, event: &Event, fifth: Option<usize>) -> String {
        let or_not_known = |text: &str| if text.is_empty() { "not known".to_owned() } else { text.to_owned() };
        match self {
            Self::Session => event.phase.map_or_else(|| or_not_known(""), |phase| session_name(phase).to_owned()),
            Self::Novelty => if event.is_first { "first" } else { "repeated" }.to_owned(),
            Self::Source => or_not_known(&event.provider),
            Self::Publisher => or_not_known(&event.publisher),
            Self::Label => or_not_known(event.label.unwrap_or_default()),
            Self::Symbol => event.symbol.to_string(),
            Self::Quantile => fifth.map_or_else(|| or_not_known(""), |fifth| format!("{} of {QUANTILES}", fifth + 1)),
            Self::Month => event.available_at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string(),
        }
    }

    /// Whether parts are listed by name (quantiles, months, novelty), not by size.
    fn is_ordered_by_name(self) -> bool {
        matches!(self, Self::Quantile | Self::Month | Self::Novelty)
    }

    /// The events divided into parts, each as a sample of its own.
    pub(crate) fn parts(self, sample: &Sample) -> Vec<(String, Sample)> {
        let scores = sample.scores();
        let fifths = quantile_of(&scores, QUANTILES).ok();
        let mut parts: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for (place, event) in sample.events.iter().enumerate() {
            let name = self.part(event, fifths.as_ref().map(|fifths| fifths[place]));
            parts.entry(name).or_default().push(event.clone());
        }
        let part = |(name, events): (String, Vec<Event>)| {
            let articles = events.iter().map(|event| event.article).collect::<BTreeSet<_>>().len();
            (name, Sample { rows: events.len(), articles, events, left_out: Vec::new(), models: Vec::new() })
        };
        let mut parts: Vec<(String, Sample)> = parts.into_iter().map(part).collect();
        if !self.is_ordered_by_name() {
            parts.sort_by_key(|(_, sample)| std::cmp::Reverse(sample.events.len()));
        }
        parts
    }
}
