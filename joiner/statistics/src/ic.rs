//! Information coefficients: how well scores order the returns that follow.

use crate::error::{Error, Result, at_least, finite, same_length};
use crate::moments::{Mean, mean, squares_about_mean, sum};
use crate::rank::ranks;
use crate::regression::{Design, Ols, StandardErrors, newey_west_lags};
use crate::test::{Interval, Reference, Test};

/// Which correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correlation {
    /// Spearman's: of ranks, equal values sharing the mean of their ranks.
    #[default]
    Rank,
    /// Pearson's: of the values.
    Pearson,
}

/// The correlation of `x` with `y`, pair by pair. Equals `scipy.stats.spearmanr` and `pearsonr`.
///
/// # Errors
/// [`Error::Constant`] if a side does not vary: such a correlation is undefined, not 0. [`Error::TooFew`] for fewer
/// than two pairs; [`Error::Length`]; [`Error::NotFinite`].
pub fn correlation(kind: Correlation, x: &[f64], y: &[f64]) -> Result<f64> {
    same_length("returns", y.len(), x.len())?;
    finite("scores", x)?;
    finite("returns", y)?;
    at_least("pairs", x.len(), 2)?;
    match kind {
        Correlation::Rank => pearson(&ranks(x), &ranks(y)),
        Correlation::Pearson => pearson(x, y),
    }
}

/// The product-moment correlation of finite values.
pub(crate) fn pearson(x: &[f64], y: &[f64]) -> Result<f64> {
    let (xx, yy) = (squares_about_mean(x), squares_about_mean(y));
    if xx == 0.0 {
        return Err(Error::Constant { what: "scores" });
    }
    if yy == 0.0 {
        return Err(Error::Constant { what: "returns" });
    }
    let (mean_x, mean_y) = (mean(x), mean(y));
    let xy = sum(x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)));
    // The root of the product is exact more often, but can overflow; the product of the roots can't.
    let product = xx * yy;
    let scale = if product.is_normal() { product.sqrt() } else { xx.sqrt() * yy.sqrt() };
    let correlation = xy / scale;
    if correlation.is_nan() { Err(Error::Overflow) } else { Ok(correlation.clamp(-1.0, 1.0)) }
}

/// The test that a correlation of `n` independent pairs is 0: t = r sqrt((n - 2) / (1 - r²)) with n - 2 degrees of
/// freedom. For a rank correlation it is the usual approximation. A correlation of ±1 has p = 0.
///
/// # Errors
/// [`Error::TooFew`] for fewer than three pairs.
pub fn correlation_test(r: f64, n: usize) -> Result<Test> {
    at_least("pairs", n, 3)?;
    let df = (n - 2) as f64;
    let left = (1.0 - r) * (1.0 + r);
    if left <= 0.0 {
        let reference = Reference::Student { df };
        return Ok(Test { statistic: f64::INFINITY.copysign(r), reference, p: 0.0, n });
    }
    Test::of(r * (df / left).sqrt(), Reference::Student { df }, n)
}

/// Kendall's τ-b, which corrects for ties, in n log n steps (Knight 1966). Equals `scipy.stats.kendalltau`.
///
/// # Errors
/// As [`correlation`].
pub fn kendall(x: &[f64], y: &[f64]) -> Result<f64> {
    same_length("returns", y.len(), x.len())?;
    finite("scores", x)?;
    finite("returns", y)?;
    at_least("pairs", x.len(), 2)?;
    let mut pairs: Vec<(f64, f64)> =
        x.iter().copied().zip(y.iter().copied()).map(|(x, y)| (x + 0.0, y + 0.0)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied = |groups: &mut dyn Iterator<Item = usize>| groups.map(|size| size as u128 * (size as u128 - 1) / 2).sum();
    let tied_x: u128 = tied(&mut pairs.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
    let tied_both: u128 = tied(&mut pairs.chunk_by(|a, b| a == b).map(<[_]>::len));
    let mut values: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let swaps = sort_counting_swaps(&mut values);
    let tied_y: u128 = tied(&mut values.chunk_by(|a, b| a == b).map(<[_]>::len));
    let all = x.len() as u128 * (x.len() as u128 - 1) / 2;
    if tied_x == all {
        return Err(Error::Constant { what: "scores" });
    }
    if tied_y == all {
        return Err(Error::Constant { what: "returns" });
    }
    let difference = all as f64 - tied_x as f64 - tied_y as f64 + tied_both as f64 - 2.0 * swaps as f64;
    Ok(difference / ((all - tied_x) as f64).sqrt() / ((all - tied_y) as f64).sqrt())
}

/// Sorts by merging and returns the number of pairs that were out of order.
fn sort_counting_swaps(values: &mut Vec<f64>) -> u128 {
    let n = values.len();
    let mut swaps = 0;
    let mut width = 1;
    while width < n {
        let mut merged = Vec::with_capacity(n);
        for start in (0..n).step_by(2 * width) {
            let (middle, end) = ((start + width).min(n), (start + 2 * width).min(n));
            let (mut left, mut right) = (start, middle);
            while left < middle || right < end {
                if right == end || (left < middle && values[left] <= values[right]) {
                    merged.push(values[left]);
                    left += 1;
                } else {
                    swaps += (middle - left) as u128;
                    merged.push(values[right]);
                    right += 1;
                }
            }
        }
        *values = merged;
        width *= 2;
    }
    swaps
}

/// One period, such as a day: the scores of its articles or symbols and the returns that followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period<'a> {
    /// Scores.
    pub scores: &'a [f64],
    /// Returns that followed, one for each score.
    pub returns: &'a [f64],
}

/// A statistic of each period, such as an information coefficient or a spread, and its mean over periods.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The statistic of each period, or why it has none: too few pairs, or a side that is constant.
    pub periods: Vec<Result<f64>>,
    /// Mean, standard deviation and number of those that are defined.
    pub mean: Mean,
    /// Mean over standard deviation: the information ratio (IR) of one period.
    pub ratio: f64,
    /// Student's t test of the mean, for periods that are independent.
    pub test: Test,
    /// The test of the mean with Newey and West's standard error, over `lags` lags.
    pub hac_test: Test,
    /// The interval of the mean by that standard error.
    pub hac_interval: Interval,
    /// Lags of the Newey-West error.
    pub lags: usize,
}

impl Summary {
    /// The mean of a statistic over periods in time order. Periods without a value do not count.
    ///
    /// `lags` for the Newey-West error; without it [`newey_west_lags`], and at least `overlap`, which is the number of
    /// further periods that a return reaches into (h - 1 for returns over h periods).
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two periods with a value, or no more than lags; [`Error::Constant`] if all
    /// values are equal; [`Error::Argument`] for a level; [`Error::NotFinite`].
    pub fn of(periods: Vec<Result<f64>>, lags: Option<usize>, overlap: usize, level: f64) -> Result<Self> {
        let defined: Vec<f64> = periods.iter().flatten().copied().collect();
        at_least("periods with a value", defined.len(), 2)?;
        let mean = Mean::of("values of the periods", &defined)?;
        let lags = lags.unwrap_or_else(|| newey_west_lags(defined.len()).max(overlap));
        let (hac_test, error) = mean_newey_west(&defined, lags, true)?;
        Ok(Self {
            periods,
            ratio: mean.mean / mean.standard_deviation,
            test: mean.t_test()?,
            hac_interval: Interval::around(mean.mean, error, hac_test.reference, level)?,
            hac_test,
            mean,
            lags,
        })
    }
}

/// The information coefficient of each period, and their mean with its tests; `lags` and `overlap` as in
/// [`Summary::of`].
///
/// A period of two pairs has a rank correlation of 1 or -1 whatever the scores are worth: leave out periods with few
/// pairs.
///
/// # Errors
/// As [`Summary::of`].
pub fn summary(
    kind: Correlation,
    periods: &[Period],
    lags: Option<usize>,
    overlap: usize,
    level: f64,
) -> Result<Summary> {
    let coefficient = |period: &Period| correlation(kind, period.scores, period.returns);
    Summary::of(periods.iter().map(coefficient).collect(), lags, overlap, level)
}

/// The test that the mean of a time series is 0 with Newey and West's standard error, and that error. The reference is
/// Student's distribution with n - 1 degrees of freedom if `small_sample`, which also multiplies the variance by
/// n / (n - 1), and the normal distribution otherwise.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two values or no more than `lags`; [`Error::Constant`]; [`Error::NotFinite`].
pub fn mean_newey_west(values: &[f64], lags: usize, small_sample: bool) -> Result<(Test, f64)> {
    finite("values", values)?;
    at_least("values", values.len(), 2)?;
    let fit = Ols::fit(Design::with_constant(values.len(), &[])?, values)?;
    let table = fit.table(&StandardErrors::NeweyWest { lags, small_sample })?;
    Ok((table.coefficients[0].test, table.coefficients[0].standard_error))
}

/// One horizon of [`decay`].
#[derive(Debug, Clone, PartialEq)]
pub struct Horizon<'a> {
    /// Its name, such as `5m`.
    pub name: &'a str,
    /// Scores and returns over this horizon, by period.
    pub periods: Vec<Period<'a>>,
    /// Further periods that a return of this horizon reaches into.
    pub overlap: usize,
}

/// The information coefficient by horizon: how fast scores lose their power to order returns.
pub fn decay(kind: Correlation, horizons: &[Horizon], level: f64) -> Vec<(String, Result<Summary>)> {
    let named =
        |horizon: &Horizon| (horizon.name.to_owned(), summary(kind, &horizon.periods, None, horizon.overlap, level));
    horizons.iter().map(named).collect()
}
