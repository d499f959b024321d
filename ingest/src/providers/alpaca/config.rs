//! Where Alpaca is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapewire_core::Symbol;

/// Settings of Alpaca's news and prices of shares, `[providers.alpaca]`. It needs a key, which is written as `ID:SECRET`.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlpacaConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Address of the websocket.
    pub stream_url: String,
    /// Which of Alpaca's feeds: `iex`, `sip`, `delayed_sip` or `test` for shares, `us` for coins.
    pub feed: String,
    /// Companies to fetch news of. If the provider lists all news together, an empty list means all companies; if it
    /// has a list for each company, each company costs a request.
    #[schemars(with = "Vec<String>")]
    pub news_symbols: Vec<Symbol>,
    /// Whether the websocket of news is read, so that news are polled as soon as they are published. It takes one of the
    /// connections that the plan allows.
    pub news_stream: bool,
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

impl AlpacaConfig {
    fn of_feed(feed: &str) -> Self {
        Self {
            rest_url: "https://data.alpaca.markets".into(),
            stream_url: "wss://stream.data.alpaca.markets".into(),
            feed: feed.into(),
            news_symbols: Vec::new(),
            news_stream: true,
            request_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
        }
    }
}

impl Default for AlpacaConfig {
    fn default() -> Self {
        Self::of_feed("iex")
    }
}

/// Settings of Alpaca's prices of coins, `[providers.alpaca_crypto]`: those of shares, with the feed of coins.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct AlpacaCryptoConfig(pub AlpacaConfig);

impl Default for AlpacaCryptoConfig {
    fn default() -> Self {
        Self(AlpacaConfig::of_feed("us"))
    }
}
