//! What can be said about scores and outcomes.
//!
//! | module | holds |
//! |---|---|
//! | [`rank`] | rank correlation of a score with what came after |

pub mod rank;

pub use rank::rank_ic;
