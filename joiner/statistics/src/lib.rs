//! Statistics of scores and outcomes.

pub mod distributions;
pub mod error;
pub mod event;
pub mod moments;
pub mod rank;
pub mod regression;
pub mod test;

pub use error::{Error, Result};
pub use moments::Mean;
pub use rank::rank_ic;
pub use test::{Interval, Reference, Test};
