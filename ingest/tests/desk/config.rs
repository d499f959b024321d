//! Where the desk is and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an account with the desk, `[providers.desk]`. The key comes from the environment or a file.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeskConfig {
    /// Root of the interface.
    pub url: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self { url: "https://api.desk.test".into(), request_timeout: Duration::from_secs(30) }
    }
}
