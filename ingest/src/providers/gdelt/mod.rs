//! GDELT's DOC 2.0 API: articles of the world's online news that match a query, without companies and without text.
//!
//! GDELT says when it saw an article, in steps of a quarter of an hour, and not when it was published.

use super::http::{Credentials, HttpClient};
use super::items::{ItemResult, read_object};
use super::registry::{Account, Provider, SettingsType};
use super::{Cursor, NewsRequest, NewsSource, Page, ProviderError, Rejected};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tapewire_core::Article;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "gdelt",
    needs_key: false,
    settings: SettingsType::of::<GdeltConfig>(),
    news: Some(|account| Ok(Arc::new(Gdelt::new(account)?))),
    prices: None,
    replay_line: None,
};

/// Articles in a page, the most that GDELT sends.
const PAGE: usize = 250;

/// How moments are written, in UTC: `SEEN` in answers, `ASKED` in requests.
const SEEN: &str = "%Y%m%dT%H%M%SZ";
const ASKED: &str = "%Y%m%d%H%M%S";

/// How long GDELT wants us to wait between two requests.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(5);

/// Settings of GDELT, `[providers.gdelt]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GdeltConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Which articles to fetch, as a query in GDELT's syntax. Of one quarter of an hour only 250 matches can be
    /// fetched.
    pub query: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for GdeltConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://api.gdeltproject.org".into(),
            query: "(earnings OR shares OR nasdaq OR nyse) sourcelang:english".into(),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// An answer: `{"articles":[…]}`, or `{}` where nothing was found.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    articles: Option<Vec<&'a RawValue>>,
}

/// One article.
///
/// ```json
/// {"url":"https://example.com/quake1","url_mobile":"","title":"Earthquake in Japan","seendate":"20250510T120000Z",
///  "socialimage":"","domain":"example.com","language":"English","sourcecountry":"Japan"}
/// ```
#[derive(Deserialize)]
struct Item {
    url: String,
    title: String,
    seendate: String,
    domain: Option<String>,
}

struct Gdelt {
    http: HttpClient,
    query: String,
    was_cut: AtomicBool,
}

impl Gdelt {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: GdeltConfig = account.settings()?;
        let (base, clock) = (("rest_url", config.rest_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, Credentials::None, clock)?;
        Ok(Self { http, query: config.query, was_cut: AtomicBool::new(false) })
    }

    fn url(&self, from: Timestamp) -> Url {
        let utc = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime(ASKED).to_string();
        let mut url = self.http.url(&["api", "v2", "doc", "doc"]);
        url.query_pairs_mut()
            .append_pair("query", &self.query)
            .append_pair("mode", "artlist")
            .append_pair("format", "json")
            .append_pair("sort", "dateasc")
            .append_pair("maxrecords", &PAGE.to_string())
            .append_pair("startdatetime", &utc(from))
            .append_pair("enddatetime", &utc(self.http.clock().now()));
        url
    }
}

#[async_trait]
impl NewsSource for Gdelt {
    fn name(&self) -> &str {
        self.http.provider()
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
        let (page, was_cut) = page(self.http.provider(), url.path(), &body, from, self.http.clock().now())?;
        self.was_cut.store(was_cut, Ordering::Relaxed);
        Ok(page)
    }

    fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        let provider = self.http.provider();
        rejected.item(provider, |raw| article(provider, raw, rejected.received_at))
    }
}

/// Reads an answer to a request for what was seen since `from`, oldest first, and says whether articles are out of reach.
///
/// # Errors
/// [`ProviderError::RateLimited`] for the notice about the limit, which comes with HTTP 200;
/// [`ProviderError::Unreadable`] for anything else that is not a list.
pub fn page(
    provider: &str,
    path: &str,
    body: &[u8],
    from: Timestamp,
    received_at: Timestamp,
) -> Result<(Page<Article>, bool), ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer: Answer<'_> = match read_object(&text) {
        Ok(answer) => answer,
        Err(_) if text.to_ascii_lowercase().contains("limit requests") => {
            let (provider, path) = (provider.to_owned(), path.to_owned());
            return Err(ProviderError::RateLimited { provider, path, retry_after: Some(BETWEEN_REQUESTS) });
        }
        Err(reason) => {
            let said: String = text.trim().chars().take(200).collect();
            let reason = format!("{reason}; it says: {said}");
            return Err(ProviderError::unreadable(provider, path, reason));
        }
    };
    let is_empty = || text.trim().trim_matches(['{', '}']).trim().is_empty();
    let Some(listed) = answer.articles.or_else(|| is_empty().then(Vec::new)) else {
        let said: String = text.trim().chars().take(200).collect();
        return Err(ProviderError::unreadable(provider, path, format!("it has no list of articles; it says: {said}")));
    };
    let is_full = listed.len() >= PAGE;
    let mut page = Page::read(path, None, listed, |raw| article(provider, raw, received_at));
    let last = page.items.iter().map(|article| article.published_at).max();
    let mut was_cut = false;
    if let Some(last) = last.filter(|_| is_full) {
        // The next page begins where this one ends. If it ends where it began, the rest of that moment is out of reach.
        was_cut = last.as_second() <= from.as_second();
        let next = if was_cut { step_over(provider, last) } else { last };
        page.next = Some(Cursor(next.to_zoned(TimeZone::UTC).strftime(SEEN).to_string()));
    }
    Ok((page, was_cut))
}

fn step_over(provider: &str, moment: Timestamp) -> Timestamp {
    tracing::error!(
        source = provider, %moment,
        "more articles match than GDELT shows for one moment: some are lost; make providers.{provider}.query narrower"
    );
    moment.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX)
}

fn article(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: Item = read_object(raw)?;
    if item.url.is_empty() || item.title.trim().is_empty() {
        return Err("it has no url or no title".into());
    }
    let article = Article {
        revision: Article::fingerprint(&item.title, "", &[]),
        id: item.url.clone(),
        provider: provider.to_owned(),
        publisher: item.domain.unwrap_or_default(),
        author: String::new(),
        title: item.title,
        description: String::new(),
        url: item.url,
        symbols: Vec::new(),
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: Vec::new(),
        published_at: moment(&item.seendate)?,
        received_at,
    };
    Ok((article, None))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let at = crate::epoch::of_format(SEEN, text);
    at.ok_or_else(|| format!("`{text}` is not a plausible moment such as 20250510T120000Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProvidersConfig;
    use crate::providers::testing::{Answered, Server, fixture};
    use tapewire_runtime::Clock;

    fn seen(number: usize, at: &str) -> String {
        format!(
            "{{\"url\":\"https://example.com/{number}\",\"title\":\"Story {number}\",\"seendate\":\"{at}\",\"domain\":\"example.com\"}}"
        )
    }

    fn answer(items: impl Iterator<Item = String>) -> Answered {
        Answered::ok(&format!("{{\"articles\":[{}]}}", items.collect::<Vec<_>>().join(",")))
    }

    const PATH: &str = "/api/v2/doc/doc";

    fn source(server: &Server) -> Arc<dyn NewsSource> {
        let mut providers = ProvidersConfig::default();
        providers.set("gdelt", "rest_url", server.url());
        providers.news_source("gdelt", &Clock::wall()).unwrap()
    }

    #[tokio::test]
    async fn pages_go_on_where_the_last_one_ended_and_a_full_moment_does_not_stop_them() {
        let at = |number: usize| if number < 300 { "20250510T120000Z" } else { "20250510T121500Z" };
        let server = Server::start(&[
            (PATH, answer((200..450).map(|number| seen(number, at(number))))),
            (PATH, answer((300..550).map(|number| seen(number, at(number))))),
            (PATH, Answered::ok("{}")),
        ])
        .await;
        let source = source(&server);
        let mut request = Some(NewsRequest::Since("2025-05-10T11:50:00Z".parse().unwrap()));
        let mut counts = Vec::new();
        while let Some(asked) = request {
            let page = source.page(&asked).await.unwrap();
            counts.push((page.items.len(), source.was_cut()));
            request = page.next.map(NewsRequest::Next);
        }
        assert_eq!(counts, [(250, false), (250, true), (0, false)]);
        let starts: Vec<String> = server
            .requests()
            .iter()
            .map(|request| request.query.split("startdatetime=").nth(1).unwrap()[..14].to_owned())
            .collect();
        assert_eq!(starts, ["20250510115000", "20250510121500", "20250510121501"]);
        assert!(server.requests()[0].query.contains("sort=dateasc"));
    }

    #[tokio::test]
    async fn a_notice_in_a_200_is_not_an_empty_list() {
        let server = Server::start(&[
            (PATH, Answered::ok("Please limit requests to one every 5 seconds or contact us for larger queries.")),
            (PATH, Answered::ok("Your query was too short or too long.")),
            (PATH, Answered::ok("{\"error\":\"the index is being rebuilt\"}")),
        ])
        .await;
        let source = source(&server);
        let request = NewsRequest::Since("2025-05-10T11:50:00Z".parse().unwrap());
        let error = source.page(&request).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(BETWEEN_REQUESTS), "{error}");
        let error = source.page(&request).await.unwrap_err();
        assert!(error.to_string().contains("too short or too long"), "{error}");
        let error = source.page(&request).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("being rebuilt"), "{error}");
    }

    #[test]
    fn an_article_that_cannot_be_read_costs_only_itself() {
        let body = format!(
            "{{\"articles\":[{},{},{{\"url\":\"https://example.com/x\"}},{}]}}",
            seen(1, "20250510T120000Z"),
            seen(2, "2025-05-10"),
            seen(3, "19700101T000000Z")
        );
        let (page, _) = page("gdelt", PATH, body.as_bytes(), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(page.items.len(), 1);
        let article = &page.items[0];
        assert_eq!(
            (article.key().as_str(), article.publisher.as_str()),
            ("gdelt/https://example.com/1", "example.com")
        );
        assert_eq!(article.published_at.to_string(), "2025-05-10T12:00:00Z");
        assert_eq!(page.rejects.len(), 3);
    }

    #[test]
    fn the_capture_is_read() {
        let Some(body) = fixture("gdelt/artlist.json") else { return };
        let (page, _) = page("gdelt", PATH, &body, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((page.items.len(), page.rejects.len()), (1, 0));
        assert_eq!(page.items[0].published_at.to_string(), "2025-05-10T12:00:00Z");
    }
}
