//! Where a feed is, and which of its items are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an RSS or Atom feed, `[providers.globenewswire]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    /// Address of the feed. Empty means the built-in address of the press wire; the kind `rss` has no built-in address.
    pub feed_url: String,
    /// Languages of items to keep, as the feed writes them. Items in other languages are left out, because the model
    /// reads English. An empty list keeps all items.
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
