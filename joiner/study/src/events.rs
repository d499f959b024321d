//! From joined rows to events: which rows count, and why the others do not.

use crate::clusters::{Clusters, distinct};
use crate::findings::{QUANTILES, Settings, require_minimum};
use crate::row::Row;
use jiff::Timestamp;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::OnceLock;
use tapewire_core::exchange::{Calendars, Market, Session};
use tapewire_core::impact::{Moment, PerHorizon, Phase};
use tapewire_core::story::{Fingerprint, tellings};
use tapewire_core::{Horizon, Symbol};
use tapewire_statistics::groups::quantile_of;
use tapewire_statistics::overlap::{self, Selection};
use tapewire_statistics::rank::ranks;
use tapewire_statistics::{Error, Result};

/// Which return of a row is its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The return less what the market model expects from the benchmark.
    Abnormal,
    /// The return as it is, for use where there is no benchmark.
    Raw,
}

impl Outcome {
    /// The outcome in words, in the singular.
    pub fn words(self) -> &'static str {
        match self {
            Self::Abnormal => "abnormal return",
            Self::Raw => "return",
        }
    }
}

/// A scored mention with a price path.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The company.
    pub symbol: Symbol,
    /// Number of the company.
    pub company: u64,
    /// The market of the company.
    pub market: Market,
    /// Number of the article; companies of one article share it.
    pub article: u64,
    /// The provider's id of the article.
    pub article_id: String,
    /// Headline, as a reader sees it.
    pub headline: String,
    /// When the news could have been known (UTC).
    pub available_at: Timestamp,
    /// Time of the entry (UTC).
    pub entry_at: Timestamp,
    /// Position of the entry's session in the calendar of the symbol's market.
    pub session: u64,
    /// The date of that session, as days since 1970: symbols of several markets share it.
    pub day: u64,
    /// The score that is studied: p(positive) - p(negative), unless [`ScoreAs`](crate::filters::ScoreAs) says
    /// otherwise.
    pub score: f64,
    /// The likeliest class; `None` if the row has none.
    pub label: Option<&'static str>,
    /// Place of its model in [`Sample::models`], if it is known.
    pub model: Option<u64>,
    /// Width of the bars that it was joined with, in seconds.
    pub bar_width_s: Option<u32>,
    /// Who delivered the article.
    pub provider: String,
    /// The article's publisher.
    pub publisher: String,
    /// When in the trading day the news became available.
    pub phase: Option<Phase>,
    /// How much the article is about the company.
    pub relevance: Option<f64>,
    /// Whether it is the company's first mention that tells its story.
    pub is_first: bool,
    /// Log returns from the entry, of the kind that is studied.
    pub outcomes: PerHorizon,
    /// The horizons whose outcome is across what may be an unknown split.
    pub across_split: [bool; Horizon::COUNT],
}

/// Rows that do not count, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The reason. Where table `impact` has the same reason, it has the same name here.
    pub reason: &'static str,
    /// The reason in words.
    pub words: &'static str,
    /// Number of rows.
    pub rows: usize,
}

/// The events among joined rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Number of rows: mentions.
    pub rows: usize,
    /// Number of articles that the rows are about.
    pub articles: usize,
    /// The events, in the order in which their news became available.
    pub events: Vec<Event>,
    /// Rows that are not events, by reason, most frequent first.
    pub left_out: Vec<LeftOut>,
    /// The models that scored the rows: name and revision.
    pub models: Vec<(String, String)>,
}

/// The events of one horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct Used<'a> {
    /// Those that count.
    pub events: Vec<&'a Event>,
    /// The outcome of each.
    pub outcomes: Vec<f64>,
    /// Number of events without an outcome at this horizon.
    pub without_outcome: usize,
    /// Number of events that do not count because the outcome of an earlier one of the same company overlaps theirs.
    pub overlapping: usize,
    /// What `--minimum-days` counts beside days, where returns overlap from day to day, and how many there are.
    blocks: Option<(&'static str, usize)>,
    /// What several statistics use, computed when it is asked for first.
    cache: Cache,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Cache {
    scores: OnceLock<Vec<f64>>,
    days: OnceLock<Vec<u64>>,
    clusters: OnceLock<Clusters>,
    score_ranks: OnceLock<Vec<f64>>,
    outcome_ranks: OnceLock<Vec<f64>>,
    fifths: OnceLock<Result<Vec<usize>>>,
}

/// Why a row is not an event, and the words for it.
pub(crate) fn reason(row: &Row) -> Option<(&'static str, &'static str)> {
    let reason = match row.reason {
        Some(reason) => reason,
        None if row.symbol.is_none() => "no_symbol",
        None if row.score.is_none() => "no_score",
        None if row.entry_at.is_none() => "pending",
        None => return None,
    };
    let words = match reason {
        "no_symbol" => "the article names no company",
        "not_equity" => "an index, a currency, a cryptocurrency or an option",
        "no_bars" => "no bar of the symbol in the sessions around the news",
        "outside_calendar" => "outside the years of its market's calendar",
        "no_regular_bars" => "bars of the symbol, but none in a regular session",
        "no_entry_bar" => "no bar after the news to enter at",
        "too_late" => "read too late",
        "empty_text" => "no text to score",
        "model_failed" => "the model failed on the text",
        "no_score" => "the row has no score",
        "promotional" => "a law firm's notice to investors, which is not news",
        _ => "no entry yet",
    };
    Some((reason, words))
}

/// What `--minimum-days` counts where returns reach into the next day.
const PAIRS: &str = "pairs of neighbouring days with events, whose returns overlap";

/// The reason of a row whose story was told before.
const REPEATED: (&str, &str) = ("repeated", "repeats a story about the company of the last 72 hours");

/// Divides rows into events and rows that are left out, with a reason. Withdrawn mentions are in neither, and do not
/// count as rows.
///
/// Of the mentions of one company that tell one story ([`tapewire_core::story`]), only the first is an event.
pub fn sample<R>(rows: &[R], outcome: Outcome, calendars: &Calendars) -> Sample
where
    R: Sync,
    for<'a> Row: From<&'a R>,
{
    let mut sample = sample_with_repeated(rows.par_iter().map(Row::from).collect(), outcome, calendars);
    sample.drop_repeated();
    sample
}

/// Like [`sample`], but mentions whose story was told before are events, too.
pub(crate) fn sample_with_repeated(rows: Vec<Row>, outcome: Outcome, calendars: &Calendars) -> Sample {
    let rows = ordered(rows);
    let (of_article, articles) = numbered(rows.iter().map(|row| (row.provider.as_str(), row.article_id.as_str())));
    let (of_company, companies) = numbered(rows.iter().map(|row| row.symbol.as_ref()));
    let repeated = repeated(&rows, &of_company, companies);
    let mut models: Vec<(String, String)> = rows.iter().filter_map(|row| row.model.clone()).collect();
    models.sort_unstable();
    models.dedup();
    let count = rows.len();
    let event = |(place, row): (usize, Row)| {
        let with_model = |row: Row| Event {
            model: row.model.as_ref().and_then(|model| Some(models.binary_search(model).ok()? as u64)),
            ..event(row, (of_article[place], of_company[place]), !repeated[place], outcome, calendars)
        };
        reason(&row).map_or_else(|| Ok(with_model(row)), Err)
    };
    let events_or_reasons: Vec<_> = rows.into_par_iter().enumerate().map(event).collect();
    let mut left_out: BTreeMap<(&'static str, &'static str), usize> = BTreeMap::new();
    let mut events = Vec::with_capacity(events_or_reasons.len());
    for event_or_reason in events_or_reasons {
        match event_or_reason {
            Ok(event) => events.push(event),
            Err(reason) => *left_out.entry(reason).or_default() += 1,
        }
    }
    let left_out: Vec<LeftOut> =
        left_out.into_iter().map(|((reason, words), rows)| LeftOut { reason, words, rows }).collect();
    let mut sample = Sample { rows: count, articles, events, left_out, models };
    sample.sort_left_out();
    sample
}

/// The rows without withdrawn mentions, in the order in which the news became available.
fn ordered(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| row.reason != Some("withdrawn"));
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.par_sort_by(|&a, &b| {
        let key = |row: usize| (rows[row].available_at, &rows[row].provider, &rows[row].article_id, &rows[row].symbol);
        key(a).cmp(&key(b))
    });
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(rows.len());
    ordered.extend(order.into_iter().filter_map(|place| rows[place].take()));
    ordered
}

/// The number of each key, from 0 by first appearance, and how many there are.
fn numbered<K: Hash + Eq>(keys: impl ExactSizeIterator<Item = K>) -> (Vec<u64>, usize) {
    let mut numbers: HashMap<K, u64> = HashMap::with_capacity(keys.len());
    let of_each = keys
        .map(|key| {
            let next = numbers.len() as u64;
            *numbers.entry(key).or_insert(next)
        })
        .collect();
    (of_each, numbers.len())
}

/// Makes the event of a row for which [`reason`] gives no reason.
fn event(row: Row, (article, company): (u64, u64), is_first: bool, outcome: Outcome, calendars: &Calendars) -> Event {
    let (Some(symbol), Some(entry_at), Some(score)) = (row.symbol, row.entry_at, row.score) else {
        unreachable!("a row without a reason has a company, a score and an entry")
    };
    let market = calendars.of(&symbol);
    let session = market.calendar().last_opened(entry_at);
    Event {
        symbol,
        company,
        market,
        article,
        article_id: row.article_id,
        headline: row.title,
        available_at: row.available_at,
        entry_at,
        session: session.map_or(0, |session| session.index as u64),
        day: session.map_or(0, day),
        score,
        label: row.label,
        model: None,
        bar_width_s: row.bar_width_s,
        provider: row.provider,
        publisher: row.publisher,
        phase: row.phase,
        relevance: row.relevance,
        is_first,
        outcomes: if outcome == Outcome::Abnormal { row.abnormal } else { row.returns },
        across_split: Horizon::ALL
            .map(|horizon| row.flags.possible_split && reaches_next_session(horizon, entry_at, session)),
    }
}

/// Which rows tell a story that was told before. The rows are in the order in which the news was known.
fn repeated(rows: &[Row], of_company: &[u64], companies: usize) -> Vec<bool> {
    let mut told: Vec<Vec<usize>> = vec![Vec::new(); companies];
    for (place, _) in rows.iter().enumerate().filter(|(_, row)| row.symbol.is_some()) {
        told[of_company[place] as usize].push(place);
    }
    let of_one = |places: Vec<usize>| {
        let fingerprint = |place: &usize| Fingerprint::about(&rows[*place].title, rows[*place].asked_as.as_deref());
        let fingerprints: Vec<Fingerprint> = places.iter().map(fingerprint).collect();
        let known = places.iter().map(|&place| rows[place].available_at).zip(&fingerprints);
        let again = places
            .iter()
            .zip(tellings(known))
            .filter(|(_, telling)| telling.is_some_and(|telling| !telling.is_first()));
        again.map(|(&place, _)| place).collect::<Vec<_>>()
    };
    let again: Vec<usize> = told.into_par_iter().flat_map_iter(of_one).collect();
    let mut repeated = vec![false; rows.len()];
    again.into_iter().for_each(|place| repeated[place] = true);
    repeated
}

/// Whether an outcome may be after the night that follows the entry's session. The jump may also be before the entry, or
/// later in this night than a price; the row does not say.
fn reaches_next_session(horizon: Horizon, entry_at: Timestamp, session: Option<&Session>) -> bool {
    match (horizon.moment(), session) {
        (Moment::Close, _) => false,
        (Moment::NextOpen | Moment::NextClose, _) | (Moment::Minutes(_), None) => true,
        (Moment::Minutes(minutes), Some(session)) => {
            entry_at.as_microsecond() + minutes * 60_000_000 > session.close.as_microsecond()
        }
    }
}

/// The date of a session, as days since 1970.
fn day(session: &Session) -> u64 {
    let days = session.date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days());
    u64::try_from(days).unwrap_or(0)
}

impl Sample {
    /// Leaves out the events whose story was told before.
    pub(crate) fn drop_repeated(&mut self) {
        let before = self.events.len();
        self.events.retain(|event| event.is_first);
        let rows = before - self.events.len();
        if rows > 0 {
            self.left_out.push(LeftOut { reason: REPEATED.0, words: REPEATED.1, rows });
            self.sort_left_out();
        }
    }

    /// Leaves out the outcomes that are across what may be an unknown split.
    pub(crate) fn drop_possible_splits(&mut self) {
        for event in &mut self.events {
            for (outcome, across) in event.outcomes.iter_mut().zip(&mut event.across_split) {
                *across = *across && outcome.take().is_some();
            }
        }
    }

    /// Number of events whose outcome at a horizon is, or was before it was left out, across what may be an unknown split.
    pub(crate) fn possible_splits(&self, horizon: Horizon) -> usize {
        let place = Horizon::ALL.iter().position(|&own| own == horizon).expect("ALL has every horizon");
        self.events.iter().filter(|event| event.across_split[place]).count()
    }

    /// Scores of the events.
    pub(crate) fn scores(&self) -> Vec<f64> {
        self.events.iter().map(|event| event.score).collect()
    }

    fn sort_left_out(&mut self) {
        self.left_out.sort_by_key(|left| (std::cmp::Reverse(left.rows), left.reason));
    }

    /// The events that count at a horizon: they have an outcome, and no earlier event of the same company that counts
    /// has an outcome that reaches into theirs.
    pub fn at(&self, horizon: Horizon) -> Used<'_> {
        let place = Horizon::ALL.iter().position(|&own| own == horizon).expect("ALL has every horizon");
        let with: Vec<(&Event, f64)> =
            self.events.iter().filter_map(|event| Some((event, event.outcomes[place]?))).collect();
        // In microseconds for horizons in minutes, otherwise in sessions: outcomes at the close and the next open of
        // one day end together, and those at the next close reach through the next session.
        let window = match horizon.moment() {
            Moment::Minutes(minutes) => minutes * 60_000_000,
            Moment::Close | Moment::NextOpen => 1,
            Moment::NextClose => 2,
        };
        let time = |event: &Event| match horizon.moment() {
            Moment::Minutes(_) => event.entry_at.as_microsecond(),
            _ => i64::try_from(event.session).expect("a calendar has fewer sessions"),
        };
        let spans: Vec<_> =
            with.iter().map(|(event, _)| overlap::Event { symbol: event.company, time: time(event) }).collect();
        let selection = overlap::without_overlaps(&spans, window).expect("a window is above 0");
        let (events, outcomes): (Vec<&Event>, Vec<f64>) = with
            .iter()
            .zip(&selection)
            .filter(|(_, selected)| **selected == Selection::Kept)
            .map(|(pair, _)| *pair)
            .unzip();
        let without_outcome = self.events.len() - with.len();
        let overlapping = with.len() - events.len();
        let used = Used::new(events, outcomes, without_outcome, overlapping);
        if used.reaches_into_next_day(horizon) { used.in_pairs() } else { used }
    }
}

impl<'a> Used<'a> {
    /// Events, and a value of each.
    pub(crate) fn of(pairs: Vec<(&'a Event, f64)>) -> Self {
        let (events, values) = pairs.into_iter().unzip();
        Self::new(events, values, 0, 0)
    }

    /// Events with their outcomes, and how many were left out.
    pub(crate) fn new(events: Vec<&'a Event>, outcomes: Vec<f64>, without_outcome: usize, overlapping: usize) -> Self {
        Used { events, outcomes, without_outcome, overlapping, blocks: None, cache: Cache::default() }
    }

    /// The same, with all events of a block of days in one cluster. `blocks` has the block of each event.
    pub(crate) fn in_blocks(self, blocks: Vec<u64>) -> Self {
        let clusters = Clusters::of_days(&blocks, &self.articles()).into();
        let blocks = Some(("blocks of days with events", distinct(&blocks)));
        Self { blocks, cache: Cache { clusters, ..self.cache }, ..self }
    }

    /// The same, with returns that overlap with those of the day before and after.
    pub(crate) fn in_pairs(self) -> Self {
        let clusters = Clusters::of_neighbours(self.days());
        let blocks = Some((PAIRS, clusters.count()));
        Self { blocks, cache: Cache { clusters: clusters.into(), ..self.cache }, ..self }
    }
}

impl Used<'_> {
    /// Whether returns at a horizon overlap with those of events of the next day. At the next close they do. Those at the
    /// next open end before the first entry of the next day, but in another market that day may have begun.
    fn reaches_into_next_day(&self, horizon: Horizon) -> bool {
        match horizon.moment() {
            Moment::Minutes(_) | Moment::Close => false,
            Moment::NextOpen => self.events.windows(2).any(|pair| pair[0].market != pair[1].market),
            Moment::NextClose => true,
        }
    }

    /// Refuses fewer events, days or blocks of days than the settings ask for.
    pub(crate) fn require_minimum(&self, settings: &Settings) -> Result<()> {
        require_minimum(self.events.len(), self.count_days(), settings)?;
        self.require_blocks(settings)
    }

    /// Refuses fewer blocks of days than the settings ask for days, where returns overlap from day to day.
    pub(crate) fn require_blocks(&self, settings: &Settings) -> Result<()> {
        let needed = settings.minimum_days;
        match self.blocks {
            Some((what, found)) if found < needed => Err(Error::TooFew { what, found, needed }),
            _ => Ok(()),
        }
    }

    /// Scores of the events.
    pub fn scores(&self) -> &[f64] {
        self.cache.scores.get_or_init(|| self.events.iter().map(|event| event.score).collect())
    }

    /// The day of each event.
    pub fn days(&self) -> &[u64] {
        self.cache.days.get_or_init(|| self.events.iter().map(|event| event.day).collect())
    }

    /// The article of each event.
    pub(crate) fn articles(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.article).collect()
    }

    /// The cluster of each event: events of one article share one, and events of one day, of one block of days, or of two
    /// days whose returns overlap.
    pub fn clusters(&self) -> &Clusters {
        self.cache.clusters.get_or_init(|| Clusters::of_days(self.days(), &self.articles()))
    }

    /// Ranks of the scores.
    pub fn score_ranks(&self) -> &[f64] {
        self.cache.score_ranks.get_or_init(|| ranks(self.scores()))
    }

    /// Ranks of the outcomes.
    pub fn outcome_ranks(&self) -> &[f64] {
        self.cache.outcome_ranks.get_or_init(|| ranks(&self.outcomes))
    }

    /// The fifth of the scores that each event is in, the lowest being 0.
    ///
    /// # Errors
    /// As [`quantile_of`].
    pub fn fifths(&self) -> Result<&[usize]> {
        let fifths = self.cache.fifths.get_or_init(|| quantile_of(self.scores(), QUANTILES));
        fifths.as_deref().map_err(Error::clone)
    }

    /// Number of days.
    pub fn count_days(&self) -> usize {
        distinct(self.days())
    }

    /// Number of companies.
    pub fn count_symbols(&self) -> usize {
        distinct(&self.events.iter().map(|event| event.company).collect::<Vec<_>>())
    }
}
