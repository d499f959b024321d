//! Means and variances, computed in two passes.

use crate::error::{Error, Result, at_least, finite};
use crate::test::{Interval, Reference, Test};

/// Sum of `values`, by Neumaier's compensated summation: its error does not grow with their number.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// Mean; NaN without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// Sum of squared deviations from the mean. Exactly 0 where all values are equal.
pub(crate) fn squares_about_mean(values: &[f64]) -> f64 {
    if values.iter().all(|value| *value == values[0]) {
        return 0.0;
    }
    let mean = mean(values);
    sum(values.iter().map(|value| (value - mean).powi(2)))
}

/// Variance of a sample: squares about the mean divided by n - 1. NaN for fewer than two values.
pub(crate) fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 { f64::NAN } else { squares_about_mean(values) / (values.len() - 1) as f64 }
}

/// Median; for an even number of values, the mean of the middle two. NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The mean of a sample with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, divided by n - 1.
    pub standard_deviation: f64,
    /// `standard_deviation / sqrt(n)`: right for independent values.
    pub standard_error: f64,
    /// Number of values.
    pub n: usize,
}

impl Mean {
    /// Mean and standard deviation of at least two values that are not all equal.
    ///
    /// # Errors
    /// [`Error::TooFew`], [`Error::NotFinite`]; [`Error::Constant`] if all values are equal; [`Error::Overflow`].
    pub fn of(what: &'static str, values: &[f64]) -> Result<Self> {
        finite(what, values)?;
        at_least(what, values.len(), 2)?;
        let standard_deviation = variance(values).sqrt();
        if standard_deviation == 0.0 {
            return Err(Error::Constant { what });
        }
        if !standard_deviation.is_finite() {
            return Err(Error::Overflow);
        }
        let n = values.len();
        Ok(Self { mean: mean(values), standard_deviation, standard_error: standard_deviation / (n as f64).sqrt(), n })
    }

    /// Student's t test that the mean is 0, with n - 1 degrees of freedom. Equals `scipy.stats.ttest_1samp(values, 0)`.
    ///
    /// # Errors
    /// None for a mean made by [`Mean::of`].
    pub fn t_test(&self) -> Result<Test> {
        Test::ratio(self.mean, self.standard_error, self.reference(), self.n, "values")
    }

    /// The interval of the mean by Student's distribution.
    ///
    /// # Errors
    /// [`Error::Argument`] if `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Result<Interval> {
        Interval::around(self.mean, self.standard_error, self.reference(), level)
    }

    fn reference(&self) -> Reference {
        Reference::Student { df: (self.n - 1) as f64 }
    }
}
