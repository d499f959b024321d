//! What the exchanges of coins share: their symbols, and their numbers, which are texts.

use super::ProviderError;
use serde::{Deserialize, Deserializer};
use tapewire_core::Symbol;
use tapewire_core::symbol::AssetClass;

/// The symbol of a pair, `X:BTCUSD` of `BTC` and `USD`: with the prefix a coin is never taken for a share.
///
/// # Errors
/// The reason, in words.
pub fn pair(base: &str, quote: &str) -> Result<Symbol, String> {
    let is_plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric());
    if base.len() + quote.len() < 4 || !is_plain(base) || !is_plain(quote) {
        return Err(format!("`{base}` and `{quote}` are not a pair of currencies"));
    }
    Symbol::new(&format!("X:{base}{quote}")).map_err(|error| error.to_string())
}

/// Currencies and metals whose pairs with the US dollar are no coins.
const CURRENCIES: [&str; 25] = [
    "AUD", "BRL", "CAD", "CHF", "CNH", "CNY", "DKK", "EUR", "GBP", "HKD", "INR", "JPY", "KRW", "MXN", "NOK", "NZD",
    "PLN", "SEK", "SGD", "TRY", "XAG", "XAU", "XPD", "XPT", "ZAR",
];

/// The coin that a list of an article's tickers names as `BTCUSD`, `BTC/USD` or `BTCUSDT`. `None` for anything that may be
/// something else: no share of the United States has a ticker of six letters, but `EURUSD` is a pair of currencies.
pub fn in_news(ticker: &str) -> Option<Symbol> {
    let quote = ["USDT", "USDC", "USD"].into_iter().find(|quote| ticker.ends_with(quote))?;
    let base = ticker.strip_suffix(quote)?.trim_end_matches('/');
    (base.len() >= 3 && !CURRENCIES.contains(&base)).then(|| pair(base, quote).ok()).flatten()
}

/// The pair of a symbol: `BTCUSD` of `X:BTCUSD`.
///
/// # Errors
/// [`ProviderError::Unsupported`] for anything but a pair of coins.
pub fn pair_of<'a>(provider: &str, symbol: &'a Symbol) -> Result<&'a str, ProviderError> {
    match symbol.as_str().strip_prefix("X:") {
        Some(pair) if symbol.asset_class() == AssetClass::Crypto => Ok(pair),
        _ => Err(ProviderError::Unsupported {
            provider: provider.to_owned(),
            what: format!("{symbol}; it has coins only, written as X:BTCUSD"),
        }),
    }
}

/// The two currencies of a symbol: `BTC` and `USD` of `X:BTCUSD`.
///
/// # Errors
/// [`ProviderError::Unsupported`] for anything but a pair of coins whose price is in one of `quotes`. Of these, a longer name
/// comes before one that it ends in.
pub fn currencies<'a>(
    provider: &str,
    symbol: &'a Symbol,
    quotes: &[&str],
) -> Result<(&'a str, &'a str), ProviderError> {
    let pair = pair_of(provider, symbol)?;
    let found = quotes.iter().find_map(|quote| pair.strip_suffix(quote)).filter(|base| !base.is_empty());
    found.map(|base| pair.split_at(base.len())).ok_or_else(|| ProviderError::Unsupported {
        provider: provider.to_owned(),
        what: format!("{symbol}; its symbols end in {}", quotes.join(", ")),
    })
}

/// A number that is written as text, as a number, or is neither, which is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal(pub f64);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Plain(f64),
            Other(serde::de::IgnoredAny),
        }
        let number = match Written::deserialize(deserializer)? {
            Written::Text(text) => text.parse().ok(),
            Written::Plain(number) => Some(number),
            Written::Other(_) => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        number.map(Self).ok_or_else(|| serde::de::Error::custom("expected a number, or text that is one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coin_is_never_a_share() {
        let btc = pair("BTC", "USD").unwrap();
        assert_eq!((btc.as_str(), btc.asset_class()), ("X:BTCUSD", AssetClass::Crypto));
        assert_eq!(pair_of("x", &btc).unwrap(), "BTCUSD");
        for other in ["BTC", "BTCUSD", "I:SPX", "BTC.USD"] {
            assert!(pair_of("x", &Symbol::new(other).unwrap()).is_err(), "{other}");
        }
        assert!(pair("", "USD").is_err() && pair("B TC", "USD").is_err() && pair("\u{5e01}\u{5b89}", "USDT").is_err());
    }

    #[test]
    fn a_coin_among_tickers_is_recognised_and_nothing_else_is() {
        let of = |ticker: &str| in_news(ticker).map(|symbol| symbol.to_string());
        for (ticker, expected) in [
            ("BTCUSD", "X:BTCUSD"),
            ("BTC/USD", "X:BTCUSD"),
            ("DOGEUSD", "X:DOGEUSD"),
            ("BTCUSDT", "X:BTCUSDT"),
            ("ETHUSDC", "X:ETHUSDC"),
        ] {
            assert_eq!(of(ticker).as_deref(), Some(expected));
        }
        for other in ["AAPL", "MUSD", "USD", "USDT", "EURUSD", "XAUUSD", "BTC", "BRK.B"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_pair_has_two_currencies() {
        let of = |name: &str| {
            let symbol = Symbol::new(name).unwrap();
            currencies("x", &symbol, &["USDT", "USD"]).map(|(base, quote)| format!("{base}/{quote}")).ok()
        };
        assert_eq!(of("X:BTCUSD").unwrap(), "BTC/USD");
        assert_eq!(of("X:BTCUSDT").unwrap(), "BTC/USDT");
        assert_eq!([of("X:BTCEUR"), of("X:USD"), of("BTCUSD")], [None, None, None]);
    }

    #[test]
    fn numbers_are_texts_and_what_is_none_is_refused() {
        let read = |raw: &str| serde_json::from_str::<Decimal>(raw).map(|number| number.0);
        assert_eq!((read("\"0.5\"").unwrap(), read("2").unwrap()), (0.5, 2.0));
        for raw in ["\"NaN\"", "\"inf\"", "null", "\"\"", "\"1,5\"", "[1]"] {
            assert!(read(raw).is_err(), "{raw}");
        }
    }
}
