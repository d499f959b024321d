//! Every test of a study, counted by the program: the families that p-values are adjusted within.

use crate::daily::DaysFindings;
use crate::events::Sample;
use crate::findings::{HorizonFindings, Permutation, Settings, of_horizon};
use crate::parts::Split;
use rayon::prelude::*;
use tapewire_core::Horizon;
use tapewire_statistics::multiple::{Adjustment, Family};
use tapewire_statistics::{Result, Test};

/// Every test of a study, in a fixed order: first those of the horizons, then of the parts, then of the days.
pub(crate) struct Families {
    tests: Family,
    permutations: Family,
    /// The permutation tests, with the smallest p-values that they can have.
    smallest: Family,
}

impl Families {
    /// Without tests.
    pub fn new() -> Self {
        Self {
            tests: Family::new("do prices move with the score, at any horizon"),
            permutations: Family::new("do scores order outcomes within days, at any horizon"),
            smallest: Family::new("can a permutation test find anything, at any horizon"),
        }
    }

    /// Number of tests with a value, permutation tests aside.
    pub fn tests(&self) -> usize {
        self.tests.tests()
    }

    /// Enters a test, whether or not it has a value.
    pub fn add(&mut self, label: String, test: Result<Test>) {
        // The caller has the outcome already.
        let _ = self.tests.add(label, || test);
    }

    /// Enters a permutation test, given with the smallest p-value that it can have. Returns the two p-values.
    pub fn permutation(&mut self, label: &str, test: Result<(Test, f64)>) -> Result<(f64, f64)> {
        let smallest = test.clone().map(|(test, smallest)| Test { p: smallest, ..test });
        let (test, smallest) =
            (self.permutations.add(label, || test.map(|(test, _)| test)), self.smallest.add(label, || smallest));
        Ok((test?.p, smallest?.p))
    }

    /// The statistics of each horizon.
    pub fn horizons(&mut self, sample: &Sample, settings: &Settings) -> Vec<HorizonFindings> {
        let compute = |&horizon: &Horizon| {
            let mut own = Self::new();
            let mut findings = of_horizon(horizon, &sample.at(horizon), settings, &mut own);
            findings.possible_splits = sample.possible_splits(horizon);
            (findings, own)
        };
        let computed: Vec<(HorizonFindings, Self)> = settings.horizons.par_iter().map(compute).collect();
        // Entered in the order of horizons, whichever was computed first.
        let entered = computed.into_iter().map(|(findings, own)| {
            self.append(&own);
            findings
        });
        entered.collect()
    }

    fn append(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.tests, &other.tests),
            (&mut self.permutations, &other.permutations),
            (&mut self.smallest, &other.smallest),
        ] {
            for entry in from.entries() {
                // The outcome is in the findings already.
                let _ = to.add(entry.label.clone(), || entry.outcome.clone());
            }
        }
    }

    /// Fills in the p-values adjusted by Holm's method: those of estimates for all tests of the study, those of
    /// permutation tests for all permutation tests.
    pub fn adjust(&self, horizons: &mut [HorizonFindings], split: Option<&mut Split>, days: Option<&mut DaysFindings>) {
        // Only the adjusted p-values are read. They do not depend on the level.
        let adjusted = |family: &Family| family.adjusted(Adjustment::Holm, 0.05).expect("0.05 is a level").into_iter();
        let (mut tests, mut permutations) = (adjusted(&self.tests), adjusted(&self.permutations));
        let mut smallest = adjusted(&self.smallest);
        let parts = split.into_iter().flat_map(|split| &mut split.parts).flat_map(|part| &mut part.horizons);
        for horizon in horizons.iter_mut().chain(parts) {
            for estimate in horizon.estimates_mut() {
                let p_adjusted = tests.next().and_then(|entry| entry.p_adjusted);
                if let Some(estimate) = estimate.value_mut() {
                    estimate.p_adjusted = p_adjusted;
                }
            }
            let p_adjusted = permutations.next().and_then(|entry| entry.p_adjusted);
            let smallest_p_adjusted = smallest.next().and_then(|entry| entry.p_adjusted);
            if let Some(permutation) = horizon.permutation.value_mut() {
                *permutation = Permutation { p_adjusted, smallest_p_adjusted, ..*permutation };
            }
        }
        for p_adjusted in days.into_iter().flat_map(DaysFindings::adjusted_mut) {
            let adjusted = tests.next().and_then(|entry| entry.p_adjusted);
            if let Some(p_adjusted) = p_adjusted {
                *p_adjusted = adjusted;
            }
        }
    }
}
