//! What joined rows say: whether scores order the returns that follow, by how much, and how sure that is.
//!
//! Rows in, [`Findings`] out, which are shown as a table ([`text`]) or a page ([`html`]). Pure: no file, no clock, and the
//! same rows and settings give the same findings.

pub mod clusters;
pub mod daily;
mod estimate;
pub mod events;
pub mod examples;
mod families;
pub mod filters;
pub mod findings;
pub mod html;
pub mod intervals;
mod methods;
pub mod panels;
pub mod parts;
pub mod row;
mod sections;
pub mod sentence;
pub mod text;
pub mod unmatched;

pub use daily::DailyReturns;
pub use estimate::{Estimate, ValueOrReason};
pub use events::{Outcome, Sample};
pub use filters::{Filters, Novelty, ScoreAs, SplitBy};
pub use findings::{Findings, HorizonFindings, Settings, study, study_with};
pub use row::Row;
