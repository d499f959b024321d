//! Which symbol is traded in which market.
//!
//! Nothing is guessed: a rule of the settings says the market, or the symbol's spelling does, or it is New York. The first
//! of these that fits a symbol counts:
//!
//! 1. One that was given for the symbol itself, `BTC = "crypto"`, or learned from a list of instruments.
//! 2. The longest one that was given for a prefix or a suffix: `"BITSTAMP:"`, `".SW"`.
//! 3. Its spelling:
//!
//! | spelling | market |
//! |---|---|
//! | `X:BTCUSD` (Massive), `BTC-USD` (Yahoo, Coinbase), `BTC/USD` (Alpaca, read as `BTC-USD`), `BTCUSDT`, `BINANCE:BTCUSDT` | cryptocurrencies |
//! | `C:EURUSD` (Massive), `EURUSD`, `EUR-USD`, `XAUUSD` | currencies |
//! | `VOD.L`, `SAP.DE`, `MC.PA`, `7203.T`, `0700.HK`, `RY.TO`; what else is read as these is in [`abroad`] | London, Xetra, Paris, Tokyo, Hong Kong, Toronto |
//!
//! 4. The market of all other symbols: New York, if nothing else was given as `"*"`. So `BTC` alone is the share of a
//!    fund in New York, and the coin only where a rule says so.

use super::{Market, NotAMarket, abroad, pairs};
use crate::Symbol;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The market of each symbol, by the rules of this [module](self).
///
/// ```
/// use std::collections::BTreeMap;
/// use tapewire_core::Symbol;
/// use tapewire_core::exchange::{Calendars, Market};
///
/// let symbol = |ticker| Symbol::new(ticker).unwrap();
/// let rules = BTreeMap::from([("BTC".to_owned(), "crypto".to_owned()), (".L".to_owned(), "us".to_owned())]);
/// let calendars = Calendars::try_from(rules)?;
/// assert_eq!(calendars.of(&symbol("BTC")), Market::Crypto);
/// assert_eq!(calendars.of(&symbol("VOD.L")), Market::NewYork);
/// assert_eq!(Calendars::default().of(&symbol("BTC")), Market::NewYork);
/// assert_eq!(Calendars::default().of(&symbol("VOD.L")), Market::London);
/// # Ok::<(), tapewire_core::exchange::InvalidRule>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Calendars {
    symbols: BTreeMap<Symbol, Market>,
    /// Beginnings up to a colon, and endings from a dot or a hyphen on.
    parts: BTreeMap<String, Market>,
    /// The market of all other symbols; New York if it is not given.
    others: Option<Market>,
}

/// Why a rule can't be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum InvalidRule {
    /// The left side is neither a symbol nor a part of one.
    #[error(
        "`{rule}` is not a symbol, nor a beginning such as `BITSTAMP:`, nor an ending such as `.SW`, nor `*` for all others"
    )]
    Rule {
        /// The text as received.
        rule: String,
    },
    /// The right side is not a market.
    #[error("the market of `{rule}`: {reason}")]
    Market {
        /// What the market was given for.
        rule: String,
        /// What is wrong with it. It is part of the message, because settings show only that.
        reason: NotAMarket,
    },
    /// Two spellings of one symbol or part have different markets.
    #[error("`{rule}` and `{other}` are the same, and have different markets: {market} and {other_market}; remove one")]
    Contradiction {
        /// One as received.
        rule: String,
        /// Its market.
        market: Market,
        /// The other as received.
        other: String,
        /// The market of the other.
        other_market: Market,
    },
}

impl Calendars {
    /// Sets the market of a symbol, of a prefix (`BITSTAMP:`) or suffix (`.SW`, `-PERP`), or of all other symbols (`*`).
    ///
    /// # Errors
    /// [`InvalidRule::Rule`].
    pub fn set(&mut self, rule: &str, market: Market) -> Result<(), InvalidRule> {
        self.replace(rule, market).map(drop)
    }

    /// As [`Calendars::set`], and returns the market that the same rule had before.
    fn replace(&mut self, rule: &str, market: Market) -> Result<Option<Market>, InvalidRule> {
        let rule = rule.trim();
        let is_part = |part: &str| part.bytes().all(|c| c.is_ascii_alphanumeric() || b".:-_".contains(&c));
        if !rule.contains(|c: char| c == '*' || c.is_ascii_alphanumeric()) {
            return Err(InvalidRule::Rule { rule: rule.to_owned() });
        }
        if rule == "*" {
            Ok(self.others.replace(market))
        } else if is_part(rule) && (rule.ends_with(':') || rule.starts_with(['.', '-'])) {
            // Symbols with `LON:` before them are spelled with `.L` at their end.
            let ending = rule.strip_suffix(':').and_then(abroad::ending_of);
            Ok(self.parts.insert(ending.map_or_else(|| rule.to_ascii_uppercase(), str::to_owned), market))
        } else {
            let symbol = Symbol::new(rule).map_err(|_| InvalidRule::Rule { rule: rule.to_owned() })?;
            Ok(self.symbols.insert(symbol, market))
        }
    }

    /// The market in which a symbol is traded.
    pub fn of(&self, symbol: &Symbol) -> Market {
        self.rule_for(symbol).or_else(|| spelled(symbol.as_str())).or(self.others).unwrap_or(Market::NewYork)
    }

    /// Whether the market of a symbol is known: from a rule that fits it, its spelling, or the rule for all others.
    pub fn is_known(&self, symbol: &Symbol) -> bool {
        self.others.is_some() || self.rule_for(symbol).is_some() || spelled(symbol.as_str()).is_some()
    }

    /// Whether a rule other than `*` says the market of a symbol.
    pub fn has_rule_for(&self, symbol: &Symbol) -> bool {
        self.rule_for(symbol).is_some()
    }

    fn rule_for(&self, symbol: &Symbol) -> Option<Market> {
        if let Some(market) = self.symbols.get(symbol) {
            return Some(*market);
        }
        let fits = |part: &str| {
            if part.ends_with(':') { symbol.as_str().starts_with(part) } else { symbol.as_str().ends_with(part) }
        };
        self.parts.iter().filter(|(part, _)| fits(part)).max_by_key(|(part, _)| part.len()).map(|(_, market)| *market)
    }

    /// Sets the market that a list of instruments gives for a symbol, unless a rule that was given fits the symbol.
    pub fn learn(&mut self, symbol: &Symbol, market: Market) {
        if self.rule_for(symbol).is_none() {
            self.symbols.insert(symbol.clone(), market);
        }
    }

    /// The benchmark of a symbol: the first that is traded in the symbol's market. `None` without one in that market,
    /// and for the benchmark itself, also where it is the same coin in another currency.
    pub fn benchmark_of<'b>(
        &self,
        symbol: &Symbol,
        mut benchmarks: impl Iterator<Item = &'b Symbol>,
    ) -> Option<&'b Symbol> {
        let market = self.of(symbol);
        let found = benchmarks.find(|benchmark| self.of(benchmark) == market)?;
        (!self.is_same(found, symbol)).then_some(found)
    }

    /// The coin that a symbol is a price of: `BTC` for `X:BTCUSD`. `None` for symbols of other markets.
    pub fn coin_of<'s>(&self, symbol: &'s Symbol) -> Option<&'s str> {
        (self.of(symbol) == Market::Crypto).then(|| pairs::coin(symbol.as_str()))
    }

    /// Whether two symbols are prices of the same thing: they are equal, or pairs of the same coin.
    pub fn is_same(&self, one: &Symbol, other: &Symbol) -> bool {
        one == other || self.coin_of(one).is_some_and(|coin| self.coin_of(other) == Some(coin))
    }
}

/// The market that a spelling stands for.
fn spelled(ticker: &str) -> Option<Market> {
    // Nearly all tickers are these.
    if ticker.len() <= 5 && ticker.bytes().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let by_prefix = || match ticker.split_once(':')?.0 {
        "X" => Some(Market::Crypto),
        "C" => Some(Market::Currencies),
        "MARKET" => Market::ALL.into_iter().find(|market| market.as_symbol().as_str() == ticker),
        code => abroad::market_of(code),
    };
    let by_suffix = || {
        let (before, after) = ticker.rsplit_once('.')?;
        // A class of shares in New York is a letter, too, but its ticker has no digits.
        let is_number = before.starts_with(|c: char| c.is_ascii_digit());
        match after {
            "L" => Some(Market::London),
            "DE" => Some(Market::Xetra),
            "PA" => Some(Market::Paris),
            "T" if is_number => Some(Market::Tokyo),
            "HK" => Some(Market::HongKong),
            "TO" => Some(Market::Toronto),
            _ => None,
        }
    };
    // The asset classes of Massive that are traded in the sessions of New York.
    if ticker.starts_with("I:") || ticker.starts_with("O:") {
        return Some(Market::NewYork);
    }
    by_prefix().or_else(by_suffix).or_else(|| pairs::pair(ticker).map(pairs::market))
}

impl TryFrom<BTreeMap<String, String>> for Calendars {
    type Error = InvalidRule;

    fn try_from(rules: BTreeMap<String, String>) -> Result<Self, InvalidRule> {
        let mut calendars = Self::default();
        let mut before: Vec<(String, Market)> = Vec::new();
        for (rule, market) in rules {
            let market: Market = market.parse().map_err(|reason| InvalidRule::Market { rule: rule.clone(), reason })?;
            if calendars.replace(&rule, market)?.is_some_and(|other| other != market) {
                let is_same = |(other, other_market): &&(String, Market)| {
                    let mut alone = Self::default();
                    let _ = alone.set(other, *other_market);
                    alone.replace(&rule, market).is_ok_and(|replaced| replaced.is_some())
                };
                let (other, other_market) = before.iter().rfind(is_same).cloned().unwrap_or((rule.clone(), market));
                return Err(InvalidRule::Contradiction { rule, market, other, other_market });
            }
            before.push((rule, market));
        }
        Ok(calendars)
    }
}

impl From<Calendars> for BTreeMap<String, String> {
    fn from(calendars: Calendars) -> Self {
        let symbols = calendars.symbols.into_iter().map(|(symbol, market)| (symbol.into(), market));
        let others = calendars.others.map(|market| ("*".to_owned(), market));
        symbols.chain(calendars.parts).chain(others).map(|(rule, market)| (rule, market.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_rule_must_not_contradict_each_other() {
        let read = |rules: &[(&str, &str)]| {
            let rules = rules.iter().map(|&(rule, market)| (rule.to_owned(), market.to_owned()));
            Calendars::try_from(rules.collect::<BTreeMap<_, _>>())
        };
        for (one, other) in [("brk/b", "BRK.B"), (".l", ".L"), ("LON:", ".L")] {
            let error = read(&[(one, "london"), ("aapl", "us"), (other, "us")]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{one}`")) && error.contains(&format!("`{other}`")), "{error}");
            read(&[(one, "london"), (other, "london")]).unwrap();
        }
    }

    fn symbol(ticker: &str) -> Symbol {
        Symbol::new(ticker).unwrap()
    }

    fn rules(rules: &[(&str, &str)]) -> Result<Calendars, InvalidRule> {
        let owned = |(rule, market): &(&str, &str)| ((*rule).to_owned(), (*market).to_owned());
        rules.iter().map(owned).collect::<BTreeMap<_, _>>().try_into()
    }

    #[test]
    fn a_spelling_says_the_market_and_a_bare_ticker_is_of_new_york() {
        for (ticker, expected) in [
            ("X:BTCUSD", Market::Crypto),
            ("btc-usd", Market::Crypto),
            ("BTC/USD", Market::Crypto),
            ("BTCUSDT", Market::Crypto),
            ("C:EURUSD", Market::Currencies),
            ("EURUSD", Market::Currencies),
            ("VOD.L", Market::London),
            ("BT-A.L", Market::London),
            ("SAP.DE", Market::Xetra),
            ("MC.PA", Market::Paris),
            ("7203.T", Market::Tokyo),
            ("130A.T", Market::Tokyo),
            ("0700.HK", Market::HongKong),
            ("RY.TO", Market::Toronto),
            ("RCI-B.TO", Market::Toronto),
            ("LON:VOD", Market::London),
            ("BTC", Market::NewYork),
            ("AAPL", Market::NewYork),
            ("BRK.B", Market::NewYork),
            ("BRK-B", Market::NewYork),
            ("BCpC", Market::NewYork),
            ("ACHR.WS", Market::NewYork),
            ("XYZ.T", Market::NewYork),
            ("I:SPX", Market::NewYork),
            ("O:SPY251219C00650000", Market::NewYork),
            ("^GSPC", Market::NewYork),
            ("TSE:7203", Market::NewYork), // Tokyo to some, Toronto to others: it has to be said
        ] {
            assert_eq!(Calendars::default().of(&symbol(ticker)), expected, "{ticker}");
        }
    }

    #[test]
    fn what_is_said_counts_more_than_a_spelling() {
        let calendars =
            rules(&[("BTC", "crypto"), (".SW", "xetra"), ("TSE:", "tokyo"), ("LON:vod", "us"), ("LON:", "24/7")])
                .unwrap();
        for (ticker, expected) in [
            ("BTC", Market::Crypto),
            ("NESN.SW", Market::Xetra),
            ("TSE:7203", Market::Tokyo),
            ("VOD.L", Market::NewYork),
            ("BP.L", Market::Crypto),
            ("AAPL", Market::NewYork),
        ] {
            assert_eq!(calendars.of(&symbol(ticker)), expected, "{ticker}");
        }
        let written = BTreeMap::from(calendars.clone());
        assert_eq!(written["BTC"], "24/7");
        assert_eq!(Calendars::try_from(written), Ok(calendars));
        let all = rules(&[("*", "london")]).unwrap();
        assert_eq!(all.of(&symbol("VOD")), Market::London);
        assert_eq!(all.of(&symbol("X:BTCUSD")), Market::Crypto);
        assert!(all.is_known(&symbol("VOD")) && !Calendars::default().is_known(&symbol("VOD")));
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        let error = rules(&[("BTC", "moon")]).unwrap_err();
        assert!(matches!(&error, InvalidRule::Market { rule, .. } if rule == "BTC"));
        for wrong in ["", ".", "a b", ":"] {
            assert!(matches!(rules(&[(wrong, "us")]), Err(InvalidRule::Rule { .. })), "`{wrong}`");
        }
    }

    #[test]
    fn a_coin_is_the_same_whatever_it_is_quoted_in() {
        let calendars = rules(&[("BTC", "crypto")]).unwrap();
        assert!(calendars.is_same(&symbol("BTC"), &symbol("BTCUSDT")));
        assert!(!calendars.is_same(&symbol("ETHUSDT"), &symbol("BTCUSDT")));
        assert!(!Calendars::default().is_same(&symbol("BTC"), &symbol("BTCUSDT")), "the share of a fund");
    }
}
