//! Bootstrap and permutation tests: how much a statistic varies by chance.
//!
//! Every replicate has a generator of its own, seeded with the seed and its number, so results are the same for any
//! number of threads.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::groups::quantile;
use crate::moments::variance;
use crate::rank::ranks;
use crate::regression::numbered;
use crate::test::{Interval, Reference, Test, check_level};

/// How observations are drawn in a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blocks {
    /// One at a time: for independent observations.
    Single,
    /// In blocks of one length; the end joins the beginning (Politis and Romano 1992).
    Circular(usize),
    /// In blocks of random, geometric length with this mean, at least 1; the end joins the beginning
    /// (Politis and Romano 1994).
    Stationary(f64),
}

impl Blocks {
    /// Circular blocks of the usual length, n^(1/3) rounded up, but not shorter than `overlap` + 1.
    pub fn for_length(n: usize, overlap: usize) -> Self {
        Self::Circular(((n as f64).cbrt().ceil() as usize).max(overlap + 1).clamp(1, n.max(1)))
    }

    fn check(self, n: usize) -> Result<()> {
        match self {
            Self::Single => Ok(()),
            Self::Circular(length) => {
                let valid = (1..=n).contains(&length);
                argument("the block length", length as f64, valid, "between 1 and the number of observations")
            }
            Self::Stationary(mean) => {
                argument("the mean block length", mean, mean >= 1.0 && mean.is_finite(), "at least 1")
            }
        }
    }

    fn draw(self, n: usize, random: &mut Xoshiro256PlusPlus) -> Vec<usize> {
        let mut drawn = Vec::with_capacity(n);
        while drawn.len() < n {
            let start = random.random_range(0..n);
            match self {
                Self::Single => drawn.push(start),
                Self::Circular(length) => {
                    (0..length.min(n - drawn.len())).for_each(|step| drawn.push((start + step) % n))
                }
                Self::Stationary(mean) => {
                    let mut at = start;
                    drawn.push(at);
                    while drawn.len() < n && random.random::<f64>() >= 1.0 / mean {
                        at = (at + 1) % n;
                        drawn.push(at);
                    }
                }
            }
        }
        drawn
    }
}

/// The result of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The statistic of the observations themselves.
    pub estimate: f64,
    /// Standard deviation over replicates.
    pub standard_error: f64,
    /// The percentile interval.
    pub interval: Interval,
    /// Replicates in which the statistic was defined.
    pub replicates: usize,
}

/// Bootstraps a statistic of `n` observations. `statistic` is given the indices of the observations that were drawn; it
/// returns `None` where it is undefined.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two observations or 100 replicates, or if the statistic is undefined in more than
/// one of 20; [`Error::Constant`] if it is undefined for the observations themselves or equal in all replicates;
/// [`Error::Argument`] for a block length or level.
pub fn bootstrap(
    n: usize,
    blocks: Blocks,
    replicates: usize,
    seed: u64,
    level: f64,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
) -> Result<Bootstrap> {
    at_least("observations", n, 2)?;
    at_least("replicates", replicates, 100)?;
    blocks.check(n)?;
    check_level(level)?;
    let all: Vec<usize> = (0..n).collect();
    let estimate = statistic(&all).ok_or(Error::Constant { what: "observations" })?;
    let drawn: Vec<Option<f64>> = (0..replicates)
        .into_par_iter()
        .map(|replicate| statistic(&blocks.draw(n, &mut generator(seed, replicate))))
        .collect();
    let mut found: Vec<f64> = drawn.into_iter().flatten().filter(|value| value.is_finite()).collect();
    at_least("replicates in which the statistic is defined", found.len(), replicates - replicates / 20)?;
    found.sort_unstable_by(f64::total_cmp);
    let standard_error = variance(&found).sqrt();
    if standard_error == 0.0 {
        return Err(Error::Constant { what: "observations" });
    }
    let tail = (1.0 - level) / 2.0;
    let interval = Interval { low: quantile(&found, tail), high: quantile(&found, 1.0 - tail), level };
    Ok(Bootstrap { estimate, standard_error, interval, replicates: found.len() })
}

/// [`bootstrap`] of a mean, such as that of information coefficients in time order.
///
/// # Errors
/// As [`bootstrap`]; [`Error::NotFinite`].
pub fn bootstrap_mean(values: &[f64], blocks: Blocks, replicates: usize, seed: u64, level: f64) -> Result<Bootstrap> {
    finite("values", values)?;
    bootstrap(values.len(), blocks, replicates, seed, level, |places| {
        Some(places.iter().map(|&place| values[place]).sum::<f64>() / places.len() as f64)
    })
}

/// Which values of a permuted statistic are as extreme as the one observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alternative {
    /// At least as far from 0.
    #[default]
    TwoSided,
    /// At least as large.
    Greater,
    /// At most as large.
    Less,
}

impl Alternative {
    fn as_extreme(self, permuted: f64, observed: f64) -> bool {
        // Sums of the same numbers in another order differ by rounding.
        let slack = 1e-12 * observed.abs();
        match self {
            Self::TwoSided => permuted.abs() >= observed.abs() - slack,
            Self::Greater => permuted >= observed - slack,
            Self::Less => permuted <= observed + slack,
        }
    }
}

/// The permutation test of a statistic of scores that are shuffled within days, or within whatever the labels name, so
/// that each day keeps its scores. p = (1 + permutations as extreme) / (1 + permutations) (Phipson and Smyth 2010). A
/// permutation in which the statistic is undefined counts as extreme.
///
/// # Errors
/// [`Error::TooFew`] for fewer than 19 permutations or if no day has two rows; [`Error::Constant`] if no day has two
/// different scores or the statistic is undefined; [`Error::Length`]; [`Error::NotFinite`].
pub fn permute_within(
    scores: &[f64],
    day: &[u64],
    permutations: usize,
    seed: u64,
    alternative: Alternative,
    statistic: impl Fn(&[f64]) -> Option<f64> + Sync,
) -> Result<Test> {
    let days = days(scores, day)?;
    at_least("permutations", permutations, 19)?;
    let observed = statistic(scores).ok_or(Error::Constant { what: "scores or outcomes" })?;
    let extreme = (0..permutations)
        .into_par_iter()
        .filter(|&permutation| {
            let mut random = generator(seed, permutation);
            let mut shuffled = scores.to_vec();
            for rows in &days {
                for last in (1..rows.len()).rev() {
                    shuffled.swap(rows[last], rows[random.random_range(0..=last)]);
                }
            }
            statistic(&shuffled).is_none_or(|permuted| alternative.as_extreme(permuted, observed))
        })
        .count();
    Ok(permutation_test(observed, extreme, permutations, scores.len()))
}

/// [`permute_within`] of the mean over days of the rank correlation of scores with returns. Days with fewer than two
/// rows or a constant side have no correlation and do not count.
///
/// # Errors
/// As [`permute_within`].
pub fn permute_rank_ic(
    scores: &[f64],
    returns: &[f64],
    day: &[u64],
    permutations: usize,
    seed: u64,
    alternative: Alternative,
) -> Result<Test> {
    same_length("returns", returns.len(), scores.len())?;
    finite("returns", returns)?;
    // Ranks within each day, with mean 0 and scaled to length 1, so that a correlation is a sum of products.
    let unit = |values: &[f64]| -> Option<Vec<f64>> {
        let ranks = ranks(values);
        let middle = (values.len() + 1) as f64 / 2.0;
        let length = ranks.iter().map(|rank| (rank - middle).powi(2)).sum::<f64>().sqrt();
        (length > 0.0).then(|| ranks.iter().map(|rank| (rank - middle) / length).collect())
    };
    let (mut flat_scores, mut flat_returns, mut flat_days) = (Vec::new(), Vec::new(), Vec::new());
    let mut counted = 0_u64;
    for rows in days(scores, day)? {
        let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
        if let (Some(scores), Some(returns)) = (unit(&pick(scores)), unit(&pick(returns))) {
            flat_days.extend(std::iter::repeat_n(counted, rows.len()));
            flat_scores.extend(scores);
            flat_returns.extend(returns);
            counted += 1;
        }
    }
    at_least("days with a rank correlation", counted as usize, 1)?;
    permute_within(&flat_scores, &flat_days, permutations, seed, alternative, |shuffled| {
        Some(shuffled.iter().zip(&flat_returns).map(|(a, b)| a * b).sum::<f64>() / counted as f64)
    })
}

/// The test that the mean of `values` is 0 by flipping the signs of whole clusters at random (the wild cluster
/// bootstrap of a mean with the null imposed; exact for values that are symmetric about 0). The statistic is the mean
/// over its clustered standard error. p as in [`permute_within`], two-sided.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two clusters or 19 replicates; [`Error::Constant`] if the values do not vary
/// between clusters; [`Error::Length`]; [`Error::NotFinite`].
pub fn sign_flips(values: &[f64], cluster: &[u64], replicates: usize, seed: u64) -> Result<Test> {
    same_length("labels of clusters", cluster.len(), values.len())?;
    finite("values", values)?;
    at_least("replicates", replicates, 19)?;
    let (of_row, labels) = numbered(cluster);
    at_least("clusters", labels.len(), 2)?;
    let (mut sums, mut sizes) = (vec![0.0; labels.len()], vec![0.0; labels.len()]);
    of_row.iter().zip(values).for_each(|(&label, value)| {
        sums[label] += value;
        sizes[label] += 1.0;
    });
    let n = values.len() as f64;
    let ratio = |sums: &[f64]| -> Option<f64> {
        let mean = sums.iter().sum::<f64>() / n;
        let square: f64 = sums.iter().zip(&sizes).map(|(sum, size)| (sum - size * mean).powi(2)).sum();
        (square > 0.0).then(|| mean * n / square.sqrt())
    };
    let observed = ratio(&sums).ok_or(Error::Constant { what: "means of clusters" })?;
    let extreme = (0..replicates)
        .into_par_iter()
        .filter(|&replicate| {
            let mut random = generator(seed, replicate);
            let flipped: Vec<f64> = sums.iter().map(|sum| if random.random::<bool>() { *sum } else { -sum }).collect();
            ratio(&flipped).is_none_or(|value| Alternative::TwoSided.as_extreme(value, observed))
        })
        .count();
    Ok(permutation_test(observed, extreme, replicates, values.len()))
}

/// The test of a statistic that was as extreme in `extreme` of the `replicates` (Phipson and Smyth 2010).
pub(crate) fn permutation_test(statistic: f64, extreme: usize, replicates: usize, n: usize) -> Test {
    let p = (1 + extreme) as f64 / (1 + replicates) as f64;
    Test { statistic, reference: Reference::Exact, p, n }
}

/// The rows of each day that has at least two rows. Refused if no such day has two different scores.
fn days(scores: &[f64], day: &[u64]) -> Result<Vec<Vec<usize>>> {
    same_length("days", day.len(), scores.len())?;
    finite("scores", scores)?;
    let (of_row, labels) = numbered(day);
    let mut days = vec![Vec::new(); labels.len()];
    of_row.iter().enumerate().for_each(|(row, &label)| days[label].push(row));
    days.retain(|rows| rows.len() > 1);
    at_least("days with two rows", days.len(), 1)?;
    if days.iter().all(|rows| rows.iter().all(|&row| scores[row] == scores[rows[0]])) {
        return Err(Error::Constant { what: "scores of each day" });
    }
    Ok(days)
}

/// The generator of one replicate. `seed_from_u64` mixes its argument, so neighbouring numbers give unrelated streams.
pub(crate) fn generator(seed: u64, replicate: usize) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(replicate as u64))
}
