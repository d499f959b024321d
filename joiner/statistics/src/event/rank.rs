//! Rank tests: free of any assumption on how abnormal returns are distributed.

use super::Matrix;
use crate::error::{Result, at_least, same_length};
use crate::moments::{mean, sum};
use crate::rank::ranks;
use crate::test::{Reference, Test};

/// Which rank test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RankTest {
    /// Corrado 1989: the mean over events of rank - (M + 1) / 2, over its standard deviation from step to step. With
    /// events of unequal length, those with more returns weigh more.
    Corrado1989,
    /// Corrado and Zivney 1992: ranks divided by M + 1, less 1/2, and each step's mean times the root of its number of
    /// events. Right with missing returns; the same as [`RankTest::Corrado1989`] without any.
    #[default]
    CorradoZivney1992,
}

/// How a step counts at which some events have no return. Without missing returns both ways are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingReturns {
    /// A step's sum is over the events that have a return, and the squares of the steps are divided by their number.
    #[default]
    LeftOut,
    /// As estudy2 (R): a step's sum is its mean times the number of all events, and the squares are divided by the mean
    /// number of returns of the events. It gives steps with missing returns a variance that they do not have.
    Estudy2,
}

/// The rank test of the mean abnormal return of `steps` of the event window: each event's abnormal returns are ranked
/// among all of its estimation and event window. Equal values share the mean of their ranks. For L steps it is sqrt(L)
/// times the mean over them (Cowan 1992). Compared with the normal distribution.
///
/// `residuals` and `abnormal` have one row for each event; all rows of each have the same length. Steps at which no
/// event has a return do not count.
///
/// # Errors
/// [`crate::Error::TooFew`] for no events, no return in the window or an event of fewer than two returns;
/// [`crate::Error::Constant`] if the means of the steps are all 0; [`crate::Error::Length`].
pub fn rank(
    residuals: &Matrix,
    abnormal: &Matrix,
    steps: std::ops::RangeInclusive<usize>,
    test: RankTest,
    missing: MissingReturns,
) -> Result<Test> {
    same_length("events with residuals", residuals.len(), abnormal.len())?;
    at_least("events", abnormal.len(), 1)?;
    let before = residuals[0].len();
    let after = abnormal[0].len();
    at_least("steps of the event window", after, steps.end() + 1)?;
    let mut totals = vec![(0.0, 0_usize); before + after];
    let mut counts = Vec::with_capacity(residuals.len());
    for (residuals, abnormal) in residuals.iter().zip(abnormal) {
        same_length("residuals of an event", residuals.len(), before)?;
        same_length("abnormal returns of an event", abnormal.len(), after)?;
        let (places, values): (Vec<usize>, Vec<f64>) =
            residuals.iter().chain(abnormal).enumerate().filter_map(|(place, value)| Some((place, (*value)?))).unzip();
        at_least("returns of an event", values.len(), 2)?;
        let middle = (values.len() + 1) as f64 / 2.0;
        let scale = match test {
            RankTest::Corrado1989 => 1.0,
            RankTest::CorradoZivney1992 => 1.0 / (values.len() + 1) as f64,
        };
        for (place, rank) in places.iter().zip(ranks(&values)) {
            totals[*place].0 += (rank - middle) * scale;
            totals[*place].1 += 1;
        }
        counts.push(values.len() as f64);
    }
    let all_events = residuals.len() as f64;
    let weighted = |&(total, events): &(f64, usize)| {
        let events = events as f64;
        let total = if missing == MissingReturns::Estudy2 { total / events * all_events } else { total };
        match test {
            RankTest::Corrado1989 => total / events,
            RankTest::CorradoZivney1992 => total / events.sqrt(),
        }
    };
    let counted =
        |range: &[(f64, usize)]| -> Vec<f64> { range.iter().filter(|step| step.1 > 0).map(weighted).collect() };
    let all = counted(&totals);
    let divisor = match missing {
        MissingReturns::LeftOut => all.len() as f64,
        MissingReturns::Estudy2 => mean(&counts),
    };
    let deviation = (sum(all.iter().map(|mean| mean * mean)) / divisor).sqrt();
    let window = counted(&totals[before + steps.start()..=before + steps.end()]);
    at_least("returns in the window", window.len(), 1)?;
    let events = totals[before + steps.start()..=before + steps.end()].iter().map(|step| step.1).max().unwrap_or(0);
    let effect = mean(&window) * (window.len() as f64).sqrt();
    Test::ratio(effect, deviation, Reference::Normal, events, "mean ranks")
}
