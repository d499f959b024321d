//! Where Massive is and how to log in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Connection to Massive. The key comes from the environment or a file, never from here.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MassiveConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// The stocks feed. Plans without real-time data use `wss://delayed.massive.com/stocks`; set
    /// the price feed's `grace` to a little over 15 minutes then.
    pub websocket_url: String,
    /// File that holds the API key and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/massive_api_key")]
    pub api_key_file: Option<PathBuf>,
    /// The key itself, filled in by the caller from `api_key_file` or the environment.
    #[serde(skip)]
    pub api_key: ApiKey,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
    /// Longest wait for each step of a websocket's log-in, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub login_timeout: Duration,
    /// A websocket on which nothing has come for so long, not even a pong, is given up.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub idle_timeout: Duration,
}

impl Default for MassiveConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://api.massive.com".into(),
            websocket_url: "wss://socket.massive.com/stocks".into(),
            api_key_file: None,
            api_key: ApiKey::default(),
            request_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// A secret that does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key as read from a file or variable; surrounding white space is not part of it.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// The secret itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "ApiKey(none)" } else { "ApiKey(redacted)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_never_prints() {
        let config = MassiveConfig { api_key: ApiKey::new(" s3cret\n"), ..MassiveConfig::default() };
        assert_eq!(config.api_key.expose(), "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn a_key_in_the_configuration_file_is_refused() {
        assert!(toml::from_str::<MassiveConfig>("api_key = 's3cret'").is_err());
        let config: MassiveConfig = toml::from_str("idle_timeout = '90s'").unwrap();
        assert_eq!(config.idle_timeout, Duration::from_secs(90));
    }
}
