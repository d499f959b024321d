//! The desk's bytes to domain types.

use super::messages::{Answer, Headline, Print};
use jiff::Timestamp;
use serde::Deserialize;
use tapewire_core::{Article, Bar, Symbol};
use tapewire_ingest::providers::items::{self, ItemResult};
use tapewire_ingest::providers::{Cursor, Page, ProviderError};
use url::Url;

/// Reads the answer to the request `url`, each item with `item`.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is not a page at all.
pub fn page<T>(
    provider: &str,
    url: &Url,
    body: &[u8],
    item: impl Fn(&str) -> ItemResult<T>,
) -> Result<Page<T>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer: Answer<'_> = read(&text).map_err(|reason| ProviderError::Unreadable {
        provider: provider.to_owned(),
        path: url.path().to_owned(),
        reason,
    })?;
    let next = answer.more.map(|page| Cursor(with_page(url, &page).into()));
    Ok(Page::read(url.path(), next, answer.items, item))
}

/// The same request for another page: the desk needs `since` for each, and a source is given only the cursor.
fn with_page(url: &Url, page: &str) -> Url {
    let mut next = url.clone();
    let kept = url.query_pairs().filter(|(name, _)| name != "page");
    next.query_pairs_mut().clear().extend_pairs(kept).append_pair("page", page);
    next
}

/// Reads a headline, for the account called `provider`.
///
/// # Errors
/// The reason, in words.
pub fn headline(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Headline = read(raw)?;
    if item.reference.is_empty() {
        return Err("the id is empty".into());
    }
    let (symbols, flaw) = items::symbols(item.companies.iter().flatten().map(String::as_str));
    let (title, description) = (item.head, item.text.unwrap_or_default());
    let article = Article {
        id: item.reference,
        revision: Article::fingerprint(&title, &description, &symbols),
        provider: provider.to_owned(),
        publisher: "The Desk".into(),
        author: String::new(),
        title,
        description,
        url: String::new(),
        symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: Vec::new(),
        published_at: seconds(item.ts)?,
        received_at,
    };
    Ok((article, flaw))
}

/// Reads a minute.
///
/// # Errors
/// The reason, in words.
pub fn bar(raw: &str, received_at: Timestamp) -> ItemResult<Bar> {
    let item: Print = read(raw)?;
    let [open, high, low, close] = item.p;
    let bar = Bar {
        symbol: Symbol::new(&item.s).map_err(|error| error.to_string())?,
        start: seconds(item.m)?,
        width_s: 60,
        open,
        high,
        low,
        close,
        volume: item.n,
        vwap: None,
        trades: None,
        received_at,
    };
    match bar.fault() {
        None => Ok((bar, None)),
        Some(fault) => Err(fault.into()),
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

fn seconds(at: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(at).map_err(|error| error.to_string())
}
