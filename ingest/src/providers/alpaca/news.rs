//! Alpaca's list of news, by the time of the last edit, oldest first, and the websocket that says when to read it.

mod stream;

use super::AlpacaConfig;
use crate::epoch::{is_plausible, whole_microseconds};
use crate::providers::coins;
use crate::providers::http::HttpClient;
use crate::providers::items::{Id, ItemResult, identity, read_object};
use crate::providers::registry::Account;
use crate::providers::{Cursor, KnownFrom, NewsRequest, NewsSource, Page, ProviderError};
use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use stream::Stream;
use tapewire_core::ticker::Tickers;
use tapewire_core::{Article, Symbol};

#[cfg(test)]
mod tests;

const PATH: [&str; 2] = ["v1beta1", "news"];

/// Articles in a page, the most that Alpaca sends.
const PAGE: u32 = 50;

/// An answer: `{"news":[…],"next_page_token":"MTY0…"}`; the token is null on the last page.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    news: Option<Vec<&'a RawValue>>,
    next_page_token: Option<String>,
}

/// An article. The websocket sends the same, with `"T":"n"`.
///
/// ```json
/// {"id":24918784,"headline":"Corsair Reports Purchase …","author":"Benzinga Newsdesk",
///  "created_at":"2022-01-05T22:00:37Z","updated_at":"2022-01-05T22:00:38Z","summary":"Corsair Gaming, Inc. …",
///  "content":"<p>Corsair Gaming …","url":"https://www.benzinga.com/…","images":[],"symbols":["CRSR","BTCUSD"],
///  "source":"benzinga"}
/// ```
#[derive(Deserialize)]
struct Item {
    id: Option<Id>,
    headline: Option<String>,
    summary: Option<String>,
    content: Option<String>,
    author: Option<String>,
    created_at: String,
    /// When the text became what it is.
    #[serde(default)]
    updated_at: Value,
    url: Option<String>,
    symbols: Option<Vec<Option<String>>>,
    source: Option<String>,
}

/// The news source of an account.
pub(super) struct News {
    http: HttpClient,
    /// Separated by commas; empty for all.
    symbols: String,
    stream: Option<Stream>,
}

impl News {
    pub fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: AlpacaConfig = account.settings()?;
        let base = ("rest_url", config.rest_url.as_str());
        let (key, credentials) = super::credentials(account)?;
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        let symbols: Vec<&str> = config.news_symbols.iter().map(Symbol::as_str).collect();
        let stream = config.news_stream.then(|| Stream::new(&account.name, &config, key));
        Ok(Self { http, symbols: symbols.join(","), stream })
    }

    /// The first page of what was published or edited since `since`, in whole seconds, rounded down.
    fn url(&self, since: Timestamp) -> Url {
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        let mut url = self.http.url(&PATH);
        let mut query = url.query_pairs_mut();
        query
            .append_pair("start", &since.to_string())
            .append_pair("sort", "asc")
            .append_pair("limit", &PAGE.to_string())
            .append_pair("include_content", "true");
        if !self.symbols.is_empty() {
            query.append_pair("symbols", &self.symbols);
        }
        drop(query);
        url
    }
}

#[async_trait]
impl NewsSource for News {
    fn name(&self) -> &str {
        self.http.provider()
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let url = match request {
            NewsRequest::Since(since) => self.url(*since),
            NewsRequest::Next(Cursor(url)) => self.http.named_url(url)?,
        };
        let body = self.http.get(&url).await?;
        page(&self.http, &url, &body)
    }

    async fn published(&self) {
        match &self.stream {
            Some(stream) => stream.published().await,
            None => std::future::pending().await,
        }
    }

    /// The list is ordered by the last edit.
    fn is_by_publication(&self) -> bool {
        false
    }
}

/// Reads the answer of `http` to a request for `url`.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is not a page.
pub fn page(http: &HttpClient, url: &Url, body: &[u8]) -> Result<Page<Article>, ProviderError> {
    let (provider, received_at) = (http.provider(), http.clock().now());
    let text = String::from_utf8_lossy(body);
    let unreadable = |reason: String| ProviderError::unreadable(provider, url.path(), http.redacted(&reason));
    let answer: Answer<'_> = read_object(&text).map_err(unreadable)?;
    let Some(news) = answer.news else {
        let said: String = text.trim().chars().take(200).collect();
        return Err(unreadable(format!("it has no list of news; it says: {said}")));
    };
    let next = answer.next_page_token.filter(|token| !token.is_empty()).map(|token| {
        let pairs: Vec<(String, String)> =
            url.query_pairs().filter(|(name, _)| name != "page_token").map(|(k, v)| (k.into(), v.into())).collect();
        let mut next = url.clone();
        next.query_pairs_mut().clear().extend_pairs(pairs).append_pair("page_token", &token);
        Cursor(next.into())
    });
    let mut page = Page::read(url.path(), next, news, |raw| article(provider, raw, received_at));
    // Drops articles that were edited since `start` but published before it. The poller may have evicted them, and
    // would send them at each poll.
    if let Some(since) = start(url) {
        page.items.retain(|article| article.published_at >= since);
    }
    Ok(page)
}

fn start(url: &Url) -> Option<Timestamp> {
    url.query_pairs().find(|(name, _)| name == "start").and_then(|(_, start)| start.parse().ok())
}

/// Reads an item.
///
/// # Errors
/// Why it can't be used.
pub fn article(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Item = read_object(raw)?;
    let url = item.url.unwrap_or_default();
    let texts = [item.summary, item.content].into_iter().flatten();
    let description = texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
    let title = item.headline.unwrap_or_default();
    if title.trim().is_empty() && description.is_empty() {
        return Err("it has no headline, summary or content".into());
    }
    let written = tapewire_core::text::quoted(&item.created_at);
    let published_at: Timestamp =
        item.created_at.parse().map_err(|error| format!("{written} is not a time: {error}"))?;
    if !is_plausible(published_at) {
        return Err(format!("{written} is not a plausible moment"));
    }
    let mut named = Tickers::default();
    for ticker in item.symbols.iter().flatten().flatten() {
        match coins::in_news(ticker) {
            Some(coin) => named.add_symbol(coin),
            None => named.add_item(ticker),
        }
    }
    let article = Article {
        id: identity(item.id, &url)?,
        revision: Article::fingerprint(&title, &description, &named.symbols),
        provider: provider.to_owned(),
        publisher: item.source.unwrap_or_default(),
        author: item.author.unwrap_or_default(),
        title,
        description,
        url,
        symbols: named.symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: Vec::new(),
        published_at: whole_microseconds(published_at),
        received_at,
    };
    KnownFrom::note(&article, item.updated_at.as_str());
    let left_out = named.left_out;
    Ok((article, (!left_out.is_empty()).then(|| format!("the article is kept: {}", left_out.join("; ")))))
}
