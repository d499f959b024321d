//! Rows in which nothing was traded.
//!
//! Exchanges of coins, and people who fill gaps, write a bar for an interval without a trade: its volume is 0, and its price is
//! the one before it. Nobody could trade at that price then, so it is neither an entry nor an outcome, as if the row were not
//! there. Sources of live prices leave such bars out, too. A volume of 0 alone does not show it: of a symbol that never has a
//! volume, such as an index, it says nothing, and some providers write 0 where they don't know the volume, as for the first
//! minute of a session, or round small ones.

use super::{Prices, Reading};
use std::collections::{BTreeMap, HashSet};

/// What is known of the volumes of a file's bars.
#[derive(Debug, Default)]
pub(super) struct Traded {
    /// The places of the readings in which nothing was traded.
    without: HashSet<usize>,
    symbols: usize,
    /// How many bars with a volume of 0 have prices of their own.
    unknown: usize,
}

impl Traded {
    pub fn of(readings: &[Reading]) -> Self {
        let mut of_symbol: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (place, reading) in readings.iter().enumerate() {
            of_symbol.entry(reading.symbol).or_default().push(place);
        }
        let mut traded = Self::default();
        let has_volume = |places: &&mut Vec<usize>| {
            let volumes = || places.iter().map(|&place| readings[place].prices.volume);
            volumes().any(|volume| volume > 0.0) && volumes().any(|volume| volume == 0.0)
        };
        for places in of_symbol.values_mut().filter(has_volume) {
            let when = |place: &usize| {
                let Reading { width_s, stamp, .. } = readings[*place];
                (width_s, stamp.at, stamp.day.map(|(day, _)| day))
            };
            places.sort_by_key(when);
            let before = traded.without.len();
            for (at, &place) in places.iter().enumerate() {
                let earlier = at.checked_sub(1).map(|at| readings[places[at]].prices);
                match is_trade(readings[place].prices, earlier) {
                    Some(true) => {}
                    Some(false) => drop(traded.without.insert(place)),
                    None => traded.unknown += 1,
                }
            }
            traded.symbols += usize::from(traded.without.len() > before);
        }
        traded
    }

    /// Whether something was traded in the reading at a place.
    pub fn is_bar(&self, place: usize) -> bool {
        !self.without.contains(&place)
    }

    /// What a person should know of these bars.
    pub fn notes(&self, file: &str) -> impl Iterator<Item = String> {
        let without = (!self.without.is_empty()).then(|| {
            format!(
                "{file}: {} bars of {} symbols are left out, because nothing was traded in them: their volume is 0, and their \
                 prices are those before them",
                self.without.len(),
                self.symbols
            )
        });
        let unknown = (self.unknown > 0).then(|| {
            format!(
                "{file}: {} bars have a volume of 0 and prices of their own, of symbols with a volume in other bars: they count, \
                 as bars whose volume is not known; leave these rows out if nothing was traded in them",
                self.unknown
            )
        });
        without.into_iter().chain(unknown)
    }
}

/// Whether something was traded in a bar; `None` if it has a volume of 0 and prices that are neither all equal nor those of the
/// bar before it.
fn is_trade(own: Prices, before: Option<Prices>) -> Option<bool> {
    if own.volume > 0.0 {
        return Some(true);
    }
    if let Some(trades) = own.trades {
        return Some(trades > 0);
    }
    let ohlc = |prices: Prices| [prices.open, prices.high, prices.low, prices.close];
    let is_flat = own.low == own.high;
    (is_flat || before.is_some_and(|before| ohlc(before) == ohlc(own))).then_some(false)
}
