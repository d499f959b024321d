//! The outcome of a statistical test, and intervals.

use crate::distributions::{chi_squared_upper, f_upper, normal_two_sided, student_two_sided};
use crate::distributions::{normal_quantile_upper, student_quantile_upper};
use crate::error::{Error, Result, argument};

/// The distribution of a statistic if the null hypothesis holds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reference {
    /// The standard normal distribution, both sides.
    Normal,
    /// Student's distribution, both sides.
    Student {
        /// Degrees of freedom.
        df: f64,
    },
    /// The F distribution, upper side.
    F {
        /// Degrees of freedom of the numerator: the number of restrictions.
        numerator: f64,
        /// Degrees of freedom of the denominator.
        denominator: f64,
    },
    /// The chi-squared distribution, upper side.
    ChiSquared {
        /// Degrees of freedom.
        df: f64,
    },
    /// The distribution of the statistic itself: enumerated, permuted or resampled.
    Exact,
}

/// A test statistic with its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The statistic; if it has a sign, that is the sign of the effect.
    pub statistic: f64,
    /// What it was compared with.
    pub reference: Reference,
    /// The chance of a statistic at least as extreme if the null hypothesis holds; two-sided if the reference is.
    pub p: f64,
    /// Observations that the statistic was computed from: events, pairs, periods or rows, as the test says.
    pub n: usize,
}

impl Test {
    /// Looks `statistic` up in `reference`.
    ///
    /// # Errors
    /// [`Error::Overflow`] if the statistic is not finite; [`Error::Argument`] for degrees of freedom that are not
    /// above 0 and for [`Reference::Exact`], whose p-value only the test itself can know.
    pub fn of(statistic: f64, reference: Reference, n: usize) -> Result<Self> {
        if !statistic.is_finite() {
            return Err(Error::Overflow);
        }
        let df = match reference {
            Reference::Student { df } | Reference::ChiSquared { df } => df,
            Reference::F { numerator, denominator } => numerator.min(denominator),
            _ => 1.0,
        };
        argument("the degrees of freedom", df, df > 0.0 && df.is_finite(), "above 0")?;
        let p = match reference {
            Reference::Normal => normal_two_sided(statistic),
            Reference::Student { df } => student_two_sided(statistic, df),
            Reference::F { numerator, denominator } => f_upper(statistic, numerator, denominator),
            Reference::ChiSquared { df } => chi_squared_upper(statistic, df),
            Reference::Exact => {
                let rule = "compared with a distribution that can be looked up";
                return Err(Error::Argument { what: "the statistic of an exact test", value: statistic, rule });
            }
        };
        Ok(Self { statistic, reference, p, n })
    }

    /// `effect / standard_error`, looked up in `reference`.
    ///
    /// # Errors
    /// [`Error::Constant`] naming `what` if the standard error is 0; [`Error::Overflow`] if it or the ratio is not
    /// finite.
    pub fn ratio(effect: f64, standard_error: f64, reference: Reference, n: usize, what: &'static str) -> Result<Self> {
        if standard_error == 0.0 {
            Err(Error::Constant { what })
        } else if standard_error.is_finite() {
            Self::of(effect / standard_error, reference, n)
        } else {
            Err(Error::Overflow)
        }
    }

    /// The p-value against the alternative that the effect is positive, of a test whose reference is normal or Student's.
    /// For every other reference it is [`Test::p`].
    pub fn p_greater(&self) -> f64 {
        match self.reference {
            Reference::Normal | Reference::Student { .. } if self.statistic >= 0.0 => self.p / 2.0,
            Reference::Normal | Reference::Student { .. } => 1.0 - self.p / 2.0,
            _ => self.p,
        }
    }
}

/// An interval around an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Share of such intervals that hold the true value, such as 0.95.
    pub level: f64,
}

impl Interval {
    /// `estimate` ± quantile × `standard_error`, with the quantile of `reference` (normal or Student).
    ///
    /// # Errors
    /// [`Error::Argument`] if `level` is not in (0, 1); [`Error::Overflow`] if an end is not finite.
    pub fn around(estimate: f64, standard_error: f64, reference: Reference, level: f64) -> Result<Self> {
        check_level(level)?;
        let tail = (1.0 - level) / 2.0;
        let quantile = match reference {
            Reference::Student { df } => student_quantile_upper(tail, df),
            _ => normal_quantile_upper(tail),
        };
        let half = quantile * standard_error;
        let (low, high) = (estimate - half, estimate + half);
        if low.is_finite() && high.is_finite() { Ok(Self { low, high, level }) } else { Err(Error::Overflow) }
    }

    /// Whether `value` lies in the interval, its ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Refuses a level outside (0, 1).
pub(crate) fn check_level(level: f64) -> Result<()> {
    argument("level", level, level > 0.0 && level < 1.0, "between 0 and 1, such as 0.95")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_without_a_finite_end_is_refused_whichever_end_it_is() {
        let around = |estimate: f64| Interval::around(estimate, 1e308, Reference::Normal, 0.5);
        assert!(around(0.0).is_ok());
        assert_eq!(around(1.5e308), Err(Error::Overflow));
        assert_eq!(around(-1.5e308), Err(Error::Overflow));
    }
}
