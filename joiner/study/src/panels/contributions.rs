//! Which events a rank IC is made of.

use crate::events::Used;
use crate::findings::standardized_ranks;
use jiff::Timestamp;
use serde::Serialize;
use tapewire_statistics::{Error, Result};

/// How many events are listed.
const LISTED: usize = 10;

/// The rank IC as the sum of what each event contributes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contributions {
    /// The rank IC: the sum of all contributions.
    pub total: f64,
    /// The sum of all contributions without their signs.
    pub total_absolute: f64,
    /// Number of events.
    pub n: usize,
    /// Share of events with a contribution above 0.
    pub share_positive: f64,
    /// The largest, of either sign.
    pub largest: Vec<Contribution>,
    /// The sum of the largest, with their signs.
    pub sum_of_largest: f64,
}

/// What one event contributes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The company.
    pub symbol: String,
    /// When the news was available (UTC).
    pub available_at: Timestamp,
    /// Headline.
    pub headline: String,
    /// Score.
    pub score: f64,
    /// Outcome.
    pub outcome: f64,
    /// The product of the standardized ranks of score and outcome, divided by the number of events.
    pub contribution: f64,
    /// Its size, as a share of the sum of the sizes of all contributions.
    pub share: f64,
}

pub(super) fn of(used: &Used<'_>) -> Result<Contributions> {
    let [scores, outcomes] = standardized_ranks(used)?;
    let n = used.events.len();
    let products: Vec<f64> = scores.iter().zip(&outcomes).map(|(x, y)| x * y / n as f64).collect();
    let total_absolute = products.iter().map(|product| product.abs()).sum::<f64>();
    if total_absolute == 0.0 {
        return Err(Error::Constant { what: "contributions" });
    }
    let mut order: Vec<usize> = (0..n).collect();
    // Of equal contributions the one with the larger outcome is listed first, and then the earlier.
    let size = |event: usize| (products[event].abs(), used.outcomes[event].abs());
    let larger = |a: &usize, b: &usize| {
        let (a_size, b_size) = (size(*a), size(*b));
        b_size.0.total_cmp(&a_size.0).then(b_size.1.total_cmp(&a_size.1)).then(a.cmp(b))
    };
    if n > LISTED {
        order.select_nth_unstable_by(LISTED, larger);
        order.truncate(LISTED);
    }
    order.sort_by(larger);
    let listed = |&event: &usize| Contribution {
        symbol: used.events[event].symbol.to_string(),
        available_at: used.events[event].available_at,
        headline: used.events[event].headline.clone(),
        score: used.events[event].score,
        outcome: used.outcomes[event],
        contribution: products[event],
        share: products[event].abs() / total_absolute,
    };
    Ok(Contributions {
        total: products.iter().sum(),
        total_absolute,
        n,
        share_positive: products.iter().filter(|product| **product > 0.0).count() as f64 / n as f64,
        sum_of_largest: order.iter().map(|&event| products[event]).sum(),
        largest: order.iter().map(listed).collect(),
    })
}
