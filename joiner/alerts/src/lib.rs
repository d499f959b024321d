//! Alerts of unusual returns, of unusual sentiment, and of sources that have stopped.
//!
//! Every few seconds the tables are asked for what may be worth an alert ([`Alert`]), and what has not been sent yet
//! goes to a webhook, to Slack and to the table `alerts`. The table is also the memory: it says what was sent where and
//! when, so a process that is restarted, or that takes over from another, sends nothing twice, except what was sent but
//! not yet written to the table. Within `quiet` each subject (a symbol or a source) gives at most one alert of a kind.

pub mod config;
pub mod due;
pub mod error;
mod run;
mod target;
mod watched;

pub use config::AlertsConfig;
pub use due::{Alert, Kind};
pub use error::AlertError;
pub use run::{Alerts, run};
pub use watched::WatchedSources;
