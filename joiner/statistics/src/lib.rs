//! Statistics of scores and outcomes.

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
pub mod test;

pub use error::{Error, Result};
pub use moments::Mean;
pub use rank::rank_ic;
pub use test::{Interval, Reference, Test};
