//! Tiingo's news, newest first. Tickers are those that Tiingo finds in a text: in small letters, repeated, and sometimes of
//! a company that only has the same name.
//!
//! An article counts from its `publishedDate`. Its `crawlDate`, when Tiingo had it, can be hours later; what counts for the
//! join is when we receive it.

mod config;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::TiingoConfig;

use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::rounds::{Round, Rounds};
use super::{NewsRequest, NewsSource, Page, ProviderError};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use std::sync::Arc;
use tapewire_core::Article;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "tiingo",
    needs_key: true,
    settings: SettingsType::of::<TiingoConfig>(),
    news: Some(|account| Ok(Arc::new(Tiingo::new(account)?))),
    prices: None,
    replay_line: None,
};

const PATH: [&str; 2] = ["tiingo", "news"];

/// Articles in a page.
const PAGE: usize = 1000;

/// Most pages of one poll. More articles than these hold are lost, and an error is logged.
const MOST_PAGES: usize = 100;

struct Tiingo {
    http: HttpClient,
    /// As Tiingo writes them, with commas; empty for all.
    tickers: String,
    rounds: Rounds<usize>,
}

impl Tiingo {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: TiingoConfig = account.settings()?;
        let base = ("rest_url", config.rest_url.as_str());
        let credentials = Credentials::Authorization("Token", account.key.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        // Tiingo's tickers are in small letters, so that `BCpC` would be BCPC, another company.
        if let Some(preferred) = config.news_symbols.iter().find(|symbol| symbol.as_str().contains(char::is_lowercase))
        {
            let what = format!("news of the preferred share {preferred}");
            return Err(ProviderError::Unsupported { provider: account.name.clone(), what });
        }
        let spelled = |ticker: &str| ticker.replace('.', "-").to_ascii_lowercase();
        let tickers: Vec<String> = config.news_symbols.iter().map(|symbol| spelled(symbol.as_str())).collect();
        Ok(Self { http, tickers: tickers.join(","), rounds: Rounds::default() })
    }

    /// Page number `number`, which counts from 0, of what was published since the day of `since`.
    fn url(&self, since: Timestamp, number: usize) -> Url {
        let mut url = self.http.url(&PATH);
        let mut query = url.query_pairs_mut();
        query
            .append_pair("startDate", &since.to_zoned(TimeZone::UTC).date().to_string())
            .append_pair("sortBy", "publishedDate")
            .append_pair("limit", &PAGE.to_string())
            .append_pair("offset", &(number * PAGE).to_string());
        if !self.tickers.is_empty() {
            query.append_pair("tickers", &self.tickers);
        }
        drop(query);
        url
    }

    /// Reads pages back to `since`. An article that appears meanwhile moves the others to later places, so none is missed.
    async fn read(&self, round: &mut Round<usize>, since: Timestamp) -> Result<(), ProviderError> {
        let provider = self.http.provider();
        while round.place < MOST_PAGES {
            let url = self.url(since, round.place);
            let body = self.http.get(&url).await?;
            let page = parse::page(&self.http, url.path(), &body, self.http.clock().now())?;
            let is_last = page.items.len() + page.rejects.len() < PAGE;
            let is_back = page.items.last().is_some_and(|article| article.published_at < since);
            round.place += 1;
            let is_new = round.add(page) > 0;
            if is_last || is_back || !is_new {
                return Ok(());
            }
        }
        tracing::error!(
            source = provider, %since,
            "more articles were published than {MOST_PAGES} pages hold: the oldest are lost; name companies in \
             providers.{provider}.news_symbols"
        );
        self.rounds.cut();
        Ok(())
    }
}

#[async_trait]
impl NewsSource for Tiingo {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn was_cut(&self) -> bool {
        self.rounds.was_cut()
    }

    fn requests(&self) -> Option<u64> {
        Some(self.http.requests())
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let NewsRequest::Since(since) = request else {
            let what = "pages after the first".into();
            return Err(ProviderError::Unsupported { provider: self.http.provider().to_owned(), what });
        };
        let mut round = self.rounds.take(request, self.http.clock().now());
        if let Err(error) = self.read(&mut round, *since).await {
            round = self.rounds.failed(round, error, true)?;
        }
        Ok(round.into_page(&format!("/{}", PATH.join("/")), *since, self.http.clock().now()))
    }
}
