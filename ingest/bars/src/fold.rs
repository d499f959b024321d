//! The fold of one symbol's trades.

use crate::compact_trade::{CompactTrade, hash};
use crate::values::Values;
use crate::widths::{Widths, floor, lateness_micros, micros};
use jiff::{SignedDuration, Timestamp};
use tapewire_core::{Bar, BarUpdates, Symbol, Trade};

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
    /// Sorted up to `sorted`, by [`CompactTrade::order`].
    trades: Vec<CompactTrade>,
    sorted: usize,
    taken_back: Vec<TakenBack>,
    /// Times of trades before the watermark that were added or taken back since the last call of `watermark`: their
    /// bars may have been emitted already.
    changed: Vec<i64>,
    watermark: i64,
}

/// A record that takes a trade back.
#[derive(Debug, Clone, Copy)]
struct TakenBack {
    /// [`hash`] of the trade's id.
    id: u64,
    at: i64,
    received_at: i64,
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
            changed: Vec::new(),
            watermark: i64::MIN / 2,
        }
    }

    /// Takes a trade of this symbol, or a record that takes one back.
    pub fn trade(&mut self, trade: &Trade) -> Arrival {
        let new = CompactTrade::new(trade);
        if new.at < self.open_from() {
            return Arrival::TooLate;
        }
        if let Some(id) = &trade.replaces {
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
                let first = self.trades.partition_point(|trade| trade.at < start);
                bars.extend(self.bar(&self.trades[first..], start, width_s));
            }
            let mut next = self.trades.partition_point(|trade| trade.at < floor(from, width));
            let complete = floor(to, width);
            while let Some(start) =
                self.trades.get(next).map(|trade| floor(trade.at, width)).filter(|&at| at < complete)
            {
                bars.extend(self.bar(&self.trades[next..], start, width_s));
                next += self.trades[next..].partition_point(|trade| trade.at < start + width);
            }
        }
        self.watermark = to;
        self.changed.clear();
        self.evict();
        bars
    }

    /// Sorts the trades by time and removes repetitions. A trade that was taken back does not count, but stays: the
    /// bar's `received_at` must not be before that of the record that took it back.
    fn sort(&mut self) {
        let mut new = self.trades.split_off(self.sorted);
        new.sort_by(CompactTrade::order);
        if let Some(first) = new.first() {
            // Only the trades from the earliest new one on have to be looked at again, mostly none.
            let from = self.trades.partition_point(|trade| trade.order(first).is_lt()).saturating_sub(1);
            let mut rest = self.trades.split_off(from);
            rest.append(&mut new);
            rest.sort_by(CompactTrade::order);
            rest.dedup_by(|later, earlier| later.is_same_trade(earlier));
            self.trades.append(&mut rest);
        }
        for taken in &self.taken_back {
            for trade in self.trades.iter_mut().filter(|trade| trade.id == taken.id) {
                trade.counts = BarUpdates::NOTHING;
                trade.received_at = trade.received_at.max(taken.received_at);
            }
        }
        self.sorted = self.trades.len();
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
        let evicted = self.trades.partition_point(|trade| trade.at < before);
        // `drain` moves all trades that stay, so it is only called when most of them go.
        if evicted > self.trades.len() / 2 {
            self.trades.drain(..evicted);
            self.sorted = self.trades.len();
        }
        self.taken_back.retain(|taken| taken.at >= before);
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
