//! Which candles are finished, where a provider sends the current one again with each change and does not say which is the
//! last.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tapewire_core::{Bar, Symbol};

/// How long after its end a candle may still change by a message that is on its way.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_secs(2);

/// The latest candle of each symbol, until it is finished.
#[derive(Debug, Default)]
pub(super) struct Candles(BTreeMap<Symbol, Bar>);

impl Candles {
    /// Takes candles in, and returns those that are finished: older ones than the latest of the symbol, and those that
    /// ended a while before `now`, by the provider's clock where it is known.
    pub(super) fn finished(&mut self, candles: Vec<Bar>, now: Option<Timestamp>) -> Vec<Bar> {
        let mut finished = Vec::new();
        for candle in candles {
            match self.0.get(&candle.symbol) {
                Some(latest) if candle.start < latest.start => finished.push(candle),
                Some(latest) if candle.start == latest.start => {
                    self.0.insert(candle.symbol.clone(), candle);
                }
                _ => finished.extend(self.0.insert(candle.symbol.clone(), candle)),
            }
        }
        let Some(now) = now else { return finished };
        let is_over = |bar: &Bar| now.duration_since(bar.end()) >= SETTLES_WITHIN;
        let over: Vec<Symbol> = self.0.values().filter(|bar| is_over(bar)).map(|bar| bar.symbol.clone()).collect();
        finished.extend(over.iter().filter_map(|symbol| self.0.remove(symbol)));
        finished.sort_by(|a, b| (a.start, &a.symbol).cmp(&(b.start, &b.symbol)));
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_testkit::at;

    fn candle(start: &str, close: f64) -> Bar {
        Bar { width_s: 300, ..tapewire_testkit::bar("X:BTCUSD", at(start), close) }
    }

    #[test]
    fn a_candle_is_sent_when_it_is_over_and_again_when_it_is_corrected() {
        let mut candles = Candles::default();
        let mut closes = |new: Vec<Bar>, now: &str| -> Vec<f64> {
            candles.finished(new, Some(at(now))).iter().map(|bar| bar.close).collect()
        };
        let (first, second) = ("2026-04-07T14:30:00Z", "2026-04-07T14:35:00Z");
        // What came first at the subscription: two candles, newest first.
        assert_eq!(closes(vec![candle(second, 3.0), candle(first, 2.0)], "2026-04-07T14:36:00Z"), [2.0]);
        assert_eq!(closes(vec![candle(second, 4.0)], "2026-04-07T14:39:59Z"), [0.0; 0]);
        assert_eq!(closes(vec![candle(first, 2.5)], "2026-04-07T14:40:01Z"), [2.5]);
        // Nothing is traded any more; a heartbeat shows that it is over.
        assert_eq!(closes(vec![], "2026-04-07T14:40:02Z"), [4.0]);
        assert_eq!(closes(vec![candle(second, 5.0)], "2026-04-07T14:40:03Z"), [5.0]);
        assert_eq!(closes(vec![], "2026-04-07T14:50:00Z"), [0.0; 0]);
    }
}
