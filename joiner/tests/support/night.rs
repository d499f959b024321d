//! What a share becomes through splits and dividends, by rules written a second time for the plain join of
//! `reference.rs`.

use super::Topics;
use tapewire_core::exchange::Calendar;
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Symbol};

/// What one share became, and whether there was cash in another currency.
#[derive(Clone, Copy)]
pub struct Held {
    pub shares: f64,
    pub cash: f64,
    pub foreign: bool,
}

/// A night between two prices.
#[derive(Clone, Copy)]
pub struct Night {
    pub shares: f64,
    pub cash: f64,
    pub foreign: bool,
    /// As [`look`].
    pub look: u8,
    /// The log return of a holder.
    pub moved: f64,
}

impl Night {
    /// A night with a last price before and a first price after it, and the log return of the market.
    pub fn new(last: f64, first: f64, share: Held, market: Option<f64>) -> Self {
        let Held { shares, cash, foreign } = share;
        let moved = ((shares * first + cash) / last).ln();
        Self { shares, cash, foreign, look: look(last, first, share, market), moved }
    }

    /// What a holder of one share before the night has at a price after it.
    pub fn value(&self, price: f64) -> f64 {
        self.shares * price + self.cash
    }

    pub fn is_usable(&self) -> bool {
        !self.foreign && self.look < 2
    }
}

/// What one share became from the close of a session to the open of a later one.
pub fn held(actions: &[CorporateAction], company: &Symbol, before: usize, after: usize) -> Held {
    let session = |action: &CorporateAction| Calendar::xnys().from(action.ex_date).unwrap().index;
    let within = |a: &&CorporateAction| a.symbol == *company && before < session(a) && session(a) <= after;
    let mut held = Held { shares: 1.0, cash: 0.0, foreign: false };
    for action in actions.iter().filter(within) {
        match &action.kind {
            ActionKind::Split { from, to } => held.shares *= to / from,
            ActionKind::Dividend { amount, currency } if currency == "USD" => held.cash += held.shares * amount,
            ActionKind::Dividend { .. } => held.foreign = true,
        }
    }
    held
}

/// 2: a split; 1: perhaps a split; 0: a move of the price.
pub fn look(last: f64, first: f64, share: Held, market: Option<f64>) -> u8 {
    let plain = (first / last).ln();
    let held = ((share.shares * first + share.cash) / last).ln();
    if share.shares != 1.0 && plain.abs() * 2.0 < held.abs() {
        return 2;
    }
    if market.is_some_and(|market| market.signum() == held.signum() && market.abs() * 2.0 > held.abs()) {
        return 0;
    }
    let times = held.abs().exp();
    let within = |ratio: f64, log: f64| (ratio * (-log).exp()..=ratio * log.exp()).contains(&times);
    if times >= 3.3 || within(2.0, 0.1) || within(3.0, 0.1) {
        2
    } else {
        u8::from([1.5, 4.0 / 3.0, 1.25].into_iter().any(|ratio| within(ratio, 0.02)))
    }
}

/// The version of each action that counts, in the order in which the actions take effect.
pub fn actions(topics: &Topics) -> Vec<CorporateAction> {
    let mut all: Vec<CorporateAction> = Vec::new();
    let is_split = |a: &CorporateAction| matches!(a.kind, ActionKind::Split { .. });
    for (_, new) in &topics.actions {
        let same = |known: &&mut CorporateAction| {
            (&known.symbol, known.ex_date, is_split(known)) == (&new.symbol, new.ex_date, is_split(new))
        };
        match all.iter_mut().find(same) {
            Some(known) if known.received_at <= new.received_at => *known = new.clone(),
            Some(_) => {}
            None => all.push(new.clone()),
        }
    }
    all.sort_by_key(|action| (action.ex_date, is_split(action)));
    all
}
