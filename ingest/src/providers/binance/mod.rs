//! Binance: minute bars and trades of coins over a websocket, bars of a minute and of a day of the past over REST.
//!
//! A pair such as `BTCUSDT` is the symbol `X:BTCUSDT`. A minute without a trade is no bar.

mod config;
mod connection;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::BinanceConfig;

use super::coins::pair_of;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{
    BarWidth, BarsRequest, Cursor, Frame, Page, PriceConnection, PriceSource, ProviderError, Reject, Rejected,
    Subscription,
};
use async_trait::async_trait;
use parse::Message;
use std::sync::Arc;
use tapewire_core::{Bar, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "binance",
    needs_key: false,
    settings: SettingsType::of::<BinanceConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(Binance::new(account)?))),
    replay_line: None,
};

struct Binance {
    account: Account,
    config: BinanceConfig,
    http: HttpClient,
}

impl Binance {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: BinanceConfig = account.settings()?;
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, Credentials::None, clock)?;
        Ok(Self { account: account.clone(), config, http })
    }
}

#[async_trait]
impl PriceSource for Binance {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        subscription.symbols.iter().try_for_each(|symbol| pair_of(&self.account.name, symbol).map(drop))?;
        super::without_halts(&self.account.name, subscription)
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(connection::Connection::open(&self.account, &self.config, subscription).await?))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let BarsRequest { symbol, width, from, to } = request;
        let pair = pair_of(&self.account.name, symbol)?;
        let start = cursor.map_or_else(|| from.as_millisecond().to_string(), |Cursor(start)| start.clone());
        let mut url = self.http.url(&["api", "v3", "klines"]);
        url.query_pairs_mut()
            .append_pair("symbol", pair)
            .append_pair("interval", if *width == BarWidth::Day { "1d" } else { "1m" })
            .append_pair("startTime", &start)
            .append_pair("endTime", &to.as_millisecond().to_string())
            .append_pair("limit", &parse::PAGE.to_string());
        let body = self.http.get(&url).await?;
        let (provider, now) = (&self.account.name, self.http.clock().now());
        let page = parse::bars_page(provider, url.path(), &body, symbol, *width, now)?;
        Ok(Page { origin: request.origin(&format!("/api/v3/klines {symbol}")), ..page })
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        let (name, received_at) = (&self.account.name, rejected.received_at);
        if rejected.place == "websocket" {
            return Ok(match parse::message(rejected.raw, received_at) {
                Ok(Message::Market(event)) => Frame { events: vec![event], rejects: Vec::new() },
                Ok(_) => Frame::default(),
                Err(reason) => Frame { events: Vec::new(), rejects: vec![Reject::new(rejected.raw, reason)] },
            });
        }
        let symbol = rejected.place.strip_prefix("/api/v3/klines ").and_then(|ticker| Symbol::new(ticker).ok());
        let symbol = symbol.ok_or_else(|| rejected.unsupported(name))?;
        let body = format!("[{}]", rejected.raw);
        Ok(parse::bars_page(name, rejected.place, body.as_bytes(), &symbol, BarWidth::Minute, received_at)?.into())
    }
}
