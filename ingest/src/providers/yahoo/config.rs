//! Where Yahoo is, and when a bar of it counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of Yahoo's charts, `[providers.yahoo]`. No key is needed. The interface is not an official one.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct YahooConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Time from one round of requests, one for each symbol, to the next. A round has to be over by then.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub bars_every: Duration,
    /// How long after its end a bar is sent: until then Yahoo changes it.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub settles_after: Duration,
    /// The `User-Agent` of requests. Yahoo refuses many others.
    pub browser: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for YahooConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://query1.finance.yahoo.com".into(),
            bars_every: Duration::from_secs(60),
            settles_after: Duration::from_secs(90),
            browser: "Mozilla/5.0".into(),
            request_timeout: Duration::from_secs(10),
        }
    }
}
