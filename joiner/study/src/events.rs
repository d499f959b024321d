//! From joined rows to events: which rows count, and why the others do not.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use tapewire_core::exchange::{Calendars, Session};
use tapewire_core::impact::{Moment, PerHorizon, Status};
use tapewire_core::{Horizon, Impact, Symbol};
use tapewire_statistics::overlap::{self, Fate};

/// For how long a headline that is repeated for the same company is still the same story.
pub const STORY_SPAN: SignedDuration = SignedDuration::from_hours(72);

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

/// A scored mention with a price path: the first of its story.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The company.
    pub symbol: Symbol,
    /// Number of the article; companies of one article share it.
    pub article: u64,
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
    /// p(positive) - p(negative).
    pub score: f64,
    /// The likeliest class.
    pub label: &'static str,
    /// Log returns from the entry, of the kind that is studied.
    pub outcomes: PerHorizon,
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
    /// Rows that are no events, by reason, most frequent first.
    pub left_out: Vec<LeftOut>,
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
    /// Number of events that do not count because an earlier one of the same company reaches into them.
    pub overlapping: usize,
}

/// Why a row is not an event, and the words for it.
fn reason(row: &Impact) -> Option<(&'static str, &'static str)> {
    let reason = match (row.status, &row.mention.sentiment) {
        (Status::NotJoined(reason), _) => reason.as_str(),
        (_, Err(unscored)) => unscored.as_str(),
        _ if row.entry_at.is_none() || row.mention.symbol.is_none() => "pending",
        _ => return None,
    };
    let words = match reason {
        "no_symbol" => "the article names no company",
        "not_equity" => "an index, a currency, a cryptocurrency or an option",
        "outside_calendar" => "outside the years of its market's calendar",
        "no_bars" => "no bar of the symbol in the files",
        "no_regular_bars" => "bars of the symbol, but none in a regular session",
        "no_entry_bar" => "no bar after the news to enter at",
        "too_late" => "read too late",
        "withdrawn" => "an edit no longer names the company",
        "empty_text" => "no text to score",
        "model_failed" => "the model failed on the text",
        _ => "no entry yet",
    };
    Some((reason, words))
}

/// Divides rows into events and those left out. Each row is either one or the other.
///
/// Of the mentions of one company under one headline, compared without case and punctuation, only the first of any 72
/// hours counts.
pub fn sample(rows: &[Impact], outcome: Outcome, calendars: &Calendars) -> Sample {
    let mut order: Vec<&Impact> = rows.iter().collect();
    order.sort_by_key(|row| {
        let Impact { mention, .. } = row;
        (mention.available_at(), mention.provider.clone(), mention.article_id.clone(), mention.symbol.clone())
    });
    let mut articles: HashMap<(&str, &str), u64> = HashMap::new();
    let mut first_told: HashMap<(&Symbol, String), Timestamp> = HashMap::new();
    let mut left_out: BTreeMap<(&'static str, &'static str), usize> = BTreeMap::new();
    let mut events = Vec::new();
    for row in order {
        let mention = &row.mention;
        let next = articles.len() as u64;
        let article = *articles.entry((&mention.provider, &mention.article_id)).or_insert(next);
        if let Some(reason) = reason(row) {
            *left_out.entry(reason).or_default() += 1;
            continue;
        }
        let (Some(symbol), Some(entry_at), Some(probabilities)) =
            (&mention.symbol, row.entry_at, mention.probabilities())
        else {
            unreachable!("a row without a reason has a company, a score and an entry")
        };
        let available_at = mention.available_at();
        let story = (symbol, story(&mention.title));
        let is_told = !story.1.is_empty()
            && first_told.get(&story).is_some_and(|&first| available_at.duration_since(first) <= STORY_SPAN);
        if is_told {
            let reason = ("repeated", "the company's headline of the last 72 hours again");
            *left_out.entry(reason).or_default() += 1;
            continue;
        }
        first_told.insert(story, available_at);
        let session = calendars.of(symbol).calendar().last_opened(entry_at);
        events.push(Event {
            symbol: symbol.clone(),
            article,
            headline: mention.title.clone(),
            available_at,
            entry_at,
            session: session.map_or(0, |session| session.index as u64),
            day: session.map_or(0, day),
            score: probabilities.score(),
            label: probabilities.label(),
            outcomes: if outcome == Outcome::Abnormal { row.abnormal } else { row.returns },
        });
    }
    let mut left_out: Vec<LeftOut> =
        left_out.into_iter().map(|((reason, words), rows)| LeftOut { reason, words, rows }).collect();
    left_out.sort_by_key(|left| std::cmp::Reverse(left.rows));
    Sample { rows: rows.len(), articles: articles.len(), events, left_out }
}

/// The date of a session, as days since 1970.
fn day(session: &Session) -> u64 {
    let days = session.date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days());
    u64::try_from(days).unwrap_or(0)
}

/// A headline in the form in which headlines are compared: letters and digits in lower case.
fn story(title: &str) -> String {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

impl Sample {
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
            with.iter().map(|(event, _)| overlap::Event { symbol: &event.symbol, time: time(event) }).collect();
        let fates = overlap::without_overlaps(&spans, window).expect("a window is above 0");
        let (events, outcomes): (Vec<&Event>, Vec<f64>) =
            with.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Kept).map(|(pair, _)| *pair).unzip();
        let without_outcome = self.events.len() - with.len();
        let overlapping = with.len() - events.len();
        Used { events, outcomes, without_outcome, overlapping }
    }
}

impl Used<'_> {
    /// Scores of the events.
    pub fn scores(&self) -> Vec<f64> {
        self.events.iter().map(|event| event.score).collect()
    }

    /// The day of each event.
    pub fn days(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.day).collect()
    }

    /// The cluster of each event: events of one article, and events of one day, are in one cluster.
    pub fn clusters(&self) -> Vec<u64> {
        let articles: Vec<u64> = self.events.iter().map(|event| event.article).collect();
        overlap::clusters(&[&articles, &self.days()]).expect("one article and one day an event")
    }

    /// Number of days.
    pub fn count_days(&self) -> usize {
        self.events.iter().map(|event| event.day).collect::<HashSet<_>>().len()
    }

    /// Number of companies.
    pub fn count_symbols(&self) -> usize {
        self.events.iter().map(|event| &event.symbol).collect::<HashSet<_>>().len()
    }
}
