//! Days after the entry: cumulative abnormal returns in event time, from the close of the entry's session.
//!
//! Day 0 is the session of the entry, which is the next one for news after the close; day d is the d-th session after
//! it. A return of a day is from the close of the session before to its own close. What an event's days are compared
//! with is estimated from [`ESTIMATION_DAYS`] sessions that end [`GAP_DAYS`] sessions before day 0.

use crate::clusters::{distinct, weekday};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::{Event, Sample, Used};
use crate::families::Families;
use crate::findings::{MINIMUM_GROUP, Settings, rank_ic, require_minimum};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tapewire_core::Symbol;
use tapewire_statistics::event::{Abnormal, EventDates, EventReturns, Model, Options, Study, abnormal_returns};
use tapewire_statistics::overlap::{self, Selection};
use tapewire_statistics::{Error, Result, Test};

/// Number of sessions of the estimation window.
pub const ESTIMATION_DAYS: usize = 120;
/// Number of sessions between the estimation window and day 0.
pub const GAP_DAYS: usize = 10;
/// Fewest returns in the estimation window.
pub const MINIMUM_ESTIMATION: usize = 60;
/// The most days after the entry.
pub const MAXIMUM_DAYS: usize = 20;
/// Length of the blocks whose events are one cluster, in sessions for each day over which returns are cumulated. Returns of
/// several days overlap with those of neighbouring sessions. In simulations of a common factor in the abnormal returns,
/// blocks of twice the days reject 6 to 8 % of true hypotheses at the level of 5 %; clusters of one day 10 to 65 %.
pub(crate) const BLOCK: u64 = 2;
/// Most holidays of a market among the weekdays of a block.
const HOLIDAYS: u64 = 2;
/// The days that are tested, as far as they are studied; the last one is always tested.
const TESTED: [usize; 6] = [1, 2, 3, 5, 10, 20];

/// Log returns from close to close. A session has none if it, or the one before it, has no close, or if its prices can't
/// be compared, such as across a split that is not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DailyReturns {
    /// By company and position of the session in the calendar.
    pub by_symbol: HashMap<Symbol, BTreeMap<u64, f64>>,
    /// Of the benchmark, for the market model, whatever outcome the horizons have; `None` compares with the mean return.
    pub benchmark: Option<BTreeMap<u64, f64>>,
    /// Companies of other markets than the benchmark's, whose sessions are not the same days.
    pub of_other_markets: HashSet<Symbol>,
    /// Number of returns that are left out because a price jumped as if by an unknown split of 3:2, 4:3 or 5:4.
    pub possible_splits: usize,
}

/// The model of expected returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// A constant and a slope on the benchmark.
    MarketModel,
    /// The mean return of the estimation window.
    MeanAdjusted,
}

/// The mean cumulative abnormal return up to one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DayMean {
    /// The day.
    pub day: usize,
    /// Events with a return on each day up to it.
    pub n: usize,
    /// Mean abnormal return of the day itself, AAR.
    pub aar: f64,
    /// Mean cumulative abnormal return from day 1 to this one, CAAR.
    pub caar: f64,
    /// Lower end of its 95 % interval, by the jackknife over clusters; `None` if there are too few clusters.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One test of a mean cumulative abnormal return of 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DayTest {
    /// The statistic.
    pub statistic: f64,
    /// Two-sided p-value, by itself.
    pub p: f64,
    /// `p`, adjusted for all tests of the study; `None` for a test that [does not count](DayTests::is_counted).
    pub p_adjusted: Option<f64>,
}

/// The tests of one day. They take events of different sessions for independent, so only sessions count whose days don't
/// overlap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayTests {
    /// The day up to which returns are cumulated.
    pub day: usize,
    /// Number of events that count.
    pub n: usize,
    /// Number of sessions that they were entered in.
    pub sessions: usize,
    /// Their mean cumulative abnormal return.
    pub caar: Option<f64>,
    /// Mean correlation of the residuals of all pairs of events, those of different days counting as 0.
    pub mean_correlation: Option<f64>,
    /// Patell's Z.
    pub patell: ValueOrReason<DayTest>,
    /// Boehmer, Musumeci and Poulsen's t.
    pub bmp: ValueOrReason<DayTest>,
    /// That t, adjusted by Kolari and Pynnonen for events of one day.
    pub kolari_pynnonen: ValueOrReason<DayTest>,
    /// Corrado and Zivney's rank test.
    pub corrado: ValueOrReason<DayTest>,
    /// Cowan's generalized sign test.
    pub generalized_sign: ValueOrReason<DayTest>,
    /// Cross-sectional t.
    pub cross_sectional: ValueOrReason<DayTest>,
}

/// The rank correlation of scores and cumulative abnormal returns up to one day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayIc {
    /// The day.
    pub day: usize,
    /// Number of events.
    pub n: usize,
    /// Spearman's rank correlation.
    pub rank_ic: ValueOrReason<Estimate>,
}

/// The events of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayGroup {
    /// The class.
    pub label: &'static str,
    /// Each day.
    pub curve: Vec<DayMean>,
    /// Why there is no curve.
    pub not_known: Option<String>,
    /// The days that are tested.
    pub tests: Vec<DayTests>,
}

/// What happened on the days after the entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaysFindings {
    /// Number of days after the entry.
    pub days: usize,
    /// The model of expected returns.
    pub expected: Expected,
    /// Number of events that count.
    pub n: usize,
    /// Number of sessions that they were entered in.
    pub sessions: usize,
    /// Number of events with fewer than [`MINIMUM_ESTIMATION`] returns before them.
    pub without_history: usize,
    /// Number of events without a model of expected returns: of the benchmark itself, of companies of other markets than its,
    /// and of companies whose price never moves.
    pub without_model: usize,
    /// Number of returns of companies and the benchmark that are left out because a price jumped as if by an unknown split
    /// of 3:2, 4:3 or 5:4.
    pub possible_splits: usize,
    /// Number of events without a return on day 1.
    pub without_outcome: usize,
    /// Number of events that do not count because the days of an earlier one of the same company reach into theirs.
    pub overlapping: usize,
    /// Rank correlations, by day.
    pub rank_ics: Vec<DayIc>,
    /// Positive and negative news.
    pub groups: Vec<DayGroup>,
}

/// An event with its abnormal returns.
struct Followed<'a> {
    event: &'a Event,
    abnormal: Abnormal,
    /// Number of days with a return, counted from day 1 without a gap.
    complete: usize,
}

impl Followed<'_> {
    fn car(&self, day: usize) -> f64 {
        self.abnormal.abnormal[..day].iter().flatten().sum()
    }
}

impl DaysFindings {
    pub(crate) fn of(sample: &Sample, daily: &DailyReturns, settings: &Settings, families: &mut Families) -> Self {
        let days = settings.days.clamp(1, MAXIMUM_DAYS);
        let market = daily.benchmark.as_ref();
        let (mut without_history, mut without_model, mut without_outcome) = (0, 0, 0);
        let mut followed = Vec::new();
        for event in &sample.events {
            match follow(event, daily.by_symbol.get(&event.symbol), market, days) {
                Ok(own) if own.complete > 0 => followed.push(own),
                Ok(_) => without_outcome += 1,
                Err(Error::TooFew { .. }) if !daily.of_other_markets.contains(&event.symbol) => without_history += 1,
                Err(_) => without_model += 1,
            }
        }
        let spans: Vec<_> = followed
            .iter()
            .map(|own| overlap::Event { symbol: own.event.company, time: own.event.session as i64 })
            .collect();
        let selection = overlap::without_overlaps(&spans, days as i64).expect("a window is above 0");
        let mut selection = selection.iter();
        let before = followed.len();
        followed.retain(|_| selection.next() == Some(&Selection::Kept));
        let mut tested: Vec<usize> = TESTED.into_iter().filter(|&day| day < days).collect();
        tested.push(days);
        let rank_ics = tested.iter().map(|&day| rank_ic_of_day(&followed, day, settings, families)).collect();
        let used = used(&followed.iter().collect::<Vec<_>>(), 1);
        let enough = require_minimum(used.events.len(), used.count_days(), settings);
        let mut group = |label| group(&followed, label, days, &tested, &enough, settings, families);
        Self {
            days,
            expected: if market.is_some() { Expected::MarketModel } else { Expected::MeanAdjusted },
            n: followed.len(),
            sessions: used.count_days(),
            without_history,
            without_model,
            possible_splits: daily.possible_splits,
            without_outcome,
            overlapping: before - followed.len(),
            rank_ics,
            groups: vec![group("positive"), group("negative")],
        }
    }

    /// The adjusted p-value of each test in the order in which they were entered; `None` for a test without a value.
    pub(crate) fn adjusted_mut(&mut self) -> Vec<Option<&mut Option<f64>>> {
        let mut all: Vec<Option<&mut Option<f64>>> = Vec::new();
        for ic in &mut self.rank_ics {
            all.push(ic.rank_ic.value_mut().map(|ic| &mut ic.p_adjusted));
        }
        for tests in self.groups.iter_mut().flat_map(|group| &mut group.tests) {
            let is_counted: [bool; TESTS.len()] = std::array::from_fn(|test| tests.is_counted(test));
            let counted = tests.each_mut().into_iter().zip(is_counted).filter(|(_, is_counted)| *is_counted);
            all.extend(counted.map(|(test, _)| test.value_mut().map(|test| &mut test.p_adjusted)));
        }
        all
    }
}

/// Names of the tests, in their order.
pub const TESTS: [&str; 6] =
    ["Patell", "BMP", "Kolari-Pynnonen", "Corrado-Zivney", "generalized sign", "cross-sectional t"];

/// The place in [`TESTS`] of the one that allows for events of one session.
const KOLARI_PYNNONEN: usize = 2;

impl DayTests {
    /// Whether a test, by its place in [`TESTS`], is one of those that p-values are adjusted for and that the sentence may
    /// name. Where events share a session only Kolari and Pynnonen's is, because the others take these for independent.
    pub fn is_counted(&self, test: usize) -> bool {
        self.sessions == self.n || test == KOLARI_PYNNONEN
    }

    /// The tests in the order of [`TESTS`].
    pub fn each(&self) -> [&ValueOrReason<DayTest>; 6] {
        [&self.patell, &self.bmp, &self.kolari_pynnonen, &self.corrado, &self.generalized_sign, &self.cross_sectional]
    }

    fn each_mut(&mut self) -> [&mut ValueOrReason<DayTest>; 6] {
        [
            &mut self.patell,
            &mut self.bmp,
            &mut self.kolari_pynnonen,
            &mut self.corrado,
            &mut self.generalized_sign,
            &mut self.cross_sectional,
        ]
    }
}

/// The abnormal returns of an event's days.
fn follow<'a>(
    event: &'a Event,
    own: Option<&BTreeMap<u64, f64>>,
    market: Option<&BTreeMap<u64, f64>>,
    days: usize,
) -> Result<Followed<'a>> {
    let session = event.session;
    let first = session.saturating_sub((GAP_DAYS + ESTIMATION_DAYS) as u64);
    let before = || first..session.saturating_sub(GAP_DAYS as u64);
    let after = || session + 1..session + 1 + days as u64;
    let none = BTreeMap::new();
    let own = own.unwrap_or(&none);
    let pick = |returns: &BTreeMap<u64, f64>, range: std::ops::Range<u64>| -> Vec<Option<f64>> {
        range.map(|session| returns.get(&session).copied()).collect()
    };
    let returns = EventReturns {
        estimation: pick(own, before()),
        estimation_factors: market.map(|market| pick(market, before())).into_iter().collect(),
        event: pick(own, after()),
        event_factors: market.map(|market| pick(market, after())).into_iter().collect(),
    };
    let options = Options { minimum_estimation: MINIMUM_ESTIMATION, ..Options::default() };
    let model = if market.is_some() { Model::Factors } else { Model::MeanAdjusted };
    let abnormal = abnormal_returns(&returns, model, &options)?;
    let complete = abnormal.abnormal.iter().take_while(|value| value.is_some()).count();
    Ok(Followed { event, abnormal, complete })
}

/// The events with a return on each day up to `day`, as those of a horizon.
fn used<'a>(followed: &[&Followed<'a>], day: usize) -> Used<'a> {
    let outcomes = followed.iter().map(|own| own.car(day)).collect();
    let used = Used::new(followed.iter().map(|own| own.event).collect(), outcomes, 0, 0);
    if day == 1 {
        return used;
    }
    let blocks = blocks(used.days(), day as u64);
    used.in_blocks(blocks)
}

/// The block of each date: at most [`BLOCK`] times `day` weekdays in a row, and fewer where the returns up to `day` overlap
/// with none that follow. Weekdays stand for sessions, because events may be of several markets.
fn blocks(dates: &[u64], day: u64) -> Vec<u64> {
    let mut blocks = BTreeMap::new();
    let (mut first, mut last) = (None, 0);
    for at in dates.iter().map(|&date| weekday(date)).collect::<BTreeSet<_>>() {
        let begun = first.filter(|first| at < first + BLOCK * day && at < last + day + HOLIDAYS);
        first = Some(begun.unwrap_or(at));
        last = at;
        blocks.insert(at, begun.unwrap_or(at));
    }
    dates.iter().map(|&date| blocks[&weekday(date)]).collect()
}

/// The events whose days do not overlap those of another session that counts, see [`sessions_apart`].
fn apart<'a, 'e>(own: &[&'a Followed<'e>], day: usize, settings: &Settings) -> Vec<&'a Followed<'e>> {
    let place = |own: &Followed<'_>| (own.event.day, settings.calendars.of(&own.event.symbol), own.event.session);
    let kept = sessions_apart(own.iter().map(|own| place(own)).collect(), day as u64);
    own.iter().copied().filter(|own| kept.contains(&place(own))).collect()
}

/// Chooses sessions, each given with its date and market, in order. A session is chosen if it is at least `day` sessions
/// after the last chosen one of its own market and, unless both have the same date, at least `day` weekdays and
/// [`HOLIDAYS`] after the last chosen one of each other market. Between markets weekdays are counted, because each market
/// numbers its sessions by itself.
fn sessions_apart<M: Ord + Copy>(all: BTreeSet<(u64, M, u64)>, day: u64) -> BTreeSet<(u64, M, u64)> {
    let holidays = if day > 1 { HOLIDAYS } else { 0 };
    let mut last: BTreeMap<M, (u64, u64)> = BTreeMap::new();
    let is_kept = |&(date, market, session): &(u64, M, u64)| {
        let is_apart = last.iter().all(|(&other, &(last_date, last_session))| match other == market {
            true => session >= last_session + day,
            false => date == last_date || weekday(date) >= weekday(last_date) + day + holidays,
        });
        if is_apart {
            last.insert(market, (date, session));
        }
        is_apart
    };
    all.into_iter().filter(is_kept).collect()
}

fn rank_ic_of_day(followed: &[Followed<'_>], day: usize, settings: &Settings, families: &mut Families) -> DayIc {
    let own: Vec<&Followed<'_>> = followed.iter().filter(|own| own.complete >= day).collect();
    let used = used(&own, day);
    let found = used.require_minimum(settings).and_then(|()| rank_ic(&used));
    families.add(format!("rank IC day {day}"), found.clone().and_then(|found| found.test()));
    DayIc { day, n: own.len(), rank_ic: found.into() }
}

fn group(
    followed: &[Followed<'_>],
    label: &'static str,
    days: usize,
    tested: &[usize],
    enough: &Result<()>,
    settings: &Settings,
    families: &mut Families,
) -> DayGroup {
    let of_class: Vec<&Followed<'_>> = followed.iter().filter(|own| own.event.label == Some(label)).collect();
    let until = |day: usize| -> Result<Vec<&Followed<'_>>> {
        enough.clone()?;
        let own: Vec<&Followed<'_>> = of_class.iter().copied().filter(|own| own.complete >= day).collect();
        if own.len() < MINIMUM_GROUP {
            return Err(Error::TooFew { what: "events of this class", found: own.len(), needed: MINIMUM_GROUP });
        }
        Ok(own)
    };
    let mut curve = Vec::new();
    let mut not_known = None;
    for day in 1..=days {
        match until(day).and_then(|own| day_mean(&own, day, settings)) {
            Ok(mean) => curve.push(mean),
            Err(error) => {
                not_known = not_known.or_else(|| Some(error.to_string())).filter(|_| curve.is_empty());
            }
        }
    }
    let apart_until = |day: usize| -> Result<Vec<&Followed<'_>>> {
        let own = apart(&until(day)?, day, settings);
        if own.len() < MINIMUM_GROUP {
            let what = "events of this class in sessions whose days do not overlap";
            return Err(Error::TooFew { what, found: own.len(), needed: MINIMUM_GROUP });
        }
        Ok(own)
    };
    let tests = tested.iter().map(|&day| tests(apart_until(day), day, label, families)).collect();
    DayGroup { label, curve, not_known, tests }
}

fn day_mean(own: &[&Followed<'_>], day: usize, settings: &Settings) -> Result<DayMean> {
    let used = used(own, day);
    let n = own.len() as f64;
    let aar = own.iter().filter_map(|own| own.abnormal.abnormal[day - 1]).sum::<f64>() / n;
    let caar = used.outcomes.iter().sum::<f64>() / n;
    let interval = match used.require_blocks(settings) {
        Err(_) => None,
        Ok(()) => Some(Estimate::mean(&used.outcomes, used.clusters())?),
    };
    let (low, high) = interval.map(|mean| (mean.low, mean.high)).unzip();
    Ok(DayMean { day, n: own.len(), aar, caar, low, high })
}

fn tests(own: Result<Vec<&Followed<'_>>>, day: usize, label: &str, families: &mut Families) -> DayTests {
    let n = own.as_ref().map_or(0, Vec::len);
    let dates: Vec<u64> = own.iter().flatten().map(|own| own.event.day).collect();
    let sessions = distinct(&dates);
    let found = own.and_then(|own| {
        let study = Study::new(own.iter().map(|own| own.abnormal.clone()).collect())?;
        study.tests(0..=day - 1, EventDates::Grouped(&dates))
    });
    let mut place = 0;
    let mut tested = |test: fn(&tapewire_statistics::event::Tests) -> &Result<Test>| -> ValueOrReason<DayTest> {
        let test = found.as_ref().map_err(Error::clone).and_then(|found| test(found).clone());
        if sessions == n || place == KOLARI_PYNNONEN {
            families.add(format!("{} day {day} after {label} news", TESTS[place]), test.clone());
        }
        place += 1;
        test.map(|test| DayTest { statistic: test.statistic, p: test.p, p_adjusted: None }).into()
    };
    let (patell, bmp) = (tested(|tests| &tests.patell), tested(|tests| &tests.bmp));
    let (kolari_pynnonen, corrado) = (tested(|tests| &tests.bmp_adjusted), tested(|tests| &tests.corrado_zivney));
    let (generalized_sign, cross_sectional) =
        (tested(|tests| &tests.generalized_sign), tested(|tests| &tests.cross_sectional));
    DayTests {
        day,
        n,
        sessions,
        caar: found.as_ref().ok().map(|found| found.effect),
        mean_correlation: found.as_ref().ok().and_then(|found| found.mean_correlation.clone().ok()),
        patell,
        bmp,
        kolari_pynnonen,
        corrado,
        generalized_sign,
        cross_sectional,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_several_markets_that_share_days_do_not_count_together() {
        let monday = 18_000 - (18_000 + 3) % 7;
        let on = |weekday: u64| monday + weekday / 5 * 7 + weekday % 5;
        // Sessions are numbered from another day in each market.
        let session = |market: char, weekday: u64| (on(weekday), market, weekday + u64::from(u32::from(market)));
        let kept = |all: &[(u64, char, u64)], day: u64| sessions_apart(all.iter().copied().collect(), day).len();
        let alone: Vec<_> = (0..30).map(|day| session('n', day)).collect();
        assert_eq!([1, 2, 5].map(|day| kept(&alone, day)), [30, 15, 6]);
        let both: Vec<_> = (0..30).flat_map(|day| [session('n', day), session('l', day)]).collect();
        assert_eq!(kept(&both, 1), 60, "days of one date are one group");
        assert_eq!(
            kept(&both, 5),
            2 * 5,
            "of a date that counts, both markets; from one to the next, 5 sessions and holidays"
        );
        let in_turn = [session('n', 0), session('l', 2), session('n', 5), session('l', 6), session('l', 12)];
        let expected = [session('n', 0), session('n', 5), session('l', 12)];
        assert_eq!(sessions_apart(in_turn.into_iter().collect(), 5), expected.into_iter().collect());
        assert_eq!(weekday(on(5)) - weekday(on(4)), 1, "from Friday to Monday");
    }
}
