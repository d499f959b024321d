//! The same statistics of each part of the events.

use crate::events::Sample;
use crate::families::Families;
use crate::filters::SplitBy;
use crate::findings::{HorizonFindings, Settings};
use serde::Serialize;
use std::collections::HashSet;

/// The events divided, and the statistics of each part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// What they are divided by.
    pub by: SplitBy,
    /// The parts.
    pub parts: Vec<Part>,
}

/// Statistics of the events of one part, as a study of these events alone has them. They differ only in the adjusted
/// p-values, which are adjusted for all tests of the whole study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Name of the part.
    pub name: String,
    /// Number of events.
    pub events: usize,
    /// Number of companies with an event.
    pub symbols: usize,
    /// By horizon.
    pub horizons: Vec<HorizonFindings>,
}

impl Part {
    /// Whether any horizon has enough data.
    pub fn has_statistics(&self) -> bool {
        self.horizons.iter().any(|horizon| horizon.estimates().iter().any(|(_, estimate)| estimate.value().is_some()))
    }
}

impl Split {
    pub(crate) fn of(by: SplitBy, sample: &Sample, settings: &Settings, families: &mut Families) -> Self {
        let part = |(name, sample): (String, Sample)| Part {
            events: sample.events.len(),
            symbols: sample.events.iter().map(|event| &event.symbol).collect::<HashSet<_>>().len(),
            horizons: families.horizons(&sample, settings),
            name,
        };
        Self { by, parts: by.parts(sample).into_iter().map(part).collect() }
    }
}
