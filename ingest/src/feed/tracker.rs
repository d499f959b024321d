//! Tracks up to which minute the tape is complete.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, floor_minute};

/// How far ahead of the clock a saved watermark may be: clocks of machines differ a little.
const LARGEST_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The last watermark that was sent, and the symbols that it was sent for. Kept in the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TapeTracker {
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    complete_to: Option<Timestamp>,
    symbols: BTreeSet<Symbol>,
}

impl TapeTracker {
    /// The next watermark, if a further minute is complete: if it ended `grace` ago and, within a session, its
    /// reference bar has been seen. `seen_to` is the end of the last reference bar, and the calendar of the reference
    /// symbol; `None` where there is no reference symbol. If the reference bar does not come within `stall_timeout`, the
    /// symbol was not traded, and the minute counts as complete without it.
    pub fn next(
        &self,
        now: Timestamp,
        grace: Duration,
        seen_to: Option<(Timestamp, &'static Calendar)>,
        stall_timeout: Duration,
    ) -> Option<Timestamp> {
        let at = floor_minute(now.saturating_sub(span(grace)).unwrap_or(Timestamp::MIN));
        let at = seen_to.map_or(at, |seen_to| reference_seen_to(at, now, seen_to, stall_timeout));
        self.complete_to.is_none_or(|complete_to| complete_to < at).then_some(at)
    }

    /// The last watermark.
    pub fn complete_to(&self) -> Option<Timestamp> {
        self.complete_to
    }

    /// Takes back a watermark that is ahead of `now`, which comes from a clock that was wrong or from another machine's
    /// file, and returns it. Otherwise no minute would be complete until then. What is missing is not known, so all symbols
    /// are fetched as new ones.
    pub fn take_back(&mut self, now: Timestamp) -> Option<Timestamp> {
        let latest = now.saturating_add(LARGEST_SKEW).unwrap_or(Timestamp::MAX);
        let ahead = self.complete_to.filter(|complete_to| *complete_to > latest)?;
        self.complete_to = Some(floor_minute(now));
        self.symbols.clear();
        Some(ahead)
    }

    /// Notes that a watermark was sent for these symbols.
    pub fn emitted(&mut self, complete_to: Timestamp, symbols: Vec<Symbol>) {
        self.complete_to = Some(complete_to);
        self.symbols = symbols.into_iter().collect();
    }

    /// The time from which a symbol's bars have to be fetched at `now`. The source may correct a minute for
    /// `corrects_within`.
    pub fn missing_from(
        &self,
        symbol: &Symbol,
        now: Timestamp,
        warmup: Duration,
        corrects_within: SignedDuration,
    ) -> Timestamp {
        match self.complete_to {
            Some(complete_to) if self.symbols.contains(symbol) => {
                complete_to.saturating_sub(corrects_within).unwrap_or(Timestamp::MIN)
            }
            _ => now.saturating_sub(span(warmup)).unwrap_or(Timestamp::MIN),
        }
    }
}

/// The time, at most `at`, up to which bars are complete at `now`.
fn reference_seen_to(
    at: Timestamp,
    now: Timestamp,
    (seen_to, calendar): (Timestamp, &'static Calendar),
    stall_timeout: Duration,
) -> Timestamp {
    let traded = calendar.last_opened(at).filter(|session| session.open < at);
    let trading_to = traded.map_or(Timestamp::MIN, |session| match session.lunch_break {
        Some((from, until)) if from < at && at <= until => from,
        _ => session.close.min(at),
    });
    let waiting = seen_to < trading_to && now.duration_since(trading_to) <= span(stall_timeout);
    if waiting { floor_minute(seen_to).min(at) } else { at }
}

fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn symbol(name: &str) -> Symbol {
        Symbol::new(name).unwrap()
    }

    const CORRECTS_WITHIN: SignedDuration = SignedDuration::from_mins(16);
    const GRACE: Duration = Duration::from_secs(5);
    const STALL_TIMEOUT: Duration = Duration::from_secs(300);

    #[test]
    fn a_minute_is_complete_once_the_grace_is_over_and_is_said_once() {
        let mut tracker = TapeTracker::default();
        let next = |tracker: &TapeTracker, now| {
            tracker.next(at(now), GRACE, Some((at("2025-06-02T14:05:00Z"), Calendar::xnys())), STALL_TIMEOUT)
        };
        assert_eq!(next(&tracker, "2025-06-02T14:01:04Z"), Some(at("2025-06-02T14:00:00Z")));
        tracker.emitted(at("2025-06-02T14:00:00Z"), vec![]);
        assert_eq!(next(&tracker, "2025-06-02T14:01:04Z"), None);
        assert_eq!(next(&tracker, "2025-06-02T14:01:05Z"), Some(at("2025-06-02T14:01:00Z")));
        // No watermark is repeated when the clock is set back.
        assert_eq!(next(&tracker, "2025-06-02T13:00:00Z"), None);
    }

    #[test]
    fn a_watermark_ahead_of_the_clock_is_taken_back() {
        let now = at("2025-06-02T14:00:30Z");
        let mut tracker = TapeTracker::default();
        assert_eq!(tracker.take_back(now), None);
        tracker.emitted(at("2025-06-02T14:05:00Z"), vec![symbol("AAPL")]);
        let skewed = tracker.clone();
        assert_eq!(tracker.take_back(now), None);
        assert_eq!(tracker, skewed);
        tracker.emitted(at("2025-07-02T14:00:00Z"), vec![symbol("AAPL")]);
        assert_eq!(tracker.take_back(now), Some(at("2025-07-02T14:00:00Z")));
        assert_eq!(tracker.complete_to(), Some(at("2025-06-02T14:00:00Z")));
        let (later, warmup) = (at("2025-06-02T14:01:05Z"), Duration::from_secs(86_400));
        assert_eq!(tracker.next(later, GRACE, None, STALL_TIMEOUT), Some(at("2025-06-02T14:01:00Z")));
        assert_eq!(tracker.missing_from(&symbol("AAPL"), now, warmup, CORRECTS_WITHIN), at("2025-06-01T14:00:30Z"));
    }

    #[test]
    fn within_a_session_the_reference_bar_is_waited_for_up_to_a_limit() {
        let next = |now, seen_to| {
            TapeTracker::default().next(at(now), GRACE, Some((at(seen_to), Calendar::xnys())), STALL_TIMEOUT)
        };
        // The reference bars are three minutes late: the tape is complete as far as they were seen.
        assert_eq!(next("2025-06-02T14:04:30Z", "2025-06-02T14:01:00Z"), Some(at("2025-06-02T14:01:00Z")));
        // The last bar of the day is waited for, too, but not forever.
        assert_eq!(next("2025-06-02T20:01:10Z", "2025-06-02T19:59:00Z"), Some(at("2025-06-02T19:59:00Z")));
        assert_eq!(next("2025-06-02T20:05:10Z", "2025-06-02T19:59:00Z"), Some(at("2025-06-02T20:05:00Z")));
        // At night and at the open no bar is missing.
        assert_eq!(next("2025-06-02T23:00:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-02T23:00:00Z")));
        assert_eq!(next("2025-06-03T13:30:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-03T13:30:00Z")));
        assert_eq!(next("2025-06-03T13:31:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-02T20:00:00Z")));
    }

    #[test]
    fn in_a_lunch_break_no_bar_is_missing() {
        let tokyo = tapewire_core::exchange::Market::Tokyo.calendar();
        let next =
            |now, seen_to| TapeTracker::default().next(at(now), GRACE, Some((at(seen_to), tokyo)), STALL_TIMEOUT);
        assert_eq!(next("2025-06-02T03:00:10Z", "2025-06-02T02:30:00Z"), Some(at("2025-06-02T03:00:00Z")));
        assert_eq!(next("2025-06-02T02:31:10Z", "2025-06-02T02:29:00Z"), Some(at("2025-06-02T02:29:00Z")));
        assert_eq!(next("2025-06-02T03:32:10Z", "2025-06-02T02:30:00Z"), Some(at("2025-06-02T02:30:00Z")));
    }

    #[test]
    fn a_source_without_a_reference_symbol_goes_by_time_alone() {
        let next = |now| TapeTracker::default().next(at(now), GRACE, None, STALL_TIMEOUT);
        assert_eq!(next("2025-06-02T14:04:30Z"), Some(at("2025-06-02T14:04:00Z")));
    }

    #[test]
    fn a_known_symbol_is_filled_from_before_the_watermark_and_a_new_one_warms_up() {
        let (now, warmup) = (at("2025-06-02T14:30:00Z"), Duration::from_secs(86_400));
        let mut tracker = TapeTracker::default();
        assert_eq!(tracker.missing_from(&symbol("AAPL"), now, warmup, CORRECTS_WITHIN), at("2025-06-01T14:30:00Z"));
        tracker.emitted(at("2025-06-02T14:00:00Z"), vec![symbol("AAPL")]);
        assert_eq!(tracker.missing_from(&symbol("AAPL"), now, warmup, CORRECTS_WITHIN), at("2025-06-02T13:44:00Z"));
        assert_eq!(tracker.missing_from(&symbol("MSFT"), now, warmup, CORRECTS_WITHIN), at("2025-06-01T14:30:00Z"));
    }
}
