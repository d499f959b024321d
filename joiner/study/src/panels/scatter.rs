//! Scores against outcomes, with a straight line.

use crate::clusters::Clusters;
use crate::estimate::{Estimate, LEVEL};
use crate::events::Used;
use serde::Serialize;
use std::collections::BTreeMap;
use tapewire_statistics::ic::{Correlation, correlation};
use tapewire_statistics::regression::{Design, Ols};
use tapewire_statistics::{Error, Interval, Result};

/// With more events than this, cells with counts stand for the points.
pub const MOST_POINTS: usize = 5_000;

/// Number of cells across and up.
const CELLS: (usize, usize) = (48, 32);

/// Where the line is computed.
const FIT_POINTS: usize = 9;

/// Scores and outcomes of all events of a horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scatter {
    /// Number of events.
    pub n: usize,
    /// Score and outcome of each event; empty if there are more than 5,000.
    pub points: Vec<(f64, f64)>,
    /// Counts of events; empty if there are points.
    pub cells: Vec<Cell>,
    /// Width and height of a cell, in score and outcome.
    pub cell_size: Option<(f64, f64)>,
    /// The lowest and the highest outcome that are drawn: all but the outer 1 in 200 at each end.
    pub drawn: (f64, f64),
    /// Number of events with an outcome outside.
    pub outside: usize,
    /// Change of the mean outcome for one unit of score, by least squares.
    pub slope: Estimate,
    /// The line and the 95 % interval of the mean at some scores.
    pub fit: Vec<FitPoint>,
    /// Share of the variance of outcomes that the line explains.
    pub r_squared: f64,
}

/// A rectangle of scores and outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// Lowest score.
    pub score: f64,
    /// Lowest outcome.
    pub outcome: f64,
    /// Number of events in it.
    pub n: usize,
}

/// A point of the line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FitPoint {
    /// Score.
    pub score: f64,
    /// Mean outcome at this score.
    pub mean: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

pub(super) fn of(used: &Used<'_>) -> Result<Scatter> {
    let n = used.events.len();
    let (scores, outcomes, clusters) = (used.scores(), &used.outcomes, used.clusters());
    let (least, most) = range(scores);
    if least == most {
        return Err(Error::Constant { what: "scores" });
    }
    let slope = Estimate::clustered(Design::with_constant(n, &[scores])?, outcomes, 1, clusters)?;
    let fit = fit(scores, outcomes, clusters, (least, most))?;
    let drawn = drawn(outcomes);
    let is_drawn = |outcome: f64| (drawn.0..=drawn.1).contains(&outcome);
    let few = n <= MOST_POINTS;
    let pairs = || scores.iter().copied().zip(outcomes.iter().copied());
    let size = ((most - least) / CELLS.0 as f64, (drawn.1 - drawn.0) / CELLS.1 as f64);
    Ok(Scatter {
        n,
        points: if few { pairs().collect() } else { Vec::new() },
        cells: if few {
            Vec::new()
        } else {
            cells(pairs().filter(|(_, outcome)| is_drawn(*outcome)), (least, drawn.0), size)
        },
        cell_size: (!few).then_some(size),
        outside: outcomes.iter().filter(|outcome| !is_drawn(**outcome)).count(),
        drawn,
        slope,
        fit,
        r_squared: correlation(Correlation::Pearson, scores, outcomes)?.powi(2),
    })
}

/// The line and its interval at equal distances. The variance of the mean at a score follows from the covariance of
/// constant and slope.
fn fit(scores: &[f64], outcomes: &[f64], clusters: &Clusters, (least, most): (f64, f64)) -> Result<Vec<FitPoint>> {
    let line = Ols::fit(Design::with_constant(scores.len(), &[scores])?, outcomes)?;
    let table = line.table(&clusters.standard_errors())?;
    let at = |step: usize| {
        let score = least + (most - least) * step as f64 / (FIT_POINTS - 1) as f64;
        let mean = line.coefficients[0] + line.coefficients[1] * score;
        let [constant, both, slope] = [(0, 0), (0, 1), (1, 1)].map(|(row, column)| table.covariance[row][column]);
        let error = (constant + 2.0 * score * both + score * score * slope).max(0.0).sqrt();
        let interval = Interval::around(mean, error, table.reference, LEVEL)?;
        Ok(FitPoint { score, mean, low: interval.low, high: interval.high })
    };
    (0..FIT_POINTS).map(at).collect()
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

/// The range of outcomes without the outer 1 in 200 at each end, with 0 in it.
fn drawn(outcomes: &[f64]) -> (f64, f64) {
    let mut sorted = outcomes.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cut = sorted.len() / 200;
    (sorted[cut].min(0.0), sorted[sorted.len() - 1 - cut].max(0.0))
}

fn cells(pairs: impl Iterator<Item = (f64, f64)>, corner: (f64, f64), size: (f64, f64)) -> Vec<Cell> {
    let place = |value: f64, corner: f64, size: f64, most: usize| (((value - corner) / size) as usize).min(most - 1);
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (score, outcome) in pairs {
        let cell = (place(score, corner.0, size.0, CELLS.0), place(outcome, corner.1, size.1, CELLS.1));
        *counts.entry(cell).or_default() += 1;
    }
    let cell = |((across, up), n)| Cell {
        score: corner.0 + across as f64 * size.0,
        outcome: corner.1 + up as f64 * size.1,
        n,
    };
    counts.into_iter().map(cell).collect()
}
