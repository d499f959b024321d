//! The markets whose sessions are known.

use super::{Calendar, round_the_clock, table};
use crate::Symbol;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A market with a calendar of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// The stock exchanges of the United States.
    NewYork,
    /// London Stock Exchange.
    London,
    /// Xetra, Frankfurt.
    Xetra,
    /// Euronext Paris.
    Paris,
    /// Tokyo Stock Exchange, with a lunch break.
    Tokyo,
    /// Hong Kong Exchange, with a lunch break.
    HongKong,
    /// Toronto Stock Exchange.
    Toronto,
    /// Cryptocurrencies, which are traded at all hours: a session is a day of UTC.
    Crypto,
    /// Currencies and precious metals, which are traded from Sunday evening to Friday evening, New York time.
    Currencies,
}

/// Why a text is not a market.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("`{input}` is not a market whose calendar is known; those are {}", Market::names())]
pub struct NotAMarket {
    /// The text as received.
    pub input: String,
}

impl Market {
    /// All markets.
    pub const ALL: [Self; 9] = [
        Self::NewYork,
        Self::London,
        Self::Xetra,
        Self::Paris,
        Self::Tokyo,
        Self::HongKong,
        Self::Toronto,
        Self::Crypto,
        Self::Currencies,
    ];

    /// The market's calendar. It is made when it is first asked for.
    pub fn calendar(self) -> &'static Calendar {
        match self {
            Self::NewYork => Calendar::xnys(),
            Self::Crypto | Self::Currencies => round_the_clock::calendar(self),
            _ => table::calendar(self),
        }
    }

    /// The code: the exchange's MIC (ISO 10383), or `24/7` and `24/5`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NewYork => "XNYS",
            Self::London => "XLON",
            Self::Xetra => "XETR",
            Self::Paris => "XPAR",
            Self::Tokyo => "XTKS",
            Self::HongKong => "XHKG",
            Self::Toronto => "XTSE",
            Self::Crypto => "24/7",
            Self::Currencies => "24/5",
        }
    }

    /// The symbol that stands for the whole market: a halt of it stops every symbol of the market. `MARKET:XNYS`; for
    /// cryptocurrencies `MARKET:24.7`.
    pub fn as_symbol(self) -> &'static Symbol {
        static SYMBOLS: [OnceLock<Symbol>; Market::ALL.len()] = [const { OnceLock::new() }; Market::ALL.len()];
        let symbol = || Symbol::new(&format!("MARKET:{}", self.code())).expect("it has the characters of a ticker");
        SYMBOLS[self as usize].get_or_init(symbol)
    }

    /// The market that a symbol stands for, as [`Market::as_symbol`].
    pub fn of_symbol(symbol: &Symbol) -> Option<Self> {
        if !symbol.as_str().starts_with("MARKET:") {
            return None;
        }
        Self::ALL.into_iter().find(|market| market.as_symbol() == symbol)
    }

    /// Names by which settings, flags and lists of instruments call the market, in lower case.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::NewYork => &[
                "us",
                "nyse",
                "nasdaq",
                "xnas",
                "amex",
                "nyse american",
                "nyse arca",
                "arca",
                "xase",
                "arcx",
                "bats",
                "cboe",
                "iex",
            ],
            Self::London => &["london", "lse", "lon"],
            Self::Xetra => &["xetra", "etr", "ger", "frankfurt"],
            Self::Paris => &["paris", "euronext paris", "epa"],
            Self::Tokyo => &["tokyo", "jpx", "tyo"],
            Self::HongKong => &["hong kong", "hongkong", "hkex", "hkg", "sehk"],
            Self::Toronto => &["toronto", "tsx"],
            Self::Crypto => &["crypto", "ccc"],
            Self::Currencies => &["currencies", "currency", "fx", "forex", "ccy"],
        }
    }

    /// Whether a session begins when the one before it ends (weekends aside). A horizon then reaches into the next
    /// session, and prices do not jump by splits.
    pub fn is_round_the_clock(self) -> bool {
        matches!(self, Self::Crypto | Self::Currencies)
    }

    fn names() -> String {
        let name = |market: Self| format!("{} ({})", market.aliases()[0], market.code());
        Self::ALL.map(name).join(", ")
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Reads a code or another name of a market. `TSE` is not read: it is Tokyo to some and Toronto to others.
impl FromStr for Market {
    type Err = NotAMarket;

    fn from_str(text: &str) -> Result<Self, NotAMarket> {
        let name = text.trim().to_ascii_lowercase();
        let is_named = |market: &Self| market.code().eq_ignore_ascii_case(&name) || market.aliases().contains(&&*name);
        Self::ALL.into_iter().find(is_named).ok_or_else(|| NotAMarket { input: text.chars().take(64).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_has_several_names_and_each_name_one_market() {
        for (name, expected) in [
            ("xlon", Market::London),
            ("XETRA", Market::Xetra),
            ("24/7", Market::Crypto),
            (" Crypto ", Market::Crypto),
            ("NASDAQ", Market::NewYork),
            ("us", Market::NewYork),
            ("Hong Kong", Market::HongKong),
            ("fx", Market::Currencies),
        ] {
            assert_eq!(name.parse(), Ok(expected), "{name}");
        }
        let mut names: Vec<&str> = Market::ALL.iter().flat_map(|market| market.aliases()).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let error = "TSE".parse::<Market>().unwrap_err().to_string();
        assert!(
            error.contains("`TSE`") && error.contains("tokyo (XTKS)") && error.contains("crypto (24/7)"),
            "{error}"
        );
    }

    #[test]
    fn each_market_is_in_all_at_its_own_number() {
        for (place, market) in Market::ALL.into_iter().enumerate() {
            assert_eq!((market as usize, market.calendar().market()), (place, market));
            assert_eq!(Market::of_symbol(market.as_symbol()), Some(market));
            assert_eq!(crate::exchange::Calendars::default().of(market.as_symbol()), market);
        }
    }
}
