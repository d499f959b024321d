//! What can go wrong with Massive, and whether trying again can help.

use std::time::Duration;
use tokio_tungstenite::tungstenite;

/// An error of the provider or of the way to it. No message holds the API key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MassiveError {
    /// No answer over HTTP.
    #[error("massive does not answer {path}: {source}")]
    NoAnswer {
        /// Path of the request, without query.
        path: String,
        /// What the HTTP client said, without the URL.
        source: reqwest::Error,
    },
    /// Too many requests.
    #[error("massive's rate limit is reached (429 on {path})")]
    RateLimited {
        /// Path of the request.
        path: String,
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The key is missing, unknown, or not good for this data.
    #[error(
        "massive refuses the api key for {what}: {message}; check TAPEWIRE_MASSIVE_API_KEY and what your plan includes"
    )]
    NotAuthorized {
        /// Request path or subscription.
        what: String,
        /// The provider's words.
        message: String,
    },
    /// The provider failed.
    #[error("massive failed on {path}: HTTP {status}: {message}")]
    Failed {
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// The request is not one the provider takes.
    #[error("massive does not take the request {path}: HTTP {status}: {message}")]
    BadRequest {
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// HTTP 200, but no page of ours in it.
    #[error("massive's answer to {path} can't be read: {reason}")]
    Unreadable {
        /// Path of the request.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The next page is said to be somewhere else: the key must not go there.
    #[error("massive's next page is on `{host}`, not on the configured host; set rest_url to the provider's own host")]
    ForeignPage {
        /// Host and port of the next page.
        host: String,
    },
    /// A configured URL can't be used.
    #[error("`{url}` is not a usable url for {setting}: {reason}")]
    Url {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client could not be made.
    #[error("http client: {0}")]
    Client(reqwest::Error),
    /// The websocket could not be opened, or broke.
    #[error("massive's websocket broke: {0}")]
    Websocket(Box<tungstenite::Error>),
    /// The provider closed the websocket.
    #[error("massive closed the websocket: {0}")]
    Closed(String),
    /// Nothing came for too long.
    #[error("massive's websocket was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// A step of the log-in did not come.
    #[error("massive's websocket did not say `{awaited}` within {} s", .waited.as_secs())]
    LoginTimeout {
        /// The status we waited for.
        awaited: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The account's only connection is in use elsewhere.
    #[error("massive allows no further websocket: {0}; one connection an account is the rule, stop the other")]
    TooManyConnections(String),
}

impl MassiveError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoAnswer { .. }
            | Self::RateLimited { .. }
            | Self::Failed { .. }
            | Self::Unreadable { .. }
            | Self::Closed(_)
            | Self::Silent(_)
            | Self::LoginTimeout { .. }
            | Self::TooManyConnections(_) => true,
            Self::NotAuthorized { .. }
            | Self::BadRequest { .. }
            | Self::ForeignPage { .. }
            | Self::Url { .. }
            | Self::Client(_) => false,
            Self::Websocket(error) => match &**error {
                // 401, 403, 404 on the upgrade will be the same tomorrow.
                tungstenite::Error::Http(response) => !response.status().is_client_error(),
                tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => false,
                _ => true,
            },
        }
    }

    /// How long the provider asks us to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<tungstenite::Error> for MassiveError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) if matches!(response.status().as_u16(), 401 | 403) => {
                Self::NotAuthorized { what: "the websocket".into(), message: format!("HTTP {}", response.status()) }
            }
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
                Self::Closed("without a reason".into())
            }
            other => Self::Websocket(Box::new(other)),
        }
    }
}
