//! Returns by quantile of the score, and hit rates.

use crate::distributions::{binomial_at_least, normal_quantile_upper};
use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::ic::{Period, Summary};
use crate::moments::{Mean, mean, variance};
use crate::test::{Interval, Reference, Test, check_level};

/// One quantile of the scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantile {
    /// Rows in it.
    pub n: usize,
    /// Mean score; `None` without rows.
    pub mean_score: Option<f64>,
    /// Mean return; `None` without rows.
    pub mean_return: Option<f64>,
    /// The interval of the mean return, by Student's distribution.
    pub interval: Result<Interval>,
    /// The hit rate: rows whose return has the sign of the score.
    pub hits: Result<HitRate>,
}

/// Returns by quantile of the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    /// From the lowest scores to the highest.
    pub quantiles: Vec<Quantile>,
    /// Mean return of the highest less that of the lowest.
    pub spread: f64,
    /// Welch's test of a spread of 0.
    pub test: Test,
    /// The spread's interval.
    pub interval: Interval,
}

/// Which of `count` quantiles each value falls into, from 0: the number of inner edges below it. Edges are quantiles of
/// the values, interpolated linearly. Equal values fall into the same quantile, so if many are equal, another quantile
/// may be empty. Equals `pandas.qcut(values, count, labels=False)`, which refuses values if two edges are equal.
///
/// # Errors
/// [`Error::Constant`] if all values are equal; [`Error::TooFew`] for fewer values than quantiles; [`Error::Argument`]
/// for fewer than two; [`Error::NotFinite`].
pub fn quantile_of(values: &[f64], count: usize) -> Result<Vec<usize>> {
    finite("scores", values)?;
    argument("the number of quantiles", count as f64, count >= 2, "at least 2")?;
    at_least("scores", values.len(), count)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted[0] == sorted[sorted.len() - 1] {
        return Err(Error::Constant { what: "scores" });
    }
    let edges: Vec<f64> = (1..count).map(|edge| quantile(&sorted, edge as f64 / count as f64)).collect();
    Ok(values.iter().map(|value| edges.partition_point(|edge| edge < value)).collect())
}

/// The quantile of sorted values at `share` in [0, 1], interpolated linearly between two values: numpy's default.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = (place.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    let part = place - below as f64;
    let (low, high) = (sorted[below], sorted[above]);
    // Like numpy, interpolates from the nearer end.
    if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part }
}

/// Mean returns and hit rates by quantile of the score, and the spread of the highest over the lowest.
///
/// # Errors
/// As [`quantile_of`]; [`Error::TooFew`] if the highest or lowest has fewer than two rows; [`Error::Constant`] if the
/// returns of neither vary; [`Error::Length`]; [`Error::Argument`] for a level.
pub fn quantiles(scores: &[f64], returns: &[f64], count: usize, level: f64) -> Result<Quantiles> {
    same_length("returns", returns.len(), scores.len())?;
    finite("returns", returns)?;
    check_level(level)?;
    let mut members = vec![(Vec::new(), Vec::new()); count];
    for (row, quantile) in quantile_of(scores, count)?.into_iter().enumerate() {
        members[quantile].0.push(scores[row]);
        members[quantile].1.push(returns[row]);
    }
    let (test, spread, error) = welch(&members[count - 1].1, &members[0].1)?;
    let quantiles = members
        .iter()
        .map(|(scores, returns)| Quantile {
            n: returns.len(),
            mean_score: (!scores.is_empty()).then(|| mean(scores)),
            mean_return: (!returns.is_empty()).then(|| mean(returns)),
            interval: Mean::of("returns", returns).and_then(|mean| mean.interval(level)),
            hits: hit_rate(scores, returns, level),
        })
        .collect();
    Ok(Quantiles { quantiles, spread, test, interval: Interval::around(spread, error, test.reference, level)? })
}

/// In each period, the mean return of the highest quantile of the scores less that of the lowest, as of a portfolio
/// that is formed again each period; and the mean of these spreads over periods. `lags` and `overlap` are those of
/// [`Summary::of`]. A period without a highest and a lowest quantile does not count.
///
/// # Errors
/// As [`Summary::of`].
pub fn spreads(periods: &[Period], count: usize, lags: Option<usize>, overlap: usize, level: f64) -> Result<Summary> {
    let spread = |period: &Period| {
        same_length("returns", period.returns.len(), period.scores.len())?;
        finite("returns", period.returns)?;
        let quantiles = quantile_of(period.scores, count)?;
        let mean_return = |wanted: usize| -> Result<f64> {
            let members: Vec<f64> =
                quantiles.iter().zip(period.returns).filter(|(q, _)| **q == wanted).map(|(_, value)| *value).collect();
            at_least("rows in a quantile", members.len(), 1)?;
            Ok(mean(&members))
        };
        Ok(mean_return(count - 1)? - mean_return(0)?)
    };
    Summary::of(periods.iter().map(spread).collect(), lags, overlap, level)
}

/// Welch 1947: whether two means differ, without assuming equal variances. Returns the test, the difference `a - b` and
/// its standard error. Equals `scipy.stats.ttest_ind(a, b, equal_var=False)`.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two values on a side; [`Error::Constant`] if neither varies; [`Error::NotFinite`].
pub fn welch(a: &[f64], b: &[f64]) -> Result<(Test, f64, f64)> {
    for side in [a, b] {
        finite("values", side)?;
        at_least("values of a side", side.len(), 2)?;
    }
    let (part_a, part_b) = (variance(a) / a.len() as f64, variance(b) / b.len() as f64);
    let square = part_a + part_b;
    let df = square * square / (part_a * part_a / (a.len() as f64 - 1.0) + part_b * part_b / (b.len() as f64 - 1.0));
    let difference = mean(a) - mean(b);
    let error = square.sqrt();
    let test = Test::ratio(difference, error, Reference::Student { df }, a.len() + b.len(), "values")?;
    Ok((test, difference, error))
}

/// A share of successes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HitRate {
    /// Successes.
    pub hits: usize,
    /// Trials: rows whose score and return both differ from 0.
    pub n: usize,
    /// `hits / n`.
    pub rate: f64,
    /// Wilson's interval of 1927.
    pub interval: Interval,
    /// The two-sided binomial test of a rate of 1/2.
    pub test: Test,
}

/// The share of rows whose return has the sign of the score. Rows where either is 0 do not count.
///
/// # Errors
/// [`Error::TooFew`] if no row counts; [`Error::Length`]; [`Error::NotFinite`]; [`Error::Argument`] for a level.
pub fn hit_rate(scores: &[f64], returns: &[f64], level: f64) -> Result<HitRate> {
    same_length("returns", returns.len(), scores.len())?;
    finite("scores", scores)?;
    finite("returns", returns)?;
    let counted: Vec<bool> = scores
        .iter()
        .zip(returns)
        .filter(|(score, value)| **score != 0.0 && **value != 0.0)
        .map(|(score, value)| (*score > 0.0) == (*value > 0.0))
        .collect();
    let (hits, n) = (counted.iter().filter(|hit| **hit).count(), counted.len());
    at_least("rows with a score and a return other than 0", n, 1)?;
    let p = (2.0 * binomial_at_least(hits.max(n - hits) as u64, n as u64, 0.5)).min(1.0);
    let test = Test { statistic: hits as f64, reference: Reference::Exact, p, n };
    Ok(HitRate { hits, n, rate: hits as f64 / n as f64, interval: wilson(hits, n, level)?, test })
}

/// Wilson's interval of a share. Equals `statsmodels.stats.proportion.proportion_confint(..., method="wilson")`.
///
/// # Errors
/// [`Error::TooFew`] without trials; [`Error::Argument`] for a level or more hits than trials.
pub fn wilson(hits: usize, n: usize, level: f64) -> Result<Interval> {
    at_least("trials", n, 1)?;
    check_level(level)?;
    argument("the number of hits", hits as f64, hits <= n, "at most the number of trials")?;
    let z = normal_quantile_upper((1.0 - level) / 2.0);
    let n = n as f64;
    let rate = hits as f64 / n;
    let (none, all) = (rate == 0.0, rate == 1.0);
    let widening = 1.0 + z * z / n;
    let middle = (rate + z * z / (2.0 * n)) / widening;
    let half = z / widening * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    // Exactly 0 or 1 where no trial or every trial is a success: rounding could leave the share outside.
    let low = if none { 0.0 } else { (middle - half).max(0.0) };
    let high = if all { 1.0 } else { (middle + half).min(1.0) };
    Ok(Interval { low, high, level })
}

/// Clopper and Pearson's interval of a share, never too narrow. Equals `proportion_confint(..., method="beta")`.
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(hits: usize, n: usize, level: f64) -> Result<Interval> {
    at_least("trials", n, 1)?;
    check_level(level)?;
    argument("the number of hits", hits as f64, hits <= n, "at most the number of trials")?;
    let tail = (1.0 - level) / 2.0;
    // The chance of at least `k` hits grows with the rate.
    let solve = |k: u64, target: f64| {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if binomial_at_least(k, n as u64, middle) < target { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    };
    let low = if hits == 0 { 0.0 } else { solve(hits as u64, tail) };
    let high = if hits == n { 1.0 } else { solve(hits as u64 + 1, 1.0 - tail) };
    Ok(Interval { low, high, level })
}
