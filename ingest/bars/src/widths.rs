//! The widths of the bars.

use jiff::SignedDuration;
use tapewire_core::Bar;
use thiserror::Error;

/// Widths of bars in seconds, in ascending order. Each divides a day, so that bars start at the same times every day
/// (UTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widths(Vec<u32>);

/// A width that bars can't have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WidthError {
    /// No width was given.
    #[error("no width of bars is given; give at least one, such as 1m")]
    Empty,
    /// Bars of this width would start at other times on the next day.
    #[error("a day does not divide into bars of {0} s; use a width such as 1s, 1m, 5m, 1h")]
    NotOfADay(u32),
}

impl Widths {
    /// Widths in seconds, in any order; repetitions count once.
    ///
    /// # Errors
    /// [`WidthError`].
    pub fn new(seconds: &[u32]) -> Result<Self, WidthError> {
        let mut widths = seconds.to_vec();
        widths.sort_unstable();
        widths.dedup();
        match widths.iter().find(|&&width| width == 0 || !Bar::DAY_S.is_multiple_of(width)) {
            Some(&width) => Err(WidthError::NotOfADay(width)),
            None if widths.is_empty() => Err(WidthError::Empty),
            None => Ok(Self(widths)),
        }
    }

    /// In ascending order.
    pub fn seconds(&self) -> &[u32] {
        &self.0
    }

    /// The widest, in microseconds.
    pub(crate) fn widest(&self) -> i64 {
        self.0.last().map_or(0, |&width| micros(width))
    }

    /// The first moment of the bars that a trade may still change, at a watermark and an allowed lateness (both in
    /// microseconds).
    pub(crate) fn open_from(&self, watermark: i64, lateness: i64) -> i64 {
        floor(watermark.saturating_sub(lateness), self.widest())
    }
}

/// The start of the interval of this width that `at` is in.
pub(crate) fn floor(at: i64, width: i64) -> i64 {
    at.div_euclid(width).saturating_mul(width)
}

/// An allowed lateness in microseconds. One that is too long is cut, so that a watermark less it is a time.
pub(crate) fn lateness_micros(lateness: SignedDuration) -> i64 {
    i64::try_from(lateness.as_micros().max(0)).unwrap_or(i64::MAX / 4)
}

/// A width in microseconds.
pub(crate) fn micros(width_s: u32) -> i64 {
    i64::from(width_s) * 1_000_000
}
