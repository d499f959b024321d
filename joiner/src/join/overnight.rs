//! Prices across a night: known splits and dividends, and jumps that look like an unknown split.
//!
//! Bars are as printed, so a 3:1 split is a fall by two thirds between two sessions. Where the action is known, an
//! outcome across the night is that of a holder: it counts the shares after the split and the dividends received. If
//! the move still looks like a split, either `actions` lacks a split, or the bars were adjusted for it already.
//!
//! - A price that [looks split](looks_split), or one that does not show a split that is known: the outcomes across that
//!   night are NULL ([`PossibleSplits::Null`]). If that known split is less than 5:4, such as a stock dividend of 5 %,
//!   the price may have moved as much on news: the row is flagged, and the outcomes stay.
//! - A price within 2 % of a 3:2, 4:3 or 5:4 split or of its reverse: the row is flagged, and the outcomes stay. Falls by
//!   a fifth to a third on news are many times more frequent than such splits, and they are what is to be measured.
//! - Neither rule applies where the benchmark moved in the same direction by more than half as much.
//! - The benchmark's own night is judged by the first two rules: no market falls by half in a night. Abnormal returns across
//!   it are the outcomes that are NULL, and only a row with a market model is flagged. A night of the benchmark that may
//!   be a split, also a small one, is no move of the market, and no reason to take the symbol's jump for a move.

use super::actions::Holding;
use super::config::PossibleSplits;
use super::evaluation::{Entry, EvalContext, Evaluation};
use super::tape::{Bars, Visibility};
use super::time::EventTime;
use super::window::SessionBounds;
use tapewire_core::tape::looks_split;

/// Ratios that may be a small split, as logs: 3:2, 4:3, 5:4.
const SMALL_RATIOS: [f64; 3] = [0.405_465_108_108_164_4, 0.287_682_072_451_780_9, 0.223_143_551_314_209_76];
/// Distance in log from such a ratio that still counts as one.
const SMALL_NEAR: f64 = 0.02;
/// Log ratio of 5:4, less a margin for rounding. A known split below it is no larger than a move on news.
const SMALL_SPLIT: f64 = SMALL_RATIOS[2] - 1e-9;

/// What the move of a price across a night is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NightKind {
    /// A move of the price.
    Move,
    /// A move, or else a small split.
    MaybeSplit,
    /// A split.
    Split,
}

/// A night between two sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Night {
    pub holding: Holding,
    pub kind: NightKind,
    /// The log return of a holder.
    log_return: f64,
}

/// The night after the entry's session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nights {
    pub own: Night,
    /// The benchmark's; `None` where it has no price before or after it.
    pub benchmark: Option<Night>,
}

impl NightKind {
    /// The kind of a night, by the log return of a holder across it, and the benchmark's.
    fn of(log_return: f64, benchmark: Option<f64>) -> Self {
        if moved_with_benchmark(log_return, benchmark) {
            Self::Move
        } else if looks_split(log_return) {
            Self::Split
        } else if SMALL_RATIOS.iter().any(|ratio| (log_return.abs() - ratio).abs() <= SMALL_NEAR) {
            Self::MaybeSplit
        } else {
            Self::Move
        }
    }
}

/// Whether the benchmark moved in the same direction by more than half as much.
fn moved_with_benchmark(log_return: f64, benchmark: Option<f64>) -> bool {
    benchmark.is_some_and(|benchmark| benchmark * log_return > 0.0 && benchmark.abs() > log_return.abs() / 2.0)
}

impl Night {
    /// A night with a price before and one after it, and the benchmark's log return across it.
    pub fn new(holding: Holding, before: f64, after: f64, benchmark: Option<f64>) -> Self {
        let (raw, log_return) = ((after / before).ln(), (holding.value(after) / before).ln());
        // The prices do not move by the known split: they seem to be adjusted for it already.
        let is_adjusted_already =
            holding.shares != 1.0 && raw.abs() < log_return.abs() / 2.0 && !moved_with_benchmark(log_return, benchmark);
        let is_small = holding.shares.ln().abs() < SMALL_SPLIT;
        let kind = match (is_adjusted_already, is_small) {
            (true, false) => NightKind::Split,
            (true, true) => NightKind::MaybeSplit,
            (false, _) => NightKind::of(log_return, benchmark),
        };
        Self { holding, kind, log_return }
    }

    /// The log return of a holder, unless it may be that of a split.
    pub fn moved(self) -> Option<f64> {
        (self.kind == NightKind::Move).then_some(self.log_return)
    }
}

impl EvalContext<'_> {
    /// The night after the entry's session, once there is a price after it; flags what it looks like.
    pub(super) fn nights_after(&self, entry: &Entry<'_>, out: &mut Evaluation) -> Option<Nights> {
        let (session, next) = (entry.session, entry.next);
        let after = self.first_price(entry.bars, next, entry.visibility, out)?;
        let last = entry.bars.last_within(session.index, entry.bar.start, session.close, entry.visibility);
        last.iter().for_each(|(_, bar)| self.depend_on(bar, out));
        let before = last.map_or(entry.price, |(price, _)| price);
        let benchmark = self.benchmark_night(session.index, next, entry, out);
        let own = self.night(self.holding(session.index, next.index), before, after, benchmark);
        self.set_flags(own, out);
        // Without a market model the benchmark's prices are in none of the row's columns.
        let benchmark_jumped = benchmark.is_some_and(|night| night.kind != NightKind::Move);
        out.quality.possible_split |= benchmark_jumped && self.model(entry).is_some();
        Some(Nights { own, benchmark })
    }

    /// Makes the price before the news comparable with the entry, where nights are between them.
    pub(super) fn adjust_price_before(&self, entry: &Entry<'_>, out: &mut Evaluation) {
        let (Some((price, at)), Some(before)) = (out.price_before, out.price_before_session) else { return };
        if before >= entry.session.index {
            return;
        }
        // It tells only whether the market moved: abnormal returns begin at the entry.
        let benchmark = self.benchmark_night(before, entry.session, entry, out);
        let night = self.night(self.holding(before, entry.session.index), price, entry.price, benchmark);
        self.set_flags(night, out);
        let adjusted = night.holding.back_adjusted(price).filter(|_| !self.is_withheld(night));
        out.price_before = adjusted.map(|price| (price, at));
    }

    /// The night by the rules of [`Night::new`]; where the market does not close it is always a move.
    fn night(&self, holding: Holding, before: f64, after: f64, benchmark: Option<Night>) -> Night {
        let night = Night::new(holding, before, after, benchmark.and_then(Night::moved));
        if self.calendar.market().is_round_the_clock() { Night { kind: NightKind::Move, ..night } } else { night }
    }

    fn set_flags(&self, night: Night, out: &mut Evaluation) {
        out.quality.adjusted |= night.holding != Holding::ONE;
        out.quality.possible_split |= night.kind != NightKind::Move;
    }

    /// Whether outcomes across the night are NULL.
    pub(super) fn is_withheld(&self, night: Night) -> bool {
        night.holding.has_foreign_cash
            || (night.kind == NightKind::Split && self.config.possible_splits == PossibleSplits::Null)
    }

    fn holding(&self, before: usize, after: usize) -> Holding {
        self.symbol.map_or(Holding::ONE, |symbol| symbol.actions.holding(before, after))
    }

    fn benchmark_holding(&self, before: usize, after: usize) -> Holding {
        self.benchmark.map_or(Holding::ONE, |benchmark| benchmark.actions.holding(before, after))
    }

    /// The benchmark's night from the last close of session `before`, or the opening price of the entry's bar if there is
    /// no close, to the first price of `after`.
    fn benchmark_night(
        &self,
        before: usize,
        after: SessionBounds,
        entry: &Entry<'_>,
        out: &mut Evaluation,
    ) -> Option<Night> {
        let bars = self.benchmark?.bars.get(&entry.width_s)?;
        let close = self.calendar.sessions().get(before)?.close;
        let last = bars.last_within(before, EventTime::MIN, close.into(), entry.visibility);
        let (last, bar) = last.or_else(|| bars.starting_at(before, entry.bar.start, entry.visibility))?;
        self.depend_on(&bar, out);
        let first = self.first_price(bars, after, entry.visibility, out)?;
        Some(self.night(self.benchmark_holding(before, after.index), last, first, None))
    }

    /// The first price of a session: the open of its first bar or, if that is no price of the session, the bar's close.
    /// Without a bar it is the price of the closing auction.
    fn first_price(
        &self,
        bars: &Bars,
        session: SessionBounds,
        visibility: Visibility,
        out: &mut Evaluation,
    ) -> Option<f64> {
        let in_session = bars.in_session(session.index).and_then(|bars| {
            let first = (0..bars.len()).find(|&i| bars.is_visible(i, visibility))?;
            Some((bars.open(first).or(bars.close(first))?, bars.bar_ref(first)))
        });
        let (price, bar) = in_session.or_else(|| bars.auction(session.index, visibility))?;
        self.depend_on(&bar, out);
        Some(price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(ratio: f64, benchmark: Option<f64>) -> NightKind {
        Night::new(Holding::ONE, 100.0, 100.0 * ratio, benchmark).kind
    }

    #[test]
    fn splits_of_every_usual_ratio_are_seen_whatever_the_night() {
        for n in [2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0] {
            for night in [0.92, 0.97, 1.0, 1.03, 1.09] {
                assert_eq!(kind(night / n, Some(0.001)), NightKind::Split, "{n}:1, {night}");
                assert_eq!(kind(night * n, None), NightKind::Split, "1:{n}, {night}");
            }
        }
        for ratio in [2.0 / 3.0, 3.0 / 4.0, 4.0 / 5.0, 1.5, 4.0 / 3.0, 1.25] {
            assert_eq!(kind(ratio * 1.01, None), NightKind::MaybeSplit, "{ratio}");
        }
    }

    #[test]
    fn moves_on_news_are_moves() {
        for ratio in [1.0, 0.95, 1.1, 0.85, 1.18, 0.7, 0.6, 0.42, 1.4, 1.7] {
            assert_eq!(kind(ratio, Some(0.002)), NightKind::Move, "{ratio}");
        }
        assert_eq!(kind(0.79, Some(-0.2)), NightKind::Move, "the market fell as well");
        assert_eq!(kind(0.79, Some(0.2)), NightKind::MaybeSplit);
    }

    #[test]
    fn what_may_be_a_split_is_no_move_of_the_market() {
        let moved = |ratio: f64| Night::new(Holding::ONE, 100.0, 100.0 * ratio, None).moved();
        assert_eq!([0.5, 2.0, 0.1, 1.5, 0.8].map(moved), [None; 5]);
        assert_eq!(moved(0.9), Some(0.9_f64.ln()));
        let split = Holding { shares: 2.0, ..Holding::ONE };
        assert_eq!(Night::new(split, 100.0, 50.0, None).moved(), Some(0.0));
        assert_eq!(Night::new(split, 100.0, 100.0, None).moved(), None, "adjusted bars");
    }

    #[test]
    fn a_known_split_explains_the_jump_unless_the_bars_contain_it_already() {
        let split = Holding { shares: 3.0, ..Holding::ONE };
        assert_eq!(Night::new(split, 890.0, 302.0, None).kind, NightKind::Move);
        assert_eq!(Night::new(split, 296.7, 302.0, None).kind, NightKind::Split, "adjusted bars");
        let small = Holding { shares: 1.25, ..Holding::ONE };
        assert_eq!(Night::new(small, 100.0, 81.0, None).kind, NightKind::Move);
        assert_eq!(Night::new(small, 80.0, 81.0, None).kind, NightKind::Split, "adjusted bars");
        let reverse = Holding { shares: 0.8, ..Holding::ONE };
        assert_eq!(Night::new(reverse, 80.0, 81.0, None).kind, NightKind::Split, "adjusted bars");
        assert_eq!(Night::new(small, 80.0, 81.0, Some(0.2)).kind, NightKind::Move, "the market rose as well");
    }

    #[test]
    fn a_rise_on_the_day_of_a_stock_dividend_stays() {
        let dividend = Holding { shares: 1.05, ..Holding::ONE };
        assert_eq!(Night::new(dividend, 100.0, 95.0, None).kind, NightKind::Move);
        assert_eq!(
            Night::new(dividend, 100.0, 100.0, None).kind,
            NightKind::MaybeSplit,
            "a rise of 5 %, or adjusted bars"
        );
        assert_eq!(Night::new(dividend, 100.0, 90.0, None).kind, NightKind::Move);
    }
}
