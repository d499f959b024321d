//! An estimate with its interval and p-value, or the reason why it has no value.

use crate::clusters::Clusters;
use serde::Serialize;
use tapewire_statistics::groups::wilson;
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
    /// Estimate over standard error; of a hit rate, its distance from 1/2. A share of 0 or 1 has none.
    pub t: Option<f64>,
    /// Degrees of freedom: number of clusters less one; of clusters of two kinds, the smaller number.
    pub df: f64,
    /// Two-sided p-value of `t`, by itself.
    pub p: Option<f64>,
    /// `p`, adjusted for all tests of the study.
    pub p_adjusted: Option<f64>,
    /// Number of events.
    pub n: usize,
}

impl Estimate {
    /// The test of the estimate, as the count of all tests needs it.
    ///
    /// # Errors
    /// [`Error::Constant`] if it has none.
    pub(crate) fn test(&self) -> Result<Test> {
        let (Some(statistic), Some(p)) = (self.t, self.p) else { return Err(Error::Constant { what: "residuals" }) };
        let reference = tapewire_statistics::Reference::Student { df: self.df };
        Ok(Test { statistic, reference, p, n: self.n })
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
            t: Some(coefficient.test.statistic),
            df,
            p: Some(coefficient.test.p),
            p_adjusted: None,
            n: y.len(),
        })
    }

    /// The mean of `y`.
    pub(crate) fn mean(y: &[f64], clusters: &Clusters) -> Result<Self> {
        Self::clustered(Design::with_constant(y.len(), &[])?, y, 0, clusters)
    }

    /// The share of `hits`, with the test of a share of 1/2. Its interval ends at 0 and 1. Where all or none are hits, there is
    /// no standard error and no test, and the interval is Wilson's, with clusters as trials: events of one cluster may go
    /// together entirely.
    pub(crate) fn share(hits: &[bool], clusters: &Clusters) -> Result<Self> {
        let values: Vec<f64> = hits.iter().map(|&hit| if hit { 0.5 } else { -0.5 }).collect();
        let all = hits.iter().filter(|&&hit| hit).count();
        if all != 0 && all != hits.len() {
            return Ok(Self::mean(&values, clusters)?.plus(0.5).within(0.0, 1.0));
        }
        let trials = clusters.count();
        let interval = wilson(if all == 0 { 0 } else { trials }, trials, LEVEL)?;
        Ok(Self {
            estimate: if all == 0 { 0.0 } else { 1.0 },
            low: interval.low,
            high: interval.high,
            t: None,
            df: trials as f64 - 1.0,
            p: None,
            p_adjusted: None,
            n: hits.len(),
        })
    }

    /// The same with an interval that is cut at the ends of what is possible.
    pub(crate) fn within(self, least: f64, most: f64) -> Self {
        Self { low: self.low.clamp(least, most), high: self.high.clamp(least, most), ..self }
    }

    /// The estimate and its interval, moved by a constant. The test stays that of the estimate before the move.
    pub(crate) fn plus(self, constant: f64) -> Self {
        Self { estimate: self.estimate + constant, low: self.low + constant, high: self.high + constant, ..self }
    }
}
