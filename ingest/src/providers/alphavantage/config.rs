//! Where Alpha Vantage is, and which articles are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an account with Alpha Vantage, `[providers.alphavantage]`. The key comes from the environment or a file.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlphaVantageConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Alpha Vantage's names of topics, separated by commas: only articles that have all of them are fetched. If it
    /// is empty, all articles are.
    pub topics: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for AlphaVantageConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://www.alphavantage.co".into(),
            topics: String::new(),
            request_timeout: Duration::from_secs(30),
        }
    }
}
