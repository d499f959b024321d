//! Parametric tests over events. Each takes one number for each event; [`super::Study`] makes those numbers.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Result, argument, at_least, finite, same_length};
use crate::moments::{Mean, mean, sum};
use crate::test::{Reference, Test};

/// Cross-sectional t: mean over its standard error, N - 1 degrees of freedom (Brown and Warner 1980; Charest 1978).
///
/// # Errors
/// [`Error::TooFew`] for fewer than two events; [`Error::Constant`]; [`Error::NotFinite`].
pub fn cross_sectional(abnormal: &[f64]) -> Result<Test> {
    Mean::of("abnormal returns of the events", abnormal)?.t_test()
}

/// Patell 1976: Σ SAR / sqrt(Σ df / (df - 2)), where `df` are the degrees of freedom of each event's variance, T - 2 in
/// the market model: Σ SAR / sqrt(N (T - 2) / (T - 4)) where all T are equal. Compared with the normal distribution.
///
/// `standardized` are abnormal returns, or cumulative ones, each over its standard deviation: by default the
/// textbook's, with T - 2 and the forecast error of the returns used. estudy2 (R) takes [`super::Variance::Sample`] and
/// [`super::Options::factors_of_all_steps`]; where no return is missing, its statistics are sqrt((T - 1) / (T - 2))
/// times as large.
///
/// # Errors
/// [`Error::TooFew`] without events or with an event whose df is below 3; [`Error::Length`]; [`Error::NotFinite`].
pub fn patell(standardized: &[f64], df: &[usize]) -> Result<Test> {
    same_length("degrees of freedom", df.len(), standardized.len())?;
    finite("standardized abnormal returns", standardized)?;
    at_least("events", standardized.len(), 1)?;
    at_least("degrees of freedom of an event's variance", df.iter().copied().min().unwrap_or(0), 3)?;
    let variance = sum(df.iter().map(|&df| df as f64 / (df as f64 - 2.0)));
    Test::of(sum(standardized.iter().copied()) / variance.sqrt(), Reference::Normal, standardized.len())
}

/// Boehmer, Musumeci and Poulsen 1991: the cross-sectional t of standardized abnormal returns, valid also where the
/// event itself raises the variance. Compared with Student's distribution with N - 1 degrees of freedom. `standardized`
/// as in [`patell`].
///
/// # Errors
/// As [`cross_sectional`].
pub fn bmp(standardized: &[f64]) -> Result<Test> {
    Mean::of("standardized abnormal returns of the events", standardized)?.t_test()
}

/// The mean cumulative abnormal return over the root of its variance, Σ var / N²: J1 of Campbell, Lo and MacKinlay
/// 1997, 4.4.3. Compared with the normal distribution; valid for independent events whose variance the event does not
/// change.
///
/// # Errors
/// [`Error::TooFew`] without events; [`Error::Constant`] if all variances are 0; [`Error::Length`];
/// [`Error::NotFinite`].
pub fn standard_caar(cumulative: &[f64], variances: &[f64]) -> Result<Test> {
    same_length("variances", variances.len(), cumulative.len())?;
    finite("cumulative abnormal returns", cumulative)?;
    finite("variances", variances)?;
    at_least("events", cumulative.len(), 1)?;
    let error = sum(variances.iter().copied()).sqrt() / cumulative.len() as f64;
    Test::ratio(mean(cumulative), error, Reference::Normal, cumulative.len(), "residuals")
}

/// The factors of Kolari and Pynnonen 2010 for events that share their days, where r is the mean correlation of the
/// N events' residuals: `.0` for [`bmp`], sqrt((1 - r) / (1 + (N - 1) r)), and `.1` for [`patell`], sqrt(1 / (1 + (N -
/// 1) r)).
///
/// # Errors
/// [`Error::TooFew`] for fewer than two events; [`Error::Argument`] unless -1 / (N - 1) < r < 1, outside which there is
/// no such set of events.
pub fn kolari_pynnonen_factor(mean_correlation: f64, events: usize) -> Result<(f64, f64)> {
    at_least("events", events, 2)?;
    let inflation = 1.0 + (events - 1) as f64 * mean_correlation;
    let rule = "below 1 and above -1 / (N - 1)";
    argument("the mean correlation", mean_correlation, inflation > 0.0 && mean_correlation < 1.0, rule)?;
    Ok((((1.0 - mean_correlation) / inflation).sqrt(), (1.0 / inflation).sqrt()))
}

/// Mean correlation r of the residuals over all pairs of events: `residuals` has one row for each event, whose steps
/// are the same moments in all rows. Two events are compared at the steps that both have; two with fewer than three
/// such steps do not count.
///
/// Without missing steps it takes N·T operations, otherwise N²·T.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two events or if no two can be compared; [`Error::Constant`] if an event's
/// residuals do not vary; [`Error::Length`].
pub fn mean_correlation(residuals: &[&[Option<f64>]]) -> Result<f64> {
    at_least("events", residuals.len(), 2)?;
    let (total, pairs) = correlations(residuals)?;
    at_least("pairs of events with three steps in common", pairs, 1)?;
    Ok(total / pairs as f64)
}

/// [`mean_correlation`] of events in groups: events of one group happened at the same time, and events of different
/// groups are taken to be uncorrelated, so that their pairs count as 0. A pair of one group with fewer than three steps in
/// common does not count.
///
/// # Errors
/// As [`mean_correlation`]; [`Error::Length`] unless there is one group label for each event.
pub fn mean_correlation_within(residuals: &[&[Option<f64>]], group: &[u64]) -> Result<f64> {
    same_length("group labels", group.len(), residuals.len())?;
    at_least("events", residuals.len(), 2)?;
    let mut groups: HashMap<u64, usize> = HashMap::new();
    let mut members: Vec<Vec<&[Option<f64>]>> = Vec::new();
    for (row, &label) in residuals.iter().zip(group) {
        let index = *groups.entry(label).or_insert(members.len());
        if index == members.len() {
            members.push(Vec::new());
        }
        members[index].push(row);
    }
    let pairs_of = |events: usize| events * (events - 1) / 2;
    let (mut total, mut pairs) = (0.0, pairs_of(residuals.len()));
    for members in members.iter().filter(|members| members.len() > 1) {
        let (sum, compared) = correlations(members)?;
        total += sum;
        pairs -= pairs_of(members.len()) - compared;
    }
    at_least("pairs of events with three steps in common", pairs, 1)?;
    Ok(total / pairs as f64)
}

/// Sum of the correlations of all pairs, and their number.
fn correlations(residuals: &[&[Option<f64>]]) -> Result<(f64, usize)> {
    let n = residuals.len();
    let steps = residuals[0].len();
    for row in residuals {
        same_length("residuals of an event", row.len(), steps)?;
    }
    if residuals.iter().all(|row| row.iter().all(Option::is_some)) {
        at_least("steps", steps, 3)?;
        // Rows of length 1 about 0: the square of their sum is N plus twice the sum of all correlations.
        let mut sums = vec![0.0; steps];
        for row in residuals {
            let row: Vec<f64> = row.iter().copied().flatten().collect();
            unit(&row)?.iter().zip(&mut sums).for_each(|(value, sum)| *sum += value);
        }
        let square = sum(sums.iter().map(|sum| sum * sum));
        return Ok(((square - n as f64) / 2.0, n * (n - 1) / 2));
    }
    for row in residuals {
        if let Some(index) = row.iter().position(|value| value.is_some_and(|value| !value.is_finite())) {
            return Err(Error::NotFinite { what: "residuals", index });
        }
    }
    // Sums each row by itself and then adds the sums in order, so that the number of threads changes nothing.
    let sums: Vec<(f64, usize)> = residuals
        .par_iter()
        .enumerate()
        .map(|(index, one)| {
            let (mut total, mut pairs) = (0.0, 0);
            for two in &residuals[index + 1..] {
                if let Some(correlation) = common_correlation(one, two)? {
                    total += correlation;
                    pairs += 1;
                }
            }
            Ok((total, pairs))
        })
        .collect::<Result<_>>()?;
    Ok((sum(sums.iter().map(|sum| sum.0)), sums.iter().map(|sum| sum.1).sum()))
}

/// The correlation at the steps that both have; `None` if those are fewer than three.
fn common_correlation(one: &[Option<f64>], two: &[Option<f64>]) -> Result<Option<f64>> {
    let common = || one.iter().zip(two).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let (mut n, mut total_a, mut total_b) = (0_usize, 0.0, 0.0);
    for (a, b) in common() {
        n += 1;
        total_a += a;
        total_b += b;
    }
    if n < 3 {
        return Ok(None);
    }
    let (mean_a, mean_b) = (total_a / n as f64, total_b / n as f64);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in common() {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    // The squares of a constant are not 0 but a rounding error of this size.
    let varies = |squares: f64, mean: f64| squares > 1e-26 * n as f64 * mean * mean;
    if varies(aa, mean_a) && varies(bb, mean_b) {
        Ok(Some(ab / (aa * bb).sqrt()))
    } else {
        Err(Error::Constant { what: "residuals of an event" })
    }
}

/// `values` less their mean, scaled to length 1.
fn unit(values: &[f64]) -> Result<Vec<f64>> {
    finite("residuals", values)?;
    let middle = mean(values);
    let length = crate::moments::squares_about_mean(values).sqrt();
    if length > 0.0 {
        Ok(values.iter().map(|value| (value - middle) / length).collect())
    } else {
        Err(Error::Constant { what: "residuals of an event" })
    }
}
