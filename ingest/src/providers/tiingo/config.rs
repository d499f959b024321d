//! Where Tiingo is, and which companies' news is wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapewire_core::Symbol;

/// Settings of an account with Tiingo, `[providers.tiingo]`. The key comes from the environment or a file.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TiingoConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Companies to fetch news of. If the provider lists all news together, an empty list means all companies; if it
    /// has a list for each company, each company costs a request.
    #[schemars(with = "Vec<String>")]
    pub news_symbols: Vec<Symbol>,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for TiingoConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://api.tiingo.com".into(),
            news_symbols: Vec::new(),
            request_timeout: Duration::from_secs(30),
        }
    }
}
