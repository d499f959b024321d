//! Splits and dividends of one symbol, and what one share becomes through them.

use super::time::EventTime;
use jiff::civil::Date;
use std::collections::BTreeMap;
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Symbol};

/// What one share became over some nights, by the actions that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Holding {
    /// Shares.
    pub shares: f64,
    /// Dividends received, in the unit of the prices.
    pub cash: f64,
    /// A dividend was paid in another currency than the prices are in, so the value is not known.
    pub has_foreign_cash: bool,
}

impl Holding {
    /// One share, without any action.
    pub const ONE: Self = Self { shares: 1.0, cash: 0.0, has_foreign_cash: false };

    /// Value at a price after the nights, per share before them.
    pub fn value(self, price: f64) -> f64 {
        self.shares * price + self.cash
    }

    /// A price from before the nights, as a price of one share after them; `None` if the dividends are worth more.
    pub fn back_adjusted(self, price: f64) -> Option<f64> {
        let adjusted = (price - self.cash) / self.shares;
        (adjusted > 0.0 && !self.has_foreign_cash).then_some(adjusted)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct HeldAction {
    kind: ActionKind,
    /// It is a dividend in another currency than the prices are in.
    is_foreign: bool,
    received_at: EventTime,
    offset: u64,
}

/// Whether a dividend is in another currency than the prices of the symbol. An amount without a currency is in their unit.
///
/// The market is the one that the spelling says: where only a rule of the settings says that a symbol is traded abroad, US
/// dollars are not noticed here. Files with such dividends are refused when they are read.
fn is_foreign(symbol: &Symbol, kind: &ActionKind) -> bool {
    let ActionKind::Dividend { currency, .. } = kind else { return false };
    let of_prices = match Calendars::default().of(symbol) {
        Market::NewYork | Market::Crypto | Market::Currencies => Some("USD"),
        // Prices are in pence or in pounds, depending on who sends them.
        Market::London => None,
        Market::Xetra | Market::Paris => Some("EUR"),
        Market::Tokyo => Some("JPY"),
        Market::HongKong => Some("HKD"),
        Market::Toronto => Some("CAD"),
    };
    !currency.is_empty() && of_prices != Some(currency.as_str())
}

/// Session, day, whether it is a split, id: actions are applied in this order, so dividends come before splits of the
/// same day.
type Key = (usize, Date, bool, String);

/// Actions by the first session they are in effect in.
#[derive(Debug, Default)]
pub(super) struct Actions {
    actions: BTreeMap<Key, HeldAction>,
    generation: u64,
}

impl Actions {
    /// Adds or corrects an action that is in effect from `session` on. `true` if a row that depends on it can change.
    ///
    /// Of two versions the one with the later `received_at` counts; of equally late ones the later in the topic.
    pub fn insert(&mut self, session: usize, offset: u64, action: CorporateAction) -> bool {
        self.generation += 1;
        let is_split = matches!(action.kind, ActionKind::Split { .. });
        let is_foreign = is_foreign(&action.symbol, &action.kind);
        let new = HeldAction { kind: action.kind, is_foreign, received_at: action.received_at.into(), offset };
        let key = (session, action.ex_date, is_split, action.id);
        let Some(known) = self.actions.get_mut(&key) else {
            self.actions.insert(key, new);
            return true;
        };
        let before = known.offset;
        if known.kind == new.kind {
            known.offset = known.offset.min(new.offset);
            known.received_at = known.received_at.max(new.received_at);
        } else if (known.received_at, known.offset) < (new.received_at, new.offset) {
            *known = new;
        }
        before != known.offset
    }

    /// Another number after each action that was added or corrected.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn within(&self, first: usize, last: usize) -> impl Iterator<Item = &HeldAction> {
        self.actions
            .range((first, Date::MIN, false, String::new())..)
            .take_while(move |(key, _)| key.0 <= last)
            .map(|(_, a)| a)
    }

    /// What a share that was held at the close of session `before` has become at the open of session `after`.
    pub fn holding(&self, before: usize, after: usize) -> Holding {
        self.within(before + 1, after).fold(Holding::ONE, |held, action| match &action.kind {
            ActionKind::Split { from, to } => Holding { shares: held.shares * to / from, ..held },
            ActionKind::Dividend { .. } if action.is_foreign => Holding { has_foreign_cash: true, ..held },
            ActionKind::Dividend { amount, .. } => Holding { cash: held.cash + held.shares * amount, ..held },
        })
    }

    /// One past the greatest offset of the actions of sessions `first..=last` (0: none).
    pub fn end(&self, first: usize, last: usize) -> u64 {
        self.within(first, last).map(|action| action.offset + 1).max().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Evicts the actions of sessions before `oldest`.
    pub fn evict_before(&mut self, oldest: usize) {
        self.actions = self.actions.split_off(&(oldest, Date::MIN, false, String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn action(day: i8, id: &str, kind: ActionKind, received_at: i64) -> CorporateAction {
        CorporateAction {
            symbol: Symbol::new("AAA").unwrap(),
            ex_date: date(2024, 7, day),
            id: id.into(),
            kind,
            received_at: EventTime::from_micros(received_at).timestamp(),
        }
    }

    fn dividend(amount: f64) -> ActionKind {
        ActionKind::Dividend { amount, currency: "USD".into() }
    }

    #[test]
    fn a_share_becomes_shares_and_cash() {
        let mut actions = Actions::default();
        assert!(actions.insert(6, 1, action(2, "", ActionKind::Split { from: 1.0, to: 3.0 }, 0)));
        assert!(actions.insert(6, 2, action(2, "", dividend(0.9), 0)), "of the share before the split");
        assert!(actions.insert(7, 3, action(3, "a", dividend(0.1), 0)));
        assert!(actions.insert(7, 4, action(3, "b", dividend(0.2), 0)), "two on one day");
        assert_eq!(actions.holding(6, 6), Holding::ONE);
        let held = actions.holding(5, 7);
        assert!((held.shares, held.cash) == (3.0, 0.9 + 3.0 * 0.1 + 3.0 * 0.2), "{held:?}");
        assert_eq!(actions.holding(5, 6).back_adjusted(90.9), Some(30.0));
        assert_eq!((actions.end(5, 6), actions.end(5, 9), actions.end(8, 9)), (3, 5, 0));
        actions.insert(8, 5, action(4, "", ActionKind::Dividend { amount: 1.0, currency: "EUR".into() }, 0));
        assert_eq!(actions.holding(7, 8).back_adjusted(90.0), None);
        actions.evict_before(9);
        assert!(actions.is_empty());
    }

    #[test]
    fn a_dividend_counts_only_in_the_currency_of_the_symbols_market() {
        let cash = |ticker: &str, currency: &str| {
            let kind = ActionKind::Dividend { amount: 2.0, currency: currency.into() };
            let mut actions = Actions::default();
            actions.insert(6, 1, CorporateAction { symbol: Symbol::new(ticker).unwrap(), ..action(2, "", kind, 0) });
            let held = actions.holding(5, 6);
            (!held.has_foreign_cash).then_some(held.cash)
        };
        for (ticker, own) in [("AAA", "USD"), ("SAP.DE", "EUR"), ("MC.PA", "EUR"), ("7203.T", "JPY"), ("RY.TO", "CAD")]
        {
            assert_eq!((cash(ticker, own), cash(ticker, "")), (Some(2.0), Some(2.0)), "{ticker}");
            let other = if own == "USD" { "EUR" } else { "USD" };
            assert_eq!(cash(ticker, other), None, "{ticker} in {other}");
        }
        assert_eq!(["", "GBP", "GBX", "USD"].map(|currency| cash("VOD.L", currency)), [Some(2.0), None, None, None]);
    }

    #[test]
    fn the_same_version_counts_in_any_order() {
        let split = |to, received_at| action(2, "", ActionKind::Split { from: 1.0, to }, received_at);
        let versions = [(3, split(2.0, 10)), (5, split(4.0, 20)), (9, split(4.0, 20)), (7, split(3.0, 15))];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut actions = Actions::default();
            for i in order {
                let (offset, action) = versions[i].clone();
                actions.insert(6, offset, action);
            }
            assert_eq!((actions.holding(5, 6).shares, actions.end(6, 6)), (4.0, 6), "{order:?}");
        }
    }
}
