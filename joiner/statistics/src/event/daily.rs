//! Tests that compare the mean abnormal return of a step with how it varied from step to step before the events.
//!
//! Each test takes the steps of all events to be the same moments, or the events to be independent of each other.

use super::Matrix;
use crate::error::{Error, Result, at_least};
use crate::moments::{mean, squares_about_mean, sum, variance};
use crate::test::{Reference, Test};

/// The mean over events at each step at which an event has a return.
fn step_means(rows: &Matrix) -> Vec<f64> {
    let steps = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..steps)
        .map(|step| rows.iter().filter_map(|row| row.get(step).copied().flatten()).collect::<Vec<f64>>())
        .filter(|values| !values.is_empty())
        .map(|values| mean(&values))
        .collect()
}

/// The sum of the steps' means, and the number of events of the step with the fewest.
fn sum_of_means(window: &[Vec<f64>]) -> Result<(f64, usize)> {
    let events = window.iter().map(Vec::len).min().unwrap_or(0);
    at_least("events", events, 1)?;
    Ok((sum(window.iter().map(|step| mean(step))), events))
}

/// Mean degrees of freedom of the events' estimation windows, T - 1, as estudy2 takes it.
fn mean_df(residuals: &Matrix) -> f64 {
    let counts: Vec<f64> = residuals.iter().map(|row| row.iter().flatten().count() as f64).collect();
    mean(&counts) - 1.0
}

/// Brown and Warner 1980: the mean abnormal return over sqrt(Σ s_i²) / N, where s_i² is the variance of event i's
/// residuals (divided by T - 1). Events are taken to be independent.
///
/// `window` has, for each step of the window, the abnormal returns of the events. For L steps, the statistic is the sum
/// of the steps' means over sqrt(L) times that standard error.
///
/// # Errors
/// [`Error::TooFew`] without events or steps or with an event of fewer than two residuals; [`Error::Constant`].
pub fn brown_warner_1980(window: &[Vec<f64>], residuals: &Matrix) -> Result<Test> {
    let (effect, events) = sum_of_means(window)?;
    let mut total = 0.0;
    for row in residuals {
        let row: Vec<f64> = row.iter().copied().flatten().collect();
        at_least("residuals of an event", row.len(), 2)?;
        total += variance(&row);
    }
    let error = total.sqrt() / residuals.len() as f64 * (window.len() as f64).sqrt();
    Test::ratio(effect, error, Reference::Student { df: mean_df(residuals) }, events, "residuals")
}

/// Brown and Warner 1985, with their crude adjustment for dependence: the mean abnormal return over the standard
/// deviation (divided by the number of steps - 1) of the mean residual from step to step, which includes what events
/// have in common.
///
/// `window` as in [`brown_warner_1980`].
///
/// # Errors
/// [`Error::TooFew`] without events or steps, or with fewer than two steps before them; [`Error::Constant`].
pub fn brown_warner_1985(window: &[Vec<f64>], residuals: &Matrix) -> Result<Test> {
    let (effect, events) = sum_of_means(window)?;
    let means = step_means(residuals);
    at_least("steps with residuals", means.len(), 2)?;
    let error = variance(&means).sqrt() * (window.len() as f64).sqrt();
    Test::ratio(effect, error, Reference::Student { df: mean_df(residuals) }, events, "mean residuals")
}

/// Lamb 1995: [`brown_warner_1985`] with the prediction error of the market model in the standard deviation,
/// sqrt(1 + 1/T + (m - mean)² / Σ (m_t - mean)²), where `market_before` are the market's returns before the events,
/// which all events share, `market` that of the step, and T the mean number of the events' residuals. Compared with the
/// normal distribution.
///
/// # Errors
/// As [`brown_warner_1985`]; [`Error::Constant`] if the market did not vary.
pub fn lamb(step: &[f64], residuals: &Matrix, market_before: &[f64], market: f64) -> Result<Test> {
    let daily = brown_warner_1985(std::slice::from_ref(&step.to_vec()), residuals)?;
    let squares = squares_about_mean(market_before);
    if market_before.is_empty() || squares == 0.0 {
        return Err(Error::Constant { what: "returns of the market" });
    }
    let t = mean_df(residuals) + 1.0;
    let widening = 1.0 + 1.0 / t + (market - mean(market_before)).powi(2) / squares;
    Test::of(daily.statistic / widening.sqrt(), Reference::Normal, daily.n)
}
