//! Which events are not independent of each other: the clusters of all standard errors.

use std::collections::{BTreeMap, BTreeSet};
use tapewire_statistics::regression::StandardErrors;

/// The cluster of each event. Events of one cluster may be correlated in any way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    by: Vec<u64>,
    /// Clusters of a second kind, that cut across the first. Two events are independent if they share neither. One kind
    /// that joins both would put all events of many days into one cluster, where each day shares an article with the next.
    across: Option<Vec<u64>>,
}

impl Clusters {
    /// Events of one day, or of one block of days, are a cluster, and so are those of one article. The articles are numbered
    /// from 0.
    pub(crate) fn of_days(days: &[u64], articles: &[u64]) -> Self {
        let by = days.to_vec();
        let spans = spans(days, articles);
        if !spans.contains(&true) {
            return Self { by, across: None };
        }
        // An article of one day adds nothing to its day, so the events of all of these articles are one cluster in both
        // kinds, and there are as few clusters as possible.
        let across = days.iter().zip(articles);
        let across = across.map(|(&day, &article)| if spans[article as usize] { 2 * article + 1 } else { 2 * day });
        Self { across: Some(across.collect()), by }
    }

    /// Events of neighbouring days are correlated, because their returns overlap. Each day with events is in a cluster with
    /// the one before, and in one with the one after, of the other kind. So is an article with events on both.
    pub(crate) fn of_neighbours(days: &[u64]) -> Self {
        let in_order: BTreeSet<u64> = days.iter().map(|&day| weekday(day)).collect();
        let places: BTreeMap<u64, u64> = in_order.into_iter().zip(0..).collect();
        let places: Vec<u64> = days.iter().map(|&day| places[&weekday(day)]).collect();
        let pairs = |first: u64| places.iter().map(|place| (place + first) / 2).collect();
        Self { by: pairs(0), across: Some(pairs(1)) }
    }

    /// Those of some events.
    pub(crate) fn of(&self, events: &[usize]) -> Self {
        let of = |labels: &Vec<u64>| events.iter().map(|&event| labels[event]).collect();
        Self { by: of(&self.by), across: self.across.as_ref().map(of) }
    }

    /// The standard errors of events in these clusters: the jackknife's, which also hold with few clusters.
    pub(crate) fn standard_errors(&self) -> StandardErrors<'_> {
        match &self.across {
            None => StandardErrors::ClusterJackknife { by: &self.by, about_mean: false },
            Some(across) => StandardErrors::TwoWayJackknife { by: [&self.by, across] },
        }
    }

    /// Number of clusters, of two kinds the smaller one.
    pub fn count(&self) -> usize {
        let across = self.across.as_ref().map_or(usize::MAX, |across| distinct(across));
        distinct(&self.by).min(across)
    }
}

/// Whether each article has events on several days.
fn spans(days: &[u64], articles: &[u64]) -> Vec<bool> {
    let count = articles.iter().max().map_or(0, |last| *last as usize + 1);
    let (mut first, mut spans) = (vec![None; count], vec![false; count]);
    for (&day, &article) in days.iter().zip(articles) {
        spans[article as usize] |= *first[article as usize].get_or_insert(day) != day;
    }
    spans
}

/// The number of a date's weekday; a date is days since 1970. A weekend counts with the Monday after it.
pub(crate) fn weekday(date: u64) -> u64 {
    // 1 January 1970 was a Thursday.
    (date + 3) / 7 * 5 + ((date + 3) % 7).min(5)
}

/// The number of different labels. Equal labels are mostly neighbours, so a first pass leaves few to sort.
pub(crate) fn distinct(labels: &[u64]) -> usize {
    let mut labels = labels.to_vec();
    labels.dedup();
    labels.sort_unstable();
    labels.dedup();
    labels.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_that_join_each_day_to_the_next_leave_the_days_apart() {
        // On each day one article of its own, and one with a second event on the next day.
        let days: Vec<u64> = (0..20).flat_map(|day| [day, day, day + 1]).collect();
        let articles: Vec<u64> = (0..20).flat_map(|day| [2 * day, 2 * day + 1, 2 * day + 1]).collect();
        let clusters = Clusters::of_days(&days, &articles);
        let across = clusters.across.as_ref().unwrap();
        assert!(across[1] == across[2] && across[1] != across[0] && across[1] != across[4]);
        assert_eq!((clusters.count(), clusters.by), (21, days.clone()));
        let within: Vec<u64> = (0..60).collect();
        let alone = Clusters::of_days(&days, &within);
        assert_eq!((alone.across, alone.by), (None, days));
    }

    #[test]
    fn each_day_is_in_a_pair_with_both_neighbours() {
        // Thursday, Friday, Saturday, Monday and Tuesday: Saturday counts with Monday.
        let days = [0, 1, 2, 4, 5];
        let clusters = Clusters::of_neighbours(&days);
        assert_eq!((clusters.by.clone(), clusters.across.clone()), (vec![0, 0, 1, 1, 1], Some(vec![0, 1, 1, 1, 2])));
        assert_eq!(clusters.count(), 2);
        let some = clusters.of(&[0, 4]);
        assert_eq!((some.by, some.across), (vec![0, 1], Some(vec![0, 2])));
    }

    #[test]
    fn a_weekend_is_the_monday_after_it() {
        assert_eq!([1, 2, 3, 4, 5].map(weekday), [4, 5, 5, 5, 6]);
    }
}
