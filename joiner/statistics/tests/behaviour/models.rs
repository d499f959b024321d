//! Models of expected returns, and events with missing returns, against values that numpy, pandas and statsmodels
//! compute.

use tapewire_statistics::Error;
use tapewire_statistics::event::{
    CumulativeVariance, EventDates, EventReturns, Matrix, MissingReturns, Model, Options, PositiveShare, RankTest,
    Study, Variance, abnormal_returns, bmp, corrado_sign, cross_sectional, generalized_sign, kolari_pynnonen_factor,
    lamb, mean_correlation, mean_correlation_within, patell, positive_share, rank, sign_exact, wilcoxon,
};

use crate::golden::{same, statistic, wave};

/// One event: 40 steps of estimation, 3 of the event; the market and two more factors.
fn returns() -> EventReturns {
    let market = wave(43, 3);
    let own: Vec<f64> = market.iter().zip(wave(43, 11)).map(|(m, noise)| 0.0005 + 0.8 * m + noise).collect();
    let some = |values: &[f64]| -> Vec<Option<f64>> { values.iter().copied().map(Some).collect() };
    let factors = [market, wave(43, 6), wave(43, 9)];
    EventReturns {
        estimation: some(&own[..40]),
        estimation_factors: factors.iter().map(|factor| some(&factor[..40])).collect(),
        event: some(&own[40..]),
        event_factors: factors.iter().map(|factor| some(&factor[40..])).collect(),
    }
}

fn only_the_market(mut returns: EventReturns) -> EventReturns {
    returns.estimation_factors.truncate(1);
    returns.event_factors.truncate(1);
    returns
}

#[test]
fn the_market_adjusted_model_subtracts_the_market() {
    let found = abnormal_returns(&returns(), Model::MarketAdjusted, &Options::default()).unwrap();
    assert!(found.parameters.is_empty());
    same(found.abnormal[0].unwrap(), -0.0165);
    same(found.sigma2, 1.333_573_076_923_076_9e-4);
    same(found.variance[0].unwrap(), found.sigma2);
    assert_eq!(found.df, 39);
    let car = found.cumulative(0..=2, CumulativeVariance::PredictionError).unwrap();
    same(car.standardized(), 0.164_985_167_865_553_4);
}

#[test]
fn the_mean_adjusted_model_subtracts_the_mean() {
    let found = abnormal_returns(&returns(), Model::MeanAdjusted, &Options::default()).unwrap();
    same(found.abnormal[0].unwrap(), -0.0098);
    same(found.variance[0].unwrap(), 2.678_393_333_333_333_4e-4);
    same(found.cumulative(0..=2, CumulativeVariance::PredictionError).unwrap().variance, 8.427_14e-4);
    assert_eq!(found.df, 39);
}

#[test]
fn three_factors_are_a_regression_on_three() {
    let found = abnormal_returns(&returns(), Model::Factors, &Options::default()).unwrap();
    same(found.abnormal[0].unwrap(), -0.016_876_318_269_378_708);
    same(found.variance[0].unwrap(), 1.445_461_474_669_945e-4);
    let car = found.cumulative(0..=2, CumulativeVariance::PredictionError).unwrap();
    same(car.car, 0.002_715_161_949_419_876_7);
    same(car.variance, 4.435_224_870_585_838_4e-4);
    assert_eq!((found.df, found.parameters.len()), (36, 4));
}

#[test]
fn steps_without_a_return_do_not_count() {
    let mut missing = only_the_market(returns());
    for step in [5, 6, 20] {
        missing.estimation[step] = None;
    }
    missing.event[1] = None;
    let found = abnormal_returns(&missing, Model::Factors, &Options::default()).unwrap();
    same(found.sigma2, 1.408_937_256_454_346_4e-4);
    same(found.abnormal[0].unwrap(), -0.015_068_953_573_239_98);
    assert_eq!((found.abnormal[1], found.variance[1], found.residuals[5]), (None, None, None));
    assert_eq!((found.estimated_from, found.df), (37, 35));
    let car = found.cumulative(0..=2, CumulativeVariance::PredictionError).unwrap();
    same(car.car, -0.002_281_294_456_746_296_7);
    same(car.variance, 2.975_923_958_602_225e-4);
    assert_eq!(car.steps, 2);
    assert_eq!(
        found.cumulative(1..=1, CumulativeVariance::PredictionError),
        Err(Error::TooFew { what: "returns in the window", found: 0, needed: 1 })
    );
    let estudy2 = Options { variance: Variance::Sample, factors_of_all_steps: true, ..Options::default() };
    let found = abnormal_returns(&missing, Model::Factors, &estudy2).unwrap();
    same(found.variance[0].unwrap(), 1.413_934_425_591_332e-4);
}

#[test]
fn an_event_that_cannot_be_measured_says_why() {
    let short = Options { minimum_estimation: 41, ..Options::default() };
    assert_eq!(
        abnormal_returns(&returns(), Model::Factors, &short).unwrap_err().to_string(),
        "not enough data: 40 returns in the estimation window, at least 41 needed"
    );
    let mut still = returns();
    still.estimation = vec![Some(0.001); 40];
    let constant = Error::Constant { what: "abnormal returns of the estimation window" };
    assert_eq!(abnormal_returns(&still, Model::MeanAdjusted, &Options::default()), Err(constant.clone()));
    assert_eq!(abnormal_returns(&still, Model::Factors, &Options::default()), Err(constant));
    let mut closed = only_the_market(returns());
    closed.estimation_factors[0] = vec![Some(0.0); 40];
    let collinear = Error::Collinear { column: 1 };
    assert_eq!(abnormal_returns(&closed, Model::Factors, &Options::default()), Err(collinear));
    let mut bad = returns();
    bad.event[2] = Some(f64::NAN);
    let not_finite = Error::NotFinite { what: "returns", index: 2 };
    assert_eq!(abnormal_returns(&bad, Model::MeanAdjusted, &Options::default()), Err(not_finite));
}

/// Four events of 10 steps before and 2 of the event; four returns are missing.
fn windows() -> (Matrix, Matrix) {
    let mut rows: Matrix = [2, 5, 8, 12].iter().map(|&seed| wave(12, seed).into_iter().map(Some).collect()).collect();
    for (event, step) in [(0, 3), (2, 0), (2, 1), (2, 7)] {
        rows[event][step] = None;
    }
    (rows.iter().map(|row| row[..10].to_vec()).collect(), rows.iter().map(|row| row[10..].to_vec()).collect())
}

#[test]
fn rank_and_sign_tests_leave_missing_returns_out() {
    let (before, after) = windows();
    let ranked = |steps, test| rank(&before, &after, steps, test, MissingReturns::LeftOut);
    statistic(ranked(1..=1, RankTest::CorradoZivney1992), 1.133_123_648_766_648_3);
    statistic(ranked(0..=1, RankTest::CorradoZivney1992), 1.175_598_138_906_498);
    statistic(ranked(1..=1, RankTest::Corrado1989), 1.226_560_654_258_756);
    statistic(corrado_sign(&before, &after, 1, MissingReturns::LeftOut), 1.325_178_312_898_158_5);
    same(positive_share(&before, PositiveShare::PerEvent).unwrap(), 0.497_619_047_619_047_57);
    same(positive_share(&before, PositiveShare::Pooled).unwrap(), 0.472_222_222_222_222_2);
}

#[test]
fn a_rank_test_refuses_events_without_one_of_their_windows() {
    let (before, after) = windows();
    for missing in [MissingReturns::LeftOut, MissingReturns::Estudy2] {
        let found = rank(&before, &after[..3].to_vec(), 0..=1, RankTest::default(), missing);
        assert_eq!(found, Err(Error::Length { what: "events with residuals", found: 4, expected: 3 }));
        assert!(corrado_sign(&before, &after[..3].to_vec(), 1, missing).is_err());
    }
}

#[test]
fn residuals_are_correlated_where_both_are_known() {
    let (before, after) = windows();
    let rows: Vec<&[Option<f64>]> = before.iter().map(Vec::as_slice).collect();
    same(mean_correlation(&rows).unwrap(), 0.010_851_467_517_060_565);
    same(mean_correlation_within(&rows, &[7, 7, 1, 1]).unwrap(), 0.024_379_010_878_451_804);
    assert_eq!(mean_correlation_within(&rows, &[1, 2, 3, 4]), Ok(0.0));
    // Two events of one group without a common step can't be compared: one of three pairs is, and is the first two.
    let half = |known: fn(usize) -> bool, row: &[Option<f64>]| -> Vec<Option<f64>> {
        row.iter().enumerate().map(|(step, value)| value.filter(|_| known(step))).collect()
    };
    let (early, late) = (half(|step| step < 5, rows[0]), half(|step| step >= 5, rows[3]));
    let apart: [&[Option<f64>]; 3] = [&early, &late, rows[1]];
    let first = mean_correlation_within(&[&early, &late], &[1, 1]);
    assert!(matches!(first, Err(Error::TooFew { .. })), "{first:?}");
    assert_eq!(mean_correlation_within(&apart, &[1, 1, 2]), Ok(0.0));
    let both = mean_correlation_within(&apart, &[1, 1, 1]).unwrap();
    let alone = |row: &[Option<f64>]| mean_correlation(&[row, rows[1]]).unwrap();
    same(both, (alone(&early) + alone(&late)) / 2.0);
    let step: Vec<f64> = after.iter().map(|event| event[1].unwrap()).collect();
    statistic(lamb(&step, &before, &wave(10, 1), 0.004), 0.924_414_043_455_417_2);
}

#[test]
fn few_events_give_a_reason_instead_of_a_value() {
    let few = |what, found, needed| Error::TooFew { what, found, needed };
    assert_eq!(cross_sectional(&[0.01]).unwrap_err(), few("abnormal returns of the events", 1, 2));
    assert_eq!(bmp(&[1.0]).unwrap_err(), few("standardized abnormal returns of the events", 1, 2));
    assert_eq!(bmp(&[1.0, 1.0]).unwrap_err(), Error::Constant { what: "standardized abnormal returns of the events" });
    assert_eq!(patell(&[], &[]).unwrap_err(), few("events", 0, 1));
    assert_eq!(patell(&[1.0], &[2]).unwrap_err(), few("degrees of freedom of an event's variance", 2, 3));
    assert_eq!(wilcoxon(&[0.0, 0.0]).unwrap_err(), few("events that differ from 0", 0, 1));
    assert_eq!(sign_exact(&[0.0]).unwrap_err(), few("events that differ from 0", 0, 1));
    assert!(matches!(generalized_sign(&[0.1], 1.0), Err(Error::Argument { .. })));
    assert!(matches!(kolari_pynnonen_factor(-0.5, 3), Err(Error::Argument { .. })));
    assert_eq!(kolari_pynnonen_factor(0.0, 3), Ok((1.0, 1.0)));
    let event = abnormal_returns(&returns(), Model::Factors, &Options::default()).unwrap();
    let alone = Study::new(vec![event]).unwrap().tests(0..=0, EventDates::Common).unwrap();
    assert!(alone.patell.is_ok() && alone.sign_exact.is_ok());
    assert_eq!(alone.cross_sectional.unwrap_err(), few("abnormal returns of the events", 1, 2));
    assert_eq!(alone.bmp_adjusted.unwrap_err(), few("standardized abnormal returns of the events", 1, 2));
    assert_eq!(alone.mean_correlation.unwrap_err(), few("events", 1, 2));
}

#[test]
fn wilcoxon_of_many_events_is_the_normal_approximation() {
    let moved: Vec<f64> = wave(60, 4).into_iter().filter(|value| *value != 0.0).collect();
    same(wilcoxon(&moved).unwrap().p, 0.907_456_974_031_865);
}
