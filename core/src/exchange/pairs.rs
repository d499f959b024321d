//! Pairs of currencies and cryptocurrencies, as tickers spell them.

use super::Market;

/// Quotes of coins that tickers end in with nothing between the two, the longer ones first. `BUSD` and `TUSD` are not
/// among them: `BNBUSD` and `DOTUSD` are quoted in US dollars.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "USD", "EUR", "GBP", "BTC", "ETH"];
/// Further quotes where something is between the two.
const OTHER_QUOTES: [&str; 10] = ["BUSD", "TUSD", "DAI", "JPY", "KRW", "CHF", "AUD", "CAD", "TRY", "BNB"];
/// Currencies and precious metals that are traded against each other (ISO 4217).
const CURRENCIES: [&str; 38] = [
    "AED", "AUD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR",
    "ILS", "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RUB", "SAR", "SEK", "SGD", "THB", "TRY",
    "TWD", "USD", "XAG", "XAU", "XPT", "ZAR",
];
/// Longest ticker of a share in New York, in letters.
const LONGEST_SHARE: usize = 5;

/// What a pair is of, and what it is quoted in: `BTC` and `USDT` for `BTCUSDT`, `BTC-USDT`, `BTC.USDT` and
/// `BINANCE:BTCUSDT`. `None` for everything that may be a share.
pub(super) fn pair(ticker: &str) -> Option<(&str, &str)> {
    let ticker = ticker.rsplit_once(':').map_or(ticker, |(_, after)| after);
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let are_currencies = |base: &str, quote: &str| [base, quote].iter().all(|name| CURRENCIES.contains(name));
    // A dot is how a slash between the two is read.
    if let Some((base, quote)) = ticker.rsplit_once(['-', '.', '_']) {
        let is_quote = QUOTES.contains(&quote) || OTHER_QUOTES.contains(&quote) || are_currencies(base, quote);
        return (is_plain(base) && is_quote).then_some((base, quote));
    }
    if !is_plain(ticker) || ticker.len() <= LONGEST_SHARE {
        return None;
    }
    let (base, quote) = ticker.split_at(ticker.len() - 3);
    if are_currencies(base, quote) {
        return Some((base, quote));
    }
    let quote = QUOTES.into_iter().find(|quote| ticker.ends_with(quote))?;
    Some((ticker.strip_suffix(quote)?, quote))
}

/// Whether a ticker is that of a pair of currencies or cryptocurrencies, also after the name of an exchange.
pub fn is_pair(ticker: &str) -> bool {
    pair(ticker).is_some()
}

/// The market of a pair.
pub(super) fn market((base, quote): (&str, &str)) -> Market {
    let is_currency = |name| CURRENCIES.contains(&name);
    if is_currency(base) && is_currency(quote) { Market::Currencies } else { Market::Crypto }
}

/// The coin that a ticker of [`Market::Crypto`] is about: `BTC` for `X:BTCUSD`, `BTC-USD` and `BTC` itself.
pub(super) fn coin(ticker: &str) -> &str {
    let plain = ticker.rsplit_once(':').map_or(ticker, |(_, after)| after);
    match pair(ticker).map_or(plain, |(base, _)| base) {
        "XBT" => "BTC",
        coin => coin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_told_from_shares() {
        for (ticker, expected) in [
            ("BTCUSDT", Some(("BTC", "USDT"))),
            ("BTCUSDC", Some(("BTC", "USDC"))),
            ("BTCUSD", Some(("BTC", "USD"))),
            ("BTC-USD", Some(("BTC", "USD"))),
            ("BTC.USD", Some(("BTC", "USD"))),
            ("ETHBTC", Some(("ETH", "BTC"))),
            ("1INCHUSDT", Some(("1INCH", "USDT"))),
            ("DOGEUSD", Some(("DOGE", "USD"))),
            ("BNBUSD", Some(("BNB", "USD"))),
            ("BNB-BUSD", Some(("BNB", "BUSD"))),
            ("BINANCE:SOLUSDT", Some(("SOL", "USDT"))),
            ("COINBASE:BTC-USD", Some(("BTC", "USD"))),
            ("EURUSD", Some(("EUR", "USD"))),
            ("EUR_USD", Some(("EUR", "USD"))),
            ("USDJPY", Some(("USD", "JPY"))),
            ("XAUUSD", Some(("XAU", "USD"))),
            ("BTC", None),
            ("AAPL", None),
            ("GOOGL", None),
            ("BRK.B", None),
            ("ACHR.WS", None),
            ("NYSE:AAPL", None),
            ("BCpC", None),
            ("MC.PA", None),
            ("BT-A.L", None),
            ("FUSD", None), // short enough for a share
        ] {
            assert_eq!(pair(ticker), expected, "{ticker}");
        }
        assert_eq!(market(("XAU", "USD")), Market::Currencies);
        assert_eq!(market(("ETH", "BTC")), Market::Crypto);
    }

    #[test]
    fn one_coin_has_many_tickers() {
        for ticker in ["BTC", "X:BTCUSD", "BTC-USD", "BTC.USD", "BTCUSDT", "KRAKEN:XBTUSD", "BTC-EUR"] {
            assert_eq!(coin(ticker), "BTC", "{ticker}");
        }
        assert_eq!(coin("ETHBTC"), "ETH");
    }
}
