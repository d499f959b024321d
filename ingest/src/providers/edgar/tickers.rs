//! Which ticker a company of the SEC has.

use crate::instruments::Listing;
use std::collections::HashMap;
use tapewire_core::instrument::Kind;
use tapewire_core::{Instrument, Symbol};

/// Tickers by the companies' numbers at the SEC (CIK).
#[derive(Debug, Clone, Default)]
pub struct Tickers(HashMap<u64, Symbol>);

impl Tickers {
    /// Of several shares of a company the first that is listed counts, and preferred shares, warrants, rights and units
    /// only if there is nothing else: so a filing is about one share.
    pub fn new(listing: Listing) -> Self {
        let is_share =
            |one: &Instrument| !matches!(one.kind, Kind::Preferred | Kind::Warrant | Kind::Right | Kind::Unit);
        let (shares, others): (Vec<_>, Vec<_>) = listing.instruments.into_iter().partition(is_share);
        let mut tickers = HashMap::new();
        for one in shares.into_iter().chain(others) {
            if let Some(cik) = one.cik {
                tickers.entry(cik).or_insert(one.symbol);
            }
        }
        Self(tickers)
    }

    /// The ticker of a company, if it has one.
    pub fn of(&self, cik: u64) -> Option<&Symbol> {
        self.0.get(&cik)
    }
}
