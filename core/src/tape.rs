//! What the market printed: bars, trades and halts. Also splits and dividends, across which prices can't be compared.

use crate::Symbol;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Open, high, low, close and volume of one symbol over one interval.
///
/// Bars are upserts by (symbol, width, start): of two versions the one with the later `received_at` counts, because
/// providers re-send a minute when late trades arrive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Ticker.
    pub symbol: Symbol,
    /// First moment of the interval (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub start: Timestamp,
    /// Length of the interval in seconds: 60 for a minute bar.
    pub width_s: u32,
    /// First price, in the quote currency (US dollars), as printed: not adjusted for later splits or dividends.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Shares traded.
    pub volume: f64,
    /// Volume-weighted average price, where the provider gives it.
    pub vwap: Option<f64>,
    /// Number of trades, where the provider gives it.
    pub trades: Option<u64>,
    /// When we received this version of the bar (UTC); the bar's end outside the live run.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

impl Bar {
    /// The interval's end, exclusive (UTC). The joiner cuts a bar that runs past the session's close, such as the last
    /// hourly bar of a day, at the close; this type does not.
    pub fn end(&self) -> Timestamp {
        self.start + SignedDuration::from_secs(i64::from(self.width_s))
    }

    /// What is wrong with the bar, if anything: a price that is not positive and finite, an open or close outside the
    /// range from low to high, a negative volume, a width of zero.
    pub fn fault(&self) -> Option<&'static str> {
        let prices = [self.open, self.high, self.low, self.close];
        if prices.iter().any(|p| !p.is_finite() || *p <= 0.0) {
            Some("a price is not a positive number")
        } else if self.high < self.open.max(self.close).max(self.low) || self.low > self.open.min(self.close) {
            Some("open or close is outside low..high")
        } else if !self.volume.is_finite() || self.volume < 0.0 {
            Some("volume is negative or not a finite number")
        } else if self.width_s == 0 {
            Some("width is zero")
        } else {
            None
        }
    }
}

/// One trade.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Ticker.
    pub symbol: Symbol,
    /// When the exchange says it happened (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: Timestamp,
    /// The provider's trade id, unique for a symbol and day.
    pub id: String,
    /// The provider's order of trades within a symbol.
    pub sequence: u64,
    /// Price, in the quote currency.
    pub price: f64,
    /// Shares.
    pub size: f64,
    /// When we received it (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

/// A split or a dividend of one symbol. Bars are as printed, so the join needs splits and dividends to compare prices
/// of different days.
///
/// Actions are upserts by (symbol, ex-date, kind, id): of two versions the one with the later `received_at` counts. An
/// action that turns out not to take place is replaced by its [`withdrawn`](CorporateAction::withdrawn) version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorporateAction {
    /// Ticker.
    pub symbol: Symbol,
    /// The ex-date: the first trading day without the dividend, or after the split; in the exchange's time zone.
    pub ex_date: Date,
    /// Distinguishes several actions of one kind on one day; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What happened.
    pub kind: ActionKind,
    /// When we received it (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

/// What a [`CorporateAction`] does to a share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// `from` shares become `to` shares: 1 and 3 for a 3-for-1 split, 10 and 1 for a reverse split.
    Split {
        /// Shares before.
        from: f64,
        /// Shares after.
        to: f64,
    },
    /// Cash for each share; shares are counted as before any split of the same day.
    Dividend {
        /// Amount for each share; 0 if the dividend was withdrawn.
        amount: f64,
        /// Currency as three letters (ISO 4217); empty for US dollars.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        currency: String,
    },
}

impl CorporateAction {
    /// What is wrong with the action, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        match self.kind {
            ActionKind::Split { from, to } if !(is_positive(from) && is_positive(to)) => {
                Some("a split needs two numbers of shares greater than 0")
            }
            // A withdrawn dividend has the amount 0.
            ActionKind::Dividend { amount: 0.0, .. } => None,
            ActionKind::Dividend { amount, .. } if !is_positive(amount) => {
                Some("a dividend needs an amount greater than 0")
            }
            ActionKind::Split { .. } | ActionKind::Dividend { .. } => None,
        }
    }

    /// The version that replaces this action if it turned out at `received_at` (UTC) that it does not take place: one
    /// share becomes one share, or nothing is paid.
    pub fn withdrawn(self, received_at: Timestamp) -> Self {
        let kind = match self.kind {
            ActionKind::Split { .. } => ActionKind::Split { from: 1.0, to: 1.0 },
            ActionKind::Dividend { .. } => ActionKind::Dividend { amount: 0.0, currency: String::new() },
        };
        Self { kind, received_at, ..self }
    }
}

/// Trading in one symbol stopped or resumed or, where the symbol stands for a whole market
/// ([`Market::as_symbol`](crate::exchange::Market::as_symbol)), in all symbols of that market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Ticker.
    pub symbol: Symbol,
    /// When it took effect (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: Timestamp,
    /// `true`: trading stopped; `false`: trading resumed.
    pub halted: bool,
    /// The provider's code (`LULD 17`), for people.
    pub reason: String,
    /// When we received it (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(kind: ActionKind) -> CorporateAction {
        let ex_date = jiff::civil::date(2022, 6, 22);
        let symbol = Symbol::new("SHOP").unwrap();
        CorporateAction { symbol, ex_date, id: "x".into(), kind, received_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_withdrawn_action_has_the_same_key_and_does_nothing_to_a_share() {
        let later = Timestamp::from_second(60).unwrap();
        let split = action(ActionKind::Split { from: 1.0, to: 10.0 });
        let none = split.clone().withdrawn(later);
        assert_eq!((none.fault(), &none.kind), (None, &ActionKind::Split { from: 1.0, to: 1.0 }));
        assert_eq!((&none.symbol, none.ex_date, &none.id), (&split.symbol, split.ex_date, &split.id));
        assert!(none.received_at > split.received_at);
        let dividend = action(ActionKind::Dividend { amount: 0.5, currency: "CAD".into() }).withdrawn(later);
        // A withdrawn dividend has no currency, because nothing was paid in another one.
        assert_eq!(dividend.kind, ActionKind::Dividend { amount: 0.0, currency: String::new() });
        assert_eq!(dividend.fault(), None);
        for amount in [-0.5, f64::NAN, f64::INFINITY] {
            assert!(action(ActionKind::Dividend { amount, currency: String::new() }).fault().is_some(), "{amount}");
        }
    }
}
