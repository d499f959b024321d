//! Technical indicators of bars, and bars whose return is out of the ordinary. No I/O, no clock.
//!
//! A [`Series`] has the newest bars of one symbol and width. Each bar becomes a [`Point`]: the bar, what the next bar's
//! indicators are computed from, and the indicators themselves. A series that is [restored](Series::restored) from its
//! points continues with exactly the same values. A late or corrected bar changes its own point and all later ones.
//!
//! Averages, RSI and MACD are those of TA-Lib, with its seeds. They are computed here because the crates that were looked at
//! either start an exponential average from the first value, which is not TA-Lib's average and differs from it for hundreds
//! of bars, or compute whole arrays; none can be stopped and continued from a row of a table.
//!
//! ```
//! use tapewire_core::exchange::Market;
//! use tapewire_indicators::{Put, Series};
//! use tapewire_testkit::{at, bar};
//!
//! let mut series = Series::new(Market::NewYork.calendar(), 60);
//! for minute in 30_u32..50 {
//!     let start = at(&format!("2024-07-01T13:{minute}:00Z"));
//!     assert_eq!(series.put(&bar("AAPL", start, f64::from(minute)), minute.into()), Put::Taken);
//! }
//! let points = series.take_changed();
//! assert_eq!(points[18].indicators.sma, None, "20 bars are needed");
//! assert_eq!(points[19].indicators.sma, Some(39.5));
//! ```

mod compute;
mod placement;
mod robust;
mod series;

pub use compute::{Carried, Indicators, Point};
pub use placement::session_of;
pub use series::{MAX_BARS_LATE, Put, RESTORED_POINTS, Series};

/// Bars of the simple and the exponential average and of the Bollinger bands.
pub const AVERAGE_BARS: usize = 20;
/// Standard deviations from the average to a Bollinger band.
pub const BAND_DEVIATIONS: f64 = 2.0;
/// Changes of the close that the first value of RSI is made of; later ones are smoothed as Wilder does.
pub const RSI_CHANGES: usize = 14;
/// Bars of MACD's fast average.
pub const MACD_FAST_BARS: usize = 12;
/// Bars of MACD's slow average.
pub const MACD_SLOW_BARS: usize = 26;
/// Values of MACD that the signal is the average of.
pub const MACD_SIGNAL_VALUES: usize = 9;
/// Bars over which momentum is measured.
pub const MOMENTUM_BARS: usize = 10;
/// Returns of which realized volatility is made.
pub const VOLATILITY_RETURNS: usize = 30;
/// Number of bars before a bar whose returns its return is compared with.
pub const COMPARED_BARS: usize = 60;
/// The fewest returns that a return is compared with.
pub const FEWEST_COMPARED_RETURNS: usize = 30;
/// Robust standard deviations from the median beyond which a return is an anomaly.
pub const ANOMALY_Z: f64 = 3.0;
