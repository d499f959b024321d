//! What the name of an exchange in a column of a file says of a ticker.

use super::{Market, abroad};
use crate::ticker::is_us;

/// Further names of exchanges in the United States: those of Yahoo and of Interactive Brokers.
const US: [&str; 11] = ["NMS", "NGM", "NCM", "NIM", "NYS", "ASE", "PCX", "BTS", "PNK", "ISLAND", "NASD"];

/// Names of exchanges abroad by Interactive Brokers.
const BROKER: [(&str, Market); 4] =
    [("IBIS", Market::Xetra), ("IBIS2", Market::Xetra), ("SBF", Market::Paris), ("TSEJ", Market::Tokyo)];

/// Exchanges of cryptocurrencies.
#[rustfmt::skip]
const OF_COINS: [&str; 21] = [
    "BINANCE", "BINANCEUS", "COINBASE", "GDAX", "KRAKEN", "BITSTAMP", "GEMINI", "BITFINEX", "OKX", "OKEX", "BYBIT", "KUCOIN",
    "HUOBI", "HTX", "GATEIO", "MEXC", "BITGET", "POLONIEX", "UPBIT", "BITHUMB", "CRYPTOCOM",
];

/// What the name of an exchange says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Venue {
    /// The exchange's tickers are traded in this market.
    Market(Market),
    /// It is an exchange whose calendar is not known, or one of two, as `TSE` is.
    WithoutCalendar,
    /// It is not known. It may be no exchange at all.
    Unknown,
}

/// Reads the code of an exchange (ISO 10383), or the short name by which providers call it.
///
/// ```
/// use tapewire_core::exchange::{Market, Venue, venue};
///
/// assert_eq!(["XLON", "lse", "London"].map(venue), [Venue::Market(Market::London); 3]);
/// assert_eq!(["NASDAQ", "XNYS", "NMS"].map(venue), [Venue::Market(Market::NewYork); 3]);
/// assert_eq!(["XASX", "ASX", "TSE"].map(venue), [Venue::WithoutCalendar; 3]);
/// assert_eq!(["SMART", "stocks", "4"].map(venue), [Venue::Unknown; 3]);
/// ```
pub fn venue(name: &str) -> Venue {
    let name = name.trim();
    let is_any = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Ok(market) = name.parse() {
        return Venue::Market(market);
    }
    if is_us(name) || is_any(&US) {
        return Venue::Market(Market::NewYork);
    }
    let of_broker = BROKER.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, market)| *market);
    if let Some(market) = abroad::market_of(name).or(of_broker) {
        return Venue::Market(market);
    }
    if is_any(&OF_COINS) {
        return Venue::Market(Market::Crypto);
    }
    // Nearly all codes of exchanges are an X and three letters.
    let is_code = name.len() == 4 && name.starts_with(['X', 'x']) && name.bytes().all(|c| c.is_ascii_alphanumeric());
    match is_code || is_any(&["TSE", "BVMF", "NEOE"]) || abroad::is_other_code(name) {
        true => Venue::WithoutCalendar,
        false => Venue::Unknown,
    }
}
