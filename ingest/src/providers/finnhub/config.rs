//! Where Finnhub is, how to talk to it, and which companies' news is wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapewire_core::Symbol;

/// Settings of Finnhub's news and its stream of trades, `[providers.finnhub]`. It needs a key.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinnhubConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Companies to fetch news of. If the provider lists all news together, an empty list means all companies; if it
    /// has a list for each company, each company costs a request.
    #[schemars(with = "Vec<String>")]
    pub news_symbols: Vec<Symbol>,
    /// Requests a minute that the plan allows. They are spread over the minute.
    pub requests_a_minute: u32,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
    /// Address of the websocket.
    pub stream_url: String,
    /// Longest wait for each step of a websocket's log-in, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub login_timeout: Duration,
    /// Longest time without a message or a pong before a websocket is closed, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub silence_timeout: Duration,
}

impl Default for FinnhubConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://finnhub.io".into(),
            news_symbols: Vec::new(),
            requests_a_minute: 60,
            request_timeout: Duration::from_secs(30),
            stream_url: "wss://ws.finnhub.io".into(),
            login_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
        }
    }
}
