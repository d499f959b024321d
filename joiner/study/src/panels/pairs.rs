//! Scores with one value each, such as the return before the news.

use crate::estimate::Estimate;
use crate::events::Event;
use crate::findings::{MINIMUM_GROUP, QUANTILES, Settings};
use std::collections::HashSet;
use tapewire_statistics::groups::quantile_of;
use tapewire_statistics::ic::{Correlation, correlation};
use tapewire_statistics::rank::ranks;
use tapewire_statistics::regression::Design;
use tapewire_statistics::{Error, Result, overlap};

/// Events, and a value of each.
pub(super) struct Pairs<'a> {
    pub events: Vec<&'a Event>,
    pub values: Vec<f64>,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(pairs: Vec<(&'a Event, f64)>) -> Self {
        let (events, values) = pairs.into_iter().unzip();
        Self { events, values }
    }

    /// Refuses fewer events or days than the settings ask for.
    pub(super) fn enough(&self, settings: &Settings) -> Result<()> {
        let days = self.events.iter().map(|event| event.session).collect::<HashSet<_>>().len();
        let counted =
            [("events", self.events.len(), settings.minimum_events), ("days with events", days, settings.minimum_days)];
        match counted.into_iter().find(|(_, found, needed)| found < needed) {
            Some((what, found, needed)) => Err(Error::TooFew { what, found, needed }),
            None => Ok(()),
        }
    }

    pub(super) fn scores(&self) -> Vec<f64> {
        self.events.iter().map(|event| event.score).collect()
    }

    /// The cluster of each event: events of one article, and events of one day, are in one cluster.
    pub(super) fn clusters(&self) -> Vec<u64> {
        let articles: Vec<u64> = self.events.iter().map(|event| event.article).collect();
        let days: Vec<u64> = self.events.iter().map(|event| event.session).collect();
        overlap::clusters(&[&articles, &days]).expect("one article and one day an event")
    }

    /// The ranks of scores and values, about 0 and with a variance of 1.
    pub(super) fn standardized_ranks(&self) -> Result<[Vec<f64>; 2]> {
        let [scores, values] = [ranks(&self.scores()), ranks(&self.values)];
        // Called for its error: it refuses scores or values that are constant.
        correlation(Correlation::Pearson, &scores, &values)?;
        Ok([standardized(scores), standardized(values)])
    }

    /// Spearman's rank correlation, as that of the horizons.
    pub(super) fn rank_ic(&self, settings: &Settings) -> Result<Estimate> {
        self.enough(settings)?;
        let [x, y] = self.standardized_ranks()?;
        Estimate::clustered(Design::with_constant(x.len(), &[&x])?, &y, 1, &self.clusters())
    }

    /// Mean value of the highest fifth of scores less that of the lowest, as that of the horizons.
    pub(super) fn spread(&self, settings: &Settings) -> Result<Estimate> {
        self.enough(settings)?;
        let fifths = quantile_of(&self.scores(), QUANTILES)?;
        let clusters = self.clusters();
        let (mut top, mut values, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &fifth) in fifths.iter().enumerate().filter(|(_, fifth)| [0, QUANTILES - 1].contains(fifth)) {
            top.push(if fifth == 0 { 0.0 } else { 1.0 });
            values.push(self.values[place]);
            own.push(clusters[place]);
        }
        let highest = top.iter().filter(|top| **top > 0.0).count();
        let found = highest.min(top.len() - highest);
        if found < MINIMUM_GROUP {
            return Err(Error::TooFew { what: "events in a quantile", found, needed: MINIMUM_GROUP });
        }
        Estimate::clustered(Design::with_constant(top.len(), &[&top])?, &values, 1, &own)
    }
}

fn standardized(values: Vec<f64>) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    values.into_iter().map(|value| (value - mean) / deviation).collect()
}
