//! Bars and halts of one symbol, by session and start.

use super::actions::Actions;
use super::session::SessionBars;
use super::time::EventTime;
use std::collections::{BTreeMap, BTreeSet};
use tapewire_core::exchange::Market;

/// What the join keeps of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeldBar {
    /// No earlier than the session's open.
    pub start: EventTime,
    /// Exclusive; no later than the session's close, except of an auction.
    pub end: EventTime,
    /// The bar's start before it was cut to the session. It tells apart two bars that both start before the open.
    pub printed_start: EventTime,
    /// The first price, if it is one of the regular session.
    pub open: Option<f64>,
    /// The last price, if it is one of the regular session.
    pub close: Option<f64>,
    pub volume: f64,
    pub received_at: EventTime,
    /// Offset of the record these prices are from.
    pub offset: u64,
    /// Offset of the first record of this bar, whatever its prices.
    pub first_offset: u64,
    /// Only mentions whose session opened at or after this moment see the bar: for a late bar the tape's watermark on
    /// its arrival, otherwise [`HeldBar::ON_TIME`].
    pub visible_from: EventTime,
}

impl HeldBar {
    /// Every mention sees the bar: it arrived within the allowed lateness.
    pub const ON_TIME: EventTime = EventTime::MIN;

    fn is_late(&self) -> bool {
        self.visible_from != Self::ON_TIME
    }

    fn has_same_prices(&self, other: &Self) -> bool {
        (self.open, self.close, self.volume) == (other.open, other.close, other.volume)
    }

    /// Corrects the bar by another version of it, by the rules of [`Bars::insert`].
    pub fn correct(&mut self, new: &Self) -> bool {
        if new.is_late() {
            return false;
        }
        let before = (self.offset, self.first_offset);
        let first_offset = self.first_offset.min(new.offset);
        let newer = (self.received_at, self.offset) < (new.received_at, new.offset);
        if self.has_same_prices(new) {
            // A repetition: rows keep depending on the first record with these prices.
            self.offset = self.offset.min(new.offset);
            self.received_at = self.received_at.max(new.received_at);
        } else if newer {
            *self = *new;
        }
        self.first_offset = first_offset;
        before != (self.offset, self.first_offset)
    }
}

/// The bar that a price is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BarRef {
    /// [`HeldBar::start`].
    pub start: EventTime,
    /// [`HeldBar::end`].
    pub end: EventTime,
    /// [`HeldBar::offset`].
    pub offset: u64,
}

impl From<&HeldBar> for BarRef {
    fn from(bar: &HeldBar) -> Self {
        Self { start: bar.start, end: bar.end, offset: bar.offset }
    }
}

/// Which bars a mention sees: those that ended by the tape's watermark, without those that arrived too late for a
/// mention whose session opened at `as_of`.
///
/// A late bar is visible to mentions of later sessions only. If earlier mentions saw it, it would change their rows or
/// not, depending on whether they are still in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visibility {
    /// The tape's watermark.
    pub watermark: EventTime,
    pub as_of: EventTime,
}

impl Visibility {
    pub fn is_visible(self, bar: &HeldBar) -> bool {
        bar.end <= self.watermark && bar.visible_from <= self.as_of
    }
}

/// Bars of one width. Sessions are numbered as in the calendar.
#[derive(Debug)]
pub(super) struct Bars {
    /// By session. All but the newest are packed, unless a bar came for them since.
    sessions: Vec<(usize, SessionBars)>,
    /// The bars that may hold the closing auction of a session, by session and start. The first visible one holds it.
    auctions: BTreeMap<(usize, EventTime), HeldBar>,
    /// No bar that ended by this moment can be corrected any more.
    settled: EventTime,
}

impl Default for Bars {
    fn default() -> Self {
        Self { sessions: Vec::new(), auctions: BTreeMap::new(), settled: EventTime::MIN }
    }
}

impl Bars {
    /// Notes that no bar that ended by a moment can be corrected any more.
    pub fn settle(&mut self, until: EventTime) {
        self.settled = until;
    }

    /// Adds or corrects a bar. `true` if a row that depends on it can change.
    ///
    /// Of two versions the one with the later `received_at` counts; of equally late ones the later in the topic. A
    /// late record never changes a bar that is already known.
    pub fn insert(&mut self, session: usize, bar: HeldBar) -> bool {
        if let Some((_, bars)) = self.sessions.last_mut().filter(|(last, _)| *last == session) {
            return bars.insert(&bar);
        }
        match self.sessions.binary_search_by_key(&session, |(session, _)| *session) {
            Ok(i) => self.sessions[i].1.insert(&bar),
            Err(i) => {
                self.sessions.insert(i, (session, SessionBars::new(&bar)));
                self.pack();
                true
            }
        }
    }

    /// Packs all sessions but the newest.
    fn pack(&mut self) {
        let Some(((_, newest), before)) = self.sessions.split_last_mut() else { return };
        for (_, bars) in before {
            let end = bars.len().checked_sub(1).map_or(EventTime::MIN, |last| bars.end(last));
            if let Some(rows) = bars.pack(end <= self.settled) {
                newest.move_into(rows);
            }
        }
    }

    /// Adds or corrects a bar that may hold a session's closing auction, by the rules of [`Bars::insert`].
    pub fn insert_auction(&mut self, session: usize, bar: HeldBar) -> bool {
        match self.auctions.get_mut(&(session, bar.start)) {
            Some(known) => known.correct(&bar),
            None => {
                self.auctions.insert((session, bar.start), bar);
                true
            }
        }
    }

    /// Bars of a session, by start.
    pub fn in_session(&self, session: usize) -> Option<&SessionBars> {
        let after = self.sessions.partition_point(|(other, _)| *other <= session);
        self.sessions[..after].last().filter(|(found, _)| *found == session).map(|(_, bars)| bars)
    }

    /// First visible bar with an open that starts at or after `from`, and its open.
    pub fn first_from(&self, session: usize, from: EventTime, visibility: Visibility) -> Option<(f64, BarRef)> {
        self.entry(session, from, visibility).map(|(open, _, bar)| (open, bar))
    }

    /// First visible bar with an open that starts at or after `from`; its open and its volume.
    pub fn entry(&self, session: usize, from: EventTime, visibility: Visibility) -> Option<(f64, f64, BarRef)> {
        let bars = self.in_session(session)?;
        let mut visible = (bars.starting_before(from)..bars.len()).filter(|&i| bars.is_visible(i, visibility));
        visible.find_map(|i| Some((bars.open(i)?, bars.volume(i), bars.bar_ref(i))))
    }

    /// Last visible bar with a close that starts at or after `from` and ended at or before `until`, and its close.
    pub fn last_within(
        &self,
        session: usize,
        from: EventTime,
        until: EventTime,
        visibility: Visibility,
    ) -> Option<(f64, BarRef)> {
        let bars = self.in_session(session)?;
        let within = (0..bars.ended_by(until)).rev().take_while(|&i| bars.start(i) >= from);
        within.filter(|&i| bars.is_visible(i, visibility)).find_map(|i| Some((bars.close(i)?, bars.bar_ref(i))))
    }

    /// The visible bar with an open that starts at exactly this moment, and its open.
    pub fn starting_at(&self, session: usize, start: EventTime, visibility: Visibility) -> Option<(f64, BarRef)> {
        self.first_from(session, start, visibility).filter(|(_, bar)| bar.start == start)
    }

    /// The first visible bar of a session that has no open, because it starts before the session does.
    pub fn without_open(&self, session: usize, visibility: Visibility) -> Option<BarRef> {
        let bars = self.in_session(session)?;
        let before = (0..bars.len()).take_while(|&i| bars.open(i).is_none());
        before.filter(|&i| bars.is_visible(i, visibility)).map(|i| bars.bar_ref(i)).next()
    }

    /// The first visible bar that may hold a session's closing auction, and the auction's price.
    pub fn auction(&self, session: usize, visibility: Visibility) -> Option<(f64, BarRef)> {
        let (_, bar) = self.auctions_of(session, session).find(|(_, bar)| visibility.is_visible(bar))?;
        Some((bar.open?, bar.into()))
    }

    fn auctions_of(&self, oldest: usize, newest: usize) -> impl Iterator<Item = (usize, &HeldBar)> {
        let range = (oldest, EventTime::MIN)..=(newest, EventTime::MAX);
        self.auctions.range(range).map(|((session, _), bar)| (*session, bar))
    }

    /// Session, price and bar of the last price at or before `until`, in sessions `oldest..=newest`: the close of a bar or,
    /// after a session, its auction's price.
    pub fn last_before(
        &self,
        oldest: usize,
        newest: usize,
        until: EventTime,
        visibility: Visibility,
    ) -> Option<(usize, f64, BarRef)> {
        (oldest..=newest).rev().find_map(|session| {
            let auction = self.auction(session, visibility).filter(|(_, bar)| bar.end <= until);
            let (price, bar) = auction.or_else(|| self.last_within(session, EventTime::MIN, until, visibility))?;
            Some((session, price, bar))
        })
    }

    /// Whether any bar of sessions `oldest..=newest` is visible.
    pub fn any_visible(&self, oldest: usize, newest: usize, visibility: Visibility) -> bool {
        let within = self.sessions.iter().filter(|(session, _)| (oldest..=newest).contains(session));
        let mut auctions = self.auctions_of(oldest, newest).map(|(_, bar)| bar);
        within.into_iter().any(|(_, bars)| (0..bars.len()).any(|i| bars.is_visible(i, visibility)))
            || auctions.any(|bar| visibility.is_visible(bar))
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.sessions.iter().map(|(_, bars)| bars.len()).sum::<usize>() + self.auctions.len()
    }

    /// Evicts sessions before `oldest`. `true` if no bar is left.
    pub fn evict_before(&mut self, oldest: usize) -> bool {
        self.sessions.retain(|(session, _)| *session >= oldest);
        self.auctions = self.auctions.split_off(&(oldest, EventTime::MIN));
        self.sessions.is_empty() && self.auctions.is_empty()
    }
}

/// What the join keeps of a halt or a resumption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeldHalt {
    pub halted: bool,
    pub received_at: EventTime,
    pub offset: u64,
}

/// Bars, halts and mentions of one symbol.
#[derive(Debug, Default)]
pub(super) struct Instrument {
    /// Bars by width in seconds, the finest first.
    pub bars: BTreeMap<u32, Bars>,
    /// Bars that are in no session and not late: for each session, one past the greatest offset of those that started
    /// after it opened and before the next one did.
    pub outside: BTreeMap<usize, u64>,
    /// Halts by the moment they took effect.
    pub halts: BTreeMap<EventTime, HeldHalt>,
    /// Splits and dividends.
    pub actions: Actions,
    /// Mentions in memory, by the offset of their first record.
    pub mentions: BTreeSet<u64>,
    /// The market of its bars, known once there was one. With ten thousand symbols a second table would cost each bar
    /// another access to memory.
    pub market: Option<Market>,
}

impl Instrument {
    /// Notes a bar that is in no session.
    pub fn insert_outside(&mut self, session: usize, offset: u64) {
        let end = self.outside.entry(session).or_default();
        *end = (offset + 1).max(*end);
    }

    /// One past the greatest offset of the bars of sessions `oldest..=newest` that are in no session (0: none).
    pub fn outside(&self, oldest: usize, newest: usize) -> u64 {
        self.outside.range(oldest..=newest).map(|(_, &end)| end).max().unwrap_or(0)
    }

    /// Adds or corrects a halt, by the rules of [`Bars::insert`]. `true` if a row that depends on it can change.
    pub fn insert_halt(&mut self, at: EventTime, new: HeldHalt) -> bool {
        let Some(known) = self.halts.get_mut(&at) else {
            self.halts.insert(at, new);
            return true;
        };
        let before = known.offset;
        if known.halted == new.halted {
            known.offset = known.offset.min(new.offset);
            known.received_at = known.received_at.max(new.received_at);
        } else if (known.received_at, known.offset) < (new.received_at, new.offset) {
            *known = new;
        }
        before != known.offset
    }

    /// Whether trading was stopped at some moment of `from..=until`, judged by the halts since `oldest`.
    pub fn is_halted(&self, oldest: EventTime, from: EventTime, until: EventTime) -> bool {
        let mut stopped_before = false;
        let mut stopped_within = false;
        for (&at, halt) in self.halts.range(oldest..=until) {
            if at <= from {
                stopped_before = halt.halted;
            } else {
                stopped_within |= halt.halted;
            }
        }
        stopped_before || stopped_within
    }

    /// One past the greatest offset of the halts of `oldest..=until` (0: none).
    pub fn halts_end(&self, oldest: EventTime, until: EventTime) -> u64 {
        self.halts.range(oldest..=until).map(|(_, halt)| halt.offset + 1).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> EventTime {
        EventTime::from_micros(micros)
    }

    fn bar(start: i64, close: f64, received_at: i64, offset: u64) -> HeldBar {
        HeldBar {
            start: at(start),
            end: at(start + 60),
            printed_start: at(start),
            open: Some(1.0),
            close: Some(close),
            volume: 1.0,
            received_at: at(received_at),
            offset,
            first_offset: offset,
            visible_from: HeldBar::ON_TIME,
        }
    }

    const ALL: Visibility =
        Visibility { watermark: EventTime::from_micros(i64::MAX), as_of: EventTime::from_micros(i64::MAX) };

    #[test]
    fn the_same_version_counts_in_any_order() {
        let versions = [bar(0, 1.0, 10, 3), bar(0, 2.0, 20, 5), bar(0, 2.0, 20, 9), bar(0, 3.0, 15, 7)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut bars = Bars::default();
            for i in order {
                bars.insert(0, versions[i]);
            }
            let stored: Vec<HeldBar> = bars.in_session(0).unwrap().bars().collect();
            let [stored] = stored[..] else { panic!("one bar") };
            assert_eq!((stored.close, stored.offset, stored.first_offset), (Some(2.0), 5, 3), "{order:?}");
        }
    }

    #[test]
    fn a_late_bar_changes_no_known_bar_and_is_hidden_from_earlier_mentions() {
        let mut bars = Bars::default();
        assert!(bars.insert(0, bar(0, 1.0, 10, 1)));
        assert!(!bars.insert(0, HeldBar { visible_from: at(500), ..bar(0, 9.0, 99, 2) }));
        assert!(bars.insert(0, HeldBar { visible_from: at(500), ..bar(60, 9.0, 99, 3) }));
        let early = Visibility { watermark: at(1000), as_of: at(499) };
        let last = |visibility| bars.last_within(0, at(0), at(1000), visibility).map(|(close, _)| close);
        assert_eq!(last(early), Some(1.0));
        assert_eq!(last(Visibility { as_of: at(500), ..early }), Some(9.0));
    }

    #[test]
    fn only_bars_within_the_given_range_are_found() {
        let mut bars = Bars::default();
        for (session, start) in [(1, 0), (1, 60), (2, 1000), (2, 1120)] {
            bars.insert(session, bar(start, start as f64, 0, 0));
        }
        let last_within = |from, until| bars.last_within(2, at(from), at(until), ALL).map(|(_, bar)| bar.start);
        let last_before = |oldest| bars.last_before(oldest, 2, at(1059), ALL).map(|(s, _, bar)| (s, bar.start));
        assert_eq!(bars.first_from(2, at(1001), ALL).map(|(_, bar)| bar.start), Some(at(1120)));
        assert_eq!(bars.starting_at(2, at(1060), ALL), None);
        assert_eq!(last_within(1000, 1100), Some(at(1000)));
        assert_eq!(last_within(1000, 1059), None);
        assert_eq!(last_before(0), Some((1, at(60))));
        assert_eq!(last_before(2), None);
        assert!(bars.any_visible(0, 1, ALL) && !bars.any_visible(3, 9, ALL));
        assert!(!bars.evict_before(2) && bars.evict_before(3));
    }

    #[test]
    fn a_bar_from_before_the_open_stands_beside_one_from_the_open() {
        let mut bars = Bars::default();
        let cut = HeldBar { printed_start: at(-30), end: at(30), open: None, ..bar(0, 7.0, 0, 1) };
        bars.insert(2, cut);
        assert_eq!(bars.first_from(2, at(0), ALL), None);
        assert_eq!(bars.without_open(2, ALL), Some(BarRef::from(&cut)));
        bars.insert(2, bar(0, 8.0, 0, 2));
        assert_eq!(bars.in_session(2).map(SessionBars::len), Some(2));
        assert_eq!(bars.first_from(2, at(0), ALL).map(|(open, _)| open), Some(1.0));
        assert_eq!(bars.last_within(2, at(0), at(59), ALL).map(|(close, _)| close), Some(7.0));
    }

    #[test]
    fn the_auction_is_the_last_price_of_a_day_and_no_bar_of_it() {
        let mut bars = Bars::default();
        bars.insert(2, bar(0, 7.0, 0, 1));
        bars.insert_auction(2, HeldBar { open: Some(6.0), close: None, ..bar(60, 0.0, 0, 2) });
        bars.insert_auction(2, HeldBar { open: Some(6.5), close: None, received_at: at(9), ..bar(60, 0.0, 0, 3) });
        let before = |until| bars.last_before(0, 2, at(until), ALL).map(|(_, price, _)| price);
        assert_eq!([59, 60, 119, 120].map(before), [None, Some(7.0), Some(7.0), Some(6.5)]);
        assert_eq!(bars.last_within(2, at(0), at(999), ALL).map(|(price, _)| price), Some(7.0));
        assert_eq!((bars.len(), bars.auction(2, ALL).map(|(price, _)| price)), (2, Some(6.5)));
        assert!(bars.evict_before(3));
    }

    #[test]
    fn a_halt_lasts_until_trading_resumes() {
        let mut symbol = Instrument::default();
        let halt = |at, halted, offset| (at, HeldHalt { halted, received_at: at, offset });
        for (at, halt) in [halt(at(100), true, 4), halt(at(200), false, 6), halt(at(300), true, 8)] {
            assert!(symbol.insert_halt(at, halt));
        }
        let (again, repeated) = halt(at(100), true, 9);
        assert!(!symbol.insert_halt(again, repeated), "a repetition");
        let halted = |from, until| (symbol.is_halted(at(0), at(from), at(until)), symbol.halts_end(at(0), at(until)));
        assert_eq!(halted(50, 90), (false, 0));
        assert_eq!(halted(50, 100), (true, 5));
        assert_eq!(halted(150, 199), (true, 5));
        assert_eq!(halted(200, 299), (false, 7));
        assert_eq!(halted(250, 400), (true, 9));
    }
}
