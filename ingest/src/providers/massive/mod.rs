//! Massive (formerly Polygon.io): news, bars, splits and dividends over REST, bars, trades and halts over a websocket.
//!
//! Formats: the provider's OpenAPI and websocket specifications (`massive-com/client-python`,
//! folder `.massive`).

pub mod config;
pub mod messages;
pub mod parse;
pub mod reference;
mod rest;
mod websocket;

pub use config::MassiveConfig;

use super::items::ItemResult;
use super::registry::{Account, Provider, SettingsType};
use super::{
    ActionsRequest, BarWidth, BarsRequest, Cursor, Frame, NewsRequest, NewsSource, Page, PriceConnection, PriceSource,
    ProviderError, Rejected, Subscription,
};
use async_trait::async_trait;
use jiff::Timestamp;
use rest::RestClient;
use std::sync::Arc;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Article, Bar, CorporateAction, Symbol};
use tapewire_runtime::Clock;
use websocket::Connection;

/// The provider's kind in the settings. It is also the provider's name in articles that a replay reads.
const KIND: &str = "massive";

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: KIND,
    needs_key: true,
    settings: SettingsType::of::<MassiveConfig>(),
    news: Some(|account| Ok(Arc::new(Massive::new(account)?))),
    prices: Some(|account| Ok(Arc::new(Massive::new(account)?))),
    replay_line: Some(replay_line),
};

/// One account with Massive: a source of news and of prices.
struct Massive {
    config: MassiveConfig,
    account: Account,
    rest: RestClient,
}

impl Massive {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: MassiveConfig = account.settings()?;
        let unusable = |reason: &str| ProviderError::Setting { provider: account.name.clone(), reason: reason.into() };
        if !(1..=1000).contains(&config.news_page_size) {
            return Err(unusable("news_page_size must be within 1 and 1000"));
        }
        let rest = RestClient::new(account, &config)?;
        Ok(Self { config, account: account.clone(), rest })
    }

    fn clock(&self) -> &Clock {
        &self.account.clock
    }
}

#[async_trait]
impl NewsSource for Massive {
    fn name(&self) -> &str {
        &self.account.name
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        self.rest.news(request).await
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        let read = |raw: &str| parse::article(&self.account.name, raw, rejected.received_at);
        rejected.item(&self.account.name, read)
    }
}

#[async_trait]
impl PriceSource for Massive {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        match subscription.symbols.iter().find(|symbol| symbol.asset_class() != AssetClass::Equity) {
            None => Ok(()),
            Some(symbol) => Err(ProviderError::Unsupported {
                provider: self.account.name.clone(),
                what: format!("{symbol} on its stocks feed; use a fund that follows it, such as SPY for an index"),
            }),
        }
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(Connection::open(&self.account, &self.config, subscription, self.clock().clone()).await?))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        self.rest.bars(request, cursor).await
    }

    async fn actions_page(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        self.rest.actions(request, cursor).await
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        if rejected.place == "websocket" {
            let messages = parse::frame(rejected.raw, rejected.received_at);
            return websocket::without_statuses(&self.account.name, messages, |_| {});
        }
        let symbol = rejected.place.strip_prefix("/v2/aggs/ticker/").and_then(|ticker| Symbol::new(ticker).ok());
        let symbol = symbol.ok_or_else(|| rejected.unsupported(&self.account.name))?;
        let read = |raw: &str| Ok((parse::aggregate(raw, &symbol, BarWidth::Minute, rejected.received_at)?, None));
        Ok(rejected.item(&self.account.name, read)?.into())
    }
}

/// Reads a line that has the shape of the REST interface's articles, which is recognised by its field `published_utc`.
fn replay_line(text: &str) -> Option<ItemResult<Article>> {
    #[derive(serde::Deserialize)]
    struct Shape {
        published_utc: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Shape>(text).ok()?.published_utc?;
    Some(parse::article(KIND, text, Timestamp::UNIX_EPOCH))
}
