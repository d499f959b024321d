//! The fold of one symbol's trades.

use crate::compact_trade::{CompactTrade, hash};
use crate::values::Values;
use crate::widths::{Widths, floor, lateness_micros, micros};
use jiff::{SignedDuration, Timestamp};
use tapewire_core::{Bar, BarUpdates, Symbol, Trade, TradeRef};

/// Trades of one symbol that may still change a bar.
///
/// The bars are a function of the set of trades and of the watermarks: neither the order of arrival nor a repetition
/// changes the last version of a bar. Bars end at multiples of their width since midnight UTC. A bar is emitted at the
/// first watermark at or after its end, and again, whole, at the next watermark after a trade that arrived later changed
/// it. An interval without a trade that counts for open and close has no bar; if all trades of a bar are taken back
/// after it was emitted, it stays as it was. A later version of a bar never has an earlier [`Bar::received_at`],
/// even if a trade was taken back.
///
/// Ids are unique within a symbol and day, also those of records that take a trade back.
#[derive(Debug, Clone)]
pub struct Fold {
    symbol: Symbol,
    widths: Widths,
    /// In microseconds.
    lateness: i64,
    /// Sorted up to `sorted`, by [`CompactTrade::order`], except where a record has taken a trade back.
    ///
    /// The trades of all symbols do not fit the processor's cache. What is looked for is mostly among the last, so searches
    /// go from the end backwards, and do not begin in the middle.
    trades: Vec<CompactTrade>,
    sorted: usize,
    taken_back: Vec<TakenBack>,
    /// How many of `taken_back`, from the first on, the trades up to `sorted` have been compared with.
    applied: usize,
    /// Time of the latest trade that was taken back. Its other values have changed since, so up to this time trades may be
    /// in another order than [`CompactTrade::order`].
    unordered_to: i64,
    /// Times of trades before the watermark that were added or taken back since the last call of `watermark`: their
    /// bars may have been emitted already.
    changed: Vec<i64>,
    watermark: i64,
    /// Trades before this time have been evicted, or would be if most trades were.
    evicted_before: i64,
}

/// A record that takes a trade back.
#[derive(Debug, Clone, Copy)]
struct TakenBack {
    /// [`hash`] of the trade's id.
    id: u64,
    at: i64,
    received_at: i64,
}

impl TakenBack {
    /// Makes the trade that was taken back count for nothing, if it is among these. Returns its time, or the least number.
    fn apply(&self, trades: &mut [CompactTrade]) -> i64 {
        let mut latest = i64::MIN;
        for trade in trades.iter_mut().filter(|trade| trade.id == self.id) {
            trade.counts = BarUpdates::NOTHING;
            trade.received_at = trade.received_at.max(self.received_at);
            latest = latest.max(trade.at);
        }
        latest
    }
}

/// Whether a trade counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It counts in bars from now on.
    Counts,
    /// It is older than the start of the widest bar that holds the time `watermark - lateness`, and changes no bar.
    TooLate,
}

impl Fold {
    /// The fold of `symbol`'s trades. A trade may arrive `lateness` after the watermark has passed the end of the bar
    /// that it belongs to.
    pub fn new(symbol: Symbol, widths: Widths, lateness: SignedDuration) -> Self {
        let lateness = lateness_micros(lateness);
        Self {
            symbol,
            widths,
            lateness,
            trades: Vec::new(),
            sorted: 0,
            taken_back: Vec::new(),
            applied: 0,
            unordered_to: i64::MIN,
            changed: Vec::new(),
            watermark: i64::MIN / 2,
            evicted_before: i64::MIN,
        }
    }

    /// Takes a trade of this symbol, or a record that takes one back.
    pub fn trade(&mut self, trade: &Trade) -> Arrival {
        self.borrowed(&trade.borrowed())
    }

    /// As [`Fold::trade`].
    pub(crate) fn borrowed(&mut self, trade: &TradeRef<'_>) -> Arrival {
        let new = CompactTrade::new(trade);
        if new.at < self.open_from() {
            return Arrival::TooLate;
        }
        if let Some(id) = trade.replaces {
            self.take_back(TakenBack { id: hash(id), at: new.at, received_at: new.received_at });
        }
        if new.at < self.watermark {
            self.changed.push(new.at);
        }
        self.trades.push(new);
        Arrival::Counts
    }

    fn take_back(&mut self, cancel: TakenBack) {
        self.taken_back.push(cancel);
        // A trade that is too old to change its bar may still be in memory. Its bar must not depend on that.
        let from = self.open_from();
        let before =
            self.trades.iter().filter(|trade| trade.id == cancel.id && (from..self.watermark).contains(&trade.at));
        self.changed.extend(before.map(|trade| trade.at));
    }

    /// Says that all trades up to `at` (UTC) have arrived, except late ones. Returns the bars that are complete now,
    /// and those that late trades have changed: by width, then by time.
    pub fn watermark(&mut self, at: Timestamp) -> Vec<Bar> {
        let at = at.as_microsecond();
        if at <= self.watermark && self.changed.is_empty() {
            return Vec::new();
        }
        self.sort();
        let (from, to) = (self.watermark, at.max(self.watermark));
        let mut bars = Vec::new();
        for &width_s in self.widths.seconds() {
            let width = micros(width_s);
            let mut starts: Vec<i64> = self.changed.iter().map(|&at| floor(at, width)).collect();
            // The others are emitted below, for the first time.
            starts.retain(|start| start + width <= from);
            starts.sort_unstable();
            starts.dedup();
            for start in starts {
                bars.extend(self.bar(&self.trades[self.first_from(start)..], start, width_s));
            }
            let (first, complete) = (floor(from, width), floor(to, width));
            if first < complete {
                let mut next = self.first_from(first);
                while let Some(start) =
                    self.trades.get(next).map(|trade| floor(trade.at, width)).filter(|&at| at < complete)
                {
                    let count = self.trades[next..].partition_point(|trade| trade.at < start + width);
                    let trades = &self.trades[next..next + count];
                    bars.extend(Values::of(trades).bar(&self.symbol, start, width_s));
                    next += count;
                }
            }
        }
        self.watermark = to;
        self.changed.clear();
        self.evict();
        bars
    }

    /// Where the first trade at or after this time is.
    fn first_from(&self, at: i64) -> usize {
        let (mut step, mut to) = (1, self.trades.len());
        loop {
            let from = to.saturating_sub(step);
            if from == to || self.trades[from].at < at {
                return from + self.trades[from..to].partition_point(|trade| trade.at < at);
            }
            (to, step) = (from, step * 2);
        }
    }

    /// Sorts the trades by time and removes repetitions. A trade that was taken back does not count, but stays: the
    /// bar's `received_at` must not be before that of the record that took it back.
    fn sort(&mut self) {
        let first = self.trades[self.sorted..].iter().map(|trade| trade.at).min();
        let changed = match first {
            None => self.sorted,
            Some(first) if first > self.unordered_to => self.merge(),
            Some(_) => self.sort_again(),
        };
        for taken in &self.taken_back[..self.applied] {
            self.unordered_to = self.unordered_to.max(taken.apply(&mut self.trades[changed..]));
        }
        for taken in &self.taken_back[self.applied..] {
            self.unordered_to = self.unordered_to.max(taken.apply(&mut self.trades));
        }
        (self.applied, self.sorted) = (self.taken_back.len(), self.trades.len());
    }

    /// Merges the new trades with those that are sorted, where all of them are in order from the earliest new one on.
    /// Returns how many trades at the start have not changed.
    fn merge(&mut self) -> usize {
        let mut late = Vec::new();
        let mut end = self.sorted;
        for place in self.sorted..self.trades.len() {
            let trade = self.trades[place];
            if let Some(before) = end.checked_sub(1).map(|last| &self.trades[last]) {
                if trade.order(before).is_lt() {
                    late.push(trade);
                    continue;
                }
                if trade.is_same_trade(before) {
                    continue;
                }
            }
            self.trades[end] = trade;
            end += 1;
        }
        self.trades.truncate(end);
        if late.is_empty() {
            return self.sorted;
        }
        late.sort_unstable_by(CompactTrade::order);
        self.trades.extend_from_slice(&late);
        // Of both, the later trade moves to the end, until the earliest late one has its place.
        let mut has_repetition = false;
        while let Some(last) = late.last() {
            let earlier = end.checked_sub(1).map(|place| self.trades[place]);
            let place = end + late.len() - 1;
            match earlier {
                Some(earlier) if earlier.order(last).is_gt() => {
                    self.trades[place] = earlier;
                    end -= 1;
                }
                _ => {
                    has_repetition |= earlier.is_some_and(|earlier| last.is_same_trade(&earlier))
                        || self.trades.get(place + 1).is_some_and(|later| later.is_same_trade(last));
                    self.trades[place] = *last;
                    late.pop();
                }
            }
        }
        let unchanged = end.saturating_sub(1).min(self.sorted);
        if has_repetition {
            let mut rest = self.trades.split_off(unchanged);
            rest.dedup_by(|later, earlier| later.is_same_trade(earlier));
            self.trades.append(&mut rest);
        }
        unchanged
    }

    /// As [`Fold::merge`], whatever the order of the trades.
    fn sort_again(&mut self) -> usize {
        let mut new = self.trades.split_off(self.sorted);
        new.sort_by(CompactTrade::order);
        let Some(first) = new.first() else { return self.sorted };
        let from = self.trades.partition_point(|trade| trade.order(first).is_lt()).saturating_sub(1);
        let mut rest = self.trades.split_off(from);
        rest.append(&mut new);
        rest.sort_by(CompactTrade::order);
        rest.dedup_by(|later, earlier| later.is_same_trade(earlier));
        self.trades.append(&mut rest);
        from
    }

    /// The bar that starts at `start`. `trades` begins with the first trade at or after `start`. `None` if no trade may
    /// be its open.
    fn bar(&self, trades: &[CompactTrade], start: i64, width_s: u32) -> Option<Bar> {
        let end = start + micros(width_s);
        Values::of(trades.iter().take_while(|trade| trade.at < end)).bar(&self.symbol, start, width_s)
    }

    /// Trades before this time no longer change any bar.
    fn open_from(&self) -> i64 {
        self.widths.open_from(self.watermark, self.lateness)
    }

    fn evict(&mut self) {
        let before = self.open_from();
        // The end of the lateness enters another of the widest bars: until then no more trades can be evicted.
        if before == self.evicted_before {
            return;
        }
        self.evicted_before = before;
        let evicted = self.trades.partition_point(|trade| trade.at < before);
        // `drain` moves all trades that stay, so it is only called when most of them go.
        if evicted > self.trades.len() / 2 {
            self.trades.drain(..evicted);
            self.sorted = self.trades.len();
        }
        self.taken_back.retain(|taken| taken.at >= before);
        self.applied = self.taken_back.len();
    }

    /// How many trades are in memory.
    pub fn len(&self) -> usize {
        self.trades.len()
    }

    /// Whether no trade is in memory.
    pub fn is_empty(&self) -> bool {
        self.trades.is_empty()
    }
}
