//! The statistics of each horizon.

use crate::clusters::Clusters;
use crate::daily::{DailyReturns, DaysFindings};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::{LeftOut, Outcome, Used, sample_with_repeated};
use crate::examples::{Example, examples};
use crate::families::Families;
use crate::filters::{Filters, Novelty, Removed, ScoreAs, SplitBy};
use crate::intervals::{self, Band};
use crate::methods;
use crate::panels::{self, Joined, Panels};
use crate::parts::Split;
use crate::row::Row;
use crate::sentence::{self, Verdict};
use jiff::Timestamp;
use rayon::prelude::*;
use serde::{Serialize, Serializer};
use std::collections::HashSet;
use tapewire_core::Horizon;
use tapewire_core::exchange::Calendars;
use tapewire_core::impact::Moment;
use tapewire_statistics::ic::{Correlation, correlation};
use tapewire_statistics::regression::Design;
use tapewire_statistics::shuffles::{all_shuffles, permute_articles, smallest_p};
use tapewire_statistics::{Error, Result, Test};

/// Number of quantiles of the scores, also of `--score quantile` and of `--split-by quantile`.
pub const QUANTILES: usize = 5;

/// A group of events, such as those with positive news, has no statistic if it has fewer events than this.
pub const MINIMUM_GROUP: usize = 10;

/// What to study, and how much data a statistic needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// The return that counts.
    pub outcome: Outcome,
    /// Fewest events of a horizon; with fewer it has no statistic.
    pub minimum_events: usize,
    /// Fewest days with events of a horizon; with fewer it has no statistic.
    pub minimum_days: usize,
    /// Chance of a false finding that is accepted, over all tests together.
    pub level: f64,
    /// Number of permutations.
    pub permutations: usize,
    /// Seed of the permutations and of the bootstrap.
    pub seed: u64,
    /// Number of replicates of the bootstrap.
    pub bootstraps: usize,
    /// The horizons that are studied, in the order of time.
    #[serde(serialize_with = "names")]
    pub horizons: Vec<Horizon>,
    /// Which events are studied.
    pub filters: Filters,
    /// What is correlated with the outcomes.
    pub score: ScoreAs,
    /// What events are divided by.
    pub split_by: Option<SplitBy>,
    /// Number of days after the entry that are studied; 0: none.
    pub days: usize,
    /// The market of each symbol, whose sessions are its days.
    #[serde(skip)]
    pub calendars: Calendars,
}

fn names<S: Serializer>(horizons: &[Horizon], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_seq(horizons.iter().map(|horizon| horizon.name()))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            outcome: Outcome::Abnormal,
            minimum_events: 30,
            minimum_days: 10,
            level: 0.05,
            permutations: 4999,
            seed: 1,
            bootstraps: 1999,
            horizons: Horizon::ALL.to_vec(),
            filters: Filters::default(),
            score: ScoreAs::default(),
            split_by: None,
            days: 0,
            calendars: Calendars::default(),
        }
    }
}

/// The mean outcome of one quantile of the scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantileMean {
    /// Mean score.
    pub mean_score: Option<f64>,
    /// Mean outcome.
    pub mean: ValueOrReason<Estimate>,
    /// Number of events.
    pub n: usize,
}

/// Scores shuffled within days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Permutation {
    /// Share of permutations in which scores order outcomes within days at least as well, in either direction.
    pub p: f64,
    /// `p`, adjusted for the number of horizons, those of all parts included.
    pub p_adjusted: Option<f64>,
    /// The smallest `p` that these articles and days allow: the share of shuffles that order outcomes as well as any can, or
    /// 1 / (1 + permutations) if that is larger.
    pub smallest_p: f64,
    /// The smallest `p_adjusted`: the `smallest_p` of all horizons and parts, adjusted for their number. Above the level
    /// the test can't find anything.
    pub smallest_p_adjusted: Option<f64>,
}

/// One horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HorizonFindings {
    /// Its name, such as `5m`.
    pub horizon: &'static str,
    /// Number of events that count.
    pub n: usize,
    /// Number of days that they are from.
    pub days: usize,
    /// Number of clusters of the standard errors: of days, or where returns overlap from day to day, of pairs of days.
    pub clusters: usize,
    /// Number of companies that they are about.
    pub symbols: usize,
    /// Number of events without an outcome at this horizon.
    pub without_outcome: usize,
    /// Number of events whose outcome is across what may be a split of 3:2, 4:3 or 5:4, or of the benchmark: left out, and
    /// also counted in `without_outcome`, unless [`Filters::possible_splits`] keeps them.
    pub possible_splits: usize,
    /// Number of events that overlap an earlier one of the same company.
    pub overlapping: usize,
    /// Spearman's rank correlation of scores and outcomes.
    pub rank_ic: ValueOrReason<Estimate>,
    /// The interval of the rank IC by Newey and West's standard error over days.
    pub rank_ic_newey_west: ValueOrReason<Band>,
    /// The interval of the rank IC by a bootstrap of blocks of days.
    pub rank_ic_bootstrap: ValueOrReason<Band>,
    /// The permutation test of the rank correlation, within days.
    pub permutation: ValueOrReason<Permutation>,
    /// Mean outcome after positive news.
    pub positive: ValueOrReason<Estimate>,
    /// Mean outcome after neutral news.
    pub neutral: ValueOrReason<Estimate>,
    /// Mean outcome after negative news.
    pub negative: ValueOrReason<Estimate>,
    /// Share of events whose outcome has the sign of the score; those where either is 0 do not count.
    pub hit_rate: ValueOrReason<Estimate>,
    /// Mean outcome of the highest fifth of the scores less that of the lowest.
    pub spread: ValueOrReason<Estimate>,
    /// Each fifth of the scores, the lowest first.
    pub quantiles: ValueOrReason<Vec<QuantileMean>>,
}

/// All that a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    /// Whether scores order the returns that follow.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub sentence: String,
    /// What was studied.
    pub settings: Settings,
    /// Number of rows: mentions, one for each article and company.
    pub rows: usize,
    /// Number of articles.
    pub articles: usize,
    /// Number of events: rows that count.
    pub events: usize,
    /// Number of events without a title, which can't be told to repeat a story.
    #[serde(skip)]
    pub untitled: usize,
    /// Number of companies with an event.
    pub symbols: usize,
    /// When the first event's news was available (UTC).
    pub from: Option<Timestamp>,
    /// When the last event's news was available (UTC).
    pub until: Option<Timestamp>,
    /// Rows that are not events, by reason.
    pub left_out: Vec<LeftOut>,
    /// What each filter removed, in the order in which they were applied.
    pub filters: Vec<Removed>,
    /// By horizon.
    pub horizons: Vec<HorizonFindings>,
    /// The same for each part of the events, if they were divided.
    pub split: Option<Split>,
    /// Days after the entry, if they were studied.
    pub days: Option<DaysFindings>,
    /// The horizons at which an event that is left has an outcome, whether or not they are studied.
    #[serde(skip)]
    pub reached: Vec<&'static str>,
    /// Number of tests that p-values are adjusted for, counted by the program.
    pub tests: usize,
    /// The horizon with the most events.
    #[serde(rename = "largest_horizon")]
    pub horizon_with_most_events: Option<&'static str>,
    /// The events with the largest outcomes at that horizon, of either sign.
    pub examples: Vec<Example>,
    /// What the report shows beside the horizons.
    pub panels: Panels,
    /// How all this was computed, in the words of a paper's methods section.
    pub methods: String,
}

/// Studies joined rows.
pub fn study<R>(rows: &[R], settings: &Settings) -> Findings
where
    R: Sync,
    for<'a> Row: From<&'a R>,
{
    study_with(rows, settings, None, Joined::default())
}

/// Studies joined rows, and with `daily` also the days after the entry, as many as the settings say. `joined` is what
/// the join knows beyond the rows: with it the report shows what moved before the news, and how much a delay costs.
pub fn study_with<R>(rows: &[R], settings: &Settings, daily: Option<&DailyReturns>, joined: Joined<'_>) -> Findings
where
    R: Sync,
    for<'a> Row: From<&'a R>,
{
    let mut sample =
        sample_with_repeated(rows.par_iter().map(Row::from).collect(), settings.outcome, &settings.calendars);
    let mut filters = settings.filters.clone();
    if settings.split_by == Some(SplitBy::Novelty) {
        filters.novelty = Novelty::All;
    }
    let removed = filters.apply(&mut sample, settings.score);
    let has = |place: usize| sample.events.iter().any(|event| event.outcomes[place].is_some());
    let reached = (0..Horizon::COUNT).filter(|&place| has(place)).map(|place| Horizon::ALL[place].name()).collect();
    let mut families = Families::new();
    let mut horizons = families.horizons(&sample, settings);
    let mut split = settings.split_by.map(|by| Split::of(by, &sample, settings, &mut families));
    let mut days = daily.map(|daily| DaysFindings::of(&sample, daily, settings, &mut families));
    families.adjust(&mut horizons, split.as_mut(), days.as_mut());
    let studied = settings.horizons.iter().zip(&horizons).filter(|(_, horizon)| horizon.n > 0);
    let main_horizon = studied.max_by_key(|(_, horizon)| horizon.n).map(|(&horizon, _)| horizon);
    let symbols: HashSet<_> = sample.events.iter().map(|event| &event.symbol).collect();
    let tests = families.tests();
    let (verdict, sentence) = sentence::verdict(sentence::Studied {
        horizons: &horizons,
        split: split.as_ref(),
        days: days.as_ref(),
        settings,
        events: sample.events.len(),
        filters: &removed,
        tests,
    });
    let panels = panels::of(&sample, &horizons, main_horizon, settings, joined);
    let mut findings = Findings {
        verdict,
        sentence,
        settings: Settings { filters, ..settings.clone() },
        rows: sample.rows,
        articles: sample.articles,
        events: sample.events.len(),
        untitled: sample.events.iter().filter(|event| event.headline.trim().is_empty()).count(),
        symbols: symbols.len(),
        from: sample.events.first().map(|event| event.available_at),
        until: sample.events.last().map(|event| event.available_at),
        examples: main_horizon.map(|horizon| examples(&sample, horizon)).unwrap_or_default(),
        horizon_with_most_events: main_horizon.map(Horizon::name),
        left_out: sample.left_out,
        filters: removed,
        horizons,
        split,
        days,
        reached,
        tests,
        panels,
        methods: String::new(),
    };
    findings.methods = methods::text(&findings);
    findings
}

/// The statistics of one horizon, whose events are `used`. Its tests are added to `families`.
pub(crate) fn of_horizon(
    horizon: Horizon,
    used: &Used<'_>,
    settings: &Settings,
    families: &mut Families,
) -> HorizonFindings {
    let enough = used.require_minimum(settings);
    let mut tested = |what: &str, compute: &dyn Fn() -> Result<Estimate>| -> ValueOrReason<Estimate> {
        let estimate = enough.clone().and_then(|()| compute());
        families.add(format!("{what} {}", horizon.name()), estimate.clone().and_then(|estimate| estimate.test()));
        estimate.into()
    };
    let rank_ic = tested(RANK_IC, &|| rank_ic(used));
    let mean_of = |label: &'static str| move || class_mean(used, label);
    let (positive, neutral) = (tested(POSITIVE, &mean_of("positive")), tested(NEUTRAL, &mean_of("neutral")));
    let negative = tested(NEGATIVE, &mean_of("negative"));
    let hit_rate = tested(HIT_RATE, &|| hit_rate(used));
    let spread = tested(SPREAD, &|| spread(used));
    // Without a rank correlation there is nothing that shuffles could do as well as.
    let permuted = enough.clone().and_then(|()| standardized_ranks(used)).and_then(|_| permutation(used, settings));
    let permuted = families.permutation(horizon.name(), permuted);
    // A return to the next session reaches into one further day.
    let overlap = usize::from(matches!(horizon.moment(), Moment::NextOpen | Moment::NextClose));
    let ranked = enough.clone().and_then(|()| standardized_ranks(used));
    let ranked = || ranked.as_ref().map_err(Error::clone);
    let (replicates, seed) = (settings.bootstraps, settings.seed);
    HorizonFindings {
        horizon: horizon.name(),
        n: used.events.len(),
        days: used.count_days(),
        clusters: used.clusters().count(),
        symbols: used.count_symbols(),
        without_outcome: used.without_outcome,
        possible_splits: 0,
        overlapping: used.overlapping,
        rank_ic,
        rank_ic_newey_west: ranked().and_then(|[x, y]| intervals::newey_west(x, y, used, overlap)).into(),
        rank_ic_bootstrap: ranked()
            .and_then(|[x, y]| intervals::block_bootstrap(x, y, used, overlap, replicates, seed))
            .into(),
        permutation: permuted
            .map(|(p, smallest_p)| Permutation { p, p_adjusted: None, smallest_p, smallest_p_adjusted: None })
            .into(),
        positive,
        neutral,
        negative,
        hit_rate,
        spread,
        quantiles: enough.and_then(|()| quantiles(used)).into(),
    }
}

pub(crate) const RANK_IC: &str = "rank IC";
const POSITIVE: &str = "mean after positive news";
const NEUTRAL: &str = "mean after neutral news";
const NEGATIVE: &str = "mean after negative news";
pub(crate) const HIT_RATE: &str = "hit rate";
const SPREAD: &str = "spread";

impl Permutation {
    /// The smallest adjusted p-value that is possible, if it is above `level`, so that nothing can be found.
    pub(crate) fn can_not_reach(&self, level: f64) -> Option<f64> {
        self.smallest_p_adjusted.filter(|smallest| *smallest > level)
    }
}

impl HorizonFindings {
    /// Every estimate that was tested, with its name, in the order of the tests.
    pub fn estimates(&self) -> [(&'static str, &ValueOrReason<Estimate>); 6] {
        [
            (RANK_IC, &self.rank_ic),
            (POSITIVE, &self.positive),
            (NEUTRAL, &self.neutral),
            (NEGATIVE, &self.negative),
            (HIT_RATE, &self.hit_rate),
            (SPREAD, &self.spread),
        ]
    }

    pub(crate) fn estimates_mut(&mut self) -> [&mut ValueOrReason<Estimate>; 6] {
        [
            &mut self.rank_ic,
            &mut self.positive,
            &mut self.neutral,
            &mut self.negative,
            &mut self.hit_rate,
            &mut self.spread,
        ]
    }
}

/// Refuses a horizon with too few events or days.
pub(crate) fn require_minimum(events: usize, days: usize, settings: &Settings) -> Result<()> {
    let at_least = |what, found, needed| {
        if found < needed { Err(Error::TooFew { what, found, needed }) } else { Ok(()) }
    };
    at_least("events", events, settings.minimum_events)?;
    at_least("days with events", days, settings.minimum_days)
}

/// The rank correlation of scores and outcomes: the slope of a regression of standardized ranks on standardized ranks.
pub(crate) fn rank_ic(used: &Used<'_>) -> Result<Estimate> {
    let [x, y] = standardized_ranks(used)?;
    let found = Estimate::clustered(Design::with_constant(x.len(), &[&x])?, &y, 1, used.clusters());
    let is_same = |sign: f64| x.iter().zip(&y).all(|(x, y)| (x - sign * y).abs() < 1e-9);
    match found {
        Err(Error::Constant { .. }) if is_same(1.0) => Err(Error::Undefined { why: SAME_ORDER }),
        Err(Error::Constant { .. }) if is_same(-1.0) => Err(Error::Undefined { why: REVERSE_ORDER }),
        found => Ok(found?.within(-1.0, 1.0)),
    }
}

/// Why a rank correlation of 1 has no test.
const SAME_ORDER: &str = "the rank IC is exactly +1: outcomes have the order of the scores without an exception, so its \
    standard error, interval and test are undefined";
/// Why a rank correlation of -1 has no test.
const REVERSE_ORDER: &str = "the rank IC is exactly -1: outcomes have the reverse order of the scores without an \
    exception, so its standard error, interval and test are undefined";

pub(crate) fn standardized_ranks(used: &Used<'_>) -> Result<[Vec<f64>; 2]> {
    let (scores, outcomes) = (used.score_ranks(), used.outcome_ranks());
    // Called for its error: it refuses scores or outcomes that are constant.
    correlation(Correlation::Pearson, scores, outcomes)?;
    Ok([scores, outcomes].map(standardized))
}

/// `values` less their mean, divided by their standard deviation.
fn standardized(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean) / variance.sqrt()).collect()
}

/// The rows of `used` that are kept, as their outcomes and clusters; refused where they are few.
fn group(used: &Used<'_>, keep: impl Fn(usize) -> bool, what: &'static str) -> Result<(Vec<f64>, Clusters)> {
    let kept: Vec<usize> = (0..used.events.len()).filter(|&event| keep(event)).collect();
    if kept.len() < MINIMUM_GROUP {
        return Err(Error::TooFew { what, found: kept.len(), needed: MINIMUM_GROUP });
    }
    Ok((kept.iter().map(|&event| used.outcomes[event]).collect(), used.clusters().of(&kept)))
}

fn class_mean(used: &Used<'_>, label: &str) -> Result<Estimate> {
    if used.events.iter().all(|event| event.label.is_none()) {
        return Err(Error::Undefined { why: NO_LABEL });
    }
    let (outcomes, clusters) = group(used, |event| used.events[event].label == Some(label), "events of this class")?;
    Estimate::mean(&outcomes, &clusters)
}

/// Why there is no mean of a class where rows have no classes.
pub(crate) const NO_LABEL: &str = "no label: no event has a class";

fn hit_rate(used: &Used<'_>) -> Result<Estimate> {
    let score = |event: usize| used.events[event].score;
    let counts = |event: usize| score(event) != 0.0 && used.outcomes[event] != 0.0;
    let (_, clusters) = group(used, counts, "events with a score and an outcome other than 0")?;
    let hits = (0..used.events.len()).filter(|&event| counts(event));
    let hits: Vec<bool> = hits.map(|event| (score(event) > 0.0) == (used.outcomes[event] > 0.0)).collect();
    Estimate::share(&hits, &clusters)
}

pub(crate) fn spread(used: &Used<'_>) -> Result<Estimate> {
    let quantile = used.fifths()?;
    let is = |wanted: usize| move |event: &&usize| **event == wanted;
    for end in [0, QUANTILES - 1] {
        let found = quantile.iter().filter(is(end)).count();
        if found < MINIMUM_GROUP {
            return Err(Error::TooFew { what: "events in a quantile", found, needed: MINIMUM_GROUP });
        }
    }
    let is_end = |event: usize| quantile[event] == 0 || quantile[event] == QUANTILES - 1;
    let (outcomes, clusters) = group(used, is_end, "events in the outer quantiles")?;
    let top: Vec<f64> =
        quantile.iter().filter(|&&q| q == 0 || q == QUANTILES - 1).map(|&q| f64::from(u8::from(q != 0))).collect();
    Estimate::clustered(Design::with_constant(top.len(), &[&top])?, &outcomes, 1, &clusters)
}

fn quantiles(used: &Used<'_>) -> Result<Vec<QuantileMean>> {
    let (scores, quantile) = (used.scores(), used.fifths()?);
    let quantile_mean = |wanted: usize| {
        let own: Vec<f64> = quantile.iter().zip(scores).filter(|(q, _)| **q == wanted).map(|(_, s)| *s).collect();
        let mean = group(used, |event| quantile[event] == wanted, "events in this quantile")
            .and_then(|(outcomes, clusters)| Estimate::mean(&outcomes, &clusters));
        let n = own.len();
        QuantileMean { mean_score: (n > 0).then(|| own.iter().sum::<f64>() / n as f64), mean: mean.into(), n }
    };
    Ok((0..QUANTILES).map(quantile_mean).collect())
}

/// With more events than this, a permutation test is computed from the mean and the variance of all shuffles.
pub const MOST_SHUFFLED: usize = 50_000;

/// Scores of whole articles exchanged within days. The statistic is the covariance, within days, of the ranks of scores and
/// outcomes. Returned with the smallest p-value that it can have.
fn permutation(used: &Used<'_>, settings: &Settings) -> Result<(Test, f64)> {
    let (scores, outcomes, days) = (used.score_ranks(), used.outcome_ranks(), used.days());
    let articles = used.articles();
    let smallest = smallest_p(scores, outcomes, days, &articles)?;
    if outcomes.len() > MOST_SHUFFLED {
        return Ok((all_shuffles(scores, outcomes, days, &articles)?, smallest));
    }
    let test = permute_articles(scores, outcomes, days, &articles, settings.permutations, settings.seed)?;
    // Where there are few different shuffles, those that were drawn may by chance be as extreme too seldom.
    let test = Test { p: test.p.max(smallest), ..test };
    Ok((test, smallest.max(1.0 / (1.0 + settings.permutations as f64))))
}
