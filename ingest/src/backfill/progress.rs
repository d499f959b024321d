//! How far a backfill is: for the next start, and for the person who waits.

use super::prices::days_at_once;
use super::{BackfillOptions, after};
use crate::IngestError;
use crate::providers::BarWidth;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;

/// What is fetched from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Names of news sources.
    pub news: Vec<String>,
    /// Names of price sources, and the symbols of each.
    pub prices: Vec<(String, Vec<Symbol>)>,
}

/// Whose days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days<'a> {
    /// A news source's.
    News(&'a str),
    /// Those of a symbol's bars of a width, of a price source.
    Bars(&'a str, &'a Symbol, BarWidth),
}

/// By source and symbol, the first day that is not complete.
type BySymbol = BTreeMap<String, BTreeMap<Symbol, Date>>;

/// The state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    from: Date,
    to: Date,
    /// First day of the daily bars, once some were asked for. Files of earlier versions have none.
    #[serde(default)]
    daily_from: Option<Date>,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    delay: Duration,
    /// By source, the first day that is not complete.
    news: BTreeMap<String, Date>,
    /// By source and symbol, the first day that is not complete.
    bars: BySymbol,
    /// The same of daily bars. Files of earlier versions have none.
    #[serde(default)]
    daily_bars: BySymbol,
    /// By source, the symbols whose splits and dividends were sent.
    #[serde(deserialize_with = "actions")]
    actions: BTreeMap<String, BTreeSet<Symbol>>,
    /// Whether the end of the run was sent.
    pub ended: bool,
}

/// Files of earlier versions have the sources only: `["massive"]`.
fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, BTreeSet<Symbol>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        BySymbol(BTreeMap<String, BTreeSet<Symbol>>),
        BySource(BTreeSet<String>),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::BySymbol(actions) => actions,
        // `State::continuing` adds the symbols.
        Stored::BySource(names) => names.into_iter().map(|name| (name, BTreeSet::new())).collect(),
    })
}

impl State {
    /// What was stored, or the beginning.
    ///
    /// # Errors
    /// [`IngestError::Config`] if the run was begun with another range or delay.
    pub fn continuing(stored: Option<Self>, options: &BackfillOptions) -> Result<Self, IngestError> {
        let (from, to, delay) = (options.from, options.to, options.delay);
        let (news, bars, daily_bars, actions) = Default::default();
        let daily_from = options.widths.contains(&BarWidth::Day).then_some(options.daily_from);
        let begun = Self { from, to, daily_from, delay, news, bars, daily_bars, actions, ended: false };
        match stored {
            None => Ok(begun),
            Some(stored) if (stored.from, stored.to, stored.delay) == (from, to, delay) => {
                stored.with_symbols().with_daily(daily_from, options)
            }
            Some(stored) => Err(IngestError::Config(format!(
                "the run {} was begun for {} to {} with a delay of {:?}; give these again, or another --run",
                options.run, stored.from, stored.to, stored.delay
            ))),
        }
    }

    /// Adds the first day of the daily bars.
    ///
    /// # Errors
    /// [`IngestError::Config`] if it was another one.
    fn with_daily(mut self, daily_from: Option<Date>, options: &BackfillOptions) -> Result<Self, IngestError> {
        match (self.daily_from, daily_from) {
            (Some(begun), Some(wanted)) if begun != wanted => {
                return Err(IngestError::Config(format!(
                    "the run {} was begun with daily bars since {begun}; give --daily-from {begun}, or another --run",
                    options.run
                )));
            }
            (None, Some(wanted)) => {
                // Daily bars may begin before those that splits and dividends were sent for, and an earlier version noted
                // sources that had none then.
                self.actions.clear();
                self.daily_from = Some(wanted);
            }
            _ => {}
        }
        Ok(self)
    }

    /// The first ex-date of splits and dividends: daily bars may begin before all others.
    pub fn first_of_actions(&self) -> Date {
        self.daily_from.map_or(self.from, |day| day.min(self.from))
    }

    /// Adds the symbols of sources without any: those whose bars have been begun, because actions are sent before bars.
    fn with_symbols(mut self) -> Self {
        for (name, symbols) in self.actions.iter_mut().filter(|(_, symbols)| symbols.is_empty()) {
            symbols.extend(self.bars.get(name).into_iter().flat_map(BTreeMap::keys).cloned());
        }
        self
    }

    /// The symbols whose splits and dividends have not been sent, from whatever source: two sources have other ids for the
    /// same dividend, which would count twice.
    pub fn without_actions(&self, symbols: &[Symbol]) -> Vec<Symbol> {
        let is_sent = |symbol: &&Symbol| self.actions.values().any(|sent| sent.contains(*symbol));
        symbols.iter().filter(|symbol| !is_sent(symbol)).cloned().collect()
    }

    /// Notes that the splits and dividends of these symbols have been sent.
    pub fn note_actions(&mut self, name: &str, symbols: &[Symbol]) {
        self.actions.entry(name.to_owned()).or_default().extend(symbols.iter().cloned());
    }

    pub fn news_from(&self, name: &str, from: Date) -> Date {
        self.news.get(name).copied().unwrap_or(from)
    }

    pub fn bars_from(&self, name: &str, symbol: &Symbol, width: BarWidth, from: Date) -> Date {
        let bars = match width {
            BarWidth::Minute => &self.bars,
            BarWidth::Day => &self.daily_bars,
        };
        bars.get(name).and_then(|symbols| symbols.get(symbol)).copied().unwrap_or(from)
    }

    /// Notes the first day that is missing; whether that is news.
    pub fn reached(&mut self, of: Days<'_>, missing_from: Date) -> bool {
        let before = match of {
            Days::News(name) => self.news.insert(name.to_owned(), missing_from),
            Days::Bars(name, symbol, width) => {
                let bars = match width {
                    BarWidth::Minute => &mut self.bars,
                    BarWidth::Day => &mut self.daily_bars,
                };
                bars.entry(name.to_owned()).or_default().insert(symbol.clone(), missing_from)
            }
        };
        before != Some(missing_from)
    }
}

/// How much is done, in days of a source, or of a symbol of a price source.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is being fetched: `massive AAPL`, or `massive AAPL daily`.
    pub what: String,
    /// The first day of it that is missing.
    pub day: Date,
    /// Days that are done, in all.
    pub done: u64,
    /// Days there are, in all.
    pub total: u64,
    /// The time that the rest will take if it goes on as since the start; `None` before anything is done.
    pub left: Option<Duration>,
    /// [`Progress::work`] that had been done before the start.
    before: f64,
    began: Timestamp,
    by_part: BTreeMap<String, Part>,
}

/// One source, or one width of bars of one symbol of a price source.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    first: Date,
    /// Days that are done.
    done: u64,
    /// Days there are.
    total: u64,
    /// The time that a day takes, in that of a day of minute bars.
    cost: f64,
}

impl Days<'_> {
    fn name(self) -> String {
        match self {
            Self::News(name) => name.to_owned(),
            Self::Bars(name, symbol, BarWidth::Minute) => format!("{name} {symbol}"),
            Self::Bars(name, symbol, BarWidth::Day) => format!("{name} {symbol} daily"),
        }
    }

    /// What takes time are requests.
    fn cost(self) -> f64 {
        match self {
            Self::News(_) => 1.0,
            Self::Bars(_, _, width) => days_at_once(BarWidth::Minute) as f64 / days_at_once(width) as f64,
        }
    }
}

fn days(from: Date, until: Date) -> u64 {
    u64::try_from(until.duration_since(from).as_hours() / 24).unwrap_or(0)
}

impl Progress {
    pub(super) fn new(options: &BackfillOptions, sources: &Sources, state: &State, clock: &Clock) -> Self {
        let mut by_part = BTreeMap::new();
        let mut add = |of: Days<'_>, first: Date, missing_from: Date| {
            let (done, total) = (days(first, missing_from), days(first, after(options.to)));
            by_part.insert(of.name(), Part { first, done, total, cost: of.cost() });
        };
        for name in &sources.news {
            add(Days::News(name), options.from, state.news_from(name, options.from));
        }
        for (name, symbols) in &sources.prices {
            for (symbol, &width) in
                symbols.iter().flat_map(|symbol| options.widths.iter().map(move |width| (symbol, width)))
            {
                let first = options.first_day(width);
                add(Days::Bars(name, symbol, width), first, state.bars_from(name, symbol, width, first));
            }
        }
        let sum = |of: fn(&Part) -> u64| by_part.values().map(of).sum();
        let (done, total) = (sum(|part| part.done), sum(|part| part.total));
        let (what, day, began) = (String::new(), options.from, clock.now());
        let progress = Self { what, day, done, total, left: None, before: 0.0, began, by_part };
        Self { before: progress.work(|part| part.done), ..progress }
    }

    /// How much some days of each part are, in days of minute bars.
    fn work(&self, days: fn(&Part) -> u64) -> f64 {
        self.by_part.values().map(|part| days(part) as f64 * part.cost).sum()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done >= self.total
    }

    pub(super) fn reached(&mut self, of: Days<'_>, missing_from: Date, clock: &Clock) {
        self.what = of.name();
        self.day = missing_from;
        if let Some(part) = self.by_part.get_mut(&self.what) {
            part.done = days(part.first, missing_from);
        }
        self.done = self.by_part.values().map(|part| part.done).sum();
        let passed: Duration = clock.now().duration_since(self.began).max(SignedDuration::ZERO).unsigned_abs();
        let work = self.work(|part| part.done);
        let (fetched, rest) = (work - self.before, (self.work(|part| part.total) - work).max(0.0));
        self.left =
            (fetched > 0.0).then(|| Duration::try_from_secs_f64(passed.as_secs_f64() * rest / fetched).ok()).flatten();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use tapewire_core::Run;

    fn options() -> BackfillOptions {
        BackfillOptions {
            run: Run::named("may"),
            from: date(2025, 5, 1),
            to: date(2025, 5, 10),
            delay: Duration::from_secs(1),
            pause: Duration::ZERO,
            widths: [BarWidth::Minute].into(),
            daily_from: date(2025, 5, 1),
            calendars: tapewire_core::exchange::Calendars::default(),
            benchmarks: Vec::new(),
            find_companies: Vec::new(),
            again: false,
        }
    }

    #[test]
    fn splits_and_dividends_of_symbols_that_are_added_later_are_missing() {
        let symbols = ["OLD", "NEW"].map(|ticker| Symbol::new(ticker).unwrap());
        let mut state = State::continuing(None, &options()).unwrap();
        assert_eq!(state.without_actions(&symbols), symbols);
        state.note_actions("tape", &symbols[..1]);
        let stored: State = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
        let state = State::continuing(Some(stored), &options()).unwrap();
        assert_eq!(state.without_actions(&symbols), symbols[1..]);
        // A file of an earlier version: the source, and symbols whose bars were begun after its actions were sent.
        let earlier = r#"{"from":"2025-05-01","to":"2025-05-10","delay":"1s","news":{},"bars":{"tape":{"OLD":"2025-05-02"}},
            "actions":["tape"],"ended":false}"#;
        let state = State::continuing(Some(serde_json::from_str(earlier).unwrap()), &options()).unwrap();
        assert_eq!(state.without_actions(&symbols), symbols[1..]);
        assert_eq!(state.bars_from("tape", &symbols[0], BarWidth::Minute, date(2025, 5, 1)), date(2025, 5, 2));
    }

    #[test]
    fn a_backfill_goes_on_where_it_was_and_only_with_the_same_range() {
        let mut state = State::continuing(None, &options()).unwrap();
        let symbol = Symbol::new("EXMP").unwrap();
        assert!(state.reached(Days::News("wire"), date(2025, 5, 4)));
        assert!(!state.reached(Days::News("wire"), date(2025, 5, 4)));
        state.reached(Days::Bars("tape", &symbol, BarWidth::Minute), date(2025, 5, 11));
        let stored: State = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
        let state = State::continuing(Some(stored.clone()), &options()).unwrap();
        assert_eq!(state.news_from("wire", date(2025, 5, 1)), date(2025, 5, 4));
        assert_eq!(state.news_from("other", date(2025, 5, 1)), date(2025, 5, 1));
        let other = BackfillOptions { to: date(2025, 5, 9), ..options() };
        let error = State::continuing(Some(stored), &other).unwrap_err().to_string();
        assert!(error.contains("2025-05-10") && error.contains("--run"), "{error}");

        let sources = Sources { news: vec!["wire".into()], prices: vec![("tape".into(), vec![symbol.clone()])] };
        let clock = Clock::wall();
        let mut progress = Progress::new(&options(), &sources, &state, &clock);
        assert_eq!((progress.done, progress.total, progress.is_done()), (13, 20, false));
        progress.reached(Days::News("wire"), date(2025, 5, 11), &clock);
        assert!(progress.is_done() && progress.left == Some(Duration::ZERO), "{progress:?}");
    }

    #[test]
    fn daily_bars_may_begin_earlier_and_then_splits_are_fetched_of_all_their_days() {
        let symbols = [Symbol::new("EXMP").unwrap()];
        let mut state = State::continuing(None, &options()).unwrap();
        state.note_actions("tape", &symbols);
        assert_eq!(state.first_of_actions(), date(2025, 5, 1));
        let both = || [BarWidth::Minute, BarWidth::Day].into();
        let earlier = BackfillOptions { widths: both(), daily_from: date(2024, 5, 1), ..options() };
        let state = State::continuing(Some(state), &earlier).unwrap();
        assert_eq!((state.first_of_actions(), state.without_actions(&symbols)), (date(2024, 5, 1), symbols.to_vec()));
        let sources = Sources { news: Vec::new(), prices: vec![("tape".into(), symbols.to_vec())] };
        assert_eq!(Progress::new(&earlier, &sources, &state, &Clock::wall()).total, 10 + 375);
        // An earlier version noted the symbols of sources that had no splits then.
        let mut minutes = State::continuing(None, &options()).unwrap();
        minutes.note_actions("tape", &symbols);
        assert_eq!(minutes.without_actions(&symbols), [], "nor are they taken from another source");
        let days = BackfillOptions { widths: both(), ..options() };
        assert_eq!(State::continuing(Some(minutes), &days).unwrap().without_actions(&symbols), symbols);
        // Without daily bars the day that was given for them does not matter.
        let state = State::continuing(Some(state), &options()).unwrap();
        let other = BackfillOptions { widths: both(), ..options() };
        let error = State::continuing(Some(state), &other).unwrap_err().to_string();
        assert!(error.contains("--daily-from 2024-05-01"), "{error}");
    }

    #[test]
    fn daily_bars_have_days_of_their_own_and_take_little_of_the_time_that_is_left() {
        let symbol = Symbol::new("EXMP").unwrap();
        let options =
            BackfillOptions { widths: [BarWidth::Minute, BarWidth::Day].into(), to: date(2026, 4, 30), ..options() };
        let mut state = State::continuing(None, &options).unwrap();
        let bars = |width| Days::Bars("tape", &symbol, width);
        state.reached(bars(BarWidth::Day), date(2025, 6, 1));
        let from = |width| state.bars_from("tape", &symbol, width, options.from);
        assert_eq!((from(BarWidth::Minute), from(BarWidth::Day)), (options.from, date(2025, 6, 1)));

        let sources = Sources { news: Vec::new(), prices: vec![("tape".into(), vec![symbol.clone()])] };
        let start: Timestamp = "2026-05-02T00:00:00Z".parse().unwrap();
        let clock = Clock::accelerated(start, 1.0);
        let state = State::continuing(None, &options).unwrap();
        let mut progress = Progress::new(&options, &sources, &state, &clock);
        // As if a year of daily bars had taken 10 s.
        progress.began = clock.now() - SignedDuration::from_secs(10);
        progress.reached(bars(BarWidth::Day), date(2026, 5, 1), &clock);
        assert_eq!((progress.what.as_str(), progress.done, progress.total), ("tape EXMP daily", 365, 730));
        let left = progress.left.unwrap().as_secs_f64();
        assert!((left - 122.0).abs() < 3.0, "twelve requests for minutes are left, of about 10 s: {left}");
    }
}
