//! Where EDGAR is, and who asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the SEC's list of current filings, `[providers.edgar]`. No key is needed, but the SEC wants to know who
/// asks.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgarConfig {
    /// Root of the REST interface.
    pub rest_url: String,
    /// Your name and email address, such as `Example Research admin@example.com`: the SEC refuses requests without
    /// them.
    pub user_agent: String,
    /// Which filings to fetch: those of forms whose name begins with this. `8-K` are announcements of listed companies.
    pub form: String,
    /// How often the SEC's list of tickers is fetched. It says which ticker the company of a filing has.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub tickers_every: Duration,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for EdgarConfig {
    fn default() -> Self {
        Self {
            rest_url: "https://www.sec.gov".into(),
            user_agent: String::new(),
            form: "8-K".into(),
            tickers_every: Duration::from_secs(24 * 3600),
            request_timeout: Duration::from_secs(30),
        }
    }
}
