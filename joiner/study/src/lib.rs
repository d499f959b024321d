//! What joined rows say: whether scores order the returns that follow, by how much, and how sure that is.
//!
//! Rows in, [`Findings`] out, which are shown as a table ([`text`]) or a page ([`html`]). Pure: no file, no clock, and the
//! same rows and settings give the same findings.
//!
//! | module | holds |
//! |---|---|
//! | [`events`] | which rows are events, and why the others are not |
//! | [`findings`] | the statistics of each horizon |
//! | [`panels`] | the numbers of the report's pictures |
//! | [`sentence`] | the verdict on them, in a sentence |
//! | [`text`], [`html`] | the table and the page |

mod estimate;
pub mod events;
pub mod findings;
pub mod html;
mod methods;
pub mod panels;
pub mod sentence;
pub mod text;

pub use estimate::{Estimate, Figure};
pub use events::{Outcome, Sample};
pub use findings::{Findings, HorizonFindings, Settings, study, study_with};
