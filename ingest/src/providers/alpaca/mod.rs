//! Alpaca: minute bars, trades and halts of shares in the United States, and minute bars and trades of coins, over two
//! websockets of one protocol; bars of a minute and of a day of the past and news over REST.
//!
//! The key has two parts, written as `ID:SECRET`. A pair of coins such as `BTC/USD` is the symbol `X:BTCUSD`.

mod config;
mod connection;
pub mod news;
pub mod parse;
mod recent;
#[cfg(test)]
mod tests;

pub use config::{AlpacaConfig, AlpacaCryptoConfig};

use super::coins::currencies;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{ApiKey, BarWidth, BarsRequest, Cursor, Page, PriceConnection, PriceSource, ProviderError, Subscription};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parse::Market;
use std::sync::Arc;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, Symbol};

/// The line in the registry of its shares.
pub const SHARES: Provider = Provider {
    kind: "alpaca",
    needs_key: true,
    settings: SettingsType::of::<AlpacaConfig>(),
    news: Some(|account| Ok(Arc::new(news::News::new(account)?))),
    prices: Some(|account| Ok(Arc::new(Alpaca::new(account, Market::Shares)?))),
    replay_line: None,
};

/// The line in the registry of its coins.
pub const COINS: Provider = Provider {
    kind: "alpaca_crypto",
    needs_key: true,
    settings: SettingsType::of::<AlpacaCryptoConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(Alpaca::new(account, Market::Coins)?))),
    replay_line: None,
};

/// Currencies that prices of coins are in.
const QUOTES: [&str; 4] = ["USDT", "USDC", "USD", "BTC"];

/// Bars in a page, the most that Alpaca sends.
const PAGE: &str = "10000";

/// The feed that sends made-up prices of one made-up share at any time.
const TEST: &str = "test";
/// The feed of all exchanges, 15 minutes late.
const DELAYED: &str = "delayed_sip";

/// The parts of the account's key, and how requests have them. Settings can be looked at without a key.
fn credentials(account: &Account) -> Result<([ApiKey; 2], Credentials), ProviderError> {
    let (id, secret) = match account.key.parts() {
        Some(parts) => parts,
        None if account.key.expose().is_empty() => Default::default(),
        None => {
            let reason = "its api key has two parts: write the id and the secret with a colon between, ID:SECRET";
            return Err(ProviderError::Setting { provider: account.name.clone(), reason: reason.into() });
        }
    };
    let headers = [("apca-api-key-id", &id), ("apca-api-secret-key", &secret)];
    let headers = headers.map(|(name, part)| (name.to_owned(), part.clone())).to_vec();
    Ok(([id, secret], Credentials::Headers(headers)))
}

struct Alpaca {
    account: Account,
    config: AlpacaConfig,
    market: Market,
    /// The parts of the key.
    key: [ApiKey; 2],
    http: HttpClient,
}

impl Alpaca {
    fn new(account: &Account, market: Market) -> Result<Self, ProviderError> {
        let config: AlpacaConfig = account.settings()?;
        let unusable = |reason: String| ProviderError::Setting { provider: account.name.clone(), reason };
        let feeds: &[&str] = if market == Market::Coins { &["us"] } else { &["iex", "sip", DELAYED, TEST] };
        if !feeds.contains(&config.feed.as_str()) {
            return Err(unusable(format!("feed = `{}`; there are {}", config.feed, feeds.join(", "))));
        }
        let (key, credentials) = credentials(account)?;
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, clock)?;
        Ok(Self { account: account.clone(), config, market, key, http })
    }

    /// Alpaca's name of a symbol.
    fn name_of(&self, symbol: &Symbol) -> Result<String, ProviderError> {
        let provider = &self.account.name;
        match self.market {
            Market::Coins => currencies(provider, symbol, &QUOTES).map(|(base, quote)| format!("{base}/{quote}")),
            Market::Shares if symbol.asset_class() == AssetClass::Equity => Ok(symbol.to_string()),
            Market::Shares => Err(ProviderError::Unsupported {
                provider: provider.clone(),
                what: format!("{symbol} among its shares; its coins are another provider, alpaca_crypto"),
            }),
        }
    }
}

#[async_trait]
impl PriceSource for Alpaca {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        subscription.symbols.iter().try_for_each(|symbol| self.name_of(symbol).map(drop))?;
        if self.market == Market::Coins { super::without_halts(&self.account.name, subscription) } else { Ok(()) }
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(connection::Connection::open(self, subscription).await?))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let BarsRequest { symbol, width, from, to } = request;
        let (name, from, to) = (self.name_of(symbol)?, *from, *to);
        let path: &[&str] = match self.market {
            Market::Shares => &["v2", "stocks", &name, "bars"],
            Market::Coins => &["v1beta3", "crypto", "us", "bars"],
        };
        let mut url = self.http.url(path);
        if self.config.feed == TEST {
            return Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: url.path().to_owned(), next: None });
        }
        // One exchange's last price of a day is not the official closing price, so bars of a day are those of all
        // exchanges. Every plan has them once they are 15 minutes old.
        let is_of_one = self.config.feed == "iex" && *width == BarWidth::Minute;
        // Plans without the feed of all exchanges are refused what is younger than 15 minutes.
        let youngest = self.http.clock().now().saturating_sub(SignedDuration::from_mins(16)).unwrap_or(Timestamp::MIN);
        let is_delayed = self.config.feed == DELAYED || self.config.feed == "iex" && !is_of_one;
        let to = if is_delayed { to.min(youngest) } else { to };
        if to < from {
            return Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: url.path().to_owned(), next: None });
        }
        let (start, end) = (from.to_string(), to.to_string());
        url.query_pairs_mut()
            .append_pair("timeframe", if *width == BarWidth::Day { "1Day" } else { "1Min" })
            .append_pair("start", &start)
            .append_pair("end", &end)
            .append_pair("limit", PAGE)
            .append_pair("sort", "asc");
        match self.market {
            Market::Coins => drop(url.query_pairs_mut().append_pair("symbols", &name)),
            Market::Shares => {
                // What is 15 minutes old is in the history of all exchanges.
                let feed = if is_of_one { "iex" } else { "sip" };
                url.query_pairs_mut().append_pair("adjustment", "raw").append_pair("feed", feed);
            }
        }
        if let Some(Cursor(token)) = cursor {
            url.query_pairs_mut().append_pair("page_token", token);
        }
        let body = self.http.get(&url).await?;
        let (provider, now) = (&self.account.name, self.http.clock().now());
        let page = parse::bars_page(provider, url.path(), &body, symbol, *width, now)?;
        Ok(Page { origin: request.origin(&format!("{} {symbol}", url.path())), ..page })
    }
}
