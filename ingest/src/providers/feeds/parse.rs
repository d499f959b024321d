//! Reads the items of RSS and Atom feeds as articles.

use super::shared::{fingerprint, is_front_page};
use super::tickers;
use crate::providers::items::ItemResult;
use crate::providers::xml::{Feed, Item, moment};
use crate::providers::{Page, ProviderError};
use jiff::Timestamp;
use reqwest::Url;
use tapewire_core::Article;

/// What the articles of a feed get that is not in its items.
#[derive(Debug, Clone, Copy)]
pub struct FeedContext<'a> {
    /// Name of the account.
    pub provider: &'a str,
    /// Publisher of all items; if it is empty, what the item says.
    pub publisher: &'a str,
    /// Languages that are wanted; all if there are none.
    pub languages: &'a [String],
    /// The address of the feed, to which addresses in it may be relative.
    pub feed_url: Option<&'a Url>,
    /// When the feed was received (UTC).
    pub received_at: Timestamp,
}

/// Reads a feed; its items are in the order of the feed.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is not a feed, or only a part of one.
pub fn page(feed: &FeedContext<'_>, path: &str, body: &[u8]) -> Result<Page<Article>, ProviderError> {
    let document = Feed::new(feed.provider, path, body)?;
    let site = document.site();
    let base = document.base().and_then(|base| base.parse().ok()).or_else(|| feed.feed_url.cloned());
    Ok(document.page(path, |item| article(feed, (site.as_deref(), base.as_ref()), item)))
}

/// Reads an item.
///
/// ```xml
/// <item><guid isPermaLink="true">https://…/x.html</guid><link>https://…/x.html</link>
/// <category domain="https://www.globenewswire.com/rss/stock">Nasdaq:FCEL</category>
/// <title>FuelCell Energy Announces …</title><description><![CDATA[<p>…</p>]]></description>
/// <pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate><dc:language>en</dc:language></item>
/// ```
/// The id of an item without one is its address, unless that is a front page or `site`, the page that the feed names for
/// itself: then it is a fingerprint. A relative address is one below `base`, and counts as an id as it is written. An item
/// without a time is refused.
fn article(
    feed: &FeedContext<'_>,
    (site, base): (Option<&str>, Option<&Url>),
    item: &Item,
) -> ItemResult<Option<Article>> {
    if !is_wanted(feed.languages, item.any_text(&["dc:language", "language"])) {
        metrics::counter!("tapewire_items_of_other_languages_total", "source" => feed.provider.to_owned()).increment(1);
        return Ok((None, None));
    }
    let url = item.text("link").map(str::to_owned).or_else(|| address(item)).unwrap_or_default();
    let own_id = item.any_text(&["guid", "id"]);
    let id = own_id.map_or_else(|| url.clone(), str::to_owned);
    if id.is_empty() {
        return Err("it has neither guid nor link, one of which has to identify it".into());
    }
    let title = item.text("title").unwrap_or_default().to_owned();
    let description = item.any_text(&["description", "summary", "content:encoded", "content"]);
    let description = description.unwrap_or_default().to_owned();
    if title.is_empty() && description.is_empty() {
        return Err("it has neither title nor description".into());
    }
    let written = item.any_text(&["pubDate", "published", "dc:date", "updated"]);
    let published_at = moment(written.ok_or("it has no date of publication")?)?;
    let (symbols, flaw) = tickers::companies(item, &title, &description);
    let publisher = Some(feed.publisher).filter(|name| !name.is_empty());
    let mut article = Article {
        revision: Article::fingerprint(&title, &description, &symbols),
        id,
        provider: feed.provider.to_owned(),
        publisher: publisher.or(item.any_text(&["dc:publisher", "source"])).unwrap_or_default().to_owned(),
        author: item.any_text(&["dc:creator", "author", "dc:contributor"]).unwrap_or_default().to_owned(),
        title,
        description,
        url: absolute(url, base),
        symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: keywords(item),
        published_at,
        received_at: feed.received_at,
    };
    if own_id.is_none() && (is_front_page(&article.url) || site == Some(article.url.as_str())) {
        article.id = fingerprint(&article);
    }
    Ok((Some(article), flaw))
}

/// Whether an item of this language is wanted: `en` stands for `en-US` too. An item that names no language is wanted.
fn is_wanted(languages: &[String], says: Option<&str>) -> bool {
    let Some(says) = says.filter(|_| !languages.is_empty()) else { return true };
    let main = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    languages.iter().any(|wanted| wanted.eq_ignore_ascii_case(says) || wanted.to_lowercase() == main(says))
}

/// The address in Atom: `<link rel="alternate" href="…"/>`.
fn address(item: &Item) -> Option<String> {
    let links = || item.all("link").filter(|link| !link.attribute("href").is_empty());
    let main = links().find(|link| matches!(link.attribute("rel"), "" | "alternate"));
    main.or_else(|| links().next()).map(|link| link.attribute("href").to_owned())
}

/// An address as it is, or below `base` if it is relative.
fn absolute(url: String, base: Option<&Url>) -> String {
    let joined = base.filter(|_| !url.is_empty() && Url::parse(&url).is_err()).and_then(|base| base.join(&url).ok());
    joined.map_or(url, String::from)
}

/// Categories that are words, not tickers or numbers of securities.
fn keywords(item: &Item) -> Vec<String> {
    let categories = item.all("category").filter(|field| !tickers::is_of_a_security(field));
    let words = categories.map(|field| if field.text.is_empty() { field.attribute("term") } else { &field.text });
    let mut found: Vec<String> = Vec::new();
    for word in words.chain(item.all("dc:keyword").map(|field| field.text.as_str())) {
        if !word.is_empty() && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}
