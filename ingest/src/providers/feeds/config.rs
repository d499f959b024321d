//! Where a feed is, and which of its items are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an RSS or Atom feed, `[providers.globenewswire]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    /// Address of the feed. If it is empty, that of the press wire itself; the kind `rss` has none.
    pub feed_url: String,
    /// Languages that are wanted, as the feed writes them. Items that say another one are left out, because the model reads
    /// English. With an empty list all are wanted.
    pub languages: Vec<String>,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self { feed_url: String::new(), languages: vec!["en".into()], request_timeout: Duration::from_secs(30) }
    }
}
