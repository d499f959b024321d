//! Moments and durations of the streams, in microseconds.
//!
//! The join compares and subtracts moments far more often than it shows them, so it keeps them as one integer each.
//! Two types keep a moment from being taken for a duration.

use jiff::Timestamp;
use std::ops::{Add, Mul, Sub};

/// A moment of event time: microseconds since 1970 UTC, as on the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EventTime(i64);

/// The signed distance between two moments, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span(i64);

impl EventTime {
    /// Before every moment.
    pub const MIN: Self = Self(i64::MIN);
    /// After every moment.
    pub const MAX: Self = Self(i64::MAX);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment as a timestamp. Not for [`EventTime::MIN`], which is out of a timestamp's range.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).expect("moments come from timestamps and stay near them")
    }

    /// The last microsecond of the hour that the moment is in.
    pub fn end_of_hour(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(Span::HOUR.0)).saturating_add(Span::HOUR.0 - 1))
    }

    /// The start of the minute that the moment is in.
    pub fn floor_minute(self) -> Self {
        Self(self.0 - self.0.rem_euclid(Span::MINUTE.0))
    }
}

impl Span {
    pub const ZERO: Self = Self(0);
    pub const MINUTE: Self = Self::from_secs(60);
    pub const HOUR: Self = Self::from_secs(3600);

    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as i64 * 1_000_000)
    }

    /// Whether `other`, which is not zero, fits into the span a whole number of times.
    pub const fn is_multiple_of(self, other: Self) -> bool {
        self.0 % other.0 == 0
    }

    /// How many whole times `other`, which is not zero, fits; 0 for a negative span.
    pub fn whole(self, other: Self) -> u32 {
        u32::try_from((self.0 / other.0).max(0)).unwrap_or(u32::MAX)
    }

    /// How many times `other` fits, with a fraction.
    pub fn ratio(self, other: Self) -> f64 {
        self.0 as f64 / other.0 as f64
    }
}

impl From<Timestamp> for EventTime {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl From<std::time::Duration> for Span {
    /// A duration beyond 292,000 years becomes the longest span there is.
    fn from(duration: std::time::Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Add<Span> for EventTime {
    type Output = Self;
    /// Saturates: a moment never wraps around.
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for EventTime {
    type Output = Span;
    /// Saturates: the distance to [`EventTime::MIN`] is the longest there is.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<i64> for Span {
    type Output = Self;
    fn mul(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_floored_before_1970_too() {
        let minute = 60_000_000;
        for (at, floor) in [(0, 0), (minute - 1, 0), (minute, minute), (-1, -minute)] {
            assert_eq!(EventTime::from_micros(at).floor_minute(), EventTime::from_micros(floor));
        }
    }

    #[test]
    fn nothing_wraps_around() {
        let back = EventTime::from_micros(0) - EventTime::from_micros(1);
        assert_eq!(EventTime::MIN + back, EventTime::MIN);
        assert!(EventTime::from_micros(0) - EventTime::MIN > Span::HOUR * 1_000_000);
    }
}
