//! Ordinary and weighted least squares, with the standard errors that panels and time series need.

mod covariance;
mod ols;
mod panel;

pub(crate) use covariance::numbered;
pub use covariance::{ClusterCorrection, Coefficient, StandardErrors, Table, newey_west_lags};
pub use ols::{Design, Ols};
pub use panel::{FixedEffects, Panel, fama_macbeth, within};
