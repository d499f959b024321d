//! Alpha Vantage's answers to articles.

use crate::providers::coins;
use crate::providers::http::HttpClient;
use crate::providers::items::{ItemResult, read_object};
use crate::providers::{Cursor, Page, ProviderError};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use tapewire_core::Article;
use tapewire_core::ticker::Tickers;

/// Articles in a page, the most that there can be.
pub const PAGE: usize = 1000;

/// How an answer writes a moment: with seconds, sometimes without. It does not name a zone; it is UTC.
const ANSWER_TIME_FORMATS: [&str; 2] = ["%Y%m%dT%H%M%S", "%Y%m%dT%H%M"];

/// How long to wait when too many requests were made in a short time, and when those of the day are used up.
const SOON: Duration = Duration::from_secs(60);
const NEXT_DAY: Duration = Duration::from_secs(3600);

/// An answer: `{"items":"50","sentiment_score_definition":"…","feed":[…]}`, or a notice instead.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    feed: Option<Vec<&'a RawValue>>,
    #[serde(rename = "Information")]
    information: Option<String>,
    #[serde(rename = "Note")]
    note: Option<String>,
    #[serde(rename = "Error Message")]
    error: Option<String>,
}

/// An article.
///
/// ```json
/// {"title":"Short Sellers Hate …","url":"https://moneymorning.com/2024/07/19/…","time_published":"20240719T132152",
///  "authors":["Chris Johnson"],"summary":"We've witnessed …","banner_image":"https://…","source":"Money Morning",
///  "category_within_source":"RSS","source_domain":"moneymorning.com","topics":[{"topic":"Earnings",
///  "relevance_score":"0.917436"}],"overall_sentiment_score":0.1,"overall_sentiment_label":"Neutral",
///  "ticker_sentiment":[{"ticker":"RCL","relevance_score":"0.1","ticker_sentiment_score":"0.2",
///  "ticker_sentiment_label":"Neutral"}]}
/// ```
#[derive(Deserialize)]
struct Item {
    title: Option<String>,
    url: Option<String>,
    time_published: String,
    authors: Option<Vec<String>>,
    summary: Option<String>,
    source: Option<String>,
    topics: Option<Vec<Value>>,
    ticker_sentiment: Option<Vec<Value>>,
}

/// The texts under a name in the objects of a list. What is not an object with such a text costs itself and not the article.
fn texts<'a>(list: Option<&'a Vec<Value>>, name: &'a str) -> impl Iterator<Item = &'a str> {
    list.into_iter().flatten().filter_map(move |item| item.get(name)?.as_str())
}

/// Reads the answer of `http` to a request for what was published since `from`, oldest first, and says whether articles are
/// out of reach.
///
/// # Errors
/// [`ProviderError::RateLimited`], [`ProviderError::NotAuthorized`] or [`ProviderError::BadRequest`] for the notices that
/// come with HTTP 200; [`ProviderError::Unreadable`] for others.
pub fn page(
    http: &HttpClient,
    path: &str,
    body: &[u8],
    from: Timestamp,
) -> Result<(Page<Article>, bool), ProviderError> {
    let (provider, received_at) = (http.provider(), http.clock().now());
    let text = String::from_utf8_lossy(body);
    let unreadable = |reason: String| ProviderError::unreadable(provider, path, http.redacted(&reason));
    let answer: Answer<'_> = read_object(&text).map_err(|reason| {
        let said: String = text.trim().chars().take(200).collect();
        unreadable(format!("{reason}; it says: {said}"))
    })?;
    let Some(feed) = answer.feed else {
        let said = answer.error.or(answer.information).or(answer.note);
        let said = said.ok_or_else(|| unreadable("it has neither articles nor a notice".into()))?;
        return notice(provider, path, &http.redacted(&said)).map(|page| (page, false));
    };
    let is_full = feed.len() >= PAGE;
    let mut page = Page::read(path, None, feed, |raw| article(provider, raw, received_at));
    let last = page.items.iter().map(|article| article.published_at).max();
    let mut was_cut = false;
    if let Some(last) = last.filter(|_| is_full) {
        // The next page begins where this one ended, by the minute. If it ended in the minute in which it began, the rest of
        // that minute is out of reach.
        let minute = |at: Timestamp| at.as_second().div_euclid(60);
        was_cut = minute(last) <= minute(from);
        let next = if was_cut { step_over(provider, last) } else { last };
        page.next = Some(Cursor(next.to_zoned(TimeZone::UTC).strftime(ANSWER_TIME_FORMATS[0]).to_string()));
    }
    Ok((page, was_cut))
}

/// What a notice means. `said` has no key any more.
fn notice(provider: &str, path: &str, said: &str) -> Result<Page<Article>, ProviderError> {
    let (provider, path) = (provider.to_owned(), path.to_owned());
    let has = |words: &[&str]| {
        let said = said.to_ascii_lowercase();
        words.iter().any(|word| said.contains(word))
    };
    if has(&["no articles found"]) {
        return Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: path, next: None });
    }
    let limited =
        |wait| ProviderError::RateLimited { provider: provider.clone(), path: path.clone(), retry_after: Some(wait) };
    // Notices about too many requests in a short time name the limit of the day, too.
    Err(if has(&["per second", "per minute", "sparingly"]) {
        limited(SOON)
    } else if has(&["per day", "daily"]) {
        limited(NEXT_DAY)
    } else if has(&["api key", "apikey", "premium"]) {
        ProviderError::NotAuthorized { provider, what: path, message: said.to_owned() }
    } else if has(&["invalid"]) {
        ProviderError::BadRequest { provider, path, status: 200, message: said.to_owned() }
    } else {
        ProviderError::Unreadable { provider, path, reason: format!("it says: {said}") }
    })
}

fn step_over(provider: &str, last: Timestamp) -> Timestamp {
    tracing::error!(
        source = provider, minute = %last,
        "more articles were published in one minute than Alpha Vantage shows: some are lost; name topics in \
         providers.{provider}.topics"
    );
    last.saturating_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX)
}

/// Reads an item. Its address is its id, because it has no other.
///
/// # Errors
/// Why it can't be used.
pub fn article(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Item = read_object(raw)?;
    let url = item.url.filter(|url| !url.trim().is_empty()).ok_or("it has no url, so nothing to know it again by")?;
    let (title, description) = (item.title.unwrap_or_default(), item.summary.unwrap_or_default());
    if title.trim().is_empty() && description.trim().is_empty() {
        return Err("it has neither title nor summary".into());
    }
    let mut named = Tickers::default();
    for ticker in texts(item.ticker_sentiment.as_ref(), "ticker") {
        match ticker.strip_prefix("CRYPTO:").map(|coin| coins::pair(coin, "USD")) {
            Some(Ok(coin)) => named.add_symbol(coin),
            // A currency, such as `FOREX:USD`, is no company, and nothing that has a price.
            None if ticker.starts_with("FOREX:") => {}
            Some(Err(_)) | None => named.add_item(ticker),
        }
    }
    let article = Article {
        id: url.clone(),
        revision: Article::fingerprint(&title, &description, &named.symbols),
        provider: provider.to_owned(),
        publisher: item.source.unwrap_or_default(),
        author: item.authors.unwrap_or_default().join(", "),
        title,
        description,
        url,
        symbols: named.symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: texts(item.topics.as_ref(), "topic").map(str::to_owned).collect(),
        published_at: moment(&item.time_published)?,
        received_at,
    };
    let left_out = named.left_out;
    Ok((article, (!left_out.is_empty()).then(|| format!("the article is kept: {}", left_out.join("; ")))))
}

/// Reads a moment such as `20240719T132152`.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let at = ANSWER_TIME_FORMATS.iter().find_map(|format| crate::epoch::of_format(format, text));
    at.ok_or_else(|| format!("{} is not a plausible moment such as 20240719T132152", tapewire_core::text::quoted(text)))
}
