//! Several events together: mean abnormal returns with bands, and every test of them.

use std::ops::RangeInclusive;

use super::parametric::{bmp, cross_sectional, kolari_pynnonen_factor, patell, standard_caar};
use super::parametric::{mean_correlation, mean_correlation_within};
use super::sign::{PositiveShare, generalized_sign, positive_share, sign, sign_exact, wilcoxon};
use super::{Abnormal, Cumulative, CumulativeVariance, Matrix, MissingReturns, RankTest, brown_warner_1980};
use super::{brown_warner_1985, rank};
use crate::error::{Result, at_least, same_length};
use crate::moments::{Mean, mean};
use crate::test::{Interval, Test};

/// The abnormal returns of several events over the same steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    events: Vec<Abnormal>,
}

/// One step: the mean abnormal return (AAR) and the mean cumulative abnormal return (CAAR) over events.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Place in the event window.
    pub step: usize,
    /// Events with a return at this step.
    pub events: usize,
    /// Mean abnormal return, AAR.
    pub aar: f64,
    /// Its interval by the cross-sectional standard error.
    pub aar_band: Result<Interval>,
    /// CAAR: mean of the cumulative abnormal returns from the first step of the table to this one, over all events that
    /// have a return at any of these steps.
    pub caar: f64,
    /// Its interval by the cross-sectional standard error.
    pub caar_band: Result<Interval>,
    /// Events above 0 at this step.
    pub positive: usize,
}

/// Which events have a date in common (event-date clustering), for Kolari and Pynnonen's correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventDates<'a> {
    /// All have: step t is the same moment for all.
    Common,
    /// Events with the same label have; each event has one label. Residuals of events with different labels are taken to
    /// be uncorrelated.
    Grouped(&'a [u64]),
}

/// Every test of one window. Each has its own reason where it has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Tests {
    /// Mean abnormal return of one step, or mean cumulative abnormal return.
    pub effect: f64,
    /// Events with a return in the window.
    pub events: usize,
    /// Cross-sectional t.
    pub cross_sectional: Result<Test>,
    /// J1: the effect over its standard error, which is from the mean variance of the events.
    pub standard: Result<Test>,
    /// Patell's Z.
    pub patell: Result<Test>,
    /// Boehmer, Musumeci and Poulsen's t.
    pub bmp: Result<Test>,
    /// Mean correlation of the events' residuals.
    pub mean_correlation: Result<f64>,
    /// Patell's Z adjusted by Kolari and Pynnonen.
    pub patell_adjusted: Result<Test>,
    /// BMP adjusted by Kolari and Pynnonen.
    pub bmp_adjusted: Result<Test>,
    /// Brown and Warner 1980.
    pub brown_warner_1980: Result<Test>,
    /// Brown and Warner 1985, crude dependence adjustment.
    pub brown_warner_1985: Result<Test>,
    /// Corrado's rank test of 1989.
    pub corrado: Result<Test>,
    /// Corrado and Zivney's rank test of 1992.
    pub corrado_zivney: Result<Test>,
    /// Sign test, normal.
    pub sign: Result<Test>,
    /// Sign test, binomial.
    pub sign_exact: Result<Test>,
    /// Cowan's generalized sign test.
    pub generalized_sign: Result<Test>,
    /// Wilcoxon's signed ranks.
    pub wilcoxon: Result<Test>,
}

impl Study {
    /// Puts events together.
    ///
    /// # Errors
    /// [`crate::Error::TooFew`] without events; [`crate::Error::Length`] unless all windows are equally long.
    pub fn new(events: Vec<Abnormal>) -> Result<Self> {
        at_least("events", events.len(), 1)?;
        for event in &events {
            same_length("steps of an event window", event.abnormal.len(), events[0].abnormal.len())?;
            same_length("steps of an estimation window", event.residuals.len(), events[0].residuals.len())?;
        }
        Ok(Self { events })
    }

    /// The events.
    pub fn events(&self) -> &[Abnormal] {
        &self.events
    }

    /// Means over events step by step, with bands, cumulated from the first of `steps`. Steps at which no event has a
    /// return are left out.
    ///
    /// # Errors
    /// [`crate::Error::TooFew`] if the range leaves the window.
    pub fn table(&self, steps: RangeInclusive<usize>, level: f64) -> Result<Vec<Step>> {
        at_least("steps of the event window", self.events[0].abnormal.len(), steps.end() + 1)?;
        let from = *steps.start();
        let mut table = Vec::new();
        for step in steps {
            let returns: Vec<f64> = self.events.iter().filter_map(|event| event.abnormal[step]).collect();
            if returns.is_empty() {
                continue;
            }
            let sums: Vec<f64> = self.cumulative(from..=step).iter().map(|cumulative| cumulative.car).collect();
            let band = |values: &[f64]| Mean::of("abnormal returns of the events", values)?.interval(level);
            table.push(Step {
                step,
                events: returns.len(),
                aar: mean(&returns),
                aar_band: band(&returns),
                caar: mean(&sums),
                caar_band: band(&sums),
                positive: returns.iter().filter(|value| **value > 0.0).count(),
            });
        }
        Ok(table)
    }

    /// For each event with a return in the window: its cumulative abnormal return, and its prediction error's variance.
    pub fn cumulative(&self, steps: RangeInclusive<usize>) -> Vec<Cumulative> {
        let variance = CumulativeVariance::PredictionError;
        self.events.iter().filter_map(|event| event.cumulative(steps.clone(), variance).ok()).collect()
    }

    /// Residuals of the estimation windows, one row for each event.
    pub fn residuals(&self) -> Matrix {
        self.events.iter().map(|event| event.residuals.clone()).collect()
    }

    /// Abnormal returns of the event windows, one row for each event.
    pub fn abnormal(&self) -> Matrix {
        self.events.iter().map(|event| event.abnormal.clone()).collect()
    }

    /// Mean correlation of the events' residuals.
    ///
    /// # Errors
    /// As [`mean_correlation`] and [`mean_correlation_within`].
    pub fn mean_correlation(&self, dates: EventDates) -> Result<f64> {
        let rows: Vec<&[Option<f64>]> = self.events.iter().map(|event| event.residuals.as_slice()).collect();
        match dates {
            EventDates::Common => mean_correlation(&rows),
            EventDates::Grouped(labels) => mean_correlation_within(&rows, labels),
        }
    }

    /// Every test of the event window's `steps`. Of one step its abnormal returns are tested, of several steps the
    /// cumulative abnormal returns.
    ///
    /// # Errors
    /// [`crate::Error::TooFew`] if the range leaves the window or no event has a return in it.
    pub fn tests(&self, steps: RangeInclusive<usize>, dates: EventDates) -> Result<Tests> {
        at_least("steps of the event window", self.events[0].abnormal.len(), steps.end() + 1)?;
        let sums = self.cumulative(steps.clone());
        at_least("events with a return in the window", sums.len(), 1)?;
        let cars: Vec<f64> = sums.iter().map(|sum| sum.car).collect();
        let variances: Vec<f64> = sums.iter().map(|sum| sum.variance).collect();
        let scars: Vec<f64> = sums.iter().map(Cumulative::standardized).collect();
        let df: Vec<usize> = sums.iter().map(|sum| sum.df).collect();
        let (residuals, abnormal) = (self.residuals(), self.abnormal());
        let window: Vec<Vec<f64>> = steps
            .clone()
            .map(|step| self.events.iter().filter_map(|event| event.abnormal[step]).collect::<Vec<f64>>())
            .filter(|returns| !returns.is_empty())
            .collect();
        let correlation = self.mean_correlation(dates);
        let factor = correlation.clone().and_then(|r| kolari_pynnonen_factor(r, scars.len()));
        let adjusted = |test: &Result<Test>, factor: Result<f64>| {
            let test = test.clone()?;
            Test::of(test.statistic * factor?, test.reference, test.n)
        };
        let (patell, bmp) = (patell(&scars, &df), bmp(&scars));
        let ranked = |test| rank(&residuals, &abnormal, steps.clone(), test, MissingReturns::LeftOut);
        Ok(Tests {
            effect: mean(&cars),
            events: cars.len(),
            cross_sectional: cross_sectional(&cars),
            standard: standard_caar(&cars, &variances),
            patell_adjusted: adjusted(&patell, factor.clone().map(|factor| factor.1)),
            bmp_adjusted: adjusted(&bmp, factor.map(|factor| factor.0)),
            patell,
            bmp,
            mean_correlation: correlation,
            brown_warner_1980: brown_warner_1980(&window, &residuals),
            brown_warner_1985: brown_warner_1985(&window, &residuals),
            corrado: ranked(RankTest::Corrado1989),
            corrado_zivney: ranked(RankTest::CorradoZivney1992),
            sign: sign(&cars),
            sign_exact: sign_exact(&cars),
            generalized_sign: positive_share(&residuals, PositiveShare::PerEvent)
                .and_then(|share| generalized_sign(&cars, share)),
            wilcoxon: wilcoxon(&cars),
        })
    }
}
