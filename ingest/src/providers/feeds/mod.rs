//! Feeds of press releases and other news, as RSS or Atom: GlobeNewswire, PR Newswire, Business Wire, and any other.
//!
//! A feed shows its last items, newest first or in no order, and has no pages: what it no longer shows is lost to us, so
//! the time between two polls has to be shorter than the time that its items stay.

mod config;
pub mod parse;
mod shared;
#[cfg(test)]
mod tests;
mod tickers;

pub use config::FeedConfig;

use super::conditional::Latest;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::xml::feed_of;
use super::{NewsRequest, NewsSource, Page, ProviderError, Rejected};
use async_trait::async_trait;
use jiff::Timestamp;
use shared::SharedIds;
use std::sync::{Arc, Mutex};
use tapewire_core::Article;

/// What is known of a wire besides its feed.
#[derive(Debug)]
struct Wire {
    /// Its name in the settings.
    kind: &'static str,
    /// Its name as a publisher; empty if a feed may be of anyone.
    publisher: &'static str,
    /// The address of its feed of all companies' releases.
    url: Option<&'static str>,
}

const fn provider(news: super::registry::Make<dyn NewsSource>, wire: &'static Wire) -> Provider {
    Provider {
        kind: wire.kind,
        needs_key: false,
        settings: SettingsType::of::<FeedConfig>(),
        news: Some(news),
        prices: None,
        replay_line: None,
    }
}

/// GlobeNewswire: releases of listed companies, with their tickers.
pub const GLOBENEWSWIRE: Provider = provider(|account| make(account, &GLOBENEWSWIRE_WIRE), &GLOBENEWSWIRE_WIRE);

/// PR Newswire: all releases.
pub const PRNEWSWIRE: Provider = provider(|account| make(account, &PRNEWSWIRE_WIRE), &PRNEWSWIRE_WIRE);

/// Business Wire: all releases.
pub const BUSINESSWIRE: Provider = provider(|account| make(account, &BUSINESSWIRE_WIRE), &BUSINESSWIRE_WIRE);

/// Any other feed.
pub const RSS: Provider = provider(|account| make(account, &ANY), &ANY);

static GLOBENEWSWIRE_WIRE: Wire = Wire {
    kind: "globenewswire",
    publisher: "GlobeNewswire",
    url: Some(
        "https://www.globenewswire.com/RssFeed/orgclass/1/feedTitle/GlobeNewswire%20-%20News%20about%20Public%20Companies",
    ),
};

static PRNEWSWIRE_WIRE: Wire = Wire {
    kind: "prnewswire",
    publisher: "PR Newswire",
    url: Some("https://www.prnewswire.com/rss/news-releases-list.rss"),
};

static BUSINESSWIRE_WIRE: Wire = Wire {
    kind: "businesswire",
    publisher: "Business Wire",
    url: Some("https://feed.businesswire.com/rss/home/?rss=G1QFDERJXkJeEFpRWg=="),
};

static ANY: Wire = Wire { kind: "rss", publisher: "", url: None };

/// One feed.
struct FeedSource {
    account: Account,
    wire: &'static Wire,
    config: FeedConfig,
    /// Absent if no address is set.
    http: Option<HttpClient>,
    latest: Latest<Page<Article>>,
    shared_ids: Mutex<SharedIds>,
}

fn make(account: &Account, wire: &'static Wire) -> Result<Arc<dyn NewsSource>, ProviderError> {
    let config: FeedConfig = account.settings()?;
    let url = Some(config.feed_url.as_str()).filter(|url| !url.is_empty()).or(wire.url);
    let client = |url| {
        let (timeout, clock) = (config.request_timeout, account.clock.clone());
        HttpClient::new(&account.name, ("feed_url", url), timeout, Credentials::None, clock)
    };
    let http = url.map(client).transpose()?;
    let (account, latest, shared_ids) = (account.clone(), Latest::default(), Mutex::default());
    Ok(Arc::new(FeedSource { account, wire, config, http, latest, shared_ids }))
}

impl FeedSource {
    fn context(&self, received_at: Timestamp) -> parse::FeedContext<'_> {
        parse::FeedContext {
            provider: &self.account.name,
            publisher: self.wire.publisher,
            languages: &self.config.languages,
            feed_url: self.http.as_ref().map(HttpClient::base),
            received_at,
        }
    }

    fn client(&self) -> Result<&HttpClient, ProviderError> {
        let missing = || ProviderError::Setting {
            provider: self.account.name.clone(),
            reason: "feed_url is not set; it is the address of the feed".into(),
        };
        self.http.as_ref().ok_or_else(missing)
    }
}

#[async_trait]
impl NewsSource for FeedSource {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self) -> Result<(), ProviderError> {
        self.client().map(drop)
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let NewsRequest::Since(since) = request else {
            let what = "pages after the first".into();
            return Err(ProviderError::Unsupported { provider: self.account.name.clone(), what });
        };
        let http = self.client()?;
        let url = http.base();
        let read = |body: &[u8], received_at| parse::page(&self.context(received_at), url.path(), body);
        let mut page = self.latest.get(http, url, read).await?;
        self.shared_ids.lock().expect("no holder of this lock can panic").replace(&mut page.items);
        // The poller has forgotten what is older, and would send it again.
        page.items.retain(|article| article.published_at >= *since);
        // Feeds have the newest first, so that of two items of one moment the last is the newer one.
        page.items.reverse();
        page.items.sort_by_key(|article| article.published_at);
        Ok(page)
    }
    fn reaches_back(&self) -> bool {
        false
    }

    fn is_read_whole(&self) -> bool {
        true
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        parse::page(&self.context(rejected.received_at), rejected.place, &feed_of(rejected.raw))
    }
}
