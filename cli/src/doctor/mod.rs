//! What `tapewire doctor` checks, and how it says what it found.
//!
//! Every check has an end, and none needs another's server: with everything down each still gives its line.

mod machine;
mod registry;
mod servers;
mod settings;
mod sources;
mod topics;

pub use settings::Given;

use crate::config::Config;
use console::style;
use serde::Serialize;
use std::time::Duration;
use tapewire_runtime::Clock;

/// Longest wait for a check.
const LIMIT: Duration = Duration::from_secs(10);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing is wrong.
    Ok,
    /// It could not be checked, because of another problem or because nothing uses it.
    Skipped,
    /// It works, but something should be changed.
    Warning,
    /// tapewire can't work like this.
    Problem,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `kafka`, `source massive`.
    pub what: String,
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, where something is wrong and what was found does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    fn new(what: impl Into<String>, status: Status, found: impl Into<String>) -> Self {
        Self { what: what.into(), status, found: found.into(), remedy: None }
    }

    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, Status::Ok, found)
    }

    fn skipped(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, Status::Skipped, found)
    }

    fn warning(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, Status::Warning, found)
    }

    pub fn problem(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, Status::Problem, found)
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The line for people.
    pub fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => style("ok     ").green(),
            Status::Skipped => style("skipped").dim(),
            Status::Warning => style("warning").yellow(),
            Status::Problem => style("problem").red(),
        };
        let remedy = self.remedy.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
        format!("{status}  {:<22} {}{remedy}", self.what, self.found)
    }
}

/// All checks that need settings, at once; in a fixed order.
pub async fn checks(given: &Given, config: &Config) -> Vec<Check> {
    let clock = Clock::wall();
    let (servers, sources) = tokio::join!(servers::checks(config, &clock), sources::checks(config, &clock));
    let (servers, store_clock) = servers;
    let mut all = settings::keys(given, config);
    all.extend(sources);
    all.extend(sources::clocks(config, store_clock));
    all.extend(servers);
    all.extend(machine::checks(config).await);
    all
}

/// An answer, or the words that say that it took too long.
async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, String> {
    let late = |_| format!("no answer within {} s", LIMIT.as_secs());
    tokio::time::timeout(LIMIT, answer).await.map_err(late)
}
