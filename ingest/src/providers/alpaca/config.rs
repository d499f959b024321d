//! Where Alpaca is, and whose news are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapewire_core::Symbol;

/// Settings of an account with Alpaca, `[providers.alpaca]`. The key and its secret come from the environment or from files.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlpacaConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Companies whose news are wanted. Where the provider has a list of all news, an empty list stands for all; where it has
    /// one for each company, each company costs a request.
    #[schemars(with = "Vec<String>")]
    pub news_symbols: Vec<Symbol>,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for AlpacaConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://data.alpaca.markets".into(),
            news_symbols: Vec::new(),
            request_timeout: Duration::from_secs(30),
        }
    }
}
