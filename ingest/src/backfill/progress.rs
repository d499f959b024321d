//! How far a backfill is: for the next start, and for the person who waits.

use super::{BackfillOptions, after};
use crate::IngestError;
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
    /// Those of a symbol of a price source.
    Bars(&'a str, &'a Symbol),
}

/// The state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    from: Date,
    to: Date,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    delay: Duration,
    /// By source, the first day that is not complete.
    news: BTreeMap<String, Date>,
    /// By source and symbol, the first day that is not complete.
    bars: BTreeMap<String, BTreeMap<Symbol, Date>>,
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
        let (news, bars, actions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let begun = Self { from, to, delay, news, bars, actions, ended: false };
        match stored {
            None => Ok(begun),
            Some(stored) if (stored.from, stored.to, stored.delay) == (from, to, delay) => Ok(stored.with_symbols()),
            Some(stored) => Err(IngestError::Config(format!(
                "the run {} was begun for {} to {} with a delay of {:?}; give these again, or another --run",
                options.run, stored.from, stored.to, stored.delay
            ))),
        }
    }

    /// Adds the symbols of sources without any: those whose bars have been begun, because actions are sent before bars.
    fn with_symbols(mut self) -> Self {
        for (name, symbols) in self.actions.iter_mut().filter(|(_, symbols)| symbols.is_empty()) {
            symbols.extend(self.bars.get(name).into_iter().flat_map(BTreeMap::keys).cloned());
        }
        self
    }

    /// The symbols of a source whose splits and dividends have not been sent.
    pub fn without_actions(&self, name: &str, symbols: &[Symbol]) -> Vec<Symbol> {
        let sent = self.actions.get(name);
        symbols.iter().filter(|symbol| !sent.is_some_and(|sent| sent.contains(*symbol))).cloned().collect()
    }

    /// Notes that the splits and dividends of these symbols have been sent.
    pub fn note_actions(&mut self, name: &str, symbols: &[Symbol]) {
        self.actions.entry(name.to_owned()).or_default().extend(symbols.iter().cloned());
    }

    pub fn news_from(&self, name: &str, from: Date) -> Date {
        self.news.get(name).copied().unwrap_or(from)
    }

    pub fn bars_from(&self, name: &str, symbol: &Symbol, from: Date) -> Date {
        self.bars.get(name).and_then(|symbols| symbols.get(symbol)).copied().unwrap_or(from)
    }

    /// Notes the first day that is missing; whether that is news.
    pub fn reached(&mut self, of: Days<'_>, missing_from: Date) -> bool {
        let before = match of {
            Days::News(name) => self.news.insert(name.to_owned(), missing_from),
            Days::Bars(name, symbol) => {
                self.bars.entry(name.to_owned()).or_default().insert(symbol.clone(), missing_from)
            }
        };
        before != Some(missing_from)
    }
}

/// How much is done, in days of a source, or of a symbol of a price source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being fetched: `massive AAPL`.
    pub what: String,
    /// The first day of it that is missing.
    pub day: Date,
    /// Days that are done, in all.
    pub done: u64,
    /// Days there are, in all.
    pub total: u64,
    /// The time that the rest will take if it goes on as since the start; `None` before anything is done.
    pub left: Option<Duration>,
    from: Date,
    /// Days that had been done before the start.
    before: u64,
    began: Timestamp,
    by_part: BTreeMap<String, u64>,
}

fn days(from: Date, until: Date) -> u64 {
    u64::try_from(until.duration_since(from).as_hours() / 24).unwrap_or(0)
}

impl Progress {
    pub(super) fn new(options: &BackfillOptions, sources: &Sources, state: &State, clock: &Clock) -> Self {
        let mut by_part = BTreeMap::new();
        for name in &sources.news {
            by_part.insert(name.clone(), days(options.from, state.news_from(name, options.from)));
        }
        for (name, symbols) in &sources.prices {
            for symbol in symbols {
                let first = state.bars_from(name, symbol, options.from);
                by_part.insert(format!("{name} {symbol}"), days(options.from, first));
            }
        }
        let total = days(options.from, after(options.to)) * by_part.len() as u64;
        let done = by_part.values().sum();
        let (what, day, began) = (String::new(), options.from, clock.now());
        Self { what, day, done, total, left: None, from: options.from, before: done, began, by_part }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done >= self.total
    }

    pub(super) fn reached(&mut self, of: Days<'_>, missing_from: Date, clock: &Clock) {
        self.what = match of {
            Days::News(name) => name.to_owned(),
            Days::Bars(name, symbol) => format!("{name} {symbol}"),
        };
        self.day = missing_from;
        self.by_part.insert(self.what.clone(), days(self.from, missing_from));
        self.done = self.by_part.values().sum();
        let passed: Duration = clock.now().duration_since(self.began).max(SignedDuration::ZERO).unsigned_abs();
        let fetched = self.done.saturating_sub(self.before);
        let rest = self.total.saturating_sub(self.done) as f64;
        self.left = (fetched > 0).then(|| passed.mul_f64(rest / fetched as f64));
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
            benchmarks: Vec::new(),
            find_companies: Vec::new(),
            again: false,
        }
    }

    #[test]
    fn splits_and_dividends_of_symbols_that_are_added_later_are_missing() {
        let symbols = ["OLD", "NEW"].map(|ticker| Symbol::new(ticker).unwrap());
        let mut state = State::continuing(None, &options()).unwrap();
        assert_eq!(state.without_actions("tape", &symbols), symbols);
        state.note_actions("tape", &symbols[..1]);
        let stored: State = serde_json::from_slice(&serde_json::to_vec(&state).unwrap()).unwrap();
        let state = State::continuing(Some(stored), &options()).unwrap();
        assert_eq!(state.without_actions("tape", &symbols), symbols[1..]);
        assert_eq!(state.without_actions("other", &symbols), symbols);
        // A file of an earlier version: the source, and symbols whose bars were begun after its actions were sent.
        let earlier = r#"{"from":"2025-05-01","to":"2025-05-10","delay":"1s","news":{},"bars":{"tape":{"OLD":"2025-05-02"}},
            "actions":["tape"],"ended":false}"#;
        let state = State::continuing(Some(serde_json::from_str(earlier).unwrap()), &options()).unwrap();
        assert_eq!(state.without_actions("tape", &symbols), symbols[1..]);
        assert_eq!(state.bars_from("tape", &symbols[0], date(2025, 5, 1)), date(2025, 5, 2));
    }

    #[test]
    fn a_backfill_goes_on_where_it_was_and_only_with_the_same_range() {
        let mut state = State::continuing(None, &options()).unwrap();
        let symbol = Symbol::new("EXMP").unwrap();
        assert!(state.reached(Days::News("wire"), date(2025, 5, 4)));
        assert!(!state.reached(Days::News("wire"), date(2025, 5, 4)));
        state.reached(Days::Bars("tape", &symbol), date(2025, 5, 11));
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
}
