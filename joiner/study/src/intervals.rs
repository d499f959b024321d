//! Further intervals of the rank IC: with errors that are correlated from day to day, and by a bootstrap of blocks of
//! days.
//!
//! Both are of the product-moment correlation of the ranks among all events of the horizon, as the rank IC is.

use crate::estimate::LEVEL;
use crate::events::Used;
use serde::Serialize;
use std::collections::BTreeMap;
use tapewire_statistics::regression::{Design, Ols, StandardErrors, newey_west_lags};
use tapewire_statistics::resample::{Blocks, bootstrap};
use tapewire_statistics::{Error, Result};

/// An interval by one method. It is not a test, and has no p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard error.
    pub standard_error: f64,
    /// Number of days with events.
    pub days: usize,
    /// Newey-West: lags, in days with events. Bootstrap: days in a block.
    pub span: usize,
}

/// The interval by Driscoll and Kraay's standard error: Newey and West's of what each day's events contribute, so that
/// events of one day, and of days near each other, may be correlated in any way. Days are those with events, in order.
/// It is compared with Student's distribution with as many degrees of freedom as days less one.
///
/// `x` and `y` are standardized ranks of scores and outcomes; `overlap` is the number of further days that an outcome
/// reaches into, and the least number of lags.
pub(crate) fn newey_west(x: &[f64], y: &[f64], used: &Used<'_>, overlap: usize) -> Result<Band> {
    let (period, days) = (used.days(), used.count_days());
    let lags = newey_west_lags(days).max(overlap);
    let errors = StandardErrors::DriscollKraay { lags, period, small_sample: true };
    let table = Ols::fit(Design::with_constant(x.len(), &[x])?, y)?.table(&errors)?;
    let slope = table.coefficients[1];
    let interval = slope.interval(LEVEL)?;
    // A correlation is from -1 to 1.
    let (low, high) = (interval.low.clamp(-1.0, 1.0), interval.high.clamp(-1.0, 1.0));
    Ok(Band { low, high, standard_error: slope.standard_error, days, span: lags })
}

/// The percentile interval of the rank IC by a circular bootstrap: blocks of neighbouring days with events are drawn,
/// with all events of each day.
pub(crate) fn block_bootstrap(
    x: &[f64],
    y: &[f64],
    used: &Used<'_>,
    overlap: usize,
    replicates: usize,
    seed: u64,
) -> Result<Band> {
    let mut sums: BTreeMap<u64, [f64; 6]> = BTreeMap::new();
    for ((day, x), y) in used.days().iter().zip(x).zip(y) {
        let own = sums.entry(*day).or_default();
        for (sum, part) in own.iter_mut().zip([1.0, *x, *y, x * x, y * y, x * y]) {
            *sum += part;
        }
    }
    let days: Vec<[f64; 6]> = sums.into_values().collect();
    if days.len() < 2 {
        return Err(Error::TooFew { what: "days with events", found: days.len(), needed: 2 });
    }
    let blocks = Blocks::for_length(days.len(), overlap);
    let correlation = |drawn: &[usize]| {
        let total = drawn.iter().fold([0.0; 6], |mut total: [f64; 6], &day| {
            total.iter_mut().zip(days[day]).for_each(|(sum, part)| *sum += part);
            total
        });
        let [n, x, y, xx, yy, xy] = total;
        let (xx, yy) = (xx - x * x / n, yy - y * y / n);
        (xx > 1e-12 * n && yy > 1e-12 * n).then(|| (xy - x * y / n) / (xx * yy).sqrt())
    };
    let found = bootstrap(days.len(), blocks, replicates, seed, LEVEL, correlation)?;
    let span = match blocks {
        Blocks::Circular(length) => length,
        _ => 1,
    };
    let (low, high) = (found.interval.low, found.interval.high);
    Ok(Band { low, high, standard_error: found.standard_error, days: days.len(), span })
}
