//! Statistics of scores and outcomes: whether news moved the price, by how much, and how sure that is.
//!
//! Rows in, tables out: nothing here reads files or clocks, and results do not depend on the number of threads. What
//! cannot be computed is an [`Error`] that says what is missing; it is never NaN and never 0.
//!
//! | question | where |
//! |---|---|
//! | did prices move abnormally around news | [`event`] |
//! | do scores order the returns that follow | [`ic`], [`groups`], [`shuffles`], [`resample::permute_rank_ic`] |
//! | do things happen as often as their probabilities say | [`calibration`] |
//! | what moves first | [`leadlag`] |
//! | does a score explain returns beyond symbol and day | [`regression`] |
//! | which events may be counted | [`overlap`] |
//! | which results hold when every test that was tried is counted | [`multiple`] |
//!
//! **Missing values.** Returns around events are `Option`s, and `None` does not count. Everything else takes finite
//! numbers and refuses NaN and infinities by name; leave rows with missing values out.
//!
//! ```
//! use tapewire_statistics::event::{EventReturns, Model, EventDates, Options, Study, abnormal_returns};
//! use tapewire_statistics::multiple::{Adjustment, Family};
//!
//! // Eight events: 60 minutes before each, then three minutes, in the second of which the price rises by 1 %.
//! let noise = |i: i32, seed: i32| f64::from((i * i * 7 + seed * 13 * i + seed * 5) % 41 - 20) / 10_000.0;
//! let event = |seed: i32| {
//!     let market: Vec<Option<f64>> = (0..63).map(|i| Some(noise(i, seed))).collect();
//!     let mut own: Vec<Option<f64>> =
//!         (0..63).map(|i| Some(1.2 * noise(i, seed) + noise(i, seed + 20))).collect();
//!     own[61] = own[61].map(|r| r + 0.01);
//!     own[7] = None; // nobody traded
//!     let returns = EventReturns {
//!         estimation: own[..60].to_vec(),
//!         estimation_factors: vec![market[..60].to_vec()],
//!         event: own[60..].to_vec(),
//!         event_factors: vec![market[60..].to_vec()],
//!     };
//!     abnormal_returns(&returns, Model::Factors, &Options::default())
//! };
//! let study = Study::new((1..9).map(event).collect::<Result<_, _>>()?)?;
//!
//! let mut family = Family::new("do prices move in the minutes around the news");
//! for step in 0..3 {
//!     family.add(format!("minute {step}"), || study.tests(step..=step, EventDates::Common)?.bmp_adjusted);
//! }
//! let entries = family.adjusted(Adjustment::Holm, 0.01)?;
//! assert_eq!(entries.iter().map(|entry| entry.rejected).collect::<Vec<_>>(), [false, true, false]);
//! # Ok::<(), tapewire_statistics::Error>(())
//! ```

pub mod calibration;
pub mod decay;
pub mod distributions;
pub mod error;
pub mod event;
pub mod groups;
pub mod ic;
pub mod leadlag;
pub mod moments;
pub mod multiple;
pub mod overlap;
pub mod rank;
pub mod regression;
pub mod resample;
pub mod shuffles;
pub mod test;

pub use error::{Error, Result};
pub use moments::Mean;
pub use rank::rank_ic;
pub use test::{Interval, Reference, Test};
