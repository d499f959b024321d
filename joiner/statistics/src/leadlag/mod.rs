//! Which of two series moves first.

mod cross_correlation;
mod granger;
mod stationarity;
mod uneven;

pub use cross_correlation::{Lag, LeadLag, cross_correlation};
pub use granger::{Criterion, Granger, choose_lags, granger};
pub use stationarity::{AugmentedDickeyFuller, augmented_dickey_fuller};
pub use uneven::{HayashiYoshida, Lead, Tick, hayashi_yoshida, lead_lag};
