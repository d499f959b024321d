//! SEC EDGAR: the list of current filings, as news. What company a filing is of says the SEC's list of tickers.
//!
//! The list is newest first, so it is read back to the time that is asked for, and returned as one page.

mod config;
pub mod parse;
#[cfg(test)]
mod tests;
pub mod tickers;

pub use config::EdgarConfig;

use super::conditional::Latest;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::xml::feed_of;
use super::{NewsRequest, NewsSource, Page, ProviderError, Rejected};
use crate::instruments::read_sec;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use std::collections::HashSet;
use std::sync::Arc;
use tapewire_core::Article;
use tapewire_runtime::chain;
use tickers::Tickers;
use tokio::sync::Mutex;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "edgar",
    needs_key: false,
    settings: SettingsType::of::<EdgarConfig>(),
    news: Some(|account| Ok(Arc::new(Edgar::new(account)?))),
    prices: None,
    replay_line: None,
};

/// Filings in a page, the most that the SEC sends.
const PAGE: usize = 100;

/// Most pages that are read for one poll: a busy day has about 1500 filings of form 8-K.
const MOST_PAGES: usize = 40;

/// The list of tickers, which is fetched again now and then.
type Known = Option<(Timestamp, Arc<Tickers>)>;

/// The list of current filings.
struct Edgar {
    config: EdgarConfig,
    http: HttpClient,
    tickers: Mutex<Known>,
    first_page: Latest<Page<Article>>,
}

/// How long the old list of tickers is used after it could not be fetched again.
const RETRY_TICKERS: SignedDuration = SignedDuration::from_mins(10);

impl Edgar {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: EdgarConfig = account.settings()?;
        let credentials = Credentials::UserAgent(config.user_agent.clone());
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, clock)?;
        Ok(Self { config, http, tickers: Mutex::default(), first_page: Latest::default() })
    }

    /// The list of tickers. If it can't be fetched again, the last one stays in use; without any there are no articles,
    /// because each would be of no company.
    async fn tickers(&self) -> Result<Arc<Tickers>, ProviderError> {
        let mut known = self.tickers.lock().await;
        let now = self.http.clock().now();
        let every = SignedDuration::try_from(self.config.tickers_every).unwrap_or(SignedDuration::MAX);
        match &*known {
            Some((since, tickers)) if now.duration_since(*since) < every => return Ok(Arc::clone(tickers)),
            _ => {}
        }
        let url = self.http.url(&["files", "company_tickers_exchange.json"]);
        let fetched = match self.http.get_json(&url).await {
            Ok(body) => read_sec(&body),
            Err(error) => Err(error),
        };
        match (fetched, &mut *known) {
            (Ok(listing), known) => {
                let tickers = Arc::new(Tickers::new(listing));
                *known = Some((now, Arc::clone(&tickers)));
                Ok(tickers)
            }
            (Err(error), Some((fetched_at, tickers))) => {
                // Not again at the next poll.
                *fetched_at = now.saturating_sub(every).unwrap_or(Timestamp::MIN) + RETRY_TICKERS;
                let source = self.http.provider();
                tracing::warn!(
                    source,
                    error = chain(&error),
                    "the list of tickers could not be fetched; the last one stays in use"
                );
                Ok(Arc::clone(tickers))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn url(&self, start: usize) -> Url {
        let mut url = self.http.url(&["cgi-bin", "browse-edgar"]);
        url.query_pairs_mut()
            .append_pair("action", "getcurrent")
            .append_pair("type", &self.config.form)
            .append_pair("output", "atom")
            .append_pair("count", &PAGE.to_string())
            .append_pair("start", &start.to_string());
        url
    }

    async fn since(&self, since: Timestamp) -> Result<Page<Article>, ProviderError> {
        let tickers = self.tickers().await?;
        let mut all: Option<Page<Article>> = None;
        let mut seen = HashSet::new();
        for number in 0..MOST_PAGES {
            let url = self.url(number * PAGE);
            let read =
                |body: &[u8], received_at| parse::page(self.http.provider(), url.path(), body, &tickers, received_at);
            // Only the first page is asked for again and again.
            let page = match number {
                0 => self.first_page.get(&self.http, &url, read).await?,
                _ => read(&self.http.get(&url).await?, self.http.clock().now())?,
            };
            let is_last = page.items.len() + page.rejects.len() < PAGE / 2;
            let reaches_back = page.items.iter().any(|article| article.published_at < since);
            let all = all.get_or_insert_with(|| Page { items: vec![], rejects: vec![], ..page.clone() });
            // The list moves on while it is read, so a page may begin with the end of the one before.
            all.items.extend(page.items.into_iter().filter(|article| seen.insert(article.id.clone())));
            all.rejects.extend(page.rejects);
            if is_last || reaches_back {
                break;
            }
            if number + 1 == MOST_PAGES {
                tracing::error!(
                    source = self.http.provider(),
                    %since,
                    "the list of filings does not reach back that far; what is older and was not seen before is missing: \
                     choose fewer kinds in providers.{}.form",
                    self.http.provider()
                );
            }
        }
        let mut page = all.expect("there is a first page");
        page.items.retain(|article| article.published_at >= since);
        page.items.sort_by_key(|article| article.published_at);
        Ok(page)
    }
}

#[async_trait]
impl NewsSource for Edgar {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn check(&self) -> Result<(), ProviderError> {
        let who = &self.config.user_agent;
        if who.contains('@') && who.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            return Ok(());
        }
        let reason = "the SEC refuses requests that do not say who asks; set user_agent to your name and mail address";
        Err(ProviderError::Setting { provider: self.http.provider().to_owned(), reason: reason.into() })
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        self.check()?;
        match request {
            NewsRequest::Since(since) => self.since(*since).await,
            NewsRequest::Next(_) => Err(ProviderError::Unsupported {
                provider: self.http.provider().to_owned(),
                what: "pages after the first".into(),
            }),
        }
    }
    fn reaches_back(&self) -> bool {
        false
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        let (tickers, raw) = (self.tickers().await?, feed_of(rejected.raw));
        parse::page(self.http.provider(), rejected.place, &raw, &tickers, rejected.received_at)
    }
}
