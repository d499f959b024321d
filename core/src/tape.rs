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
    /// First price, in the currency in which the symbol is quoted, as printed: not adjusted for later splits or dividends.
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
    /// Width of a bar of one day, in seconds.
    pub const DAY_S: u32 = 86_400;

    /// The interval's end, exclusive (UTC). The joiner cuts a bar that runs past the session's close, such as the last
    /// hourly bar of a day, at the close; this type does not. An interval that ends after [`Timestamp::MAX`] is a
    /// [`fault`](Self::fault), and ends there.
    pub fn end(&self) -> Timestamp {
        self.checked_end().unwrap_or(Timestamp::MAX)
    }

    fn checked_end(&self) -> Option<Timestamp> {
        self.start.checked_add(SignedDuration::from_secs(i64::from(self.width_s))).ok()
    }

    /// What is wrong with the bar, if anything: a price that is not positive and finite, an open or close outside the
    /// range from low to high, a negative volume, a width of zero, an end that no timestamp can hold.
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
        } else if self.checked_end().is_none() {
            Some("it ends after the year 9999")
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
    /// Price, in the currency in which the symbol is quoted.
    pub price: f64,
    /// Shares.
    pub size: f64,
    /// Which values of a bar it updates.
    #[serde(default, skip_serializing_if = "BarUpdates::is_everything")]
    pub counts: BarUpdates,
    /// The id of an earlier trade of the symbol that this record takes back: that trade never counts. If the trade is
    /// cancelled and not corrected, this record itself updates [nothing](BarUpdates::NOTHING).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// When we received it (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

/// Which values of a bar a trade updates. Exchanges mark trades whose price is not that of the market at their time
/// (odd lots, average prices, late reports) with conditions; a provider's folder knows what its codes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarUpdates {
    /// It may be the first or the last price.
    pub open_close: bool,
    /// It may be the highest or the lowest price.
    pub high_low: bool,
    /// It adds to volume, number of trades and volume-weighted average price.
    pub volume: bool,
}

impl BarUpdates {
    /// A regular trade.
    pub const EVERYTHING: Self = Self { open_close: true, high_low: true, volume: true };
    /// A record that only takes back another, or repeats a price, such as an exchange's official close.
    pub const NOTHING: Self = Self { open_close: false, high_low: false, volume: false };

    fn is_everything(&self) -> bool {
        *self == Self::EVERYTHING
    }
}

impl Default for BarUpdates {
    fn default() -> Self {
        Self::EVERYTHING
    }
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
        /// Currency as three letters (ISO 4217); empty for the unit in which the symbol is quoted.
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

/// Whether a price that moved by this log return between two sessions looks as if the share had been split: it doubled,
/// tripled, halved or fell to a third, within 10 %, or changed by a factor of 3.3 or more. In 99 of 100 nights a share moves
/// by less than 10 %, so the price after a split is within 10 % of what the split's ratio gives; news alone rarely moves a
/// price this far and to such a ratio.
pub fn looks_split(log_return: f64) -> bool {
    const LARGE: f64 = 1.193_922_468_472_434_6; // ln 3.3
    const RATIOS: [f64; 2] = [std::f64::consts::LN_2, 1.098_612_288_668_109_8]; // ln 2, ln 3
    let size = log_return.abs();
    size >= LARGE || RATIOS.iter().any(|ratio| (size - ratio).abs() <= 0.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_ends_after_every_timestamp_is_at_fault() {
        let bar = |start| Bar {
            symbol: Symbol::new("SHOP").unwrap(),
            start,
            width_s: 60,
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 0.0,
            vwap: None,
            trades: None,
            received_at: Timestamp::UNIX_EPOCH,
        };
        let last = Timestamp::MAX - SignedDuration::from_secs(60);
        assert_eq!((bar(last).fault(), bar(last).end()), (None, Timestamp::MAX));
        assert!(bar(Timestamp::MAX).fault().unwrap().contains("9999"));
        assert_eq!(bar(Timestamp::MAX).end(), Timestamp::MAX);
    }

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
