//! Abnormal returns of one event: what was earned less what a model expected.

use crate::error::{Error, Result, at_least, same_length};
use crate::moments::{mean, squares_about_mean, sum};
use crate::regression::{Design, Ols};
use crate::test::{Interval, Reference, Test};

/// The model of expected returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// The mean return of the estimation window.
    MeanAdjusted,
    /// The return of the first factor, the market: nothing is estimated.
    MarketAdjusted,
    /// A constant and the factors, by least squares over the estimation window. With one factor, the market's return,
    /// it is the market model. With the factors of Fama and French it is their model, if returns are less the risk-free
    /// rate.
    Factors,
}

/// How the variance of an abnormal return is estimated from the T residuals of the estimation window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variance {
    /// Squared residuals divided by T less the number of estimated parameters: T - 2 in the market model (MacKinlay
    /// 1997). The market-adjusted model estimates nothing and its residuals need not be about 0, so there it is
    /// [`Variance::Sample`].
    #[default]
    ResidualDf,
    /// Squares about the mean divided by T - 1, as estudy2 (R).
    Sample,
    /// Squares about the mean divided by T, as eventstudy (Python).
    Population,
}

/// The variance of a cumulative abnormal return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CumulativeVariance {
    /// With the error of the estimated parameters, which all steps share: s² (L + 1'X (X'X)^-1 X'1)
    /// (Campbell, Lo and MacKinlay 1997, 4.4.2).
    #[default]
    PredictionError,
    /// L s²: for long estimation windows.
    Simple,
}

/// Choices in which textbooks and programs differ. The default is the textbooks' choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Variance of the residuals.
    pub variance: Variance,
    /// Whether the variance of an abnormal return includes the error of the estimated parameters. If not, no variance
    /// of a cumulative one does either.
    pub prediction_error: bool,
    /// Whether the prediction error is computed from the factors of all steps of the estimation window, also those
    /// where the security has no return, as estudy2 does; otherwise from those used.
    pub factors_of_all_steps: bool,
    /// Fewest returns in the estimation window. If the model needs more, that number applies.
    pub minimum_estimation: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            variance: Variance::ResidualDf,
            prediction_error: true,
            factors_of_all_steps: false,
            minimum_estimation: 30,
        }
    }
}

/// The returns around one event. All are of one kind, simple or logarithmic, and of one width.
///
/// **A missing value is `None`.** A step without a return or without one of its factors does not count. NaN and
/// infinities are refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventReturns {
    /// The security in the estimation window, which ends before the event window.
    pub estimation: Vec<Option<f64>>,
    /// Each factor in the estimation window, as long as `estimation`; the market first.
    pub estimation_factors: Vec<Vec<Option<f64>>>,
    /// The security in the event window.
    pub event: Vec<Option<f64>>,
    /// Each factor in the event window, as long as `event`.
    pub event_factors: Vec<Vec<Option<f64>>>,
}

/// The abnormal returns of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Abnormal {
    /// Estimated parameters: constant first; empty for the market-adjusted model.
    pub parameters: Vec<f64>,
    /// Residuals of the estimation window, step by step.
    pub residuals: Vec<Option<f64>>,
    /// Number of residuals, T.
    pub estimated_from: usize,
    /// Variance of an abnormal return, without prediction error.
    pub sigma2: f64,
    /// Degrees of freedom of `sigma2` in tests: T less the number of parameters; T - 1 for the market-adjusted model.
    pub df: usize,
    /// Abnormal returns of the event window, step by step.
    pub abnormal: Vec<Option<f64>>,
    /// Their variances, with prediction error if so chosen.
    pub variance: Vec<Option<f64>>,
    /// The covariance of steps s and t that comes from the estimated parameters, in units of `sigma2`.
    shared: Vec<Vec<f64>>,
}

/// A cumulative abnormal return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cumulative {
    /// Sum of the abnormal returns.
    pub car: f64,
    /// Its variance.
    pub variance: f64,
    /// Steps that counted: those with a return.
    pub steps: usize,
    /// Degrees of freedom of the variance.
    pub df: usize,
}

impl Cumulative {
    /// CAR over its standard deviation, SCAR.
    pub fn standardized(&self) -> f64 {
        self.car / self.variance.sqrt()
    }

    /// The test of a cumulative abnormal return of 0, by Student's distribution.
    ///
    /// # Errors
    /// [`Error::Constant`] if the variance is 0.
    pub fn test(&self) -> Result<Test> {
        Test::ratio(self.car, self.variance.sqrt(), self.reference(), self.steps, "residuals")
    }

    /// The interval around the cumulative abnormal return.
    ///
    /// # Errors
    /// [`Error::Argument`] if `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Result<Interval> {
        Interval::around(self.car, self.variance.sqrt(), self.reference(), level)
    }

    fn reference(&self) -> Reference {
        Reference::Student { df: self.df as f64 }
    }
}

impl Abnormal {
    /// Abnormal returns over their standard deviations, SAR, step by step.
    pub fn standardized(&self) -> Vec<Option<f64>> {
        let ratio = |(ar, variance): (&Option<f64>, &Option<f64>)| Some((*ar)? / (*variance)?.sqrt());
        self.abnormal.iter().zip(&self.variance).map(ratio).collect()
    }

    /// The sum of the abnormal returns of `steps`, places in the event window. Steps without a return do not count.
    ///
    /// # Errors
    /// [`Error::TooFew`] if no step has a return or the range leaves the window.
    pub fn cumulative(
        &self,
        steps: std::ops::RangeInclusive<usize>,
        variance: CumulativeVariance,
    ) -> Result<Cumulative> {
        let (from, to) = (*steps.start(), *steps.end());
        at_least("steps of the event window", self.abnormal.len(), to + 1)?;
        let used: Vec<usize> = (from..=to).filter(|&step| self.abnormal[step].is_some()).collect();
        at_least("returns in the window", used.len(), 1)?;
        let car = sum(used.iter().filter_map(|&step| self.abnormal[step]));
        let shared = match variance {
            CumulativeVariance::PredictionError => {
                sum(used.iter().flat_map(|&s| used.iter().map(move |&t| self.shared[s][t])))
            }
            CumulativeVariance::Simple => 0.0,
        };
        Ok(Cumulative { car, variance: self.sigma2 * (used.len() as f64 + shared), steps: used.len(), df: self.df })
    }
}

/// Fits `model` over the estimation window and subtracts what it expects in the event window.
///
/// # Errors
/// [`Error::TooFew`] for an estimation window with fewer returns than `options` ask for or the model needs;
/// [`Error::Constant`] or [`Error::Collinear`] if returns or factors do not vary; [`Error::Length`];
/// [`Error::NotFinite`].
pub fn abnormal_returns(returns: &EventReturns, model: Model, options: &Options) -> Result<Abnormal> {
    let factors = match model {
        Model::MeanAdjusted => 0,
        Model::MarketAdjusted => 1,
        Model::Factors => returns.estimation_factors.len(),
    };
    at_least("factors", returns.estimation_factors.len(), factors.max(usize::from(model == Model::Factors)))?;
    same_length("factors of the event window", returns.event_factors.len(), returns.estimation_factors.len())?;
    let before = Rows::of(&returns.estimation, &returns.estimation_factors[..factors])?;
    let after = Rows::of(&returns.event, &returns.event_factors[..factors])?;
    let parameters = if model == Model::MarketAdjusted { 0 } else { factors + 1 };
    let used = before.complete.len();
    at_least("returns in the estimation window", used, options.minimum_estimation.max(parameters + 1).max(2))?;
    let fitted = Fitted::of(&before, model)?;
    let residuals: Vec<f64> = fitted.residuals(&before);
    let t = used as f64;
    let sigma2 = match options.variance {
        Variance::ResidualDf if parameters > 0 => sum(residuals.iter().map(|r| r * r)) / (t - parameters as f64),
        Variance::ResidualDf | Variance::Sample => squares_about_mean(&residuals) / (t - 1.0),
        Variance::Population => squares_about_mean(&residuals) / t,
    };
    let scale = sum(before.returns.iter().map(|r| r * r)) / t;
    // A constant's variance is not 0 but a rounding error of this size. A NaN counts as no variance, too.
    let varies = sigma2 > 1e-26 * scale;
    if !varies {
        return Err(Error::Constant { what: "abnormal returns of the estimation window" });
    }
    let shared = if options.prediction_error {
        let all = Rows::of_factors(&returns.estimation_factors[..factors], before.steps);
        fitted.shared(if options.factors_of_all_steps { &all } else { &before }, &after, t)?
    } else {
        vec![vec![0.0; after.steps]; after.steps]
    };
    let variance = (0..after.steps)
        .map(|step| after.complete.contains(&step).then(|| sigma2 * (1.0 + shared[step][step])))
        .collect();
    Ok(Abnormal {
        parameters: fitted.parameters.clone(),
        residuals: before.spread(&residuals),
        estimated_from: used,
        sigma2,
        df: used - parameters.max(1),
        abnormal: after.spread(&fitted.residuals(&after)),
        variance,
        shared,
    })
}

/// The complete steps of a window.
struct Rows {
    steps: usize,
    complete: Vec<usize>,
    returns: Vec<f64>,
    factors: Vec<Vec<f64>>,
}

impl Rows {
    fn of(returns: &[Option<f64>], factors: &[Vec<Option<f64>>]) -> Result<Self> {
        let finite = |what, values: &[Option<f64>]| match values.iter().position(|v| v.is_some_and(|v| !v.is_finite()))
        {
            Some(index) => Err(Error::NotFinite { what, index }),
            None => Ok(()),
        };
        finite("returns", returns)?;
        for factor in factors {
            same_length("a factor's returns", factor.len(), returns.len())?;
            finite("a factor's returns", factor)?;
        }
        let steps = returns.len();
        let complete: Vec<usize> = (0..steps)
            .filter(|&step| returns[step].is_some() && factors.iter().all(|factor| factor[step].is_some()))
            .collect();
        let pick = |values: &[Option<f64>]| complete.iter().filter_map(|&step| values[step]).collect();
        Ok(Self { steps, returns: pick(returns), factors: factors.iter().map(|f| pick(f)).collect(), complete })
    }

    /// The steps at which all factors are known, whether or not there is a return.
    fn of_factors(factors: &[Vec<Option<f64>>], steps: usize) -> Self {
        let complete: Vec<usize> =
            (0..steps).filter(|&step| factors.iter().all(|factor| factor[step].is_some())).collect();
        let pick = |values: &Vec<Option<f64>>| complete.iter().filter_map(|&step| values[step]).collect();
        Self { steps, returns: Vec::new(), factors: factors.iter().map(pick).collect(), complete }
    }

    fn spread(&self, values: &[f64]) -> Vec<Option<f64>> {
        let mut all = vec![None; self.steps];
        self.complete.iter().zip(values).for_each(|(&step, &value)| all[step] = Some(value));
        all
    }
}

/// A fitted model.
struct Fitted {
    model: Model,
    parameters: Vec<f64>,
}

impl Fitted {
    fn of(rows: &Rows, model: Model) -> Result<Self> {
        let parameters = match model {
            Model::MeanAdjusted => vec![mean(&rows.returns)],
            Model::MarketAdjusted => Vec::new(),
            Model::Factors => {
                let factors: Vec<&[f64]> = rows.factors.iter().map(Vec::as_slice).collect();
                Ols::fit(Design::with_constant(rows.returns.len(), &factors)?, &rows.returns)?.coefficients
            }
        };
        Ok(Self { model, parameters })
    }

    fn residuals(&self, rows: &Rows) -> Vec<f64> {
        let expected = |row: usize| match self.model {
            Model::MeanAdjusted => self.parameters[0],
            Model::MarketAdjusted => rows.factors[0][row],
            Model::Factors => {
                self.parameters[0] + sum(rows.factors.iter().zip(&self.parameters[1..]).map(|(f, b)| b * f[row]))
            }
        };
        rows.returns.iter().enumerate().map(|(row, value)| value - expected(row)).collect()
    }

    /// x_s' (X'X)^-1 x_t for each pair of steps of the event window: 1/T plus a term for the distance of the factors
    /// from their means.
    fn shared(&self, before: &Rows, after: &Rows, t: f64) -> Result<Vec<Vec<f64>>> {
        let mut shared = vec![vec![0.0; after.steps]; after.steps];
        if self.model == Model::MarketAdjusted {
            return Ok(shared);
        }
        let means: Vec<f64> = before.factors.iter().map(|factor| mean(factor)).collect();
        let spread = if before.factors.is_empty() {
            None
        } else {
            let centred: Vec<Vec<f64>> =
                before.factors.iter().zip(&means).map(|(f, mean)| f.iter().map(|v| v - mean).collect()).collect();
            let columns: Vec<&[f64]> = centred.iter().map(Vec::as_slice).collect();
            let rows = columns[0].len();
            Some(Ols::fit(Design::without_constant(rows, &columns)?, &vec![0.0; rows])?)
        };
        let distance = |row: usize| -> Vec<f64> {
            after.factors.iter().zip(&means).map(|(factor, mean)| factor[row] - mean).collect()
        };
        let rows: Vec<Vec<f64>> = (0..after.complete.len())
            .map(|row| spread.as_ref().map_or_else(Vec::new, |fit| fit.whitened(&distance(row))))
            .collect();
        for (row_s, &s) in rows.iter().zip(&after.complete) {
            for (row_t, &u) in rows.iter().zip(&after.complete) {
                shared[s][u] = 1.0 / t + row_s.iter().zip(row_t).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        Ok(shared)
    }
}
