//! News of companies: a list for each company and range of days, newest first.

use super::FinnhubConfig;
use crate::epoch;
use crate::providers::http::{Credentials, HttpClient};
use crate::providers::items::{Id, ItemResult, identity, read_object};
use crate::providers::registry::Account;
use crate::providers::rounds::{Round, Rounds};
use crate::providers::{NewsRequest, NewsSource, Page, ProviderError};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;
use tapewire_core::ticker::Tickers;
use tapewire_core::{Article, Symbol};

#[cfg(test)]
mod tests;

/// Where the lists are.
const PATH: [&str; 3] = ["api", "v1", "company-news"];

/// How long to wait where the limit of a minute is reached, and the answer does not say how long.
const MINUTE: Duration = Duration::from_secs(60);

/// An article.
///
/// ```json
/// {"category":"company","datetime":1616460843,"headline":"Volkswagen In The Midst Of Transformation","id":64801070,
///  "image":"https://…","related":"TSLA","source":"seekingalpha.com","summary":"The latest …","url":"https://…"}
/// ```
#[derive(Deserialize)]
struct Item {
    id: Option<Id>,
    datetime: i64,
    headline: Option<String>,
    summary: Option<String>,
    related: Option<String>,
    source: Option<String>,
    category: Option<String>,
    url: Option<String>,
}

/// How far a round has come.
#[derive(Debug, Default)]
struct Place {
    /// Index of the next company.
    next: usize,
    /// The companies whose lists were rejected, and why.
    rejected: Vec<String>,
}

/// The news source of an account.
pub(super) struct CompanyNews {
    http: HttpClient,
    symbols: Vec<Symbol>,
    /// From one request to the next, in market time.
    between: Duration,
    rounds: Rounds<Place>,
}

impl CompanyNews {
    pub fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: FinnhubConfig = account.settings()?;
        let unusable = |reason: &str| ProviderError::Setting { provider: account.name.clone(), reason: reason.into() };
        if config.requests_a_minute == 0 {
            return Err(unusable("requests_a_minute must not be zero"));
        }
        let base = ("rest_url", config.rest_url.as_str());
        let credentials = Credentials::Header("x-finnhub-token", account.key.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        let between = MINUTE / config.requests_a_minute;
        Ok(Self { http, symbols: config.news_symbols, between, rounds: Rounds::default() })
    }

    /// The list of one company. Days are asked for so that they are the right ones whether Finnhub takes them for those of
    /// New York or of UTC.
    fn url(&self, symbol: &Symbol, since: Timestamp) -> Url {
        let new_york = TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC);
        let mut url = self.http.url(&PATH);
        url.query_pairs_mut()
            .append_pair("symbol", symbol.as_str())
            .append_pair("from", &since.to_zoned(new_york).date().to_string())
            .append_pair("to", &self.http.clock().now().to_zoned(TimeZone::UTC).date().to_string());
        url
    }

    /// Asks whether the market is open: one request, which needs no company.
    pub(super) async fn market_status(&self) -> Result<(), ProviderError> {
        let mut url = self.http.url(&["api", "v1", "stock", "market-status"]);
        url.query_pairs_mut().append_pair("exchange", "US");
        self.http.get(&url).await.map(drop)
    }

    /// Reads the lists that the round has not read yet.
    async fn read(&self, round: &mut Round<Place>, since: Timestamp) -> Result<(), ProviderError> {
        while let Some(symbol) = self.symbols.get(round.place.next) {
            if round.place.next > 0 {
                self.http.clock().sleep(self.between).await;
            }
            match self.list(symbol, since).await {
                Ok(page) => drop(round.add(page)),
                // Unless all companies are rejected, it is about this one.
                Err(error @ ProviderError::BadRequest { .. })
                    if round.place.rejected.len() + 1 < self.symbols.len() =>
                {
                    round.place.rejected.push(format!("{symbol}: {error}"));
                }
                Err(error) => return Err(with_company(symbol, error)),
            }
            round.place.next += 1;
        }
        if !round.place.rejected.is_empty() {
            let (source, rejected) = (self.http.provider(), round.place.rejected.join("; "));
            tracing::error!(
                source,
                rejected,
                "the provider rejects the requests for news of some companies; the others are read; if it goes on, take these \
                 out of providers.{source}.news_symbols"
            );
            self.rounds.cut();
        }
        Ok(())
    }

    /// The list of one company.
    async fn list(&self, symbol: &Symbol, since: Timestamp) -> Result<Page<Article>, ProviderError> {
        let url = self.url(symbol, since);
        let body = self.http.get(&url).await?;
        let text = String::from_utf8_lossy(&body);
        let items: Vec<&RawValue> = match serde_json::from_str(&text) {
            Ok(items) => items,
            Err(error) => return Err(self.notice(url.path(), &text, &error)),
        };
        let (provider, received_at) = (self.http.provider(), self.http.clock().now());
        Ok(Page::read(url.path(), None, items, |raw| article(provider, symbol, raw, received_at)))
    }

    /// The error of an answer that is not a list.
    fn notice(&self, path: &str, text: &str, error: &serde_json::Error) -> ProviderError {
        let (provider, path) = (self.http.provider().to_owned(), path.to_owned());
        if text.to_ascii_lowercase().contains("limit reached") {
            return ProviderError::RateLimited { provider, path, retry_after: Some(MINUTE) };
        }
        let said: String = self.http.redacted(text.trim()).chars().take(200).collect();
        ProviderError::Unreadable { provider, path, reason: format!("{error}; it says: {said}") }
    }
}

/// Names the company in a refusal, because the plan may cover other companies.
fn with_company(symbol: &Symbol, error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotAuthorized { provider, message, .. } => {
            ProviderError::NotAuthorized { provider, what: format!("news of {symbol}"), message }
        }
        other => other,
    }
}

#[async_trait]
impl NewsSource for CompanyNews {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn check(&self) -> Result<(), ProviderError> {
        if self.symbols.is_empty() {
            let reason = "news_symbols is empty; Finnhub has a list of news for each company".into();
            return Err(ProviderError::Setting { provider: self.http.provider().to_owned(), reason });
        }
        Ok(())
    }

    fn requests_a_page(&self) -> u32 {
        u32::try_from(self.symbols.len()).unwrap_or(u32::MAX)
    }

    fn was_cut(&self) -> bool {
        self.rounds.was_cut()
    }

    fn requests(&self) -> Option<u64> {
        Some(self.http.requests())
    }

    async fn probe(&self, _: Timestamp) -> Result<(), ProviderError> {
        self.market_status().await
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

/// Reads an item of the list of `asked`.
///
/// # Errors
/// Why it can't be used.
pub fn article(provider: &str, asked: &Symbol, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Item = read_object(raw)?;
    let url = item.url.unwrap_or_default();
    let title = item.headline.unwrap_or_default();
    let description = item.summary.unwrap_or_default();
    if title.trim().is_empty() && description.trim().is_empty() {
        return Err("it has neither headline nor summary".into());
    }
    let mut named = Tickers::default();
    named.add_text(item.related.as_deref().unwrap_or_default());
    let symbols = if named.symbols.is_empty() { vec![asked.clone()] } else { named.symbols };
    let article = Article {
        id: identity(item.id, &url)?,
        revision: Article::fingerprint(&title, &description, &symbols),
        provider: provider.to_owned(),
        publisher: item.source.unwrap_or_default(),
        author: String::new(),
        title,
        description,
        url,
        symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: item.category.into_iter().filter(|word| !word.is_empty()).collect(),
        published_at: epoch::of_any_unit(item.datetime).map_err(|error| error.to_string())?,
        received_at,
    };
    let left_out = named.left_out;
    Ok((article, (!left_out.is_empty()).then(|| format!("the article is kept: {}", left_out.join("; ")))))
}
