//! Tickers, normalised when they are read, so that news and tape use equal strings.
//!
//! Case matters where an exchange's ticker has a small letter: `BCpC` is a preferred share of Brunswick, `BCPC` is
//! Balchem. A ticker is read by these rules, in this order:
//!
//! 1. Capitals followed by a marker in small letters are kept: `p` for a preferred share, with its series (`BCpC`), `r`
//!    for a right, `w` for shares when issued (`BCpCw`).
//! 2. Anything else is put into capitals: `aapl` and `Aapl` are `AAPL`, and `bcpc` is `BCPC`.
//! 3. Other spellings of preferred shares, rights, warrants and units are read where they can mean nothing else:
//!    `BC-PC`, `BC-P-C`, `BC/PC`, `BC.PRC`, `BC.PR.C`, `BC PRC` and `BC^C` are `BCpC`. `MC.PA` is not read as a preferred share,
//!    because it is a share in Paris.
//! 4. A share class after a hyphen or a slash gets a dot: `BRK-B` and `BRK/B` are `BRK.B`. `BAC-L` and `RY-T` keep the
//!    hyphen, because `.L` is the ending of London and `.T` that of Tokyo.
//!
//! Before all these, a ticker of another country is put into its normal spelling where its exchange is known: `LON:VOD` is
//! `VOD.L` ([`abroad`]).

use crate::exchange::abroad;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A ticker in its normal spelling: trimmed, in capitals except the markers `p`, `r` and `w` (`BCpC`; see the
/// [module](self)), share classes, warrants and units with a dot (`BRK.B`, `ACHR.WS`, `AACT.U`).
///
/// Asset-class prefixes of Massive are kept: `X:BTCUSD` crypto, `I:SPX` index,
/// `C:EURUSD` currencies, `O:...` options. Everything else is read as an equity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "CompactString", into = "CompactString")]
pub struct Symbol(
    // It has short texts in itself: a symbol is looked up for each bar, and memory far away costs more than all else.
    CompactString,
);

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
#[error("{input} is not a ticker, which has 1 to 32 letters, digits, `.`, `/`, `:`, `_`, `^` or `-`")]
pub struct NotASymbol {
    /// The string as messages quote it.
    pub input: String,
}

impl Symbol {
    /// Longest ticker accepted, in bytes; option symbols are 21.
    pub const MAX_LEN: usize = 32;

    /// Reads a ticker as any provider spells it (`brk-b`, ` BRK/B `, `BRK.B`, `BCpC`, `BC-PC`).
    ///
    /// # Errors
    /// [`NotASymbol`] if it is empty, too long, or has a character that tickers do not have.
    pub fn new(input: &str) -> Result<Self, NotASymbol> {
        // Most tickers; nothing below would change them.
        if is_capitals(input) && input.len() <= Self::MAX_LEN {
            return Ok(Self(input.into()));
        }
        let refused = || NotASymbol { input: crate::text::quoted(input.trim()) };
        let seen = crate::text::without_invisible(input);
        let spelled = seen.trim();
        if spelled.is_empty() || spelled.len() > Self::MAX_LEN {
            return Err(refused());
        }
        if let Some(read) = abroad::normal(spelled) {
            return Ok(Self(read.into()));
        }
        if has_marker(spelled) {
            return Ok(Self(spelled.into()));
        }
        let capitals = spelled.to_ascii_uppercase();
        if let Some(read) = of_another_spelling(&capitals) {
            return Ok(Self(read.into()));
        }
        let mut ticker = match capitals.split_once('/') {
            // `AAPL/MSFT` is not a share class but two tickers.
            Some((_, class)) if !is_class(class) => return Err(refused()),
            Some((base, currency)) if CURRENCIES.contains(&currency) => format!("{base}-{currency}"),
            Some((base, class)) if is_capitals(base) && abroad::city_of_class(class).is_some() => {
                format!("{base}-{class}")
            }
            _ => capitals.replace('/', "."),
        };
        if !ticker.chars().all(|c| c.is_ascii_alphanumeric() || ".:_^-".contains(c)) {
            return Err(refused());
        }
        // Share classes: Yahoo and Tiingo write BRK-B where the exchanges write BRK.B. The class must not become the ending
        // of an exchange abroad.
        if let Some((base, class)) = ticker.rsplit_once('-')
            && class.len() == 1
            && is_capitals(base)
            && abroad::city_of_class(class).is_none()
        {
            ticker = format!("{base}.{class}");
        }
        Ok(Self(ticker.into()))
    }

    /// The common share of the issuer of a warrant, right or unit: `ACHR` for `ACHR.WS`. `None` for everything else,
    /// also for a preferred share: the ticker before its `p` may be that of another company (`CMSpB` is of Consumers
    /// Energy, `CMS` of its parent).
    ///
    /// ```
    /// # use tapewire_core::Symbol;
    /// let common = |ticker| Symbol::new(ticker).ok()?.common_share();
    /// assert_eq!(common("ACHR.WS"), Symbol::new("ACHR").ok());
    /// assert_eq!(common("CMSpB"), None);
    /// ```
    pub fn common_share(&self) -> Option<Self> {
        let (before, after) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let root = before.trim_end_matches('w').trim_end_matches('r');
        let is_marked = root.len() < before.len();
        let is_part = matches!(after.split('.').next(), Some("WS" | "U"));
        (is_capitals(root) && (is_marked || is_part)).then(|| Self(root.into()))
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

/// Currencies in which cryptocurrencies and other currencies are priced: `BTC/USD` is read as `BTC-USD`.
const CURRENCIES: [&str; 11] = ["USD", "USDT", "USDC", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "BTC", "ETH"];

/// Whether what follows a `/` in a ticker is a part of it: a share class, a warrant, a right, shares when issued, a
/// currency.
fn is_class(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_known =
        |part: &str| part.len() == 1 || ["WS", "WI", "RT", "WD"].contains(&part) || CURRENCIES.contains(&part);
    parts.next().is_some_and(is_known) && parts.all(|part| part.len() == 1)
}

fn is_capitals(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase())
}

/// Whether a ticker is spelled as the exchanges' tape spells preferred shares, rights and shares when issued: capitals,
/// possibly a share class, then `p` with a series or without, `r`, `w`, possibly a further part in capitals.
fn has_marker(ticker: &str) -> bool {
    fn past<'a>(rest: &'a str, marker: char, found: &mut bool) -> &'a str {
        let after = rest.strip_prefix(marker);
        *found |= after.is_some();
        after.unwrap_or(rest)
    }
    let root = ticker.bytes().take_while(u8::is_ascii_uppercase).count();
    let mut rest = &ticker[root..];
    if let Some(class) = rest.strip_prefix('.')
        && class.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase)
        && class.starts_with(|c: char| c.is_ascii_uppercase())
    {
        rest = &class[1..];
    }
    let mut found = false;
    let before = rest;
    rest = past(rest, 'p', &mut found);
    if rest.len() < before.len() {
        rest = rest.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or(rest);
    }
    rest = past(rest, 'r', &mut found);
    rest = past(rest, 'w', &mut found);
    let further = rest.is_empty() || rest.strip_prefix('.').is_some_and(|parts| parts.split('.').all(is_capitals));
    root > 0 && root <= 6 && found && further
}

/// The normal spelling of a preferred share, right, warrant or unit that a provider spells otherwise. `None` for
/// spellings that may mean something else: a dot with two letters may be an exchange (`MC.PA` in Paris), and `-P` alone
/// a share class.
fn of_another_spelling(capitals: &str) -> Option<String> {
    let root = capitals.bytes().take_while(u8::is_ascii_uppercase).count();
    let (root, suffix) = capitals.split_at(root);
    if root.is_empty() || root.len() > 6 {
        return None;
    }
    match suffix {
        "-WT" | "-WS" | "/WT" | "/WS" | " WS" => return Some(format!("{root}.WS")),
        "-UN" | "/UN" => return Some(format!("{root}.U")),
        "-RI" => return Some(format!("{root}r")),
        _ => {}
    }
    let markers = ["-P-", "-PR-", "-PR", "-P", "/PR", "/P", ".PR.", ".PR", " PR ", " PR", "^"];
    let is_series = |series: &&str| series.len() == 1 && is_capitals(series);
    let series = markers.iter().find_map(|marker| suffix.strip_prefix(marker).filter(is_series))?;
    Some(format!("{root}p{series}"))
}

impl TryFrom<CompactString> for Symbol {
    type Error = NotASymbol;
    fn try_from(value: CompactString) -> Result<Self, NotASymbol> {
        Self::new(&value)
    }
}

impl From<Symbol> for CompactString {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0.into()
    }
}

/// Maps by symbol can be asked for a text: equal symbols have equal texts, and their order and hash are those of the text.
impl std::borrow::Borrow<str> for Symbol {
    #[inline]
    fn borrow(&self) -> &str {
        &self.0
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
            ("BTC/USD", "BTC-USD"),
            ("HYMC/WS.A", "HYMC.WS.A"),
            ("Aapl", "AAPL"),
            ("X:btcusd", "X:BTCUSD"),
            ("Brk.b", "BRK.B"),
        ] {
            assert_eq!(Symbol::new(input).unwrap().as_str(), expected, "{input}");
        }
    }

    #[test]
    fn a_symbol_is_text_in_json() {
        let long = "O:SPXW251219C05800000.VERY.LONG";
        for text in ["AAPL", "BRK.B", long] {
            let symbol: Symbol = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!((symbol.as_str(), serde_json::to_string(&symbol).unwrap()), (text, format!("\"{text}\"")));
            assert_eq!(String::from(symbol), text);
        }
        assert!(serde_json::from_str::<Symbol>("\"A B C D\"").is_err());
    }

    #[test]
    fn a_preferred_share_is_not_the_company_with_the_same_letters() {
        for (input, expected) in [
            ("BCpC", "BCpC"),
            ("BCPC", "BCPC"),
            ("bcpc", "BCPC"),
            ("AMpB", "AMpB"),
            ("AMPB", "AMPB"),
            ("ABRp", "ABRp"),
            ("JPMpCw", "JPMpCw"),
            ("BHVNr", "BHVNr"),
            ("SNDKw", "SNDKw"),
            ("LENw.B", "LENw.B"),
            ("LEN.Bw", "LEN.Bw"),
            // How Yahoo and SEC, Tiingo, TradingView, the participants of the tape, and Nasdaq spell it.
            ("BC-PC", "BCpC"),
            ("bc-pc", "BCpC"),
            ("BC-P-C", "BCpC"),
            ("BC/PC", "BCpC"),
            ("BC/PRC", "BCpC"),
            ("BC.PRC", "BCpC"),
            ("BC PRC", "BCpC"),
            ("BC.PR.C", "BCpC"),
            ("BAC.PR.L", "BACpL"),
            ("bac.pr.t", "BACpT"),
            ("BC PR C", "BCpC"),
            ("BC^C", "BCpC"),
            ("BC-PR", "BCpR"),
            ("ACHR-WT", "ACHR.WS"),
            ("ACHR.WS", "ACHR.WS"),
            ("ACHR/WS", "ACHR.WS"),
            ("AACT-UN", "AACT.U"),
            ("AACT-U", "AACT.U"),
            ("GLOP-RI", "GLOPr"),
            // These spellings may mean something else.
            ("MC.PA", "MC.PA"),
            ("REI.UN", "REI.UN"),
            ("BRK-P", "BRK.P"),
            ("BAC-L", "BAC-L"),
            ("bac/l", "BAC-L"),
            ("RY-T", "RY-T"),
            ("BAC-PL", "BACpL"),
            ("BAC^L", "BACpL"),
            ("VOD.L", "VOD.L"),
            ("^GSPC", "^GSPC"),
            ("BTC-PAX", "BTC-PAX"),
        ] {
            let symbol = Symbol::new(input).unwrap();
            assert_eq!(symbol.as_str(), expected, "{input}");
            assert_eq!(Symbol::new(symbol.as_str()), Ok(symbol.clone()), "{input}");
            let json = serde_json::to_string(&symbol).unwrap();
            assert_eq!(serde_json::from_str::<Symbol>(&json).unwrap(), symbol, "{input}");
        }
    }

    #[test]
    fn the_common_share_of_an_issuer() {
        for (input, expected) in [
            ("BCpC", None),
            ("ABRp", None),
            ("JPMpCw", None),
            ("SNDKw", Some("SNDK")),
            ("BHVNr", Some("BHVN")),
            ("ACHR.WS", Some("ACHR")),
            ("HYMC.WS.A", Some("HYMC")),
            ("AACT.U", Some("AACT")),
            ("BRK.B", None),
            ("BCPC", None),
            ("X:BTCUSD", None),
            ("MC.PA", None),
        ] {
            let common = Symbol::new(input).unwrap().common_share();
            assert_eq!(common.as_ref().map(Symbol::as_str), expected, "{input}");
        }
    }

    #[test]
    fn anything_but_a_ticker_is_an_error_that_names_it() {
        for input in ["", "   ", "A B", "<script>", "AAPL/MSFT", "AAPL/MSFT/F", "BRK/B/F", "/", "A/", &"A".repeat(33)] {
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
