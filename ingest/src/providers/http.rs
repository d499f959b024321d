//! HTTP requests for all providers: they have timeouts, send the key to the configured host only, and classify errors.

use super::{ApiKey, ProviderError, Secrets, answer, observed};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    LOCATION, RETRY_AFTER, USER_AGENT,
};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tapewire_runtime::Clock;

/// A longer `Retry-After` counts as this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Largest answer we take, in bytes. Pages have a megabyte or two; one without an end must not fill the memory.
const LARGEST_ANSWER: usize = 64 << 20;

/// How a provider's key is sent. Not in the URL where it can be helped: URLs are logged on the way.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// `Authorization: Bearer KEY`.
    Bearer(ApiKey),
    /// A header of the provider's own, by name.
    Header(&'static str, ApiKey),
    /// `Authorization: SCHEME KEY`.
    Authorization(&'static str, ApiKey),
    /// Several headers by name, such as a key and its secret.
    Headers(Vec<(String, ApiKey)>),
    /// A parameter of the query, by name. It is added when a request is sent, and to no url that others see.
    Query(String, ApiKey),
    /// No key, but who asks, as `User-Agent`: some providers want a name and a mail address there.
    UserAgent(String),
    /// No key.
    None,
}

impl Credentials {
    fn keys(&self) -> Vec<&ApiKey> {
        match self {
            Self::Bearer(key) | Self::Header(_, key) | Self::Authorization(_, key) | Self::Query(_, key) => vec![key],
            Self::Headers(headers) => headers.iter().map(|(_, key)| key).collect(),
            Self::UserAgent(_) | Self::None => Vec::new(),
        }
    }
}

/// The version of a document, by the headers `ETag` and `Last-Modified` of an answer. It is sent with the next request,
/// so that an unchanged document is not sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Version {
    fn of(headers: &HeaderMap) -> Self {
        Self { etag: headers.get(ETAG).cloned(), last_modified: headers.get(LAST_MODIFIED).cloned() }
    }

    /// Whether the provider said anything that a request can be made conditional on.
    pub fn is_known(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

/// The answer to a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// The document has not changed (HTTP 304).
    Unchanged,
    /// The document has changed, or the provider does not say.
    Changed {
        /// The body.
        body: Vec<u8>,
        /// For the next request.
        version: Version,
    },
}

/// A client of one provider's HTTP interface. Cheap to clone. One call is one request: retries are the caller's.
#[derive(Clone)]
pub struct HttpClient {
    provider: String,
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
    clock: Clock,
    requests: Arc<AtomicU64>,
}

impl HttpClient {
    /// A client for the interface at `base`, the value of the setting `setting`. `timeout` is the longest wait for one
    /// answer, on the wall clock. Does not connect yet.
    ///
    /// # Errors
    /// [`ProviderError::Setting`], [`ProviderError::Client`].
    pub fn new(
        provider: &str,
        (setting, base): (&str, &str),
        timeout: Duration,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Self, ProviderError> {
        let unusable = |reason: &str| ProviderError::Setting {
            provider: provider.to_owned(),
            reason: format!("{setting} = `{base}` is not a usable url: {reason}"),
        };
        let url = Url::parse(base).map_err(|error| unusable(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(unusable("write it as http:// or https://"));
        }
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .user_agent(concat!("tapewire/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| ProviderError::Client { provider: provider.to_owned(), source })?;
        Ok(Self { provider: provider.to_owned(), http, base: url, credentials, clock, requests: Arc::default() })
    }

    /// Name of the provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The clock for the times at which answers are received.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many requests were sent by this client and its clones.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The configured URL itself.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of `path`, a list of segments, under the configured URL.
    ///
    /// # Panics
    /// Never: that the configured URL can have paths was checked when the client was made.
    pub fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("checked when the client was made").pop_if_empty().extend(path);
        url
    }

    /// A URL that the provider itself named, such as that of the next page, if the key may go there.
    ///
    /// # Errors
    /// [`ProviderError::ForeignHost`]; [`ProviderError::Unreadable`] if it is not a URL.
    pub fn named_url(&self, url: &str) -> Result<Url, ProviderError> {
        let url = Url::parse(url).map_err(|error| ProviderError::Unreadable {
            provider: self.provider.clone(),
            path: "next page".into(),
            reason: error.to_string(),
        })?;
        self.check_host(&url)?;
        Ok(url)
    }

    /// The text without the keys: some providers repeat them in their messages.
    pub fn redacted(&self, text: &str) -> String {
        Secrets::of_keys(self.credentials.keys()).removed_from(text)
    }

    fn check_host(&self, url: &Url) -> Result<(), ProviderError> {
        if url.origin() == self.base.origin() {
            return Ok(());
        }
        let host = url.authority().rsplit('@').next().unwrap_or_default().to_owned();
        Err(ProviderError::ForeignHost { provider: self.provider.clone(), host })
    }

    /// The body of a successful answer.
    ///
    /// # Errors
    /// [`ProviderError::ForeignHost`] before anything is sent, and any error of HTTP.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, ProviderError> {
        match self.get_if_changed(url, &Version::default()).await? {
            Document::Changed { body, .. } => Ok(body),
            Document::Unchanged => Err(ProviderError::unreadable(
                &self.provider,
                url.path(),
                "HTTP 304, although the request was not conditional",
            )),
        }
    }

    /// As [`HttpClient::get`], of an answer that has to be JSON.
    ///
    /// # Errors
    /// As [`HttpClient::get`]; [`ProviderError::Unreadable`], with the first words of it, if it is something else, such as a
    /// page for people.
    pub async fn get_json(&self, url: &Url) -> Result<Vec<u8>, ProviderError> {
        let body = self.get(url).await?;
        if body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'[')) {
            return Ok(body);
        }
        // Shortened only now: of a key at the cut, a part would stay.
        let said: String = self.redacted(String::from_utf8_lossy(&body).trim()).chars().take(200).collect();
        Err(ProviderError::unreadable(&self.provider, url.path(), format!("it is not JSON; it says: {said}")))
    }

    /// The body of a successful answer, unless the document still has the version `known`.
    ///
    /// # Errors
    /// As [`HttpClient::get`].
    pub async fn get_if_changed(&self, url: &Url, known: &Version) -> Result<Document, ProviderError> {
        self.check_host(url)?;
        let no_answer = |error: reqwest::Error| ProviderError::NoAnswer {
            provider: self.provider.clone(),
            path: url.path().to_owned(),
            source: error.without_url(),
        };
        metrics::counter!("tapewire_provider_requests_total", "provider" => self.provider.clone()).increment(1);
        let request = self.request(url)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let conditions = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)];
        let with = |request: reqwest::RequestBuilder, (name, value): (_, &Option<HeaderValue>)| match value {
            Some(value) => request.header(name, value),
            None => request,
        };
        let request = conditions.into_iter().fold(request, with);
        let response = request.send().await.map_err(no_answer)?;
        observed::note(&self.provider, response.headers(), self.clock.now());
        match response.status() {
            status if status.is_success() => {
                let version = Version::of(response.headers());
                let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let content_type = content_type.unwrap_or_default().to_lowercase();
                let body = self.body(url.path(), response, no_answer).await?;
                Ok(Document::Changed { body: answer::readable(body, &content_type), version })
            }
            StatusCode::NOT_MODIFIED if known.is_known() => Ok(Document::Unchanged),
            status => Err(self.refusal(url.path(), status, response).await),
        }
    }

    /// A request with the account's credentials.
    fn request(&self, url: &Url) -> Result<RequestBuilder, ProviderError> {
        let request = self.http.get(url.clone());
        Ok(match &self.credentials {
            Credentials::Bearer(key) => request.header(AUTHORIZATION, self.header_value("Bearer ", key)?),
            Credentials::Authorization(scheme, key) => {
                request.header(AUTHORIZATION, self.header_value(&format!("{scheme} "), key)?)
            }
            Credentials::Header(name, key) => request.header(*name, self.header_value("", key)?),
            Credentials::Headers(headers) => {
                let mut request = request;
                for (name, key) in headers {
                    request = request.header(name, self.header_value("", key)?);
                }
                request
            }
            Credentials::Query(name, key) => request.query(&[(name, key.expose())]),
            Credentials::UserAgent(who) => request.header(USER_AGENT, who),
            Credentials::None => request,
        })
    }

    async fn body(
        &self,
        path: &str,
        mut response: Response,
        no_answer: impl Fn(reqwest::Error) -> ProviderError,
    ) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(&no_answer)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let reason = format!("it is larger than {} MiB", LARGEST_ANSWER >> 20);
                return Err(ProviderError::unreadable(&self.provider, path, reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn header_value(&self, before: &str, key: &ApiKey) -> Result<HeaderValue, ProviderError> {
        let mut value =
            HeaderValue::from_str(&format!("{before}{}", key.expose())).map_err(|_| ProviderError::Setting {
                provider: self.provider.clone(),
                reason: "the api key has characters that no HTTP header can hold".into(),
            })?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn refusal(&self, path: &str, status: StatusCode, response: Response) -> ProviderError {
        let (provider, path) = (self.provider.clone(), path.to_owned());
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|text| self.retry_after(text));
        // Binance says 418 where requests went on after a 429.
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::IM_A_TEAPOT {
            return ProviderError::RateLimited { provider, path, retry_after };
        }
        if status.is_redirection()
            && let Some(target) = header(LOCATION)
        {
            // The key, and whatever else we send, goes to the configured host only.
            let target = self.redacted(target);
            let message = format!("it has moved to {target}; set the url in providers.{provider} to the new address");
            return ProviderError::BadRequest { provider, path, status: status.as_u16(), message };
        }
        // The message is for people; failing to read it is not a second error.
        let said = message(&beginning(response).await);
        // Shortened only now: of a key at the cut, a part would stay.
        let message: String = self.redacted(&said).chars().take(300).collect();
        let retry = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
        let has_key = !self.credentials.keys().is_empty();
        match status.as_u16() {
            401 | 403 if has_key => ProviderError::NotAuthorized { provider, what: path, message },
            401 | 403 | 451 if !has_key => ProviderError::Refused { provider, what: path, message },
            status if retry => ProviderError::Failed { provider, path, status, message, retry_after },
            status => ProviderError::BadRequest { provider, path, status, message },
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

/// The first 64 KiB of an answer, or what came of them: a refusal may be as long as the provider likes.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < 64 * 1024
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read.extend_from_slice(&chunk);
    }
    read
}

/// What an error body says: its `error` or `message` if it is JSON, otherwise the text itself.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        error: Option<String>,
        message: Option<String>,
    }
    let said = serde_json::from_slice::<Said>(body).ok().and_then(|said| said.error.or(said.message));
    said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Result<HttpClient, ProviderError> {
        let clock = Clock::accelerated("2025-06-02T14:00:00Z".parse().unwrap(), 1e-9);
        let credentials = Credentials::Bearer(ApiKey::new("k"));
        HttpClient::new("wire", ("rest_url", base), Duration::from_secs(1), credentials, clock)
    }

    #[test]
    fn the_key_goes_to_the_configured_host_only() {
        let client = client("https://api.wire.test").unwrap();
        assert!(client.named_url("https://api.wire.test:443/v2/reference/news?cursor=x").is_ok());
        for elsewhere in [
            "https://evil.test/v2/reference/news",
            "http://api.wire.test/v2/reference/news",
            "https://api.wire.test:8443/v2/reference/news",
            "https://api.wire.test@evil.test/",
        ] {
            let error = client.named_url(elsewhere).unwrap_err();
            assert!(matches!(error, ProviderError::ForeignHost { .. }) && !error.is_retryable(), "{elsewhere}");
        }
        assert!(client.named_url("cursor=x").unwrap_err().is_retryable());
    }

    #[tokio::test]
    async fn a_request_to_another_host_is_not_sent() {
        let client = client("https://api.wire.test").unwrap();
        let error = client.get(&"https://evil.test/".parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, ProviderError::ForeignHost { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_not_json_is_quoted_without_the_key() {
        use crate::providers::testing::{Answered, Server};
        let page = "<html>Maintenance of key-of-desk</html>";
        let server = Server::start(&[
            ("/list", Answered::ok(page)),
            ("/list", Answered::ok("\u{feff} {\"a\":1}")),
            ("/list", Answered::ok("")),
        ])
        .await;
        let (credentials, second) = (Credentials::Bearer(ApiKey::new("key-of-desk")), Duration::from_secs(9));
        let base = server.url();
        let client = HttpClient::new("wire", ("rest_url", &base), second, credentials, Clock::wall()).unwrap();
        let url = client.url(&["list"]);
        let error = client.get_json(&url).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("<html>Maintenance of [key]"), "{error}");
        assert_eq!(client.get_json(&url).await.unwrap(), b" {\"a\":1}", "without the mark");
        assert!(client.get_json(&url).await.is_err());
    }

    #[test]
    fn what_is_not_a_web_address_is_refused_at_the_start() {
        for url in ["", "api.wire.test", "ftp://api.wire.test", "mailto:x@y.test"] {
            let error = client(url).map(drop).unwrap_err();
            assert!(error.to_string().contains("rest_url"), "{url}: {error}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let client = client("https://api.wire.test").unwrap();
        assert_eq!(client.retry_after("7"), Some(Duration::from_secs(7)));
        let until = client.retry_after("Mon, 02 Jun 2025 14:00:30 GMT").unwrap();
        assert_eq!(until.as_secs_f64().round(), 30.0);
        assert_eq!(client.retry_after("Mon, 02 Jun 2025 13:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(client.retry_after("99999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(client.retry_after("soon"), None);
    }

    #[test]
    fn an_error_body_is_quoted_by_its_message() {
        assert_eq!(message(br#"{"status":"ERROR","error":"Unknown API Key"}"#), "Unknown API Key");
        assert_eq!(message(br#"{"message":"not entitled"}"#), "not entitled");
        assert_eq!(message(b"<html>busy</html>"), "<html>busy</html>");
    }
}
