//! A second provider, as small as one can be: "the desk". Its messages are made up.
//!
//! These files are what a provider's folder in `src/providers/` has, and docs/adding-a-provider.md walks through them.
//! [`server`] is the desk itself.

mod config;
mod messages;
mod parse;
mod prices;
pub mod server;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use config::DeskConfig;
use std::sync::Arc;
use tapewire_core::Article;
use tapewire_ingest::providers::http::{Credentials, HttpClient};
use tapewire_ingest::providers::registry::SettingsType;
use tapewire_ingest::providers::{Account, Cursor, NewsRequest, NewsSource, Page, Provider, ProviderError};

/// Its kind in the settings.
pub const KIND: &str = "desk";

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: KIND,
    needs_key: true,
    settings: SettingsType::of::<DeskConfig>(),
    news: Some(|account| Ok(Arc::new(Desk::new(account)?))),
    prices: Some(|account| Ok(Arc::new(Desk::new(account)?))),
    replay_line: None,
};

/// One account with the desk: a source of news and of prices.
#[derive(Clone)]
struct Desk {
    http: HttpClient,
}

impl Desk {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: DeskConfig = account.settings()?;
        let base = ("url", config.url.as_str());
        let credentials = Credentials::Header("x-desk-key", account.key.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        Ok(Self { http })
    }
}

#[async_trait]
impl NewsSource for Desk {
    fn name(&self) -> &str {
        self.http.provider()
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let url = match request {
            NewsRequest::Since(since) => {
                let mut url = self.http.url(&["headlines"]);
                // Rounded down: earlier articles do no harm.
                url.query_pairs_mut().append_pair("since", &since.as_second().to_string());
                url
            }
            NewsRequest::Next(Cursor(url)) => self.http.named_url(url)?,
        };
        let body = self.http.get(&url).await?;
        let (provider, received_at) = (self.http.provider(), self.http.clock().now());
        parse::page(provider, &url, &body, |raw| parse::headline(provider, raw, received_at))
    }
}
