//! Event studies: whether prices moved abnormally around news.
//!
//! Time is event time: steps (days or minutes) counted from the event. [`abnormal_returns`] fits a model of expected
//! returns before each event; [`Study`] holds the events and tests their abnormal returns, on one step or over several.

mod abnormal;
mod daily;
mod parametric;
mod rank;
mod sign;
mod study;

pub use abnormal::{
    Abnormal, Cumulative, CumulativeVariance, EventReturns, Model, Options, Variance, abnormal_returns,
};
pub use daily::{brown_warner_1980, brown_warner_1985, lamb};
pub use parametric::{
    bmp, cross_sectional, kolari_pynnonen_factor, mean_correlation, mean_correlation_within, patell, standard_caar,
};
pub use rank::{MissingReturns, RankTest, rank};
pub use sign::{PositiveShare, corrado_sign, generalized_sign, positive_share, sign, sign_exact, wilcoxon};
pub use study::{EventDates, Step, Study, Tests};

/// One row for each event, one column for each step; `None` where there was no return.
pub type Matrix = Vec<Vec<Option<f64>>>;
