//! Sign tests: how many events moved up.

use super::{Matrix, MissingReturns};
use crate::distributions::binomial_at_least;
use crate::error::{Error, Result, argument, at_least, finite};
use crate::moments::{mean, median, sum};
use crate::rank::ranks;
use crate::test::{Reference, Test};

/// Sign test with p = 1/2: (w - N/2) / sqrt(N/4), where w events are above 0. Compared with the normal distribution.
/// An abnormal return of exactly 0 is not above 0.
///
/// # Errors
/// [`Error::TooFew`] without events; [`Error::NotFinite`].
pub fn sign(abnormal: &[f64]) -> Result<Test> {
    generalized_sign(abnormal, 0.5)
}

/// Sign test by the binomial distribution itself, two-sided: twice the smaller tail, at most 1. The statistic is the
/// number of events above 0. Events of exactly 0 do not count.
///
/// # Errors
/// [`Error::TooFew`] without an event that differs from 0; [`Error::NotFinite`].
pub fn sign_exact(abnormal: &[f64]) -> Result<Test> {
    finite("abnormal returns", abnormal)?;
    let up = abnormal.iter().filter(|value| **value > 0.0).count();
    let down = abnormal.iter().filter(|value| **value < 0.0).count();
    at_least("events that differ from 0", up + down, 1)?;
    let p = (2.0 * binomial_at_least(up.max(down) as u64, (up + down) as u64, 0.5)).min(1.0);
    Ok(Test { statistic: up as f64, reference: Reference::Exact, p, n: up + down })
}

/// How the share of positive residuals is taken over events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PositiveShare {
    /// The mean of each event's share (Cowan 1992).
    #[default]
    PerEvent,
    /// The share among the residuals of all events, as in estudy2 (R). The same where estimation windows are equally long.
    Pooled,
}

/// Share of positive residuals before the events.
///
/// # Errors
/// [`Error::TooFew`] without events or with an event without residuals.
pub fn positive_share(residuals: &Matrix, how: PositiveShare) -> Result<f64> {
    at_least("events", residuals.len(), 1)?;
    let counts: Vec<(usize, usize)> = residuals
        .iter()
        .map(|row| (row.iter().flatten().filter(|value| **value > 0.0).count(), row.iter().flatten().count()))
        .collect();
    at_least("residuals of an event", counts.iter().map(|count| count.1).min().unwrap_or(0), 1)?;
    Ok(match how {
        PositiveShare::PerEvent => {
            mean(&counts.iter().map(|count| count.0 as f64 / count.1 as f64).collect::<Vec<f64>>())
        }
        PositiveShare::Pooled => {
            counts.iter().map(|count| count.0).sum::<usize>() as f64
                / counts.iter().map(|count| count.1).sum::<usize>() as f64
        }
    })
}

/// Cowan 1992: (w - N p) / sqrt(N p (1 - p)), where w of N events are above 0 and p is the share expected from before,
/// as [`positive_share`] finds it. Compared with the normal distribution.
///
/// # Errors
/// [`Error::TooFew`] without events; [`Error::Argument`] unless 0 < p < 1; [`Error::NotFinite`].
pub fn generalized_sign(abnormal: &[f64], p: f64) -> Result<Test> {
    finite("abnormal returns", abnormal)?;
    at_least("events", abnormal.len(), 1)?;
    argument("the share of positive residuals", p, p > 0.0 && p < 1.0, "above 0 and below 1")?;
    let n = abnormal.len() as f64;
    let up = abnormal.iter().filter(|value| **value > 0.0).count() as f64;
    Test::of((up - n * p) / (n * p * (1.0 - p)).sqrt(), Reference::Normal, abnormal.len())
}

/// Corrado and Zivney 1992: each abnormal return counts as the sign of its difference from its event's median over both
/// windows. The signs at `step` are summed over the events and divided by the root of their number. The statistic is
/// that value over its standard deviation from step to step, compared with the normal distribution.
///
/// # Errors
/// [`Error::Length`] unless every event has a row in both, all of one length in each; [`Error::TooFew`] without events or returns;
/// [`Error::Constant`] if the sums are all 0.
pub fn corrado_sign(residuals: &Matrix, abnormal: &Matrix, step: usize, missing: MissingReturns) -> Result<Test> {
    crate::error::same_length("events with residuals", residuals.len(), abnormal.len())?;
    at_least("events", abnormal.len(), 1)?;
    let (before, after) = (residuals[0].len(), abnormal[0].len());
    at_least("steps of the event window", after, step + 1)?;
    let mut totals = vec![(0.0, 0_usize); before + after];
    let mut counts = Vec::new();
    for (residuals, abnormal) in residuals.iter().zip(abnormal) {
        crate::error::same_length("residuals of an event", residuals.len(), before)?;
        crate::error::same_length("abnormal returns of an event", abnormal.len(), after)?;
        let values: Vec<f64> = residuals.iter().chain(abnormal).copied().flatten().collect();
        let middle = median(&values);
        for (total, value) in totals.iter_mut().zip(residuals.iter().chain(abnormal)) {
            if let Some(value) = value {
                total.0 += (f64::from(*value > middle)) - (f64::from(*value < middle));
                total.1 += 1;
            }
        }
        counts.push(values.len() as f64);
    }
    let all_events = residuals.len() as f64;
    let weighted = |&(total, events): &(f64, usize)| match missing {
        MissingReturns::LeftOut => total / (events as f64).sqrt(),
        MissingReturns::Estudy2 => total / events as f64 * all_events / (events as f64).sqrt(),
    };
    let counted: Vec<f64> = totals.iter().filter(|step| step.1 > 0).map(weighted).collect();
    let divisor = match missing {
        MissingReturns::LeftOut => counted.len() as f64,
        MissingReturns::Estudy2 => mean(&counts),
    };
    let at_step = totals[before + step];
    at_least("returns in the window", at_step.1, 1)?;
    let deviation = (sum(counted.iter().map(|value| value * value)) / divisor).sqrt();
    Test::ratio(weighted(&at_step), deviation, Reference::Normal, at_step.1, "signs")
}

/// Wilcoxon's signed ranks: the statistic is the sum of the ranks of |abnormal return| of the events above 0; events of
/// exactly 0 do not count. The p-value is two-sided: by enumeration for up to 50 events whose |abnormal return| all
/// differ, otherwise by the normal approximation with the correction for ties and none for continuity. Equals
/// `scipy.stats.wilcoxon(..., method="exact" or "asymptotic", correction=False)`, whose statistic is the smaller sum.
///
/// # Errors
/// [`Error::TooFew`] without an event that differs from 0; [`Error::NotFinite`].
pub fn wilcoxon(abnormal: &[f64]) -> Result<Test> {
    finite("abnormal returns", abnormal)?;
    let moved: Vec<f64> = abnormal.iter().copied().filter(|value| *value != 0.0).collect();
    at_least("events that differ from 0", moved.len(), 1)?;
    let sizes: Vec<f64> = moved.iter().map(|value| value.abs()).collect();
    let ranks = ranks(&sizes);
    let up = sum(moved.iter().zip(&ranks).filter(|(value, _)| **value > 0.0).map(|(_, rank)| *rank));
    let n = moved.len();
    let mut sorted = sizes;
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    if n <= 50 && ties.iter().all(|tied| *tied == 1) {
        let p = signed_rank_two_sided(up.round() as usize, n);
        return Ok(Test { statistic: up, reference: Reference::Exact, p, n });
    }
    let count = n as f64;
    let tied = sum(ties.iter().map(|&t| (t as f64).powi(3) - t as f64));
    let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - tied / 48.0;
    if variance <= 0.0 {
        return Err(Error::Constant { what: "abnormal returns" });
    }
    let z = (up - count * (count + 1.0) / 4.0) / variance.sqrt();
    Ok(Test { statistic: up, reference: Reference::Normal, p: crate::distributions::normal_two_sided(z), n })
}

/// Twice the smaller tail of the sum of the ranks 1 to n if each counts with chance 1/2; at most 1.
fn signed_rank_two_sided(sum: usize, n: usize) -> f64 {
    let most = n * (n + 1) / 2;
    // The number of ways to make each sum, as a share of 2^n.
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for at in (0..=most).rev() {
            ways[at] = 0.5 * (ways[at] + if at >= rank { ways[at - rank] } else { 0.0 });
        }
    }
    let low: f64 = ways[..=sum.min(most)].iter().sum();
    let high: f64 = ways[sum.min(most)..].iter().sum();
    (2.0 * low.min(high)).min(1.0)
}
