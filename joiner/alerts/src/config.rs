//! Settings of the alerts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which alerts are sent, and where: `[alerts]`. Durations are in market time, which a simulation may speed up.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Time from one check of the tables to the next.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub every: Duration,
    /// After an alert, how long no other of the same kind is sent for the same symbol or source.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub quiet: Duration,
    /// A bar whose return has a robust z of at least this, up or down, gives an alert. A value between 0 and 3 acts
    /// as 3. 0 for no alerts of returns.
    pub anomaly_z: f64,
    /// A mean score of a symbol's headlines that is at least this many standard deviations from the usual mean gives an
    /// alert. 0 for no alerts of sentiment.
    pub shock_z: f64,
    /// The window of sentiment alerts: the mean score of its headlines is compared with that of the 30 days before it.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub shock_window: Duration,
    /// With fewer headlines than this in the window, a symbol gives no alert of sentiment.
    pub shock_articles: u32,
    /// How long a source may make no progress before an alert is sent. 0 turns alerts of sources off.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub stale_after: Duration,
    /// File that holds the address of a webhook and nothing else; each alert is posted to it as JSON.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/webhook_url")]
    pub webhook_url_file: Option<PathBuf>,
    /// File that holds the address of an incoming webhook of Slack and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/slack_url")]
    pub slack_url_file: Option<PathBuf>,
    /// The webhook's address, read by the caller from its variable or from `webhook_url_file`.
    #[serde(skip)]
    pub webhook_url: Option<String>,
    /// Slack's address, read by the caller from its variable or from `slack_url_file`.
    #[serde(skip)]
    pub slack_url: Option<String>,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            quiet: Duration::from_secs(3600),
            anomaly_z: 6.0,
            shock_z: 4.0,
            shock_window: Duration::from_secs(3600),
            shock_articles: 3,
            stale_after: Duration::from_secs(900),
            webhook_url_file: None,
            slack_url_file: None,
            webhook_url: None,
            slack_url: None,
        }
    }
}

/// The addresses are secrets, and left out.
impl fmt::Debug for AlertsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertsConfig")
            .field("every", &self.every)
            .field("quiet", &self.quiet)
            .field("webhook_url_file", &self.webhook_url_file)
            .field("slack_url_file", &self.slack_url_file)
            .finish_non_exhaustive()
    }
}
