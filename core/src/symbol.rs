//! Tickers, normalised once on input so that news and tape use equal strings.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A ticker in its normal spelling: trimmed, upper case, share classes with a dot (`BRK.B`).
///
/// Asset-class prefixes of Massive are kept: `X:BTCUSD` crypto, `I:SPX` index,
/// `C:EURUSD` currencies, `O:...` options. Everything else is read as an equity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

/// What kind of instrument a [`Symbol`] is, as far as its spelling tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetClass {
    /// A share, depositary receipt or exchange-traded fund.
    Equity,
    /// A cryptocurrency pair (`X:`).
    Crypto,
    /// An index (`I:`).
    Index,
    /// A currency pair (`C:`).
    Currency,
    /// An option contract (`O:`).
    Option,
}

/// Why a string is not a ticker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{input}` is not a ticker, which has 1 to 32 letters, digits, `.`, `/`, `:`, `_`, `^` or `-`")]
pub struct NotASymbol {
    /// The string as received.
    pub input: String,
}

impl Symbol {
    /// Longest ticker accepted, in bytes; option symbols are 21.
    pub const MAX_LEN: usize = 32;

    /// Reads a ticker as any provider spells it (`brk-b`, ` BRK/B `, `BRK.B`).
    ///
    /// # Errors
    /// [`NotASymbol`] if it is empty, too long, or has a character that tickers do not have.
    pub fn new(input: &str) -> Result<Self, NotASymbol> {
        let refused = || NotASymbol { input: input.chars().take(64).collect() };
        let mut ticker = input.trim().to_ascii_uppercase().replace('/', ".");
        if ticker.is_empty() || ticker.len() > Self::MAX_LEN {
            return Err(refused());
        }
        if !ticker.chars().all(|c| c.is_ascii_alphanumeric() || ".:_^-".contains(c)) {
            return Err(refused());
        }
        // Share classes: Yahoo and Tiingo write BRK-B where the exchanges write BRK.B.
        if let Some((base, class)) = ticker.rsplit_once('-')
            && class.len() == 1
            && base.chars().all(|c| c.is_ascii_alphabetic())
        {
            ticker = format!("{base}.{class}");
        }
        Ok(Self(ticker))
    }

    /// The normal spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The asset class, by the prefix.
    pub fn asset_class(&self) -> AssetClass {
        match self.0.split_once(':').map(|(prefix, _)| prefix) {
            Some("X") => AssetClass::Crypto,
            Some("I") => AssetClass::Index,
            Some("C") => AssetClass::Currency,
            Some("O") => AssetClass::Option,
            _ => AssetClass::Equity,
        }
    }
}

impl TryFrom<String> for Symbol {
    type Error = NotASymbol;
    fn try_from(value: String) -> Result<Self, NotASymbol> {
        Self::new(&value)
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> String {
        symbol.0
    }
}

impl std::str::FromStr for Symbol {
    type Err = NotASymbol;
    fn from_str(s: &str) -> Result<Self, NotASymbol> {
        Self::new(s)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_every_provider() {
        for (input, expected) in [
            ("aapl", "AAPL"),
            (" BRK-B ", "BRK.B"),
            ("BRK/B", "BRK.B"),
            ("brk.b", "BRK.B"),
            ("x:btcusd", "X:BTCUSD"),
            ("BTC-USD", "BTC-USD"),
        ] {
            assert_eq!(Symbol::new(input).unwrap().as_str(), expected, "{input}");
        }
    }

    #[test]
    fn anything_but_a_ticker_is_an_error_that_names_it() {
        for input in ["", "   ", "A B", "<script>", &"A".repeat(33)] {
            assert!(Symbol::new(input).is_err(), "{input}");
        }
        assert!(Symbol::new("A B").unwrap_err().to_string().contains("`A B`"));
    }

    #[test]
    fn the_prefix_decides_the_asset_class() {
        assert_eq!(Symbol::new("I:SPX").unwrap().asset_class(), AssetClass::Index);
        assert_eq!(Symbol::new("X:BTCUSD").unwrap().asset_class(), AssetClass::Crypto);
        assert_eq!(Symbol::new("BRK.B").unwrap().asset_class(), AssetClass::Equity);
    }
}
