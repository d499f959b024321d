//! Tiingo's answers to articles.

use crate::epoch::{is_plausible, whole_microseconds};
use crate::providers::coins;
use crate::providers::http::HttpClient;
use crate::providers::items::{Id, ItemResult, identity, read_object};
use crate::providers::{KnownFrom, Page, ProviderError};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tapewire_core::Article;
use tapewire_core::ticker::Tickers;

/// An article.
///
/// ```json
/// {"id":62518354,"publishedDate":"2024-02-22T06:45:23Z","title":"I want GTA 6 …","url":"https://www.tomsguide.com/…",
///  "description":"The most anticipated game …","source":"tomsguide.com","tags":["ETF","Stock"],
///  "crawlDate":"2024-02-22T06:49:32.346473Z","tickers":["msft","as","as","brk-b"]}
/// ```
#[derive(Deserialize)]
struct Item {
    id: Option<Id>,
    #[serde(rename = "publishedDate")]
    published: String,
    title: Option<String>,
    description: Option<String>,
    url: Option<String>,
    source: Option<String>,
    tags: Option<Vec<Option<String>>>,
    tickers: Option<Vec<Option<String>>>,
    /// When Tiingo had it.
    #[serde(rename = "crawlDate", default)]
    crawled: Value,
}

/// Reads an answer of `http`, in its order.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is no list.
pub fn page(
    http: &HttpClient,
    path: &str,
    body: &[u8],
    received_at: Timestamp,
) -> Result<Page<Article>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let items: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| {
        let said: String = http.redacted(text.trim()).chars().take(200).collect();
        let reason = format!("{error}; it says: {said}");
        ProviderError::unreadable(http.provider(), path, reason)
    })?;
    Ok(Page::read(path, None, items, |raw| article(http.provider(), raw, received_at)))
}

/// Reads an item.
///
/// # Errors
/// Why it can't be used.
pub fn article(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Item = read_object(raw)?;
    let url = item.url.unwrap_or_default();
    let (title, description) = (item.title.unwrap_or_default(), item.description.unwrap_or_default());
    if title.trim().is_empty() && description.trim().is_empty() {
        return Err("it has neither title nor description".into());
    }
    let written = &item.published;
    let published_at: Timestamp =
        written.parse().map_err(|error| format!("{} is not a time: {error}", tapewire_core::text::quoted(written)))?;
    if !is_plausible(published_at) {
        return Err(format!("{} is not a plausible moment", tapewire_core::text::quoted(written)));
    }
    let mut named = Tickers::default();
    for ticker in item.tickers.iter().flatten().flatten() {
        let ticker = ticker.to_ascii_uppercase();
        match coins::in_news(&ticker) {
            Some(coin) => named.add_symbol(coin),
            None => named.add_item(&ticker),
        }
    }
    let article = Article {
        id: identity(item.id, &url)?,
        revision: Article::fingerprint(&title, &description, &named.symbols),
        provider: provider.to_owned(),
        publisher: item.source.unwrap_or_default(),
        author: String::new(),
        title,
        description,
        url,
        symbols: named.symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: item.tags.into_iter().flatten().flatten().filter(|tag| !tag.is_empty()).collect(),
        published_at: whole_microseconds(published_at),
        received_at,
    };
    KnownFrom::note(&article, item.crawled.as_str());
    let left_out = named.left_out;
    Ok((article, (!left_out.is_empty()).then(|| format!("the article is kept: {}", left_out.join("; ")))))
}
