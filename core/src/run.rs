//! Runs: live data and replays share topics and tables, and the run's name keeps them apart.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The labelled stream of data that a record belongs to: `live`, or the name of one replay.
///
/// Every record and every row carries its run, and the joiner keeps one state for each run, so a replay of last year
/// neither moves the live watermark nor overwrites a live row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(String);

impl Run {
    /// The run of data as it happens.
    pub fn live() -> Self {
        Self("live".into())
    }

    /// A named replay. The name `live` gives the live run.
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Whether `received_at` and `scored_at` in this run are when records really arrived and were scored.
    ///
    /// In a replay both are the publication time plus a configured delay, so that it gives the same rows each time.
    pub fn is_live(&self) -> bool {
        self.0 == "live"
    }

    /// The name, as on topics and in tables.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
