//! Where Kraken is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of Kraken's public market data, `[providers.kraken]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KrakenConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Address of the websocket.
    pub stream_url: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
    /// Longest wait for each step of a websocket's log-in, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub login_timeout: Duration,
    /// Longest time without a message before a websocket is closed, on the wall clock; heartbeats come every second.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub heartbeat_timeout: Duration,
}

impl Default for KrakenConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://api.kraken.com".into(),
            stream_url: "wss://ws.kraken.com/v2".into(),
            request_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(10),
            heartbeat_timeout: Duration::from_secs(15),
        }
    }
}
