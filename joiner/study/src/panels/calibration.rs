//! Calibration: whether outcomes are above 0 as often as scores imply.

use crate::estimate::{Estimate, ValueOrReason};
use crate::events::Used;
use crate::findings::MINIMUM_GROUP;
use serde::Serialize;
use tapewire_statistics::calibration::{Bins, calibration};
use tapewire_statistics::groups::quantile_of;
use tapewire_statistics::{Error, Result};

/// How far a difference of two probabilities may be beyond -1 or 1 because they were rounded.
const ROUNDING: f64 = 1e-6;

/// Outcomes by the probability that scores imply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreCalibration {
    /// From the lowest scores to the highest: ten, or five with fewer than 200 events.
    pub bins: Vec<CalibrationBin>,
    /// Events that count.
    pub n: usize,
    /// Events that do not count because their outcome is exactly 0.
    pub zeros: usize,
    /// Share of all outcomes that are above 0.
    pub share: f64,
    /// Mean squared difference of implied probability and what happened (Brier 1950).
    pub brier: f64,
    /// The same if every event had the overall share as its probability.
    pub brier_of_share: f64,
    /// Mean of the bins' distances between share and implied probability, weighted by their events.
    pub expected_error: f64,
}

/// A tenth or a fifth of the scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Mean of (1 + score) / 2: p(positive) + p(neutral) / 2.
    pub implied: f64,
    /// Share of outcomes above 0.
    pub share: ValueOrReason<Share>,
    /// Number of events.
    pub n: usize,
}

/// A share of events. It is not tested: a share of 0 is no hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The share.
    pub estimate: f64,
    /// Lower end of its 95 % interval, at least 0: by the jackknife over clusters, or by Wilson where the share is 0 or 1.
    pub low: f64,
    /// Upper end, at most 1.
    pub high: f64,
    /// Number of events.
    pub n: usize,
}

impl From<Estimate> for Share {
    fn from(Estimate { estimate, low, high, n, .. }: Estimate) -> Self {
        Self { estimate, low, high, n }
    }
}

pub(super) fn of(used: &Used<'_>) -> Result<ScoreCalibration> {
    let counted: Vec<usize> = (0..used.events.len()).filter(|&event| used.outcomes[event] != 0.0).collect();
    let n = counted.len();
    if n < 5 * MINIMUM_GROUP {
        return Err(Error::TooFew { what: "events with an outcome other than 0", found: n, needed: 5 * MINIMUM_GROUP });
    }
    if let Some(event) = used.events.iter().find(|event| event.score.abs() > 1.0 + ROUNDING) {
        return Err(Error::Argument {
            what: "a score",
            value: event.score,
            rule: "from -1 to 1 to imply a probability",
        });
    }
    let implied: Vec<f64> = counted.iter().map(|&event| f64::midpoint(1.0, used.events[event].score)).collect();
    let implied: Vec<f64> = implied.into_iter().map(|p| p.clamp(0.0, 1.0)).collect();
    let rose: Vec<bool> = counted.iter().map(|&event| used.outcomes[event] > 0.0).collect();
    let bins = if n < 200 { 5 } else { 10 };
    let summary = calibration(&implied, &rose, Bins::EqualCount(bins), crate::estimate::LEVEL)?;
    let bin_of = quantile_of(&implied, bins)?;
    let clusters = used.clusters();
    let bin = |wanted: usize| {
        let own: Vec<usize> = (0..n).filter(|&place| bin_of[place] == wanted).collect();
        let rises: Vec<bool> = own.iter().map(|&place| rose[place]).collect();
        let events: Vec<usize> = own.iter().map(|&place| counted[place]).collect();
        let share = if own.len() < MINIMUM_GROUP {
            Err(Error::TooFew { what: "events in this bin", found: own.len(), needed: MINIMUM_GROUP })
        } else {
            Estimate::share(&rises, &clusters.of(&events)).map(Share::from)
        };
        let implied = own.iter().map(|&place| implied[place]).sum::<f64>() / own.len() as f64;
        (!own.is_empty()).then(|| CalibrationBin { implied, share: share.into(), n: own.len() })
    };
    Ok(ScoreCalibration {
        bins: (0..bins).filter_map(bin).collect(),
        n,
        zeros: used.events.len() - n,
        share: rose.iter().filter(|rose| **rose).count() as f64 / n as f64,
        brier: summary.brier,
        brier_of_share: summary.brier_of_share,
        expected_error: summary.ece,
    })
}
