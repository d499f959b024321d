//! Alpha Vantage's list of news, oldest first. Its own sentiment is not used.
//!
//! The free plan has 25 requests a day. The notice that they are used up is an answer with status 200, and contains
//! the key.

mod config;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::AlphaVantageConfig;

use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{Cursor, NewsRequest, NewsSource, Page, ProviderError};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parse::{PAGE, moment};
use reqwest::Url;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tapewire_core::Article;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "alphavantage",
    needs_key: true,
    settings: SettingsType::of::<AlphaVantageConfig>(),
    news: Some(|account| Ok(Arc::new(AlphaVantage::new(account)?))),
    prices: None,
    replay_line: None,
};

/// How a request writes a moment, in UTC: without seconds.
const REQUEST_TIME_FORMAT: &str = "%Y%m%dT%H%M";

/// What the free plan allows.
const REQUESTS_A_DAY: u32 = 25;

struct AlphaVantage {
    http: HttpClient,
    topics: String,
    was_cut: AtomicBool,
}

impl AlphaVantage {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: AlphaVantageConfig = account.settings()?;
        let base = ("rest_url", config.rest_url.as_str());
        let credentials = Credentials::Query("apikey".into(), account.key.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        Ok(Self { http, topics: config.topics, was_cut: AtomicBool::new(false) })
    }

    fn url(&self, from: Timestamp) -> Url {
        let mut url = self.http.url(&["query"]);
        let mut query = url.query_pairs_mut();
        query
            .append_pair("function", "NEWS_SENTIMENT")
            .append_pair("sort", "EARLIEST")
            .append_pair("limit", &PAGE.to_string())
            .append_pair("time_from", &from.to_zoned(TimeZone::UTC).strftime(REQUEST_TIME_FORMAT).to_string());
        if !self.topics.is_empty() {
            query.append_pair("topics", &self.topics);
        }
        drop(query);
        url
    }
}

#[async_trait]
impl NewsSource for AlphaVantage {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn requests_a_day(&self) -> Option<u32> {
        Some(REQUESTS_A_DAY)
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let from = match request {
            NewsRequest::Since(since) => *since,
            NewsRequest::Next(Cursor(from)) => moment(from).map_err(|message| ProviderError::BadRequest {
                provider: self.http.provider().to_owned(),
                path: "next page".into(),
                status: 400,
                message,
            })?,
        };
        let url = self.url(from);
        let body = self.http.get(&url).await?;
        let (page, was_cut) = parse::page(&self.http, url.path(), &body, from)?;
        self.was_cut.store(was_cut, Ordering::Relaxed);
        Ok(page)
    }

    fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }
}
