//! Kraken: minute bars and trades of coins over version 2 of its websocket, minute bars of the last 12
//! hours and daily bars of the last 720 days over REST.
//!
//! A pair such as `BTC/USD` is the symbol `X:BTCUSD`. A minute without a trade has no bar.

mod config;
mod connection;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::KrakenConfig;

use super::coins::currencies;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{BarWidth, BarsRequest, Cursor, Page, PriceConnection, PriceSource, ProviderError, Subscription};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tapewire_core::{Bar, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "kraken",
    needs_key: false,
    settings: SettingsType::of::<KrakenConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(Kraken::new(account)?))),
    replay_line: None,
};

/// How far back there are bars of a minute: 720 of them.
const MINUTE_BARS_REACH: SignedDuration = SignedDuration::from_hours(12);

/// How far back there are bars of a day: 720, of which the last is under way.
const DAILY_BARS_REACH: SignedDuration = SignedDuration::from_hours(719 * 24);

/// Currencies that prices are in.
const QUOTE_CURRENCIES: [&str; 12] =
    ["USDT", "USDC", "USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "DAI", "BTC", "ETH"];

struct Kraken {
    account: Account,
    config: KrakenConfig,
    http: HttpClient,
}

impl Kraken {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: KrakenConfig = account.settings()?;
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, Credentials::None, clock)?;
        Ok(Self { account: account.clone(), config, http })
    }
}

/// Kraken's name of a symbol: `BTC/USD` of `X:BTCUSD`.
fn name_of(provider: &str, symbol: &Symbol) -> Result<String, ProviderError> {
    currencies(provider, symbol, &QUOTE_CURRENCIES).map(|(base, quote)| format!("{base}/{quote}"))
}

#[async_trait]
impl PriceSource for Kraken {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        subscription.symbols.iter().try_for_each(|symbol| name_of(&self.account.name, symbol).map(drop))?;
        super::without_halts(&self.account.name, subscription)
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    fn reaches_back_to(&self, width: BarWidth, now: Timestamp) -> Option<Timestamp> {
        match width {
            // A day counts as a whole.
            BarWidth::Day => {
                let oldest = now.checked_sub(DAILY_BARS_REACH).ok()?;
                Timestamp::from_second(oldest.as_second().div_euclid(86_400) * 86_400).ok()
            }
            BarWidth::Minute => now.checked_sub(MINUTE_BARS_REACH).ok(),
        }
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(connection::Connection::open(&self.account, &self.config, subscription).await?))
    }

    async fn bars_page(&self, request: &BarsRequest, _: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let BarsRequest { symbol, width, from, to } = request;
        let pair = name_of(&self.account.name, symbol)?.replace('/', "");
        let mut url = self.http.url(&["0", "public", "OHLC"]);
        // Kraken has the last 720 bars only, sends them in one answer, and leaves out those up to `since`.
        let since = from.as_second().saturating_sub(i64::from(width.seconds())).to_string();
        let minutes = (width.seconds() / 60).to_string();
        url.query_pairs_mut().append_pair("pair", &pair).append_pair("interval", &minutes).append_pair("since", &since);
        let body = self.http.get(&url).await?;
        let (provider, now) = (&self.account.name, self.http.clock().now());
        let page = parse::bars_page(provider, url.path(), &body, symbol, *width, now)?;
        let items = page.items.into_iter().filter(|bar| (*from..=*to).contains(&bar.start)).collect();
        Ok(Page { items, origin: request.origin(&format!("/0/public/OHLC {symbol}")), ..page })
    }
}
