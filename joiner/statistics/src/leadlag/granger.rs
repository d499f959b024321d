//! Granger causality: whether the past of one series helps to predict another beyond its own past.

use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::regression::{Design, Ols};
use crate::test::{Reference, Test};

/// The tests with one number of lags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Granger {
    /// Lags of both series.
    pub lags: usize,
    /// F = ((rss_r - rss_u) / lags) / (rss_u / (n - 2 lags - 1)): statsmodels' `ssr_ftest` and `params_ftest`, R's
    /// `lmtest::grangertest`.
    pub f: Test,
    /// n (rss_r - rss_u) / rss_u, chi-squared: statsmodels' `ssr_chi2test`.
    pub chi_squared: Test,
    /// n ln(rss_r / rss_u), chi-squared: statsmodels' `lrtest`.
    pub likelihood_ratio: Test,
    /// Rows of the regressions: steps less lags.
    pub n: usize,
    /// Squared residuals with the lags of `effect` alone.
    pub rss_restricted: f64,
    /// Squared residuals with the lags of both.
    pub rss_unrestricted: f64,
}

/// Tests whether `cause` helps to predict `effect`, by regressions of `effect` on a constant and `lags` lags of itself,
/// with and without `lags` lags of `cause` (Granger 1969). Both series are evenly spaced, in time order and stationary:
/// [`super::augmented_dickey_fuller`].
///
/// # Errors
/// [`Error::TooFew`] unless there are more than 3 lags + 1 steps; [`Error::Constant`] or [`Error::Collinear`] for
/// series that do not vary; [`Error::Argument`] for no lags; [`Error::Length`]; [`Error::NotFinite`].
pub fn granger(effect: &[f64], cause: &[f64], lags: usize) -> Result<Granger> {
    let (restricted, unrestricted) = regressions(effect, cause, lags, lags)?;
    let (rss_r, rss_u) = (restricted.rss, unrestricted.rss);
    if rss_u <= 1e-26 * effect.iter().map(|value| value * value).sum::<f64>() {
        return Err(Error::Constant { what: "residuals" });
    }
    let (n, k) = (unrestricted.n, lags as f64);
    let gain = (rss_r - rss_u).max(0.0);
    let df = unrestricted.df as f64;
    Ok(Granger {
        lags,
        f: Test::of(gain / k / (rss_u / df), Reference::F { numerator: k, denominator: df }, n)?,
        chi_squared: Test::of(n as f64 * gain / rss_u, Reference::ChiSquared { df: k }, n)?,
        likelihood_ratio: Test::of(n as f64 * (gain / rss_u).ln_1p(), Reference::ChiSquared { df: k }, n)?,
        n,
        rss_restricted: rss_r,
        rss_unrestricted: rss_u,
    })
}

/// The criterion by which lags are chosen; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Akaike's: n ln(rss / n) + 2 k.
    Aic,
    /// Schwarz's: n ln(rss / n) + k ln n.
    Bic,
}

/// The number of lags, from 1 to `most`, with which the regression on the lags of both series is best by `criterion`.
/// All are fitted to the same steps, those that have `most` lags.
///
/// # Errors
/// As [`granger`] with `most` lags.
pub fn choose_lags(effect: &[f64], cause: &[f64], most: usize, criterion: Criterion) -> Result<usize> {
    let mut best = (f64::INFINITY, 1);
    argument("the number of lags", most as f64, most >= 1, "at least 1")?;
    for lags in 1..=most {
        let fit = regressions(effect, cause, lags, most)?.1;
        let n = fit.n as f64;
        let penalty = match criterion {
            Criterion::Aic => 2.0,
            Criterion::Bic => n.ln(),
        };
        let value = n * (fit.rss / n).ln() + penalty * fit.k() as f64;
        if value < best.0 {
            best = (value, lags);
        }
    }
    Ok(best.1)
}

/// The regressions without and with `cause`, on the steps after the first `from`.
fn regressions(effect: &[f64], cause: &[f64], lags: usize, from: usize) -> Result<(Ols, Ols)> {
    same_length("the causing series", cause.len(), effect.len())?;
    finite("the series", effect)?;
    finite("the causing series", cause)?;
    argument("the number of lags", lags as f64, lags >= 1, "at least 1")?;
    at_least("steps", effect.len(), 3 * from + 2)?;
    let rows = effect.len() - from;
    let lagged = |series| -> Vec<&[f64]> { (1..=lags).map(|lag| lag_of(series, lag, from)).collect() };
    let own = lagged(effect);
    let both: Vec<&[f64]> = own.iter().copied().chain(lagged(cause)).collect();
    let y = &effect[from..];
    let restricted = Ols::fit(Design::with_constant(rows, &own)?, y)?;
    Ok((restricted, Ols::fit(Design::with_constant(rows, &both)?, y)?))
}

/// `series` `lag` steps before each step from `from` on.
fn lag_of(series: &[f64], lag: usize, from: usize) -> &[f64] {
    &series[from - lag..series.len() - lag]
}
