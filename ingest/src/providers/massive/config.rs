//! Where Massive is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an account with Massive, `[providers.massive]`. The key comes from the environment or a file.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MassiveConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Address of the websocket of stocks. For a plan without real-time data use `wss://delayed.massive.com/stocks`,
    /// and set `prices.grace` to a little over 15 minutes.
    pub websocket_url: String,
    /// Articles in a page of news, from 1 to 1000.
    pub news_page_size: u32,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
    /// Longest wait for each step of a websocket's log-in, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub login_timeout: Duration,
    /// Longest time without a message or a pong before a websocket is closed, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub silence_timeout: Duration,
}

impl Default for MassiveConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://api.massive.com".into(),
            websocket_url: "wss://socket.massive.com/stocks".into(),
            news_page_size: 1000,
            request_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_configuration_file_is_refused() {
        assert!(toml::from_str::<MassiveConfig>("api_key = 's3cret'").is_err());
        let config: MassiveConfig = toml::from_str("silence_timeout = '90s'").unwrap();
        assert_eq!(config.silence_timeout, Duration::from_secs(90));
    }
}
