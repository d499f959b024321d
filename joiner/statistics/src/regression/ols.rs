//! Least squares by QR.

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::moments::{mean, sum};

/// A regressor is collinear if no more than this share of its length is left after projection on the columns before it
/// has been subtracted.
const COLLINEAR: f64 = 1e-10;

/// The regressors of a regression: n rows, k columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    columns: Vec<f64>,
    rows: usize,
    constant: bool,
}

impl Design {
    /// A constant and then `regressors`, each a column of the same length.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn with_constant(rows: usize, regressors: &[&[f64]]) -> Result<Self> {
        let mut design = Self { columns: vec![1.0; rows], rows, constant: true };
        design.extend(regressors)?;
        Ok(design)
    }

    /// `regressors` alone, each a column of the same length.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn without_constant(rows: usize, regressors: &[&[f64]]) -> Result<Self> {
        let mut design = Self { columns: Vec::new(), rows, constant: false };
        design.extend(regressors)?;
        Ok(design)
    }

    fn extend(&mut self, regressors: &[&[f64]]) -> Result<()> {
        for regressor in regressors {
            same_length("a regressor", regressor.len(), self.rows)?;
            finite("a regressor", regressor)?;
            self.columns.extend_from_slice(regressor);
        }
        Ok(())
    }

    /// Number of columns, the constant included.
    pub fn columns(&self) -> usize {
        self.columns.len().checked_div(self.rows).unwrap_or(0)
    }
}

/// A regression fitted by least squares: y = X b + e.
///
/// The fit is by Householder QR of X, so its error grows with the condition of X and not with its square.
#[derive(Debug, Clone)]
pub struct Ols {
    /// Estimates, in the order of the design.
    pub coefficients: Vec<f64>,
    /// y - X b for each row, in the units of y.
    pub residuals: Vec<f64>,
    /// Sum of squared residuals; weighted if the regression is weighted.
    pub rss: f64,
    /// Number of rows.
    pub n: usize,
    /// Degrees of freedom left: n - k, less those that fixed effects have taken.
    pub df: usize,
    /// X, each row times the root of its weight.
    pub(super) x: DMatrix<f64>,
    /// Residuals times the roots of the weights.
    pub(super) scaled_residuals: Vec<f64>,
    /// The inverse of R.
    pub(super) r_inverse: DMatrix<f64>,
    /// Whether the variables are what fixed effects have left, so that leverages lack the effects' part.
    pub(super) within: bool,
    total: f64,
}

impl Ols {
    /// Fits `y` by ordinary least squares.
    ///
    /// # Errors
    /// [`Error::TooFew`] unless n > k; [`Error::Collinear`]; [`Error::Length`]; [`Error::NotFinite`].
    pub fn fit(design: Design, y: &[f64]) -> Result<Self> {
        Self::solve(design, y, None)
    }

    /// Fits `y` by weighted least squares: the square of row i's residual is multiplied by `weights[i]` > 0. Only the
    /// ratios of weights matter for estimates and standard errors (Stata's `aweight`, statsmodels' `WLS`).
    ///
    /// # Errors
    /// As [`Ols::fit`]; [`Error::Argument`] for a weight that is not above 0.
    pub fn fit_weighted(design: Design, y: &[f64], weights: &[f64]) -> Result<Self> {
        same_length("weights", weights.len(), y.len())?;
        finite("weights", weights)?;
        if let Some(&weight) = weights.iter().find(|weight| **weight <= 0.0) {
            argument("a weight", weight, false, "above 0")?;
        }
        Self::solve(design, y, Some(weights))
    }

    fn solve(design: Design, y: &[f64], weights: Option<&[f64]>) -> Result<Self> {
        let (n, k) = (design.rows, design.columns());
        same_length("the dependent variable", y.len(), n)?;
        finite("the dependent variable", y)?;
        at_least("regressors", k, 1)?;
        at_least("rows", n, k + 1)?;
        let constant = design.constant;
        let roots: Option<Vec<f64>> = weights.map(|weights| weights.iter().map(|weight| weight.sqrt()).collect());
        let mut x = DMatrix::from_vec(n, k, design.columns);
        let mut right = DVector::from_column_slice(y);
        if let Some(roots) = &roots {
            for (row, root) in roots.iter().enumerate() {
                x.row_mut(row).scale_mut(*root);
                right[row] *= root;
            }
        }
        let total = total_squares(y, weights, constant);
        let (coefficients, r_inverse) = least_squares(&x, &right)?;
        let scaled_residuals: Vec<f64> = (right - &x * &coefficients).iter().copied().collect();
        let residuals = match &roots {
            Some(roots) => scaled_residuals.iter().zip(roots).map(|(residual, root)| residual / root).collect(),
            None => scaled_residuals.clone(),
        };
        Ok(Self {
            coefficients: coefficients.iter().copied().collect(),
            rss: sum(scaled_residuals.iter().map(|residual| residual * residual)),
            residuals,
            n,
            df: n - k,
            x,
            scaled_residuals,
            r_inverse,
            within: false,
            total,
        })
    }

    /// Number of coefficients.
    pub fn k(&self) -> usize {
        self.coefficients.len()
    }

    /// Variance of the residuals, `rss / df`.
    pub fn sigma2(&self) -> f64 {
        self.rss / self.df as f64
    }

    /// Share of the variance that is explained; about the mean if the design has a constant, else about 0.
    ///
    /// # Errors
    /// [`Error::Constant`] if `y` does not vary.
    pub fn r_squared(&self) -> Result<f64> {
        if self.total > 0.0 {
            Ok(1.0 - self.rss / self.total)
        } else {
            Err(Error::Constant { what: "values of the dependent variable" })
        }
    }

    /// (X'X)^-1.
    pub(super) fn bread(&self) -> DMatrix<f64> {
        &self.r_inverse * self.r_inverse.transpose()
    }

    /// A row of a design times R^-1. The product of two such rows a and b is a' (X'X)^-1 b: times [`Ols::sigma2`], the
    /// covariance of their fitted values.
    pub(crate) fn whitened(&self, row: &[f64]) -> Vec<f64> {
        self.r_inverse.tr_mul(&DVector::from_column_slice(row)).iter().copied().collect()
    }
}

/// Sum of squares of y: about its mean where there is a constant.
fn total_squares(y: &[f64], weights: Option<&[f64]>, constant: bool) -> f64 {
    let Some(weights) = weights else {
        let middle = if constant { mean(y) } else { 0.0 };
        return sum(y.iter().map(|value| (value - middle).powi(2)));
    };
    let weight = sum(weights.iter().copied());
    let middle = if constant { sum(y.iter().zip(weights).map(|(y, w)| y * w)) / weight } else { 0.0 };
    sum(y.iter().zip(weights).map(|(y, w)| w * (y - middle).powi(2)))
}

/// Coefficients and the inverse of R. The solution is refined once, with its own residuals.
fn least_squares(x: &DMatrix<f64>, y: &DVector<f64>) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let k = x.ncols();
    let lengths: Vec<f64> = x.column_iter().map(|column| column.norm()).collect();
    let qr = x.clone().qr();
    let r = qr.r();
    for (column, length) in lengths.iter().enumerate() {
        // A NaN counts as collinear, too.
        let new = r[(column, column)].abs() > COLLINEAR * length;
        if !new {
            return Err(Error::Collinear { column });
        }
    }
    let r_inverse = r.solve_upper_triangular(&DMatrix::identity(k, k)).ok_or(Error::Collinear { column: k - 1 })?;
    let solve = |right: &DVector<f64>| {
        let mut rotated = right.clone();
        qr.q_tr_mul(&mut rotated);
        &r_inverse * rotated.rows(0, k)
    };
    let first = solve(y);
    let rest = y - x * &first;
    Ok((first + solve(&rest), r_inverse))
}
