//! The times of recent trades. They are kept because a correction does not say when the original trade happened.

use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use tapewire_core::{Symbol, Trade};

/// Most trades that are remembered: about 20 MB.
const MOST: usize = 200_000;

/// The times of the latest trades, by symbol and id.
#[derive(Debug, Default)]
pub(super) struct RecentTrades {
    at: HashMap<(Symbol, String), Timestamp>,
    order: VecDeque<(Symbol, String)>,
}

impl RecentTrades {
    /// Remembers a trade.
    pub fn insert(&mut self, trade: &Trade) {
        let key = (trade.symbol.clone(), trade.id.clone());
        if self.at.insert(key.clone(), trade.at).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.at.remove(&oldest);
        }
    }

    /// When a trade happened; `None` if it is not among the latest.
    pub fn time_of(&self, symbol: &Symbol, id: &str) -> Option<Timestamp> {
        self.at.get(&(symbol.clone(), id.to_owned())).copied()
    }
}
