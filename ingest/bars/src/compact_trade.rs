//! A trade as the fold keeps it.

use foldhash::quality::FixedState;
use std::cmp::Ordering;
use std::hash::BuildHasher;
use tapewire_core::{BarUpdates, TradeRef};

/// What a bar needs of a trade, in a third of the memory. Times are microseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CompactTrade {
    pub at: i64,
    pub sequence: u64,
    /// [`hash`] of the id.
    pub id: u64,
    pub price: f64,
    pub size: f64,
    pub received_at: i64,
    pub counts: BarUpdates,
}

impl CompactTrade {
    pub fn new(trade: &TradeRef<'_>) -> Self {
        Self {
            at: trade.at.as_microsecond(),
            sequence: trade.sequence,
            id: hash(trade.id),
            price: trade.price,
            size: trade.size,
            received_at: trade.received_at.as_microsecond(),
            counts: trade.counts,
        }
    }

    /// The order in which trades happened. Trades with the same time and sequence are ordered by their other values, so
    /// that the order of arrival does not matter.
    pub fn order(&self, other: &Self) -> Ordering {
        let values = |kept: &Self| {
            let counts = (kept.counts.open_close, kept.counts.high_low, kept.counts.volume);
            (kept.id, kept.price.to_bits(), kept.size.to_bits(), counts, kept.received_at)
        };
        (self.at, self.sequence).cmp(&(other.at, other.sequence)).then_with(|| values(self).cmp(&values(other)))
    }

    /// Whether both are the same trade, which a provider may send twice.
    pub fn is_same_trade(&self, other: &Self) -> bool {
        (self.at, self.sequence, self.id) == (other.at, other.sequence, other.id)
            && (self.price, self.size, self.counts) == (other.price, other.size, other.counts)
    }
}

/// A hash of a trade's id, the same in every process. Two ids of one symbol with the same hash are only confused if one of
/// them is taken back, or if they have the same time, sequence, price and size.
pub(crate) fn hash(id: &str) -> u64 {
    FixedState::default().hash_one(id)
}
