//! What can go wrong with a provider, and whether a retry can help.

use super::registry::key_variable;
use std::time::Duration;
use tokio_tungstenite::tungstenite;

/// An error of a provider or of the connection to it. `provider` is its configured name. No message holds an API key, and
/// none repeats its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// No answer over HTTP.
    #[error("{provider} does not answer {path}")]
    NoAnswer {
        /// Name of the provider.
        provider: String,
        /// Path of the request, without query.
        path: String,
        /// What the HTTP client said, without the URL.
        source: reqwest::Error,
    },
    /// Too many requests.
    #[error("{provider}'s rate limit is reached (on {path})")]
    RateLimited {
        /// Name of the provider.
        provider: String,
        /// Path of the request.
        path: String,
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No key is configured, and the provider needs one.
    #[error(
        "{provider} needs an api key and none is set: set the variable {}, or the setting providers.{provider}.api_key_file to a \
         file that holds it",
        key_variable(provider)
    )]
    NoKey {
        /// Name of the provider.
        provider: String,
    },
    /// The key is unknown, or does not include this data.
    #[error(
        "{provider} refuses the api key for {what}: {message}; check {} and what your plan includes",
        key_variable(provider)
    )]
    NotAuthorized {
        /// Name of the provider.
        provider: String,
        /// Request path or subscription.
        what: String,
        /// The provider's words.
        message: String,
    },
    /// The provider failed.
    #[error("{provider} failed on {path}: HTTP {status}: {message}")]
    Failed {
        /// Name of the provider.
        provider: String,
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
    },
    /// A provider that needs no key does not serve us: it has blocked this address for a while, or does not serve this
    /// country. No setting of ours is wrong, and others go on without this source.
    #[error(
        "{provider} refuses to serve {what}: {message}; it needs no key, so it may have blocked this address for a while, or \
         not serve this country"
    )]
    Refused {
        /// Name of the provider.
        provider: String,
        /// Request path or subscription.
        what: String,
        /// The provider's words.
        message: String,
    },
    /// The provider rejects the request.
    #[error("{provider} rejects the request {path}: HTTP {status}: {message}")]
    BadRequest {
        /// Name of the provider.
        provider: String,
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// HTTP 200, but not the answer that was expected.
    #[error("{provider}'s answer to {path} can't be read: {reason}")]
    Unreadable {
        /// Name of the provider.
        provider: String,
        /// Path of the request.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A request would leave the configured host: the key must not go there.
    #[error(
        "{provider}'s next page is on `{host}`, not on the configured host; set its url to the provider's own host"
    )]
    ForeignHost {
        /// Name of the provider.
        provider: String,
        /// Host and port of the next page.
        host: String,
    },
    /// A setting can't be used.
    #[error("providers.{provider}: {reason}")]
    Setting {
        /// Name of the provider.
        provider: String,
        /// Which, and what is wrong.
        reason: String,
    },
    /// The source does not have what is asked of it.
    #[error("{provider} does not have {what}")]
    Unsupported {
        /// Name of the provider.
        provider: String,
        /// What, and what to take instead.
        what: String,
    },
    /// The HTTP client could not be made.
    #[error("no http client for {provider} could be made")]
    Client {
        /// Name of the provider.
        provider: String,
        /// What the HTTP client said.
        source: reqwest::Error,
    },
    /// The websocket could not be opened, or broke.
    #[error("{provider}'s websocket broke")]
    Websocket {
        /// Name of the provider.
        provider: String,
        /// What the websocket client said.
        source: Box<tungstenite::Error>,
    },
    /// The provider closed the connection.
    #[error("{provider} closed the connection: {reason}")]
    Closed {
        /// Name of the provider.
        provider: String,
        /// The provider's words.
        reason: String,
    },
    /// We replace the connection because of its age.
    #[error("the connection to {provider} is as old as longest_connection allows, and is replaced")]
    Expired {
        /// Name of the provider.
        provider: String,
    },
    /// Nothing came for too long.
    #[error("{provider}'s connection was silent for {} s", after.as_secs())]
    Silent {
        /// Name of the provider.
        provider: String,
        /// How long.
        after: Duration,
    },
    /// What has to be done again and again took longer than the time for it.
    #[error("{provider} took longer than {} s for {what}; ask for fewer symbols, or less often", within.as_secs())]
    TooSlow {
        /// Name of the provider.
        provider: String,
        /// What took so long.
        what: String,
        /// The time that there was.
        within: Duration,
    },
    /// A step of the log-in was not answered in time.
    #[error("{provider} did not say `{awaited}` within {} s", waited.as_secs())]
    LoginTimeout {
        /// Name of the provider.
        provider: String,
        /// What we waited for.
        awaited: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The account's only connection is in use elsewhere.
    #[error("{provider} allows no further connection: {message}; an account usually has only one, stop the other")]
    TooManyConnections {
        /// Name of the provider.
        provider: String,
        /// The provider's words.
        message: String,
    },
}

impl ProviderError {
    /// An answer to the request for `path` that can't be read.
    pub fn unreadable(provider: &str, path: &str, reason: impl Into<String>) -> Self {
        Self::Unreadable { provider: provider.to_owned(), path: path.to_owned(), reason: reason.into() }
    }

    /// An error of the websocket client. A refused key and a closed connection have variants of their own.
    pub fn websocket(provider: &str, error: tungstenite::Error) -> Self {
        let provider = provider.to_owned();
        match error {
            tungstenite::Error::Http(response) if matches!(response.status().as_u16(), 401 | 403) => {
                let message = format!("HTTP {}", response.status());
                Self::NotAuthorized { provider, what: "the websocket".into(), message }
            }
            tungstenite::Error::Http(response) if matches!(response.status().as_u16(), 418 | 429) => {
                let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                let retry_after = seconds.map(|seconds: u64| Duration::from_secs(seconds.min(3600)));
                Self::RateLimited { provider, path: "the websocket".into(), retry_after }
            }
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
                Self::Closed { provider, reason: "without a reason".into() }
            }
            other => Self::Websocket { provider, source: Box::new(other) },
        }
    }

    /// The error with every text of the provider, and every path, as `redact` gives it back. What a library says of
    /// a broken websocket is kept only if `redact` leaves it as it is.
    pub(crate) fn redacted(mut self, redact: &dyn Fn(&str) -> String) -> Self {
        match &mut self {
            Self::NotAuthorized { what, message, .. } | Self::Refused { what, message, .. } => {
                (*what, *message) = (redact(what), redact(message));
            }
            Self::Failed { path, message, .. } | Self::BadRequest { path, message, .. } => {
                (*path, *message) = (redact(path), redact(message));
            }
            Self::Unreadable { path, reason, .. } => (*path, *reason) = (redact(path), redact(reason)),
            Self::NoAnswer { path, .. } | Self::RateLimited { path, .. } => *path = redact(path),
            Self::Setting { reason: text, .. }
            | Self::Closed { reason: text, .. }
            | Self::Unsupported { what: text, .. }
            | Self::TooSlow { what: text, .. }
            | Self::ForeignHost { host: text, .. }
            | Self::TooManyConnections { message: text, .. } => *text = redact(text),
            Self::Websocket { provider, source } => {
                let said = tapewire_runtime::chain(&**source);
                let shown = redact(&said);
                if shown != said {
                    let provider = std::mem::take(provider);
                    return match self.is_retryable() {
                        true => Self::Closed { provider, reason: shown },
                        false => Self::Setting { provider, reason: format!("the websocket can't be opened: {shown}") },
                    };
                }
            }
            Self::NoKey { .. }
            | Self::Client { .. }
            | Self::Expired { .. }
            | Self::Silent { .. }
            | Self::LoginTimeout { .. } => {}
        }
        self
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoAnswer { .. }
            | Self::RateLimited { .. }
            | Self::Failed { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::Closed { .. }
            | Self::Expired { .. }
            | Self::Silent { .. }
            | Self::TooSlow { .. }
            | Self::LoginTimeout { .. }
            | Self::TooManyConnections { .. } => true,
            Self::NoKey { .. }
            | Self::NotAuthorized { .. }
            | Self::BadRequest { .. }
            | Self::ForeignHost { .. }
            | Self::Setting { .. }
            | Self::Unsupported { .. }
            | Self::Client { .. } => false,
            Self::Websocket { source, .. } => match &**source {
                // A retry does not help against 401, 403 or 404 on the upgrade.
                tungstenite::Error::Http(response) => !response.status().is_client_error(),
                tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => false,
                _ => true,
            },
        }
    }

    /// Whether the websocket client refuses the address, which its words repeat.
    pub(crate) fn is_about_the_address(&self) -> bool {
        let Self::Websocket { source, .. } = self else { return false };
        matches!(&**source, tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_))
    }

    /// How long the provider asks us to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Failed { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_names_the_variable_of_its_provider() {
        let error = ProviderError::NotAuthorized {
            provider: "second_desk".into(),
            what: "/news".into(),
            message: "unknown key".into(),
        };
        assert!(error.to_string().contains("TAPEWIRE_SECOND_DESK_API_KEY"), "{error}");
        assert!(!error.is_retryable());
    }

    #[test]
    fn too_many_websockets_are_waited_out() {
        let answer = |status: u16| {
            let response = tungstenite::http::Response::builder().status(status).header("retry-after", "7");
            ProviderError::websocket("wire", tungstenite::Error::Http(Box::new(response.body(None).unwrap())))
        };
        let busy = answer(429);
        assert!(busy.is_retryable() && busy.retry_after() == Some(Duration::from_secs(7)), "{busy}");
        assert!(answer(503).is_retryable());
        assert!(!answer(401).is_retryable() && !answer(404).is_retryable());
    }

    #[test]
    fn a_message_does_not_repeat_its_source() {
        let source = tungstenite::Error::Io(std::io::Error::other("the cable is cut"));
        let error = ProviderError::websocket("wire", source);
        assert!(!error.to_string().contains("cable"), "{error}");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("cable"));
        assert!(error.is_retryable());
    }
}
