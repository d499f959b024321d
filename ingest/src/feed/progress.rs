//! Up to which minute the tape is complete.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, floor_minute};

/// How long the provider goes on correcting a minute: a gap is filled from so long before it.
const CORRECTED_WITHIN: SignedDuration = SignedDuration::from_mins(16);

/// What has been promised, and for which symbols. Kept in the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    complete_to: Option<Timestamp>,
    symbols: BTreeSet<Symbol>,
}

impl Progress {
    /// The next watermark, if a further minute is complete: one that ended `grace` ago and, within
    /// a session, whose benchmark bar has been seen. If that does not come for `patience` it was
    /// not printed, and the minute counts as complete without it.
    pub fn next(&self, now: Timestamp, grace: Duration, seen_to: Timestamp, patience: Duration) -> Option<Timestamp> {
        let at = floor_minute(now.saturating_sub(span(grace)).unwrap_or(Timestamp::MIN));
        let traded = Calendar::xnys().last_opened(at).filter(|session| session.open < at);
        let trading_to = traded.map_or(Timestamp::MIN, |session| session.close.min(at));
        let waiting = seen_to < trading_to && now.duration_since(trading_to) <= span(patience);
        let at = if waiting { floor_minute(seen_to).min(at) } else { at };
        self.complete_to.is_none_or(|complete_to| complete_to < at).then_some(at)
    }

    /// The promise has been made for these symbols.
    pub fn reached(&mut self, complete_to: Timestamp, symbols: Vec<Symbol>) {
        self.complete_to = Some(complete_to);
        self.symbols = symbols.into_iter().collect();
    }

    /// From when on a symbol's bars have to be fetched at `now`.
    pub fn missing_from(&self, symbol: &Symbol, now: Timestamp, warmup: Duration) -> Timestamp {
        match self.complete_to {
            Some(complete_to) if self.symbols.contains(symbol) => complete_to - CORRECTED_WITHIN,
            _ => now.saturating_sub(span(warmup)).unwrap_or(Timestamp::MIN),
        }
    }
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

    const GRACE: Duration = Duration::from_secs(5);
    const PATIENCE: Duration = Duration::from_secs(300);

    #[test]
    fn a_minute_is_complete_once_the_grace_is_over_and_is_promised_once() {
        let mut progress = Progress::default();
        let next = |progress: &Progress, now| progress.next(at(now), GRACE, at("2025-06-02T14:05:00Z"), PATIENCE);
        assert_eq!(next(&progress, "2025-06-02T14:01:04Z"), Some(at("2025-06-02T14:00:00Z")));
        progress.reached(at("2025-06-02T14:00:00Z"), vec![]);
        assert_eq!(next(&progress, "2025-06-02T14:01:04Z"), None);
        assert_eq!(next(&progress, "2025-06-02T14:01:05Z"), Some(at("2025-06-02T14:01:00Z")));
        // A clock set back promises nothing anew.
        assert_eq!(next(&progress, "2025-06-02T13:00:00Z"), None);
    }

    #[test]
    fn within_a_session_the_benchmark_is_waited_for_with_patience() {
        let next = |now, seen_to| Progress::default().next(at(now), GRACE, at(seen_to), PATIENCE);
        // Three minutes late: promised as far as it was seen.
        assert_eq!(next("2025-06-02T14:04:30Z", "2025-06-02T14:01:00Z"), Some(at("2025-06-02T14:01:00Z")));
        // Its last bar of the day counts too, and after a while no more.
        assert_eq!(next("2025-06-02T20:01:10Z", "2025-06-02T19:59:00Z"), Some(at("2025-06-02T19:59:00Z")));
        assert_eq!(next("2025-06-02T20:05:10Z", "2025-06-02T19:59:00Z"), Some(at("2025-06-02T20:05:00Z")));
        // At night and at the open nothing is missing.
        assert_eq!(next("2025-06-02T23:00:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-02T23:00:00Z")));
        assert_eq!(next("2025-06-03T13:30:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-03T13:30:00Z")));
        assert_eq!(next("2025-06-03T13:31:10Z", "2025-06-02T20:00:00Z"), Some(at("2025-06-02T20:00:00Z")));
    }

    #[test]
    fn a_known_symbol_is_filled_from_before_the_promise_and_a_new_one_warms_up() {
        let (now, warmup) = (at("2025-06-02T14:30:00Z"), Duration::from_secs(86_400));
        let mut progress = Progress::default();
        assert_eq!(progress.missing_from(&symbol("AAPL"), now, warmup), at("2025-06-01T14:30:00Z"));
        progress.reached(at("2025-06-02T14:00:00Z"), vec![symbol("AAPL")]);
        assert_eq!(progress.missing_from(&symbol("AAPL"), now, warmup), at("2025-06-02T13:44:00Z"));
        assert_eq!(progress.missing_from(&symbol("MSFT"), now, warmup), at("2025-06-01T14:30:00Z"));
    }
}
