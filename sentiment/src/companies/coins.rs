//! Names of cryptocurrencies.
//!
//! A ticker of a coin may also be that of a share: `BTC` is a fund in New York, `SOL` a maker of solar plants. So a symbol
//! that is traded as a coin has the coin's names, and never those of the share.

use super::Company;
use super::matching::Name;
use tapewire_core::Symbol;

/// Tickers of coins and the names by which texts mention them; the first is the one that a model is asked about.
const COINS: [(&str, &[&str]); 24] = [
    ("BTC", &["Bitcoin"]),
    ("ETH", &["Ethereum", "Ether"]),
    ("SOL", &["Solana"]),
    ("XRP", &["XRP", "Ripple"]),
    ("DOGE", &["Dogecoin"]),
    ("ADA", &["Cardano"]),
    ("BNB", &["BNB", "Binance Coin"]),
    ("LTC", &["Litecoin"]),
    ("BCH", &["Bitcoin Cash"]),
    ("DOT", &["Polkadot"]),
    ("AVAX", &["Avalanche"]),
    ("LINK", &["Chainlink"]),
    ("TRX", &["Tron"]),
    ("USDT", &["Tether"]),
    ("USDC", &["USD Coin", "USDC"]),
    ("XLM", &["Stellar"]),
    ("XMR", &["Monero"]),
    ("ETC", &["Ethereum Classic"]),
    ("SHIB", &["Shiba Inu"]),
    ("UNI", &["Uniswap"]),
    ("ATOM", &["Cosmos"]),
    ("FIL", &["Filecoin"]),
    ("MATIC", &["Polygon"]),
    ("NEAR", &["NEAR Protocol"]),
];

/// Names that are ordinary words in small letters.
const WORDS: [&str; 4] = ["Stellar", "Cosmos", "Avalanche", "Polygon"];

/// Whether a ticker is that of a coin in the table.
pub(super) fn is_coin(ticker: &str) -> bool {
    COINS.iter().any(|(coin, _)| *coin == ticker)
}

/// A coin as the company of a symbol. Without a name if the coin is not in the table.
pub(super) fn company(symbol: &Symbol, coin: &str) -> Company {
    let names = COINS.iter().find(|(ticker, _)| *ticker == coin).map_or(&[][..], |(_, names)| names);
    let name = |name: &&str| if WORDS.contains(name) { Name::capitalised(*name) } else { Name::chosen(*name) };
    let names = names.iter().map(name).collect();
    Company { names, symbol: Some(symbol.clone()), is_doubtful: false }
}

#[cfg(test)]
mod tests {
    use super::super::Companies;
    use tapewire_core::Symbol;
    use tapewire_core::exchange::{Calendars, Market};

    #[test]
    fn a_coin_has_its_own_name_and_not_that_of_a_share() {
        let symbol = |ticker| Symbol::new(ticker).unwrap();
        let name = |companies: &Companies, ticker| {
            companies.of_symbol(&symbol(ticker), None).name_in("Markets rose").map(str::to_owned)
        };
        let companies = Companies::load(None).unwrap();
        assert_eq!(name(&companies, "X:BTCUSD").as_deref(), Some("Bitcoin"));
        assert_eq!(name(&companies, "ETH-USD").as_deref(), Some("Ethereum"));
        assert!(name(&companies, "BTC").is_some_and(|name| name.contains("Grayscale")));
        let mut calendars = Calendars::default();
        calendars.set("BTC", Market::Crypto).unwrap();
        calendars.set("GBTC", Market::Crypto).unwrap();
        let companies = companies.with_markets(calendars);
        assert_eq!(name(&companies, "BTC").as_deref(), Some("Bitcoin"));
        assert_eq!(name(&companies, "GBTC"), None, "no such coin is known");
    }
}
