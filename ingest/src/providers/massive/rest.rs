//! Massive over HTTP. One call is one request: retrying is the caller's.

use super::parse::{self, Items};
use super::{ApiKey, MassiveConfig, MassiveError};
use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode, Url};
use std::time::Duration;
use tapewire_bus::Clock;
use tapewire_core::{Article, Bar, Symbol};

/// Longest wait we let a `Retry-After` ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A client of the REST interface. Cheap to clone.
///
/// The key travels in the `Authorization` header, never in a URL, so that URLs may be logged.
#[derive(Clone)]
pub struct RestClient {
    http: reqwest::Client,
    base: Url,
    key: ApiKey,
    clock: Clock,
}

impl RestClient {
    /// A client for the service that `config` describes. Does not connect yet.
    ///
    /// # Errors
    /// [`MassiveError::Url`], [`MassiveError::Client`].
    pub fn new(config: &MassiveConfig, clock: Clock) -> Result<Self, MassiveError> {
        let unusable = |reason: String| MassiveError::Url { setting: "rest_url", url: config.rest_url.clone(), reason };
        let base = Url::parse(&config.rest_url).map_err(|error| unusable(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(unusable("http:// or https:// is wanted".into()));
        }
        let http = reqwest::Client::builder()
            .timeout(config.request_timeout)
            .user_agent(concat!("tapewire/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(MassiveError::Client)?;
        Ok(Self { http, base, key: config.api_key.clone(), clock })
    }

    /// Where the first page of news published at or after `since` is, oldest first.
    pub fn news_url(&self, since: Timestamp, limit: u32) -> Url {
        let mut url = self.url(&["v2", "reference", "news"]);
        url.query_pairs_mut()
            // Whole seconds, rounded down, are what the provider itself writes.
            .append_pair("published_utc.gte", &seconds_down(since).to_string())
            .append_pair("order", "asc")
            .append_pair("sort", "published_utc")
            .append_pair("limit", &limit.to_string());
        url
    }

    /// Where the first page of a symbol's minute bars is that start within `from..=to`, oldest first.
    pub fn bars_url(&self, symbol: &Symbol, from: Timestamp, to: Timestamp) -> Url {
        let (from, to) = (from.as_millisecond().to_string(), to.as_millisecond().to_string());
        let mut url = self.url(&["v2", "aggs", "ticker", symbol.as_str(), "range", "1", "minute", &from, &to]);
        // Split-adjusted, so that a split is no jump in what the joiner compares.
        url.query_pairs_mut().append_pair("adjusted", "true").append_pair("sort", "asc").append_pair("limit", "50000");
        url
    }

    /// Where the next page is, if it may be asked for with our key.
    ///
    /// # Errors
    /// [`MassiveError::ForeignPage`] if it is on another host; [`MassiveError::Unreadable`] if it is no URL.
    pub fn next_page(&self, next_url: &str) -> Result<Url, MassiveError> {
        let url = Url::parse(next_url)
            .map_err(|error| MassiveError::Unreadable { path: "next_url".into(), reason: error.to_string() })?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(MassiveError::ForeignPage { host: url.authority().rsplit('@').next().unwrap_or_default().to_owned() })
        }
    }

    /// One page of news.
    ///
    /// # Errors
    /// Any [`MassiveError`] of HTTP.
    pub async fn news(&self, url: &Url) -> Result<Items<Article>, MassiveError> {
        let body = self.get(url).await?;
        parse::news_page(url.path(), &body, self.clock.now())
    }

    /// One page of bars of `symbol`.
    ///
    /// # Errors
    /// Any [`MassiveError`] of HTTP.
    pub async fn bars(&self, url: &Url, symbol: &Symbol) -> Result<Items<Bar>, MassiveError> {
        let body = self.get(url).await?;
        parse::bars_page(url.path(), &body, symbol, self.clock.now())
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("checked when the client was made").pop_if_empty().extend(path);
        url
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, MassiveError> {
        let no_answer =
            |error: reqwest::Error| MassiveError::NoAnswer { path: url.path().to_owned(), source: error.without_url() };
        metrics::counter!("tapewire_provider_requests_total", "provider" => super::PROVIDER).increment(1);
        let response = self.http.get(url.clone()).bearer_auth(self.key.expose()).send().await.map_err(no_answer)?;
        match response.status() {
            status if status.is_success() => Ok(response.bytes().await.map_err(no_answer)?.to_vec()),
            status => Err(self.refusal(url.path(), status, response).await),
        }
    }

    async fn refusal(&self, path: &str, status: StatusCode, response: Response) -> MassiveError {
        let path = path.to_owned();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            return MassiveError::RateLimited { path, retry_after: asked.and_then(|text| self.retry_after(text)) };
        }
        // The words are for people; that they can't be had is no second error.
        let message = words(&response.bytes().await.unwrap_or_default());
        let retry = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
        match status.as_u16() {
            401 | 403 => MassiveError::NotAuthorized { what: path, message },
            status if retry => MassiveError::Failed { path, status, message },
            status => MassiveError::BadRequest { path, status, message },
        }
    }

    /// Seconds, or an HTTP date (RFC 9110, 10.2.3).
    fn retry_after(&self, text: &str) -> Option<Duration> {
        let wait = match text.trim().parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
                until.duration_since(self.clock.now()).try_into().unwrap_or_default()
            }
        };
        Some(wait.min(LONGEST_RETRY_AFTER))
    }
}

fn seconds_down(at: Timestamp) -> Timestamp {
    let seconds = at.as_microsecond().div_euclid(1_000_000);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

/// What an error body says, shortened.
fn words(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Words {
        error: Option<String>,
        message: Option<String>,
    }
    let said = serde_json::from_slice::<Words>(body).ok().and_then(|words| words.error.or(words.message));
    said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(rest_url: &str) -> Result<RestClient, MassiveError> {
        let config = MassiveConfig { rest_url: rest_url.into(), ..MassiveConfig::default() };
        RestClient::new(&config, Clock::accelerated("2025-06-02T14:00:00Z".parse().unwrap(), 1e-9))
    }

    #[test]
    fn urls_are_the_providers() {
        let client = client("https://api.massive.com/").unwrap();
        let from: Timestamp = "2025-06-02T13:30:00.9Z".parse().unwrap();
        assert_eq!(
            client.news_url(from, 1000).as_str(),
            "https://api.massive.com/v2/reference/news?published_utc.gte=2025-06-02T13%3A30%3A00Z&order=asc&sort=published_utc&limit=1000"
        );
        let symbol = Symbol::new("BRK.B").unwrap();
        assert_eq!(
            client.bars_url(&symbol, from, from).as_str(),
            "https://api.massive.com/v2/aggs/ticker/BRK.B/range/1/minute/1748871000900/1748871000900?adjusted=true&sort=asc&limit=50000"
        );
    }

    #[test]
    fn the_key_goes_to_the_configured_host_only() {
        let client = client("https://api.massive.com").unwrap();
        assert!(client.next_page("https://api.massive.com:443/v2/reference/news?cursor=x").is_ok());
        for elsewhere in [
            "https://evil.test/v2/reference/news",
            "http://api.massive.com/v2/reference/news",
            "https://api.massive.com:8443/v2/reference/news",
            "https://api.massive.com@evil.test/",
        ] {
            let error = client.next_page(elsewhere).unwrap_err();
            assert!(matches!(error, MassiveError::ForeignPage { .. }) && !error.is_retryable(), "{elsewhere}");
        }
        assert!(client.next_page("cursor=x").unwrap_err().is_retryable());
    }

    #[test]
    fn what_is_no_web_address_is_refused_at_the_start() {
        for url in ["", "api.massive.com", "ftp://api.massive.com", "mailto:x@y.test"] {
            let error = client(url).map(drop).unwrap_err();
            assert!(error.to_string().contains("rest_url"), "{url}: {error}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let client = client("https://api.massive.com").unwrap();
        assert_eq!(client.retry_after("7"), Some(Duration::from_secs(7)));
        let until = client.retry_after("Mon, 02 Jun 2025 14:00:30 GMT").unwrap();
        assert_eq!(until.as_secs_f64().round(), 30.0);
        assert_eq!(client.retry_after("Mon, 02 Jun 2025 13:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(client.retry_after("99999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(client.retry_after("soon"), None);
    }
}
