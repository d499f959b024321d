//! Covariance and lead of two series whose ticks come at different, uneven times.

use crate::error::{Error, Result, argument, at_least};

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// Time, in any unit, from any origin.
    pub time: i64,
    /// Logarithm of the price, or any level whose changes are compared.
    pub level: f64,
}

/// Hayashi and Yoshida's estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HayashiYoshida {
    /// Sum of products of all changes whose intervals overlap.
    pub covariance: f64,
    /// `covariance / sqrt(Σ dx² Σ dy²)`; need not lie in [-1, 1].
    pub correlation: f64,
    /// Pairs of overlapping intervals.
    pub pairs: u64,
}

/// The covariance of two series over a day without bringing them to common times (Hayashi and Yoshida 2005). Each tick
/// of `y` is moved `shift` units of time back, so with `shift` > 0 `x` is compared with later changes of `y`. The time
/// it takes is proportional to the number of ticks.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two ticks; [`Error::Constant`] if a series never moves; [`Error::Argument`] for
/// times that do not increase; [`Error::NotFinite`].
pub fn hayashi_yoshida(x: &[Tick], y: &[Tick], shift: i64) -> Result<HayashiYoshida> {
    check("ticks of the first series", x)?;
    check("ticks of the second series", y)?;
    let squares = |ticks: &[Tick]| ticks.windows(2).map(|pair| (pair[1].level - pair[0].level).powi(2)).sum::<f64>();
    let scale = squares(x).sqrt() * squares(y).sqrt();
    if scale == 0.0 {
        return Err(Error::Constant { what: "levels of a series" });
    }
    let (covariance, pairs) = covariance(x, y, shift);
    Ok(HayashiYoshida { covariance, correlation: covariance / scale, pairs })
}

/// The changes of `y` whose intervals overlap an interval of `x` add up to one change of `y`: from its last tick at or
/// before the interval's start to its first tick at or after the interval's end.
fn covariance(x: &[Tick], y: &[Tick], shift: i64) -> (f64, u64) {
    // In wide integers, so that no shift overflows.
    let time = |tick: &Tick| i128::from(tick.time) - i128::from(shift);
    let (mut sum, mut pairs) = (0.0, 0);
    let (mut first, mut last) = (0, 0);
    for pair in x.windows(2) {
        let (start, end) = (i128::from(pair[0].time), i128::from(pair[1].time));
        while first + 1 < y.len() && time(&y[first + 1]) <= start {
            first += 1;
        }
        while last + 1 < y.len() && time(&y[last]) < end {
            last += 1;
        }
        // All of `y` is before this interval, or all after it.
        if last <= first || time(&y[first]) >= end || time(&y[last]) <= start {
            continue;
        }
        sum += (pair[1].level - pair[0].level) * (y[last].level - y[first].level);
        pairs += (last - first) as u64;
    }
    (sum, pairs)
}

fn check(what: &'static str, ticks: &[Tick]) -> Result<()> {
    at_least(what, ticks.len(), 2)?;
    if let Some(index) = ticks.iter().position(|tick| !tick.level.is_finite()) {
        return Err(Error::NotFinite { what, index });
    }
    match ticks.windows(2).find(|pair| pair[0].time >= pair[1].time) {
        Some(pair) => argument("a tick's time", pair[1].time as f64, false, "after that of the tick before it"),
        None => Ok(()),
    }
}

/// Which series leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Each shift with its correlation: above 0, `x` is compared with later changes of `y`.
    pub correlations: Vec<(i64, f64)>,
    /// The shift with the largest |correlation| (Hoffmann, Rosenbaum and Yoshida 2013); of several, the one with the
    /// smallest |shift|.
    pub best_shift: i64,
    /// Lead-lag ratio: Σ correlation² at shifts above 0 over that at shifts below 0 (Huth and Abergel 2014). Above 1
    /// `x` leads. `None` if no shift below 0 has any correlation.
    pub ratio: Option<f64>,
}

/// Compares `x` with `y` at `shifts` and at their negatives, each in units of time.
///
/// # Errors
/// As [`hayashi_yoshida`]; [`Error::Argument`] for a shift that is not above 0; [`Error::TooFew`] without shifts.
pub fn lead_lag(x: &[Tick], y: &[Tick], shifts: &[i64]) -> Result<Lead> {
    at_least("shifts", shifts.len(), 1)?;
    if let Some(&shift) = shifts.iter().find(|shift| **shift <= 0) {
        argument("a shift", shift as f64, false, "above 0: its negative is looked at too")?;
    }
    let mut all: Vec<i64> = shifts.iter().flat_map(|&shift| [-shift, shift]).chain([0]).collect();
    all.sort_unstable();
    all.dedup();
    let correlations = all
        .into_iter()
        .map(|shift| Ok((shift, hayashi_yoshida(x, y, shift)?.correlation)))
        .collect::<Result<Vec<(i64, f64)>>>()?;
    let side = |ahead: bool| -> f64 {
        correlations.iter().filter(|(shift, _)| *shift != 0 && (*shift > 0) == ahead).map(|(_, r)| r * r).sum()
    };
    let (ahead, behind) = (side(true), side(false));
    let mut best = (0, f64::NEG_INFINITY);
    for &(shift, correlation) in &correlations {
        let better = correlation.abs() > best.1 || (correlation.abs() == best.1 && shift.abs() < i64::abs(best.0));
        if better {
            best = (shift, correlation.abs());
        }
    }
    Ok(Lead { best_shift: best.0, ratio: (behind > 0.0).then(|| ahead / behind), correlations })
}
