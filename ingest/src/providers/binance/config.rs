//! Where Binance is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of Binance's public market data, `[providers.binance]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BinanceConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Address of the websocket.
    pub stream_url: String,
    /// Whether to subscribe to `aggTrade`, which joins the trades of one order at one price into one trade, instead of
    /// `trade`, which has each trade.
    pub aggregate_trades: bool,
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
    /// A websocket is replaced after this long, on the wall clock: Binance ends every one after 24 hours.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub longest_connection: Duration,
}

impl Default for BinanceConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://data-api.binance.vision".into(),
            stream_url: "wss://data-stream.binance.vision/stream".into(),
            aggregate_trades: false,
            request_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
            longest_connection: Duration::from_secs(23 * 3600 + 1800),
        }
    }
}
