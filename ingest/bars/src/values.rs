//! The values of a bar, one trade after the other.

use crate::compact_trade::CompactTrade;
use jiff::Timestamp;
use tapewire_core::{Bar, Symbol};

/// What the trades of a bar add up to, in the order in which they happened.
#[derive(Debug)]
pub(crate) struct Values {
    open: Option<f64>,
    close: f64,
    high: f64,
    low: f64,
    volume: f64,
    value: f64,
    count: u64,
    received_at: i64,
}

impl Values {
    pub fn of<'t>(trades: impl IntoIterator<Item = &'t CompactTrade>) -> Self {
        let mut values = Self {
            open: None,
            close: 0.0,
            high: f64::NEG_INFINITY,
            low: f64::INFINITY,
            volume: 0.0,
            value: 0.0,
            count: 0,
            received_at: i64::MIN,
        };
        trades.into_iter().for_each(|trade| values.add(trade));
        values
    }

    fn add(&mut self, trade: &CompactTrade) {
        self.received_at = self.received_at.max(trade.received_at);
        if trade.counts.open_close {
            self.open = self.open.or(Some(trade.price));
            self.close = trade.price;
        }
        if trade.counts.open_close || trade.counts.high_low {
            // Faster than `max` and `min`, which have to look for NaN on both sides.
            self.high = if trade.price > self.high { trade.price } else { self.high };
            self.low = if trade.price < self.low { trade.price } else { self.low };
        }
        if trade.counts.volume {
            self.volume += trade.size;
            self.value += trade.price * trade.size;
            self.count += 1;
        }
    }

    /// The bar that starts at `start`, in microseconds since 1970; `None` if no trade may be its open.
    pub fn bar(self, symbol: &Symbol, start: i64, width_s: u32) -> Option<Bar> {
        let timestamp = |micros| Timestamp::from_microsecond(micros).ok();
        Some(Bar {
            symbol: symbol.clone(),
            start: timestamp(start)?,
            width_s,
            open: self.open?,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            vwap: (self.volume > 0.0).then(|| self.value / self.volume),
            trades: Some(self.count),
            received_at: timestamp(self.received_at)?,
        })
    }
}
