//! Coinbase Advanced Trade: bars of five minutes and trades of coins over a websocket, bars of the past over REST.
//!
//! A product such as `BTC-USD` is the symbol `X:BTCUSD`. The stream's candles are of five minutes only, so those of the
//! past are too, except for daily ones. A candle without a trade is no bar.

mod config;
mod connection;
mod messages;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::CoinbaseConfig;

use super::coins::pair_of;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{
    BarWidth, BarsRequest, Cursor, Frame, MarketEvent, Page, PriceConnection, PriceSource, ProviderError, Rejected,
    Subscription,
};
use async_trait::async_trait;
use jiff::SignedDuration;
use std::sync::Arc;
use tapewire_core::{Bar, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "coinbase",
    needs_key: false,
    settings: SettingsType::of::<CoinbaseConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(Coinbase::new(account)?))),
    replay_line: None,
};

/// Candles in a page; Coinbase sends 350 at the most.
const PAGE: i64 = 300;

/// Currencies that prices are in. The first that a pair ends with is used, so a name must come before any name that is
/// its ending.
const QUOTES: [&str; 7] = ["USDT", "USD", "EUR", "GBP", "BTC", "ETH", "DAI"];

struct Coinbase {
    account: Account,
    config: CoinbaseConfig,
    http: HttpClient,
}

impl Coinbase {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: CoinbaseConfig = account.settings()?;
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, Credentials::None, clock)?;
        Ok(Self { account: account.clone(), config, http })
    }
}

/// The product of a symbol: `BTC-USD` of `X:BTCUSD`.
fn product_of(provider: &str, symbol: &Symbol) -> Result<String, ProviderError> {
    let pair = pair_of(provider, symbol)?;
    let unsupported = |what| Err(ProviderError::Unsupported { provider: provider.to_owned(), what });
    if pair.ends_with("USDC") && !matches!(pair, "USDTUSDC" | "EURCUSDC") {
        // Coinbase answers with the product in USD, so no message would be of this symbol.
        let usd = pair.trim_end_matches("USDC");
        return unsupported(format!("messages of {symbol}, and sends those of X:{usd}USD; use that"));
    }
    let base = QUOTES.iter().chain(&["USDC"]).find_map(|quote| Some((pair.strip_suffix(quote)?, quote)));
    match base {
        Some((base, quote)) if !base.is_empty() => Ok(format!("{base}-{quote}")),
        _ => unsupported(format!("{symbol}; its symbols end in {}", QUOTES.join(", "))),
    }
}

#[async_trait]
impl PriceSource for Coinbase {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        subscription.symbols.iter().try_for_each(|symbol| product_of(&self.account.name, symbol).map(drop))?;
        super::without_halts(&self.account.name, subscription)
    }

    fn past_width(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(parse::WIDTH_S))
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(connection::Connection::open(&self.account, &self.config, subscription).await?))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let BarsRequest { symbol, from, to, .. } = request;
        let (product, width_s) = (product_of(&self.account.name, symbol)?, parse::width_s(request.width));
        let width = i64::from(width_s);
        let asked = cursor.and_then(|Cursor(start)| start.parse::<i64>().ok()).unwrap_or(from.as_second());
        // From the start of a candle, so that the one which is under way at `from` is there.
        let start = asked.div_euclid(width) * width;
        let end = start.saturating_add((PAGE - 1) * width).min(to.as_second());
        let next = (end < to.as_second()).then(|| Cursor((end + width).to_string()));
        let path = ["api", "v3", "brokerage", "market", "products", &product, "candles"];
        let mut url = self.http.url(&path);
        url.query_pairs_mut()
            .append_pair("start", &start.to_string())
            .append_pair("end", &end.to_string())
            .append_pair("granularity", if request.width == BarWidth::Day { "ONE_DAY" } else { "FIVE_MINUTE" })
            .append_pair("limit", "350");
        let body = self.http.get(&url).await?;
        let (provider, now) = (&self.account.name, self.http.clock().now());
        let page = parse::bars_page(provider, url.path(), &body, symbol, width_s, next, now)?;
        Ok(Page { origin: request.origin(&page.origin), ..page })
    }

    /// Trades of the websocket and candles of the past. A candle of the websocket is not read again: only the
    /// connection could tell whether it was the final one of its five minutes, and missing bars are fetched over REST
    /// anyway.
    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        let (name, received_at) = (&self.account.name, rejected.received_at);
        if rejected.place == "websocket" {
            let message = parse::message_or_trade(rejected.raw, received_at);
            let events = message.trades.into_iter().map(MarketEvent::Trade).collect();
            return Ok(Frame { events, rejects: message.rejects });
        }
        let product =
            rejected.place.strip_suffix("/candles").and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let symbol = parse::product(product).map_err(|_| rejected.unsupported(name))?;
        let body = format!("{{\"candles\":[{}]}}", rejected.raw);
        Ok(parse::bars_page(name, rejected.place, body.as_bytes(), &symbol, parse::WIDTH_S, None, received_at)?.into())
    }
}
