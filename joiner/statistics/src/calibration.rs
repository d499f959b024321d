//! Calibration: whether things happen as often as their predicted probabilities say.

use crate::error::{Result, argument, at_least, finite, same_length};
use crate::groups::{quantile_of, wilson};
use crate::moments::{mean, sum};
use crate::test::{Interval, check_level};

/// How probabilities are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bins {
    /// Of equal width: (0, 1/n], (1/n, 2/n], and so on; 0 belongs to the first.
    EqualWidth(usize),
    /// Each with the same number of probabilities; equal probabilities stay in one bin.
    EqualCount(usize),
}

/// One bin of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Number of probabilities in it.
    pub n: usize,
    /// Their mean.
    pub mean_probability: f64,
    /// Share that happened.
    pub share: f64,
    /// Wilson's interval of that share.
    pub interval: Interval,
}

/// A reliability table with its summaries.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Bins that hold probabilities, from low to high.
    pub bins: Vec<Bin>,
    /// Expected calibration error: mean over probabilities of |share - mean probability| of their bin (Guo et al.
    /// 2017).
    pub ece: f64,
    /// The largest |share - mean probability|.
    pub mce: f64,
    /// Brier 1950: mean squared difference of probability and outcome.
    pub brier: f64,
    /// The Brier score of a forecast that gives each the overall share as its probability.
    pub brier_of_share: f64,
    /// Number of probabilities.
    pub n: usize,
}

/// The reliability table of `probabilities` in [0, 1] of what `happened`, or of confidences and whether they were
/// right.
///
/// # Errors
/// [`crate::Error::TooFew`] without probabilities, or with fewer than bins of equal count; [`crate::Error::Argument`] for
/// a probability outside [0, 1], a level, no bin or a single bin of equal count; [`crate::Error::Constant`] if bins of
/// equal count are wanted and all probabilities are equal; [`crate::Error::Length`];
/// [`crate::Error::NotFinite`].
pub fn calibration(probabilities: &[f64], happened: &[bool], bins: Bins, level: f64) -> Result<Calibration> {
    same_length("outcomes", happened.len(), probabilities.len())?;
    finite("probabilities", probabilities)?;
    at_least("probabilities", probabilities.len(), 1)?;
    check_level(level)?;
    for &probability in probabilities {
        argument("a probability", probability, (0.0..=1.0).contains(&probability), "between 0 and 1")?;
    }
    let (count, bin_of) = match bins {
        Bins::EqualWidth(count) => {
            argument("the number of bins", count as f64, count >= 1, "at least 1")?;
            let edges: Vec<f64> = (1..count).map(|edge| edge as f64 / count as f64).collect();
            (count, probabilities.iter().map(|value| edges.partition_point(|edge| edge < value)).collect())
        }
        Bins::EqualCount(count) => (count, quantile_of(probabilities, count)?),
    };
    let mut members = vec![(Vec::new(), 0_usize); count];
    for ((&probability, &happened), bin) in probabilities.iter().zip(happened).zip::<Vec<usize>>(bin_of) {
        members[bin].0.push(probability);
        members[bin].1 += usize::from(happened);
    }
    let bins: Vec<Bin> = members
        .iter()
        .filter(|(members, _)| !members.is_empty())
        .map(|(members, hits)| {
            Ok(Bin {
                n: members.len(),
                mean_probability: mean(members),
                share: *hits as f64 / members.len() as f64,
                interval: wilson(*hits, members.len(), level)?,
            })
        })
        .collect::<Result<_>>()?;
    let n = probabilities.len() as f64;
    let outcome = |happened: &bool| f64::from(u8::from(*happened));
    let share = sum(happened.iter().map(outcome)) / n;
    let gap = |bin: &Bin| (bin.share - bin.mean_probability).abs();
    Ok(Calibration {
        ece: sum(bins.iter().map(|bin| bin.n as f64 / n * gap(bin))),
        mce: bins.iter().map(gap).fold(0.0, f64::max),
        brier: sum(probabilities.iter().zip(happened).map(|(p, happened)| (p - outcome(happened)).powi(2))) / n,
        brier_of_share: share * (1.0 - share),
        bins,
        n: probabilities.len(),
    })
}
