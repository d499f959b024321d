//! An estimate with its interval and p-value, or the reason why it has no value.

use crate::clusters::Clusters;
use serde::Serialize;
use tapewire_statistics::regression::{Design, Ols};
use tapewire_statistics::{Error, Result, Test};

/// Confidence level: the share of intervals that hold the true value.
pub(crate) const LEVEL: f64 = 0.95;

/// A value, or why it is not known. Missing data never become NaN or 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrReason<T> {
    /// The value.
    Value(T),
    /// The reason, as a sentence for a person.
    NotKnown(String),
}

impl<T> ValueOrReason<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::NotKnown(_) => None,
        }
    }

    /// Why there is no value.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::NotKnown(reason) => Some(reason),
        }
    }

    pub(crate) fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Value(value) => Some(value),
            Self::NotKnown(_) => None,
        }
    }
}

impl<T> From<Result<T>> for ValueOrReason<T> {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(error) => Self::NotKnown(error.to_string()),
        }
    }
}

/// An estimate, with standard errors for events that are correlated within days and articles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Its value.
    pub estimate: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Estimate over standard error; of a hit rate, its distance from 1/2.
    pub t: f64,
    /// Degrees of freedom: number of clusters less one; of clusters of two kinds, the smaller number.
    pub df: f64,
    /// Two-sided p-value of `t`, by itself.
    pub p: f64,
    /// `p`, adjusted for all tests of the study.
    pub p_adjusted: Option<f64>,
    /// Number of events.
    pub n: usize,
}

impl Estimate {
    /// The test of the estimate, as the count of all tests needs it.
    pub(crate) fn test(&self) -> Test {
        let reference = tapewire_statistics::Reference::Student { df: self.df };
        Test { statistic: self.t, reference, p: self.p, n: self.n }
    }

    /// The coefficient of `column` in a regression whose errors may be correlated within clusters in any way.
    pub(crate) fn clustered(design: Design, y: &[f64], column: usize, clusters: &Clusters) -> Result<Self> {
        let table = Ols::fit(design, y)?.table(&clusters.standard_errors())?;
        let coefficient = table.coefficients[column];
        let interval = coefficient.interval(LEVEL)?;
        let tapewire_statistics::Reference::Student { df } = coefficient.test.reference else {
            return Err(Error::TooFew { what: "clusters", found: 0, needed: 2 });
        };
        Ok(Self {
            estimate: coefficient.estimate,
            low: interval.low,
            high: interval.high,
            t: coefficient.test.statistic,
            df,
            p: coefficient.test.p,
            p_adjusted: None,
            n: y.len(),
        })
    }

    /// The mean of `y`.
    pub(crate) fn mean(y: &[f64], clusters: &Clusters) -> Result<Self> {
        Self::clustered(Design::with_constant(y.len(), &[])?, y, 0, clusters)
    }

    /// The estimate and its interval, moved by a constant. The test stays that of the estimate before the move.
    pub(crate) fn plus(self, constant: f64) -> Self {
        Self { estimate: self.estimate + constant, low: self.low + constant, high: self.high + constant, ..self }
    }
}
