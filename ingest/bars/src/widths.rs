//! The widths of the bars.

use jiff::SignedDuration;
use std::sync::OnceLock;
use tapewire_core::Bar;
use tapewire_core::exchange::Market;
use thiserror::Error;

/// Bars of at most this width, in seconds, are always by the clock: the join takes closing auctions from them.
const WIDEST_OF_CLOCK: u32 = 300;

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

    /// The widths of bars by the clock of UTC, in which no bar holds trades of a session of this market and trades before or
    /// after it, and the widths of bars that have to be cut by the sessions. Five minutes and less are by the clock.
    ///
    /// ```
    /// # use tapewire_bars::Widths;
    /// # use tapewire_core::exchange::Market;
    /// let widths = Widths::new(&[60, 1800, 3600, 86_400])?;
    /// let (by_clock, by_session) = widths.by_market(Market::NewYork);
    /// assert_eq!((by_clock, by_session), (Some(Widths::new(&[60, 1800])?), Some(Widths::new(&[3600, 86_400])?)));
    /// assert_eq!(widths.by_market(Market::Crypto), (Some(widths), None));
    /// # Ok::<(), tapewire_bars::WidthError>(())
    /// ```
    pub fn by_market(&self, market: Market) -> (Option<Self>, Option<Self>) {
        let is_of_clock = |width: &u32| {
            *width <= WIDEST_OF_CLOCK || market.is_round_the_clock() || grid(market).is_multiple_of(*width)
        };
        let (by_clock, by_session): (Vec<u32>, Vec<u32>) = self.0.iter().copied().partition(is_of_clock);
        let some = |widths: Vec<u32>| Some(Self(widths)).filter(|widths| !widths.0.is_empty());
        (some(by_clock), some(by_session))
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

/// The greatest number of seconds of which all opens, closes and breaks of a market are multiples, since midnight in UTC.
fn grid(market: Market) -> u32 {
    static GRIDS: [OnceLock<u32>; Market::ALL.len()] = [const { OnceLock::new() }; Market::ALL.len()];
    *GRIDS[market as usize].get_or_init(|| {
        let sessions = market.calendar().sessions().iter();
        let bounds = sessions.flat_map(|session| {
            let (from, until) = session.lunch_break.unwrap_or((session.open, session.close));
            [session.open, session.close, from, until]
        });
        let seconds = bounds.map(|at| at.as_second().rem_euclid(i64::from(Bar::DAY_S)));
        let grid = seconds.fold(i64::from(Bar::DAY_S), gcd);
        u32::try_from(grid).unwrap_or(WIDEST_OF_CLOCK)
    })
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
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
