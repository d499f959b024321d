//! A bar's indicators, from the bar and the points before it.

use crate::placement::bars_between;
use crate::robust::robust_z;
use crate::{
    ANOMALY_Z, AVERAGE_BARS, BAND_DEVIATIONS, COMPARED_BARS, FEWEST_COMPARED_RETURNS, MACD_FAST_BARS,
    MACD_SIGNAL_VALUES, MACD_SLOW_BARS, MOMENTUM_BARS, RSI_CHANGES, VOLATILITY_RETURNS,
};
use jiff::{SignedDuration, Timestamp};
use tapewire_core::Bar;
use tapewire_core::exchange::Session;
use tapewire_core::tape::looks_split;

/// A bar with its indicators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// First moment of the bar (UTC).
    pub start: Timestamp,
    /// First price.
    pub open: f64,
    /// Last price.
    pub close: f64,
    /// The volume-weighted price of the bar; where its source gives none, the mean of high, low and close.
    pub price: f64,
    /// Shares traded.
    pub volume: f64,
    /// When this version of the bar was received (UTC).
    pub received_at: Timestamp,
    /// The highest position, in the partition of the topic, of the bars that this point is made of.
    pub version: u64,
    /// What the points after this one are computed from.
    pub carried: Carried,
    /// The indicators at the end of the bar.
    pub indicators: Indicators,
}

/// What one point hands on to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Carried {
    /// Which bar of its series it is, from 1. A series begins again where the price seems to have split.
    pub number: u64,
    /// MACD's fast average of closes.
    pub fast: Option<f64>,
    /// MACD's slow average.
    pub slow: Option<f64>,
    /// Wilder's average of rises.
    pub rises: Option<f64>,
    /// Wilder's average of falls.
    pub falls: Option<f64>,
    /// Price times volume of the session's bars until the end of this one.
    pub session_value: f64,
    /// Volume of the same bars.
    pub session_volume: f64,
}

/// The indicators at the end of a bar; each is `None` where it is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Indicators {
    /// Bars that are missing between this one and the bar before it or the session's open; of daily bars, sessions
    /// without a bar. `None` for the first daily bar that is known.
    pub missing_bars: Option<u32>,
    /// Bars that are missing between the session's open and this bar; 0 for daily bars.
    pub session_missing_bars: u32,
    /// Mean of the last [`AVERAGE_BARS`] closes.
    pub sma: Option<f64>,
    /// Exponential average of closes; its first value is the mean of [`AVERAGE_BARS`] closes.
    pub ema: Option<f64>,
    /// [`BAND_DEVIATIONS`] population standard deviations above the mean.
    pub bollinger_upper: Option<f64>,
    /// As many below it.
    pub bollinger_lower: Option<f64>,
    /// Relative strength index, 0 to 100. `None` if the close has not moved.
    pub rsi: Option<f64>,
    /// The fast less the slow average.
    pub macd: Option<f64>,
    /// The exponential average of `macd`.
    pub macd_signal: Option<f64>,
    /// MACD less its signal.
    pub macd_histogram: Option<f64>,
    /// Volume-weighted price of the session's bars. `None` without volume.
    pub vwap: Option<f64>,
    /// The close less that of [`MOMENTUM_BARS`] bars before.
    pub momentum: Option<f64>,
    /// Log return from the close of the bar before in the same session; of daily bars, from that of the session before.
    pub log_return: Option<f64>,
    /// Square root of the sum of the last [`VOLATILITY_RETURNS`] squared log returns; `None` if one of them is not defined.
    pub realized_volatility: Option<f64>,
    /// Distance of the log return from the median of those of the [`COMPARED_BARS`] bars before, in robust standard deviations.
    pub robust_z: Option<f64>,
    /// Whether that distance is more than [`ANOMALY_Z`], up or down.
    pub is_anomaly: Option<bool>,
}

/// A point and its session, with the points before it, the oldest first.
pub(crate) struct Step<'a> {
    pub before: &'a [Point],
    pub point: Point,
    pub width_s: u32,
    pub session: &'a Session,
    /// Session of the last point before.
    pub session_before: Option<&'a Session>,
    pub is_round_the_clock: bool,
}

impl Step<'_> {
    /// The point with its indicators. From equal bars it has the same bits, however often it is computed.
    pub fn computed(self) -> Point {
        let last = self.before.last().filter(|last| !self.seems_split(last));
        let number = last.map_or(1, |last| last.carried.number + 1);
        // Bars before the series began have no part in it.
        let known = usize::try_from(number - 1).unwrap_or(usize::MAX).min(self.before.len());
        let before = &self.before[self.before.len() - known..];
        let same_session = self.session_before.filter(|session| session.index == self.session.index).is_some();
        let (missing_bars, session_missing_bars) = self.missing(same_session);
        let mut point = self.point;
        point.carried = Carried { number, ..Carried::default() };
        point.indicators = Indicators { missing_bars, session_missing_bars, ..Indicators::default() };
        point.averages_and_momentum(before);
        point.rsi(before);
        point.macd(before);
        point.vwap(self.before.last().filter(|_| same_session));
        let follows = if self.width_s == Bar::DAY_S { missing_bars == Some(0) } else { same_session };
        point.returns(before, last.filter(|_| follows));
        point.drop_infinite();
        point.version = self.before.last().map_or(point.version, |last| point.version.max(last.version));
        point
    }

    /// Whether the price [looks split](looks_split) between two sessions. Bars are as printed, so no average goes across.
    fn seems_split(&self, last: &Point) -> bool {
        let same = self.session_before.is_some_and(|session| session.index == self.session.index);
        !same && !self.is_round_the_clock && looks_split((self.point.open / last.close).ln())
    }

    /// Bars missing before this one, and those of the session until this one.
    fn missing(&self, same_session: bool) -> (Option<u32>, u32) {
        if self.width_s == Bar::DAY_S {
            let apart = |before: &Session| self.session.index.saturating_sub(before.index + 1);
            return (self.session_before.map(|before| u32::try_from(apart(before)).unwrap_or(u32::MAX)), 0);
        }
        let last = self.before.last().filter(|_| same_session);
        let from = last.map_or(self.session.open, |last| {
            last.start.saturating_add(SignedDuration::from_secs(self.width_s.into())).unwrap_or(Timestamp::MAX)
        });
        let missing = bars_between(self.session, from, self.point.start, self.width_s);
        (Some(missing), last.map_or(0, |last| last.indicators.session_missing_bars) + missing)
    }
}

impl Point {
    /// Both averages, the Bollinger bands and the momentum.
    fn averages_and_momentum(&mut self, before: &[Self]) {
        let indicators = &mut self.indicators;
        if let Some(closes) = window(before, AVERAGE_BARS - 1) {
            let closes = || closes.iter().map(|point| point.close).chain([self.close]);
            let mean = closes().sum::<f64>() / AVERAGE_BARS as f64;
            let variance = closes().map(|close| (close - mean).powi(2)).sum::<f64>() / AVERAGE_BARS as f64;
            indicators.sma = Some(mean);
            indicators.bollinger_upper = Some(mean + BAND_DEVIATIONS * variance.sqrt());
            indicators.bollinger_lower = Some(mean - BAND_DEVIATIONS * variance.sqrt());
        }
        let earlier = before.last().and_then(|last| last.indicators.ema);
        indicators.ema = earlier.map(|earlier| smoothed(earlier, self.close, AVERAGE_BARS)).or(indicators.sma);
        let earlier = window(before, MOMENTUM_BARS).map(|points| points[0].close);
        indicators.momentum = earlier.map(|earlier| self.close - earlier);
    }

    fn rsi(&mut self, before: &[Self]) {
        let Some(last) = before.last() else { return };
        let split = |change: f64| (change.max(0.0), (-change).max(0.0));
        let (rise, fall) = split(self.close - last.close);
        let means = match (last.carried.rises, last.carried.falls) {
            (Some(rises), Some(falls)) => {
                let wilder = |mean: f64, new: f64| (mean * (RSI_CHANGES - 1) as f64 + new) / RSI_CHANGES as f64;
                Some((wilder(rises, rise), wilder(falls, fall)))
            }
            _ => window(before, RSI_CHANGES).map(|points| {
                let changes = points.windows(2).map(|pair| split(pair[1].close - pair[0].close)).chain([(rise, fall)]);
                let (rises, falls) = changes.fold((0.0, 0.0), |sum, change| (sum.0 + change.0, sum.1 + change.1));
                (rises / RSI_CHANGES as f64, falls / RSI_CHANGES as f64)
            }),
        };
        let Some((rises, falls)) = means else { return };
        (self.carried.rises, self.carried.falls) = (Some(rises), Some(falls));
        self.indicators.rsi = (rises + falls > 0.0).then(|| 100.0 * (rises / (rises + falls)));
    }

    /// As in TA-Lib, both averages begin at the same bar, the first at which the slow one is defined.
    fn macd(&mut self, before: &[Self]) {
        let carried = before.last().map_or((None, None), |last| (last.carried.fast, last.carried.slow));
        let (fast, slow) = match carried {
            (Some(fast), Some(slow)) => {
                (smoothed(fast, self.close, MACD_FAST_BARS), smoothed(slow, self.close, MACD_SLOW_BARS))
            }
            _ => {
                let mean = |bars: usize| {
                    let closes = window(before, bars - 1)?.iter().map(|point| point.close).chain([self.close]);
                    Some(closes.sum::<f64>() / bars as f64)
                };
                let (Some(fast), Some(slow)) = (mean(MACD_FAST_BARS), mean(MACD_SLOW_BARS)) else { return };
                (fast, slow)
            }
        };
        (self.carried.fast, self.carried.slow) = (Some(fast), Some(slow));
        let macd = fast - slow;
        let earlier = before.last().and_then(|last| last.indicators.macd_signal);
        let seed = || {
            let difference = |point: &Self| Some(point.carried.fast? - point.carried.slow?);
            let points = window(before, MACD_SIGNAL_VALUES - 1)?.iter().map(difference);
            let sum = points.chain([Some(macd)]).sum::<Option<f64>>()?;
            Some(sum / MACD_SIGNAL_VALUES as f64)
        };
        let signal = earlier.map(|earlier| smoothed(earlier, macd, MACD_SIGNAL_VALUES)).or_else(seed);
        self.indicators.macd = signal.map(|_| macd);
        self.indicators.macd_signal = signal;
        self.indicators.macd_histogram = signal.map(|signal| macd - signal);
    }

    /// Squares and sums of prices near `f64::MAX` overflow. What is infinite or NaN becomes undefined.
    fn drop_infinite(&mut self) {
        let Carried { fast, slow, rises, falls, .. } = &mut self.carried;
        let found = &mut self.indicators;
        let averages = [&mut found.sma, &mut found.ema, &mut found.bollinger_upper, &mut found.bollinger_lower];
        let macd = [&mut found.macd, &mut found.macd_signal, &mut found.macd_histogram, fast, slow];
        let moves = [&mut found.rsi, &mut found.momentum, rises, falls];
        let returns = [&mut found.vwap, &mut found.log_return, &mut found.realized_volatility];
        for value in averages.into_iter().chain(macd).chain(moves).chain(returns) {
            *value = value.filter(|value| value.is_finite());
        }
    }

    fn vwap(&mut self, last: Option<&Self>) {
        let (value, volume) = last.map_or((0.0, 0.0), |last| (last.carried.session_value, last.carried.session_volume));
        let (value, volume) = (value + self.price * self.volume, volume + self.volume);
        (self.carried.session_value, self.carried.session_volume) = (value, volume);
        self.indicators.vwap = Some(value / volume).filter(|vwap| volume > 0.0 && vwap.is_finite());
    }

    fn returns(&mut self, before: &[Self], last: Option<&Self>) {
        let Some(last) = last else { return };
        let log_return = (self.close / last.close).ln();
        let compared = before[before.len().saturating_sub(COMPARED_BARS)..].iter();
        let others: Vec<f64> = compared.filter_map(|point| point.indicators.log_return).collect();
        let volatility = window(before, VOLATILITY_RETURNS - 1).and_then(|points| {
            let returns = points.iter().map(|point| point.indicators.log_return).chain([Some(log_return)]);
            returns.map(|one| one.map(|one| one * one)).sum::<Option<f64>>()
        });
        self.indicators.log_return = Some(log_return);
        self.indicators.realized_volatility = volatility.map(f64::sqrt);
        if others.len() >= FEWEST_COMPARED_RETURNS {
            self.indicators.robust_z = robust_z(log_return, others);
            self.indicators.is_anomaly = self.indicators.robust_z.map(|z| z.abs() > ANOMALY_Z);
        }
    }
}

/// The last `bars` points; `None` if there are fewer.
fn window(before: &[Point], bars: usize) -> Option<&[Point]> {
    before.len().checked_sub(bars).map(|first| &before[first..])
}

/// The next value of an exponential average over `bars`.
fn smoothed(earlier: f64, new: f64, bars: usize) -> f64 {
    earlier + (new - earlier) * (2.0 / (bars as f64 + 1.0))
}
