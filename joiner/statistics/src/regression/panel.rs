//! Panel regressions with fixed effects.

use super::covariance::numbered;
use super::{Design, Ols};
use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::ic::mean_newey_west;
use crate::moments::{Mean, sum};
use crate::overlap::root;
use crate::test::Test;

/// The groups of a panel's rows that have an effect of their own. There is one label for each row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum FixedEffects<'a> {
    /// One effect for each symbol, or for each of whatever the labels name.
    One(&'a [u64]),
    /// One effect for each symbol and one for each day. Rows need not be balanced.
    Two(&'a [u64], &'a [u64]),
}

/// A panel regression fitted within its fixed effects.
#[derive(Debug, Clone)]
pub struct Panel {
    /// The fit of the demeaned variables. It has no constant; its degrees of freedom are n - k - `absorbed`, or more
    /// after [`Panel::without_counting`].
    pub fit: Ols,
    /// Number of parameters that the fixed effects absorb: the groups or, with two kinds, the groups of both kinds less
    /// the connected components of the graph whose edges are the rows.
    pub absorbed: usize,
    /// Rows that are alone in a group. They say nothing about the coefficients.
    pub singletons: usize,
}

impl Panel {
    /// Regresses `y` on `regressors`, each a column, with fixed effects. Estimates equal those of a regression with a
    /// dummy for each group (`linearmodels.PanelOLS`, `reghdfe`).
    ///
    /// # Errors
    /// [`Error::Collinear`] for a regressor that the effects explain, such as one that is constant within symbols;
    /// [`Error::TooFew`] unless n > k + absorbed; [`Error::Length`]; [`Error::NotFinite`]; [`Error::NotConverged`].
    pub fn fit(y: &[f64], regressors: &[&[f64]], effects: FixedEffects) -> Result<Self> {
        let n = y.len();
        let groups = Groups::of(effects, n)?;
        finite("the dependent variable", y)?;
        at_least("rows", n, regressors.len() + groups.absorbed() + 1)?;
        let mut columns = Vec::with_capacity(regressors.len());
        for (column, regressor) in regressors.iter().enumerate() {
            same_length("a regressor", regressor.len(), n)?;
            finite("a regressor", regressor)?;
            let left = groups.demean(regressor)?;
            let length = |values: &[f64]| sum(values.iter().map(|value| value * value)).sqrt();
            // A NaN counts as no variation, like a constant.
            let varies = length(&left) > 1e-9 * length(regressor);
            if !varies {
                return Err(Error::Collinear { column });
            }
            columns.push(left);
        }
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut fit = Ols::fit(Design::without_constant(n, &columns)?, &groups.demean(y)?)?;
        let absorbed = groups.absorbed();
        fit.df = n - fit.k() - absorbed;
        fit.within = true;
        Ok(Self { fit, absorbed, singletons: groups.singletons() })
    }

    /// The same fit with `effects` parameters of its fixed effects not counted in n - k. With clustered errors the
    /// effects that are nested in clusters are not counted (`reghdfe`, `linearmodels` with `auto_df`).
    ///
    /// # Errors
    /// [`Error::Argument`] if more are given than were absorbed.
    pub fn without_counting(mut self, effects: usize) -> Result<Self> {
        let rule = "at most the number of absorbed effects";
        argument("the number of effects", effects as f64, effects <= self.absorbed, rule)?;
        self.fit.df = self.fit.n - self.fit.k() - self.absorbed + effects;
        Ok(self)
    }
}

/// `values` less their fixed effects: the residuals of a regression on a dummy for each group.
///
/// # Errors
/// [`Error::Length`]; [`Error::NotFinite`]; [`Error::NotConverged`].
pub fn within(values: &[f64], effects: FixedEffects) -> Result<Vec<f64>> {
    finite("values", values)?;
    Groups::of(effects, values.len())?.demean(values)
}

/// Fama and MacBeth 1973: a cross-sectional regression with a constant in each period, and for each coefficient the
/// mean over periods, whose standard error comes from its spread over periods. The constant is first.
///
/// `lags` > 0 takes Newey and West's standard error of the mean instead, for returns that reach into later periods.
///
/// # Errors
/// [`Error::TooFew`] if a period has no more rows than coefficients, for fewer than two periods or no more than lags;
/// [`Error::Collinear`]; [`Error::Length`]; [`Error::NotFinite`].
pub fn fama_macbeth(y: &[f64], regressors: &[&[f64]], period: &[u64], lags: usize) -> Result<Vec<(Mean, Test)>> {
    same_length("labels of periods", period.len(), y.len())?;
    for regressor in regressors {
        same_length("a regressor", regressor.len(), y.len())?;
    }
    let (of_row, mut labels) = numbered(period);
    let mut rows = vec![Vec::new(); labels.len()];
    of_row.iter().enumerate().for_each(|(row, &label)| rows[label].push(row));
    let mut periods: Vec<(u64, Vec<usize>)> = labels.drain(..).zip(rows).collect();
    periods.sort_unstable_by_key(|(label, _)| *label);
    let mut estimates = vec![Vec::new(); regressors.len() + 1];
    for (_, rows) in &periods {
        let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
        let columns: Vec<Vec<f64>> = regressors.iter().map(|regressor| pick(regressor)).collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let fit = Ols::fit(Design::with_constant(rows.len(), &columns)?, &pick(y))?;
        estimates.iter_mut().zip(fit.coefficients).for_each(|(all, estimate)| all.push(estimate));
    }
    estimates
        .iter()
        .map(|estimates| {
            let mean = Mean::of("coefficients of the periods", estimates)?;
            let test = if lags == 0 { mean.t_test()? } else { mean_newey_west(estimates, lags, true)?.0 };
            Ok((mean, test))
        })
        .collect()
}

/// Rows by group, of one or two kinds.
struct Groups {
    kinds: Vec<Kind>,
}

struct Kind {
    of_row: Vec<usize>,
    sizes: Vec<f64>,
}

impl Kind {
    fn of(labels: &[u64]) -> Self {
        let (of_row, distinct) = numbered(labels);
        let mut sizes = vec![0.0; distinct.len()];
        of_row.iter().for_each(|&group| sizes[group] += 1.0);
        Self { of_row, sizes }
    }

    fn sums(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.sizes.len()];
        self.of_row.iter().zip(values).for_each(|(&group, value)| sums[group] += value);
        sums
    }

    fn subtract_means(&self, values: &mut [f64]) {
        let sums = self.sums(values);
        values.iter_mut().zip(&self.of_row).for_each(|(value, &group)| *value -= sums[group] / self.sizes[group]);
    }

    fn spread(&self, effects: &[f64]) -> Vec<f64> {
        self.of_row.iter().map(|&group| effects[group]).collect()
    }
}

impl Groups {
    fn of(effects: FixedEffects, rows: usize) -> Result<Self> {
        let labels = match effects {
            FixedEffects::One(one) => vec![one],
            FixedEffects::Two(one, two) => vec![one, two],
        };
        for labels in &labels {
            same_length("labels of fixed effects", labels.len(), rows)?;
        }
        Ok(Self { kinds: labels.into_iter().map(Kind::of).collect() })
    }

    fn absorbed(&self) -> usize {
        let groups: usize = self.kinds.iter().map(|kind| kind.sizes.len()).sum();
        groups - if self.kinds.len() == 2 { self.components() } else { 0 }
    }

    fn singletons(&self) -> usize {
        let rows = self.kinds[0].of_row.len();
        (0..rows).filter(|&row| self.kinds.iter().any(|kind| kind.sizes[kind.of_row[row]] == 1.0)).count()
    }

    /// Number of connected components of the graph whose nodes are the groups and whose edges are the rows.
    fn components(&self) -> usize {
        let first = self.kinds[0].sizes.len();
        let mut parent: Vec<usize> = (0..first + self.kinds[1].sizes.len()).collect();
        let mut parts = parent.len();
        for (&one, &two) in self.kinds[0].of_row.iter().zip(&self.kinds[1].of_row) {
            let (one, two) = (root(&mut parent, one), root(&mut parent, first + two));
            if one != two {
                parent[one] = two;
                parts -= 1;
            }
        }
        parts
    }

    fn demean(&self, values: &[f64]) -> Result<Vec<f64>> {
        let mut left = values.to_vec();
        if self.kinds.len() == 1 {
            // Twice: the second pass removes the rounding of the first.
            self.kinds[0].subtract_means(&mut left);
            self.kinds[0].subtract_means(&mut left);
        } else {
            let scale = sum(values.iter().map(|value| value * value)).sqrt();
            // What a pass subtracts is the error that the pass before it had left.
            let converged = (0..20).any(|_| self.subtract_both(&mut left) <= 1e-13 * scale);
            if !converged {
                return Err(Error::NotConverged);
            }
        }
        Ok(left)
    }

    /// Subtracts the least-squares effects of both kinds from `values`: those of the first kind are eliminated, those
    /// of the second are found by conjugate gradients. Returns the length of what was subtracted.
    fn subtract_both(&self, values: &mut [f64]) -> f64 {
        let (first, second) = (&self.kinds[0], &self.kinds[1]);
        let original: f64 = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let before = values.to_vec();
        first.subtract_means(values);
        let mut rest = second.sums(values);
        let mut effects = vec![0.0; rest.len()];
        let precondition = |rest: &[f64]| -> Vec<f64> { rest.iter().zip(&second.sizes).map(|(r, n)| r / n).collect() };
        let dot = |a: &[f64], b: &[f64]| sum(a.iter().zip(b).map(|(a, b)| a * b));
        let mut direction = precondition(&rest);
        let mut product = dot(&rest, &direction);
        for _ in 0..20_000 {
            if product.sqrt() <= 1e-15 * original || product == 0.0 {
                break;
            }
            let mut image = second.spread(&direction);
            first.subtract_means(&mut image);
            let image = second.sums(&image);
            let curvature = dot(&direction, &image);
            if curvature <= 0.0 {
                break;
            }
            let step = product / curvature;
            effects.iter_mut().zip(&direction).for_each(|(effect, d)| *effect += step * d);
            rest.iter_mut().zip(&image).for_each(|(rest, image)| *rest -= step * image);
            let next = precondition(&rest);
            let following = dot(&rest, &next);
            let ratio = following / product;
            direction.iter_mut().zip(next).for_each(|(d, next)| *d = next + ratio * *d);
            product = following;
        }
        let spread = second.spread(&effects);
        values.iter_mut().zip(spread).for_each(|(value, effect)| *value -= effect);
        first.subtract_means(values);
        before.iter().zip(values.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }
}
