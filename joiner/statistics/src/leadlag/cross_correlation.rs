//! Cross-correlation of two evenly spaced series.

use crate::distributions::normal_quantile_upper;
use crate::error::{Error, Result, at_least, finite, same_length};
use crate::moments::{mean, squares_about_mean};
use crate::test::check_level;

/// The correlation at one lag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// k: above 0, `x` is taken k steps before `y`.
    pub lag: i64,
    /// corr(x_t, y_(t+k)).
    pub correlation: f64,
}

/// Cross-correlations with their band.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadLag {
    /// From -`max_lag` to `max_lag`.
    pub lags: Vec<Lag>,
    /// Half the width of the band around 0 that holds each correlation of two unrelated white noises with chance
    /// `level`: z / sqrt(n) (Box and Jenkins 1976).
    pub band: f64,
    /// Length of the series.
    pub n: usize,
}

/// The correlation of `x` with later and earlier values of `y`. Means and variances are those of the whole series. The
/// sum at lag k is divided by n or, if `adjusted`, by its number of pairs, n - |k|: this is less biased, but a
/// correlation can then exceed 1.
///
/// For k >= 0, equals `statsmodels.tsa.stattools.ccf(y, x, adjusted=..)[k]`.
///
/// # Errors
/// [`Error::TooFew`] for fewer than three steps or lags as long as the series; [`Error::Constant`]; [`Error::Length`];
/// [`Error::NotFinite`]; [`Error::Argument`] for a level.
pub fn cross_correlation(x: &[f64], y: &[f64], max_lag: usize, adjusted: bool, level: f64) -> Result<LeadLag> {
    same_length("the second series", y.len(), x.len())?;
    finite("the first series", x)?;
    finite("the second series", y)?;
    let n = x.len();
    at_least("steps", n, 3.max(max_lag + 1))?;
    check_level(level)?;
    let scale = (squares_about_mean(x) / n as f64).sqrt() * (squares_about_mean(y) / n as f64).sqrt();
    if scale == 0.0 {
        return Err(Error::Constant { what: "values of a series" });
    }
    let centred = |values: &[f64]| -> Vec<f64> {
        let mean = mean(values);
        values.iter().map(|value| value - mean).collect()
    };
    let (x, y) = (centred(x), centred(y));
    let at = |first: &[f64], second: &[f64], lag: usize| {
        let products: f64 = first[..n - lag].iter().zip(&second[lag..]).map(|(a, b)| a * b).sum();
        products / if adjusted { n - lag } else { n } as f64 / scale
    };
    let behind = (1..=max_lag).rev().map(|lag| Lag { lag: -(lag as i64), correlation: at(&y, &x, lag) });
    let ahead = (0..=max_lag).map(|lag| Lag { lag: lag as i64, correlation: at(&x, &y, lag) });
    let band = normal_quantile_upper((1.0 - level) / 2.0) / (n as f64).sqrt();
    Ok(LeadLag { lags: behind.chain(ahead).collect(), band, n })
}
