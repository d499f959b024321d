//! The augmented Dickey-Fuller test of a unit root.

use crate::distributions::normal_upper;
use crate::error::{Result, at_least, finite};
use crate::regression::{Design, Ols, StandardErrors};

/// A test of the null hypothesis that a series has a unit root, so that it is not stationary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AugmentedDickeyFuller {
    /// The t statistic of the level's coefficient.
    pub statistic: f64,
    /// MacKinnon's approximate p-value of 1994: small values speak for a stationary series.
    pub p: f64,
    /// Lagged differences that were used.
    pub lags: usize,
    /// Rows of the regression.
    pub n: usize,
}

/// Dickey and Fuller 1979 with a constant: the change is regressed on the level before it and on up to
/// 12 (n / 100)^(1/4) lagged changes (Schwert 1989), as many as Akaike's criterion chooses. Equals
/// `statsmodels.tsa.stattools.adfuller(series)`.
///
/// # Errors
/// [`crate::Error::TooFew`] for fewer than 10 steps; [`crate::Error::Collinear`] if the series does not vary;
/// [`crate::Error::Constant`] if its lags predict it exactly; [`crate::Error::NotFinite`].
pub fn augmented_dickey_fuller(series: &[f64]) -> Result<AugmentedDickeyFuller> {
    finite("the series", series)?;
    let n = series.len();
    at_least("steps", n, 10)?;
    let changes: Vec<f64> = series.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let max_lags = ((12.0 * (n as f64 / 100.0).powf(0.25)).ceil() as usize).min(n / 2 - 2);
    let fit = |lags: usize, from: usize| -> Result<Ols> {
        let level = &series[from..n - 1];
        let mut columns = vec![level];
        columns.extend((1..=lags).map(|lag| &changes[from - lag..changes.len() - lag]));
        Ols::fit(Design::with_constant(level.len(), &columns)?, &changes[from..])
    };
    let mut best = (f64::INFINITY, 0);
    for lags in 0..=max_lags {
        // All are fitted to the same steps, so that their criteria can be compared.
        let fit = fit(lags, max_lags)?;
        let rows = fit.n as f64;
        let criterion = rows * (fit.rss / rows).ln() + 2.0 * fit.k() as f64;
        if criterion < best.0 {
            best = (criterion, lags);
        }
    }
    let lags = best.1;
    let fit = fit(lags, lags)?;
    let statistic = fit.table(&StandardErrors::Classical)?.coefficients[1].test.statistic;
    Ok(AugmentedDickeyFuller { statistic, p: mackinnon_p(statistic), lags, n: fit.n })
}

/// MacKinnon 1994, table 3, one series with a constant: a polynomial of the statistic, looked up in the normal
/// distribution.
fn mackinnon_p(statistic: f64) -> f64 {
    if statistic > 2.74 {
        return 1.0;
    }
    if statistic < -18.83 {
        return 0.0;
    }
    let coefficients: &[f64] =
        if statistic <= -1.61 { &[2.1659, 1.4412, 0.038269] } else { &[1.7339, 0.93202, -0.12745, -0.010368] };
    let value = coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * statistic + coefficient);
    normal_upper(-value)
}
