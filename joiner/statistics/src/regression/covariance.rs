//! Standard errors of a regression.
//!
//! All are sandwiches (X'X)^-1 M (X'X)^-1 and differ in M: White 1980 (HC0, HC1), MacKinnon and White 1985 (HC2, HC3),
//! Newey and West 1987, Driscoll and Kraay 1998, Liang and Zeger 1986 (clusters), Cameron, Gelbach and Miller 2011 (two
//! ways), Cameron and Miller 2015 (jackknife of clusters), MacKinnon, Nielsen and Webb 2024 (jackknife in two ways).

use std::collections::HashMap;
use std::hash::Hash;

use nalgebra::{DMatrix, DVector};

use super::Ols;
use crate::error::{Error, Result, argument, at_least, same_length};
use crate::test::{Interval, Reference, Test};

/// How standard errors are computed. Each list of labels has one label for each row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum StandardErrors<'a> {
    /// Independent errors with the same variance, s² = rss / (n - k).
    Classical,
    /// White's, without a correction.
    Hc0,
    /// [`StandardErrors::Hc0`] times n / (n - k): Stata's `robust`.
    Hc1,
    /// Squared residuals divided by 1 - leverage.
    Hc2,
    /// Squared residuals divided by (1 - leverage)².
    Hc3,
    /// Rows are one time series, in order; Bartlett weights 1 - l / (lags + 1).
    NeweyWest {
        /// Lags. Outcomes over overlapping horizons of h steps need at least h - 1.
        lags: usize,
        /// Times n / (n - k), as Stata's `newey` does.
        small_sample: bool,
    },
    /// As [`StandardErrors::NeweyWest`], with several series one after the other; lags do not reach from one into the
    /// next.
    NeweyWestWithin {
        /// Lags.
        lags: usize,
        /// Times n / (n - k).
        small_sample: bool,
        /// The series that each row belongs to; the rows of each are in time order.
        series: &'a [u64],
    },
    /// Driscoll and Kraay's: Newey-West of the sums over all rows of a period. Periods are ordered by their label.
    DriscollKraay {
        /// Lags in periods.
        lags: usize,
        /// The period that each row belongs to.
        period: &'a [u64],
        /// Times T / (T - 1) · (n - 1) / (n - k), as `ivreg2 ..., dkraay small`.
        small_sample: bool,
    },
    /// Errors correlated within clusters in any way.
    Clustered {
        /// The cluster that each row belongs to.
        by: &'a [u64],
        /// Correction for few clusters.
        correction: ClusterCorrection,
    },
    /// Errors correlated within clusters of two kinds, such as symbols and days: V1 + V2 - V12.
    TwoWay {
        /// The clusters of each kind that each row belongs to.
        by: [&'a [u64]; 2],
        /// Correction for few clusters.
        correction: ClusterCorrection,
    },
    /// CRV3: the spread of the estimates when each cluster is left out, times (G - 1) / G. Wider than
    /// [`StandardErrors::Clustered`], and nearer to the truth with few or unequal clusters.
    ClusterJackknife {
        /// The cluster that each row belongs to.
        by: &'a [u64],
        /// Spread about the mean of those estimates instead of about the estimate from all rows (CRV3J).
        about_mean: bool,
    },
    /// [`StandardErrors::ClusterJackknife`] with clusters of two kinds: of V1 + V2 - V12, V1 and V2 the one in which the
    /// variance of the last coefficient is largest, so that it is always above 0.
    ///
    /// With the pairs of neighbouring periods as kinds, once those that begin at even and once those that begin at odd
    /// periods, V1 + V2 - V12 has the squares of each period and the products of neighbouring ones: Hansen and Hodrick's
    /// error for outcomes that reach into the next period.
    TwoWayJackknife {
        /// The clusters of each kind that each row belongs to.
        by: [&'a [u64]; 2],
    },
}

/// Correction of clustered errors for a small number G of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterCorrection {
    /// None; the reference is the normal distribution.
    None,
    /// G / (G - 1) · (n - 1) / (n - k), each of V1, V2 and V12 with its own G: Stata's `vce(cluster)`, Petersen's
    /// `cluster2`, R's `sandwich::vcovCL`.
    Each,
    /// The same with the smallest G for all three: `ivreg2 ..., cluster(a b) small`.
    Smallest,
}

/// One coefficient of a regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// Estimate.
    pub estimate: f64,
    /// Standard error.
    pub standard_error: f64,
    /// The test of a coefficient of 0.
    pub test: Test,
}

impl Coefficient {
    /// The interval around the estimate by the distribution that the test refers to.
    ///
    /// # Errors
    /// [`Error::Argument`] if `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Result<Interval> {
        Interval::around(self.estimate, self.standard_error, self.test.reference, level)
    }
}

/// Coefficients with their standard errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// In the order of the design.
    pub coefficients: Vec<Coefficient>,
    /// Covariance of the estimates, row by row.
    pub covariance: Vec<Vec<f64>>,
    /// What the coefficients were tested against.
    pub reference: Reference,
    /// Number of clusters of each kind; empty unless errors are clustered.
    pub clusters: Vec<usize>,
    /// Whether a two-way covariance had a variance that was not above 0, so that its negative eigenvalues were set to
    /// 0, as Cameron, Gelbach and Miller advise. Such a variance is a sign of too few clusters.
    pub made_positive: bool,
}

/// The rule for the lags of Newey and West 1994: floor(4 (n / 100)^(2/9)).
pub fn newey_west_lags(n: usize) -> usize {
    (4.0 * (n as f64 / 100.0).powf(2.0 / 9.0)).floor() as usize
}

impl Ols {
    /// The coefficients with standard errors. The reference is Student's distribution with n - k degrees of freedom;
    /// with G clusters G - 1 (of two kinds, the smaller G); with Driscoll-Kraay and `small_sample` the number of
    /// periods minus 1. It is the normal distribution with [`ClusterCorrection::None`], and with Newey-West or
    /// Driscoll-Kraay without `small_sample`.
    ///
    /// # Errors
    /// [`Error::Length`] for labels of another length; [`Error::TooFew`] for fewer than two clusters or no more periods
    /// than lags; [`Error::Argument`] for HC2 and HC3 with fixed effects, or where a row alone determines a
    /// coefficient; [`Error::Constant`] if the fit is exact.
    pub fn table(&self, errors: &StandardErrors) -> Result<Table> {
        let (reference, clusters) = self.reference(errors);
        let (df, n) = (self.df as f64, self.n as f64);
        let scale = n / df;
        let covariance = match *errors {
            StandardErrors::Classical => self.bread() * self.sigma2(),
            StandardErrors::Hc0 => self.sandwich(&self.white()),
            StandardErrors::Hc1 => self.sandwich(&self.white()) * scale,
            StandardErrors::Hc2 => self.sandwich(&self.white_by_leverage(|rest| 1.0 / rest)?),
            StandardErrors::Hc3 => self.sandwich(&self.white_by_leverage(|rest| 1.0 / (rest * rest))?),
            StandardErrors::NeweyWest { lags, small_sample } => {
                let scores = self.scores();
                self.hac(&[scores], lags, if small_sample { scale } else { 1.0 })?
            }
            StandardErrors::NeweyWestWithin { lags, small_sample, series } => {
                same_length("labels of series", series.len(), self.n)?;
                let scores = split(&self.scores(), series);
                self.hac(&scores, lags, if small_sample { scale } else { 1.0 })?
            }
            StandardErrors::DriscollKraay { lags, period, small_sample } => {
                same_length("labels of periods", period.len(), self.n)?;
                at_least("periods", count(period), 2)?;
                let sums = self.sums(period, true);
                let periods = sums.nrows() as f64;
                let factor = periods / (periods - 1.0) * (n - 1.0) / df;
                self.hac(&[sums], lags, if small_sample { factor } else { 1.0 })?
            }
            StandardErrors::Clustered { by, correction } => {
                at_least("clusters", clusters[0], 2)?;
                self.clustered(by, correction, clusters[0])?
            }
            StandardErrors::TwoWay { by, correction } => {
                at_least("clusters", clusters[0].min(clusters[1]), 2)?;
                self.two_way(by, correction, [clusters[0], clusters[1]])?
            }
            StandardErrors::ClusterJackknife { by, about_mean } => {
                at_least("clusters", clusters[0], 2)?;
                self.jackknife(by, about_mean)?
            }
            StandardErrors::TwoWayJackknife { by } => {
                at_least("clusters", clusters[0].min(clusters[1]), 2)?;
                self.two_way_jackknife(by)?
            }
        };
        self.assemble(covariance, reference, clusters)
    }

    /// The distribution that coefficients are tested against, and the number of clusters of each kind.
    fn reference(&self, errors: &StandardErrors) -> (Reference, Vec<usize>) {
        let of_clusters = |correction, kinds: &[&[u64]]| {
            let counts: Vec<usize> = kinds.iter().map(|by| count(by)).collect();
            let smallest = counts.iter().copied().min().unwrap_or(0);
            (cluster_reference(correction, smallest), counts)
        };
        match *errors {
            StandardErrors::NeweyWest { small_sample: false, .. }
            | StandardErrors::NeweyWestWithin { small_sample: false, .. }
            | StandardErrors::DriscollKraay { small_sample: false, .. } => (Reference::Normal, Vec::new()),
            StandardErrors::DriscollKraay { period, .. } => {
                (cluster_reference(ClusterCorrection::Each, count(period)), Vec::new())
            }
            StandardErrors::Clustered { by, correction } => of_clusters(correction, &[by]),
            StandardErrors::TwoWay { by, correction } => of_clusters(correction, &by),
            StandardErrors::ClusterJackknife { by, .. } => of_clusters(ClusterCorrection::Each, &[by]),
            StandardErrors::TwoWayJackknife { by } => of_clusters(ClusterCorrection::Each, &by),
            _ => (Reference::Student { df: self.df as f64 }, Vec::new()),
        }
    }

    /// The table of this covariance of the estimates.
    fn assemble(&self, mut covariance: DMatrix<f64>, reference: Reference, clusters: Vec<usize>) -> Result<Table> {
        let y2: f64 = (&self.x * DVector::from_column_slice(&self.coefficients)).norm_squared() + self.rss;
        // The residuals of an exact fit are not 0 but rounding errors of this size.
        if self.rss <= 1e-26 * y2 {
            return Err(Error::Constant { what: "residuals" });
        }
        let made_positive = covariance.diagonal().iter().any(|variance| *variance <= 0.0);
        if made_positive {
            make_positive(&mut covariance);
        }
        let classical = self.bread().diagonal() * self.sigma2();
        let coefficients = self
            .coefficients
            .iter()
            .enumerate()
            .map(|(index, &estimate)| {
                let variance = covariance[(index, index)];
                // Where the residuals of each cluster add up to 0, the sums are rounding errors of this size.
                let is_zero = variance <= 1e-24 * classical[index];
                let standard_error = if is_zero { 0.0 } else { variance.sqrt() };
                let test = Test::ratio(estimate, standard_error, reference, self.n, "residuals")?;
                Ok(Coefficient { estimate, standard_error, test })
            })
            .collect::<Result<_>>()?;
        let covariance = covariance.row_iter().map(|row| row.iter().copied().collect()).collect();
        Ok(Table { coefficients, covariance, reference, clusters, made_positive })
    }

    fn sandwich(&self, meat: &DMatrix<f64>) -> DMatrix<f64> {
        let bread = self.bread();
        &bread * meat * bread
    }

    /// Each row of X times its residual.
    fn scores(&self) -> DMatrix<f64> {
        let mut scores = self.x.clone();
        for mut column in scores.column_iter_mut() {
            column.iter_mut().zip(&self.scaled_residuals).for_each(|(value, residual)| *value *= residual);
        }
        scores
    }

    /// Σ x x' e².
    fn white(&self) -> DMatrix<f64> {
        let scores = self.scores();
        scores.tr_mul(&scores)
    }

    /// Σ x x' e² f(1 - leverage).
    fn white_by_leverage(&self, factor: impl Fn(f64) -> f64) -> Result<DMatrix<f64>> {
        let mut scores = self.scores();
        let rule = "0 for HC2 and HC3, whose leverages would lack them: take HC1 or clusters";
        argument("the number of fixed effects", (self.n - self.k() - self.df) as f64, !self.within, rule)?;
        let orthogonal = &self.x * &self.r_inverse;
        for row in 0..self.n {
            let one_minus_leverage = 1.0 - orthogonal.row(row).norm_squared();
            let rule = "below 1: a row that alone determines a coefficient has no HC2 or HC3 error";
            argument("the leverage of a row", 1.0 - one_minus_leverage, one_minus_leverage > 1e-12, rule)?;
            scores.row_mut(row).scale_mut(factor(one_minus_leverage).sqrt());
        }
        Ok(scores.tr_mul(&scores))
    }

    /// Newey and West's covariance of several series, which are uncorrelated with each other, times `factor`.
    fn hac(&self, series: &[DMatrix<f64>], lags: usize, factor: f64) -> Result<DMatrix<f64>> {
        let k = self.k();
        let longest = series.iter().map(DMatrix::nrows).max().unwrap_or(0);
        at_least("rows of a series", longest, lags + 1)?;
        let mut meat = DMatrix::zeros(k, k);
        for scores in series {
            let n = scores.nrows();
            meat += scores.tr_mul(scores);
            for lag in 1..=lags.min(n.saturating_sub(1)) {
                let weight = 1.0 - lag as f64 / (lags + 1) as f64;
                let product = scores.rows(lag, n - lag).tr_mul(&scores.rows(0, n - lag)) * weight;
                meat += &product + product.transpose();
            }
        }
        Ok(self.sandwich(&meat) * factor)
    }

    /// Sums of scores by label; in the order of labels if `sorted`, else of first appearance.
    fn sums<L: Hash + Ord + Copy>(&self, labels: &[L], sorted: bool) -> DMatrix<f64> {
        let (mut of_row, labels) = numbered(labels);
        if sorted {
            let mut order: Vec<usize> = (0..labels.len()).collect();
            order.sort_unstable_by_key(|&index| labels[index]);
            let mut place = vec![0; order.len()];
            order.iter().enumerate().for_each(|(to, &from)| place[from] = to);
            of_row.iter_mut().for_each(|index| *index = place[*index]);
        }
        let scores = self.scores();
        let mut sums = DMatrix::zeros(labels.len(), self.k());
        for column in 0..self.k() {
            for (row, &label) in of_row.iter().enumerate() {
                sums[(label, column)] += scores[(row, column)];
            }
        }
        sums
    }

    fn clustered<L: Hash + Ord + Copy>(
        &self,
        by: &[L],
        correction: ClusterCorrection,
        g: usize,
    ) -> Result<DMatrix<f64>> {
        same_length("labels of clusters", by.len(), self.n)?;
        let sums = self.sums(by, false);
        let factor = match correction {
            ClusterCorrection::None => 1.0,
            _ => g as f64 / (g as f64 - 1.0) * (self.n as f64 - 1.0) / self.df as f64,
        };
        Ok(self.sandwich(&sums.tr_mul(&sums)) * factor)
    }

    fn two_way(&self, by: [&[u64]; 2], correction: ClusterCorrection, g: [usize; 2]) -> Result<DMatrix<f64>> {
        same_length("labels of clusters", by[1].len(), self.n)?;
        same_length("labels of clusters", by[0].len(), self.n)?;
        let both: Vec<(u64, u64)> = by[0].iter().copied().zip(by[1].iter().copied()).collect();
        let smallest = g[0].min(g[1]);
        let g = match correction {
            ClusterCorrection::Smallest => [smallest; 3],
            _ => [g[0], g[1], count(&both)],
        };
        Ok(self.clustered(by[0], correction, g[0])? + self.clustered(by[1], correction, g[1])?
            - self.clustered(&both, correction, g[2])?)
    }

    fn two_way_jackknife(&self, by: [&[u64]; 2]) -> Result<DMatrix<f64>> {
        same_length("labels of clusters", by[1].len(), self.n)?;
        same_length("labels of clusters", by[0].len(), self.n)?;
        let both: Vec<(u64, u64)> = by[0].iter().copied().zip(by[1].iter().copied()).collect();
        let (one, two) = (self.jackknife(by[0], false)?, self.jackknife(by[1], false)?);
        let sum = &one + &two - self.jackknife(&both, false)?;
        let last = self.k() - 1;
        let wider = |a: DMatrix<f64>, b: DMatrix<f64>| if b[(last, last)] > a[(last, last)] { b } else { a };
        Ok(wider(wider(sum, one), two))
    }

    /// The estimate without cluster g differs by (X'X - Xg'Xg)^-1 Xg'eg.
    fn jackknife<L: Hash + Ord + Copy>(&self, by: &[L], about_mean: bool) -> Result<DMatrix<f64>> {
        same_length("labels of clusters", by.len(), self.n)?;
        let k = self.k();
        let whole = self.x.tr_mul(&self.x);
        let sums = self.sums(by, false);
        let (of_row, labels) = numbered(by);
        let g = labels.len();
        let mut within = vec![DMatrix::<f64>::zeros(k, k); g];
        for first in 0..k {
            for second in 0..=first {
                for (row, &label) in of_row.iter().enumerate() {
                    within[label][(first, second)] += self.x[(row, first)] * self.x[(row, second)];
                }
            }
        }
        within.iter_mut().for_each(DMatrix::fill_upper_triangle_with_lower_triangle);
        let mut changes = DMatrix::zeros(g, k);
        for (label, within) in within.iter().enumerate() {
            let without = (&whole - within).cholesky().ok_or(Error::NoJackknife)?;
            // A pivot of this size is the rounding error of 0: without this cluster there is no estimate.
            if (0..k).any(|at| without.l_dirty()[(at, at)].powi(2) <= 1e-14 * whole[(at, at)]) {
                return Err(Error::NoJackknife);
            }
            changes.set_row(label, &without.solve(&sums.row(label).transpose()).transpose());
        }
        if about_mean {
            let mean = changes.row_mean();
            changes.row_iter_mut().for_each(|mut row| row -= &mean);
        }
        Ok(changes.tr_mul(&changes) * ((g as f64 - 1.0) / g as f64))
    }
}

fn cluster_reference(correction: ClusterCorrection, g: usize) -> Reference {
    match correction {
        ClusterCorrection::None => Reference::Normal,
        _ => Reference::Student { df: g as f64 - 1.0 },
    }
}

/// Sets negative eigenvalues to 0.
fn make_positive(covariance: &mut DMatrix<f64>) {
    let symmetric = (&*covariance + covariance.transpose()) * 0.5;
    let mut eigen = symmetric.symmetric_eigen();
    eigen.eigenvalues.iter_mut().for_each(|value| *value = value.max(0.0));
    *covariance = eigen.recompose();
}

/// The number of each row's label, counted from 0 by first appearance, and the labels.
pub(crate) fn numbered<L: Hash + Eq + Copy>(labels: &[L]) -> (Vec<usize>, Vec<L>) {
    let mut seen = HashMap::new();
    let mut distinct = Vec::new();
    // Rows of one label mostly follow each other, so few have to be looked up.
    let mut last: Option<(L, usize)> = None;
    let mut of_row = Vec::with_capacity(labels.len());
    for &label in labels {
        let number = match last {
            Some((own, number)) if own == label => number,
            _ => *seen.entry(label).or_insert_with(|| {
                distinct.push(label);
                distinct.len() - 1
            }),
        };
        last = Some((label, number));
        of_row.push(number);
    }
    (of_row, distinct)
}

/// The number of different labels.
fn count<L: Hash + Eq + Copy>(labels: &[L]) -> usize {
    numbered(labels).1.len()
}

/// The rows of each series, in their order.
fn split(scores: &DMatrix<f64>, series: &[u64]) -> Vec<DMatrix<f64>> {
    let (of_row, labels) = numbered(series);
    let mut rows = vec![Vec::new(); labels.len()];
    of_row.iter().enumerate().for_each(|(row, &label)| rows[label].push(row));
    rows.iter().map(|rows| scores.select_rows(rows)).collect()
}
