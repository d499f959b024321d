//! What a ticker stands for: the instrument, its issuer's names, and from which day to which.

pub mod names;
mod words;

pub use names::{Names, common_names};

use crate::Symbol;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// An instrument under one ticker, for a span of time. If another company gets the ticker later, that is another
/// instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Its ticker.
    pub symbol: Symbol,
    /// The issuer's name as the source has it, often the legal one: `WATERS CORP /DE/`.
    pub name: String,
    /// Further names by which texts mention the issuer; empty where only the legal name is known.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it is.
    #[serde(default)]
    pub kind: Kind,
    /// Where it is listed, as the source says it (`NYSE`, `XNAS`); empty if it does not.
    #[serde(default)]
    pub exchange: String,
    /// The issuer's number at the SEC.
    #[serde(default)]
    pub cik: Option<u64>,
    /// The composite FIGI (OpenFIGI).
    #[serde(default)]
    pub figi: Option<String>,
    /// First day, in the exchange's calendar; `None` if there is no known first day.
    #[serde(default)]
    pub valid_from: Option<Date>,
    /// Last day; `None` if the ticker still stands for the instrument.
    #[serde(default)]
    pub valid_to: Option<Date>,
}

/// Kinds of instruments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A common share.
    Stock,
    /// A preferred share.
    Preferred,
    /// A depositary receipt.
    DepositaryReceipt,
    /// A fund or note that is traded on an exchange.
    Fund,
    /// A warrant.
    Warrant,
    /// A right.
    Right,
    /// A unit of several securities.
    Unit,
    /// Something else, or the source does not say.
    #[default]
    Other,
}

impl Kind {
    /// The kind as tables and files have it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Instrument {
    /// An instrument of which only ticker and name are known. It is valid on every day.
    pub fn new(symbol: Symbol, name: impl Into<String>) -> Self {
        Self {
            symbol,
            name: name.into(),
            aliases: Vec::new(),
            kind: Kind::Other,
            exchange: String::new(),
            cik: None,
            figi: None,
            valid_from: None,
            valid_to: None,
        }
    }

    /// Whether the ticker stood for this instrument on a day.
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticker_stands_for_something_from_a_day_to_a_day() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let facebook = Instrument {
            valid_to: Some(day("2022-06-08")),
            ..Instrument::new(Symbol::new("FB").unwrap(), "Meta Platforms")
        };
        assert!(facebook.is_valid_on(day("2020-03-02")) && facebook.is_valid_on(day("2022-06-08")));
        assert!(!facebook.is_valid_on(day("2022-06-09")));
        assert!(Instrument::new(facebook.symbol, "x").is_valid_on(day("2022-06-09")));
    }

    #[test]
    fn a_kind_has_one_spelling() {
        for kind in [Kind::Stock, Kind::Preferred, Kind::DepositaryReceipt, Kind::Fund, Kind::Warrant, Kind::Other] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
