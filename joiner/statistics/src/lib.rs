//! Statistics of scores and outcomes.

pub mod rank;

pub use rank::rank_ic;
