//! Where Finnhub's stream is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of Finnhub's stream of trades, `[providers.finnhub]`. It needs a key.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinnhubConfig {
    /// Address of the websocket.
    pub stream_url: String,
    /// Longest wait for each step of a websocket's log-in, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub login_timeout: Duration,
    /// A websocket on which nothing has come for this long, not even a pong, is given up, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub silence_timeout: Duration,
}

impl Default for FinnhubConfig {
    fn default() -> Self {
        Self {
            stream_url: "wss://ws.finnhub.io".into(),
            login_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
        }
    }
}
