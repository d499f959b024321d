//! Regressions, groups and calibration: values that numpy, pandas, scipy and statsmodels compute.

use tapewire_statistics::calibration::{Bins, calibration};
use tapewire_statistics::groups::{quantiles, spreads};
use tapewire_statistics::ic::{self, Correlation, Horizon, Period};
use tapewire_statistics::multiple::{Adjustment, Family};
use tapewire_statistics::regression::{
    ClusterCorrection, Design, FixedEffects, Ols, Panel, StandardErrors, fama_macbeth, within,
};
use tapewire_statistics::resample::{
    Alternative, Blocks, bootstrap, bootstrap_mean, permute_rank_ic, permute_within, sign_flips,
};
use tapewire_statistics::{Error, Mean, Reference, Test, distributions};

use crate::golden::{same, wave};

fn pair() -> (Vec<f64>, Vec<f64>) {
    let x = wave(30, 4);
    let y = x.iter().zip(wave(30, 9)).map(|(x, noise)| 0.3 * x + noise + 0.001).collect();
    (x, y)
}

#[test]
fn panel_and_jackknife_errors_agree_with_statsmodels_and_numpy() {
    let (x, y) = pair();
    let (thirds, fifths): (Vec<u64>, Vec<u64>) = (0..30).map(|i| (i / 3, i % 5)).unzip();
    let fit = Ols::fit(Design::with_constant(30, &[&x]).unwrap(), &y).unwrap();
    let error = |errors| fit.table(&errors).unwrap().coefficients[1].standard_error;
    same(
        error(StandardErrors::DriscollKraay { lags: 1, period: &fifths, small_sample: false }),
        0.168_311_167_818_881_1,
    );
    let by_series = StandardErrors::NeweyWestWithin { lags: 1, small_sample: false, series: &thirds };
    same(error(by_series), 0.179_437_674_239_110_56);
    same(error(StandardErrors::ClusterJackknife { by: &thirds, about_mean: false }), 0.151_708_468_287_111_26);
    same(error(StandardErrors::ClusterJackknife { by: &thirds, about_mean: true }), 0.151_708_272_625_571_16);
    let weights: Vec<f64> = (0..30).map(|i| f64::from(1 + i % 4)).collect();
    let weighted = Ols::fit_weighted(Design::with_constant(30, &[&x]).unwrap(), &y, &weights).unwrap();
    same(weighted.coefficients[1], 0.254_980_719_124_544);
    same(weighted.table(&StandardErrors::Hc1).unwrap().coefficients[1].standard_error, 0.225_557_987_541_693_98);
    let slopes = fama_macbeth(&y, &[&x], &fifths, 0).unwrap();
    same(slopes[1].0.mean, 0.292_018_722_728_944_5);
    same(slopes[1].0.standard_error, 0.312_697_614_812_392_6);
}

/// Without cluster g the mean changes by the sum of its residuals over the number of other values.
#[test]
fn the_jackknife_in_two_ways_is_the_widest_of_both_kinds_and_their_sum() {
    for (seed, negative) in [(3, false), (4, false), (5, true)] {
        // In turn above and below 0, neighbours cancel out, and the variance in two ways is below that of one.
        let turn = |(place, value): (usize, f64)| if negative && place % 2 == 1 { -1.0 - value } else { value };
        let y: Vec<f64> = wave(14, seed).into_iter().enumerate().map(turn).collect();
        let day: Vec<u64> = (0..14).collect();
        let [even, odd] = [0, 1].map(|first| day.iter().map(|day| (day + first) / 2).collect::<Vec<u64>>());
        let mean = y.iter().sum::<f64>() / 14.0;
        let variance = |by: &[u64]| {
            let last = by[13];
            let change = |label: u64| {
                let own = || by.iter().zip(&y).filter(move |(own, _)| **own == label);
                own().map(|(_, y)| y - mean).sum::<f64>() / (14 - own().count()) as f64
            };
            (0..=last).map(|label| change(label).powi(2)).sum::<f64>() * last as f64 / (last + 1) as f64
        };
        let (one, two) = (variance(&even), variance(&odd));
        let expected = (one + two - variance(&day)).max(one).max(two);
        let fit = Ols::fit(Design::with_constant(14, &[]).unwrap(), &y).unwrap();
        let table = fit.table(&StandardErrors::TwoWayJackknife { by: [&even, &odd] }).unwrap();
        same(table.coefficients[0].standard_error, expected.sqrt());
        assert_eq!((table.clusters.as_slice(), table.reference), (&[7, 8][..], Reference::Student { df: 6.0 }));
    }
}

#[test]
fn too_few_clusters_are_refused() {
    let (x, y) = pair();
    let fit = Ols::fit(Design::with_constant(30, &[&x]).unwrap(), &y).unwrap();
    let one = vec![4; 30];
    let errors = StandardErrors::Clustered { by: &one, correction: ClusterCorrection::Each };
    assert_eq!(fit.table(&errors).unwrap_err(), Error::TooFew { what: "clusters", found: 1, needed: 2 });
    let lags = StandardErrors::NeweyWest { lags: 30, small_sample: false };
    assert_eq!(fit.table(&lags).unwrap_err(), Error::TooFew { what: "rows of a series", found: 30, needed: 31 });
    let exact = Ols::fit(Design::with_constant(30, &[&x]).unwrap(), &x).unwrap();
    assert_eq!(exact.table(&StandardErrors::Hc1).unwrap_err(), Error::Constant { what: "residuals" });
}

/// Without the only cluster in which a regressor varies there is no slope, whatever the rounding errors are.
#[test]
fn a_slope_of_one_cluster_alone_has_no_jackknife_error() {
    for others in 5..60 {
        let rows = 3 + others;
        let x: Vec<f64> = (0..rows).map(|row| if row < 3 { [0.5, -0.5, 0.9][row] } else { 1.0 }).collect();
        let by: Vec<u64> = (0..rows as u64).map(|row| row / 3).collect();
        let fit = Ols::fit(Design::with_constant(rows, &[&x]).unwrap(), &wave(rows as i64, 5)).unwrap();
        for about_mean in [true, false] {
            let error = fit.table(&StandardErrors::ClusterJackknife { by: &by, about_mean }).unwrap_err();
            assert_eq!(error, Error::NoJackknife, "{others}");
        }
    }
}

/// Two hits and one miss in each cluster: residuals add up to 0 there, except for rounding errors.
#[test]
fn clusters_without_variance_have_no_test() {
    for (hits, all) in [(2, 3), (4, 5), (4, 7), (3, 4)] {
        let rows = 10 * all;
        let y: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % all < hits))).collect();
        let by: Vec<u64> = (0..rows as u64).map(|row| row / all as u64).collect();
        let fit = Ols::fit(Design::with_constant(rows, &[]).unwrap(), &y).unwrap();
        let of_clusters = StandardErrors::Clustered { by: &by, correction: ClusterCorrection::Each };
        for errors in [of_clusters, StandardErrors::ClusterJackknife { by: &by, about_mean: true }] {
            assert!(matches!(fit.table(&errors).unwrap_err(), Error::Constant { .. }), "{hits} of {all}");
        }
    }
}

/// Each symbol shares one day with the next: the worst case for effects of two kinds.
#[test]
fn a_chain_of_symbols_and_days_is_demeaned() {
    let symbol: Vec<u64> = (0..6000).map(|row| row / 2).collect();
    let day: Vec<u64> = (0..6000_u64).map(|row| row.div_ceil(2)).collect();
    let values: Vec<f64> = wave(6000, 5).iter().zip(&symbol).map(|(noise, &s)| noise + (s % 17) as f64).collect();
    // The graph of symbols and days is a chain, which is a tree: the effects explain every row, so nothing is left.
    let left = within(&values, FixedEffects::Two(&symbol, &day)).unwrap();
    assert!(left.iter().all(|value| value.abs() < 1e-8), "{:?}", left.iter().fold(0.0_f64, |a, b| a.max(b.abs())));
    let panel = Panel::fit(&values, &[&wave(6000, 3)], FixedEffects::Two(&symbol, &day));
    assert!(matches!(panel, Err(Error::TooFew { what: "rows", .. })));
}

#[test]
fn degrees_of_freedom_and_statistics_are_checked_before_they_are_looked_up() {
    let student = |df| Reference::Student { df };
    assert!(matches!(Test::of(1.0, student(0.0), 2), Err(Error::Argument { .. })));
    assert_eq!(Test::of(f64::NAN, student(3.0), 2), Err(Error::Overflow));
    assert_eq!(Test::ratio(1.0, 0.0, student(3.0), 2, "returns"), Err(Error::Constant { what: "returns" }));
    assert!(distributions::student_two_sided(f64::NAN, 3.0).is_nan());
    assert!(distributions::f_upper(1.0, 0.0, 3.0).is_nan() && distributions::chi_squared_upper(f64::NAN, 3.0).is_nan());
    assert_eq!(distributions::student_two_sided(f64::INFINITY, 3.0), 0.0);
    let huge = [1e200, -1e200, 3e200];
    assert_eq!(Mean::of("returns", &huge).unwrap_err(), Error::Overflow);
    // With a million degrees of freedom, nearly that of the normal distribution.
    same(distributions::student_quantile_upper(0.025, 1e6), 1.959_966_356_814_107_2);
    same(distributions::student_quantile_upper(0.025, 1.0), 12.706_204_736_174_7);
    same(distributions::student_quantile_upper(0.975, 7.5), -distributions::student_quantile_upper(0.025, 7.5));
}

#[test]
fn leverages_within_fixed_effects_are_refused() {
    let (x, y) = pair();
    let symbol: Vec<u64> = (0..30).map(|row| row / 3).collect();
    let panel = Panel::fit(&y, &[&x], FixedEffects::One(&symbol)).unwrap();
    assert!(panel.fit.table(&StandardErrors::Hc1).is_ok());
    assert_eq!(
        panel.fit.table(&StandardErrors::Hc3).unwrap_err().to_string(),
        "the number of fixed effects is 10, but must be 0 for HC2 and HC3, whose leverages would lack them: \
         take HC1 or clusters"
    );
}

#[test]
fn coefficients_of_periods_without_one_do_not_count() {
    let of = |seed: i64| -> (Vec<f64>, Vec<f64>) {
        let scores = wave(8, seed);
        let returns = wave(8, seed + 3).iter().zip(&scores).map(|(noise, score)| noise + 0.3 * score).collect();
        (scores, returns)
    };
    let mut rows: Vec<(Vec<f64>, Vec<f64>)> = (1..7).map(of).collect();
    rows.insert(2, (vec![0.5; 8], wave(8, 1)));
    rows.push((vec![0.1], vec![0.2]));
    let periods: Vec<Period> = rows.iter().map(|(scores, returns)| Period { scores, returns }).collect();
    let found = ic::summary(Correlation::Rank, &periods, Some(2), 0, 0.95).unwrap();
    assert_eq!(found.periods[2], Err(Error::Constant { what: "scores" }));
    assert_eq!(found.periods[7], Err(Error::TooFew { what: "pairs", found: 1, needed: 2 }));
    assert_eq!(found.mean.n, 6);
    same(found.mean.mean, 0.091_129_061_338_675_04);
    same(found.test.statistic, 0.836_186_350_469_695_6);
    same(found.mean.mean / found.hac_test.statistic, 0.058_166_795_348_659_116);
    assert!(found.hac_interval.contains(found.mean.mean) && found.lags == 2);

    // Returns that reach into three further periods need three lags, and a horizon without data says so.
    let horizons = [
        Horizon { name: "1m", periods: periods.clone(), overlap: 0 },
        Horizon { name: "4m", periods, overlap: 3 },
        Horizon { name: "1d", periods: Vec::new(), overlap: 0 },
    ];
    let found = ic::decay(Correlation::Rank, &horizons, 0.95);
    assert_eq!(found[0].1.as_ref().unwrap().lags, 2);
    assert_eq!(found[1].1.as_ref().unwrap().lags, 3);
    let nothing = Error::TooFew { what: "periods with a value", found: 0, needed: 2 };
    assert_eq!((found[2].0.as_str(), found[2].1.as_ref().unwrap_err()), ("1d", &nothing));
}

#[test]
fn quantile_spreads_agree_with_pandas_and_scipy() {
    let x = wave(25, 2);
    let y: Vec<f64> = wave(25, 7).iter().zip(&x).map(|(noise, x)| noise + 0.1 * x).collect();
    let found = quantiles(&x, &y, 5, 0.95).unwrap();
    same(found.spread, 0.007_43);
    same(found.test.statistic, 1.186_402_031_534_768_5);
    same(found.test.p, 0.275_098_173_500_100_1);
    assert!(found.interval.contains(0.0) && found.interval.contains(found.spread));
    assert_eq!(found.quantiles[4].n, 4);
    assert_eq!(found.quantiles.iter().map(|quantile| quantile.n).sum::<usize>(), 25);
    let hits = tapewire_statistics::groups::hit_rate(&x, &y, 0.95).unwrap();
    assert_eq!((hits.hits, hits.n), (12, 25));
    same(hits.test.p, 1.0);
}

#[test]
fn spreads_of_periods_are_averaged() {
    // Top less bottom half: 0.03 - 0.01, 0.05 - 0.02, and a period whose scores are equal.
    let returns: [&[f64]; 3] = [&[0.01, 0.03, 0.01, 0.03], &[0.02, 0.05, 0.02, 0.05], &[0.1, 0.2, 0.3, 0.4]];
    let scores: [&[f64]; 3] = [&[1.0, 2.0, 1.0, 2.0], &[-1.0, 4.0, -2.0, 3.0], &[5.0; 4]];
    let periods: Vec<Period> =
        scores.into_iter().zip(returns).map(|(scores, returns)| Period { scores, returns }).collect();
    let found = spreads(&periods, 2, Some(0), 0, 0.95).unwrap();
    same(found.mean.mean, 0.025);
    assert_eq!(found.periods[2], Err(Error::Constant { what: "scores" }));
    assert_eq!((found.mean.n, found.lags), (2, 0));
}

#[test]
fn calibration_agrees_with_numpy() {
    let probabilities: Vec<f64> = wave(40, 3).iter().map(|value| (value + 0.02) / 0.04).collect();
    let happened: Vec<bool> = wave(40, 5).iter().map(|value| *value > 0.0).collect();
    let found = calibration(&probabilities, &happened, Bins::EqualWidth(5), 0.95).unwrap();
    same(found.ece, 0.263_124_999_999_999_94);
    same(found.mce, 0.616_666_666_666_666_7);
    same(found.brier, 0.375_921_875);
    assert!(matches!(calibration(&[1.1], &[true], Bins::EqualWidth(5), 0.95), Err(Error::Argument { .. })));
    // Forecasts of 0 and 1 that come true.
    let perfect = calibration(&[0.0, 1.0, 1.0], &[false, true, true], Bins::EqualWidth(10), 0.95).unwrap();
    assert_eq!((perfect.ece, perfect.brier, perfect.bins.len()), (0.0, 0.0, 2));
}

#[test]
fn a_bootstrap_of_single_values_has_the_standard_error_of_the_mean() {
    let values: Vec<f64> = wave(200, 5);
    let found = bootstrap_mean(&values, Blocks::Single, 4000, 1, 0.95).unwrap();
    let mean = Mean::of("values", &values).unwrap();
    same(found.estimate, mean.mean);
    assert!((found.standard_error / mean.standard_error - 1.0).abs() < 0.05);
    let interval = mean.interval(0.95).unwrap();
    assert!((found.interval.low - interval.low).abs() < 0.2 * mean.standard_error);
    assert!((found.interval.high - interval.high).abs() < 0.2 * mean.standard_error);
    // A circular block as long as the series has the same values in rotated order.
    let turned = bootstrap_mean(&values, Blocks::Circular(200), 100, 1, 0.95);
    assert!(turned.map_or(true, |turned| turned.standard_error < 1e-12));
    assert!(matches!(bootstrap_mean(&values, Blocks::Circular(0), 100, 1, 0.95), Err(Error::Argument { .. })));
    let undefined = bootstrap(20, Blocks::Single, 100, 1, 0.95, |places| (places[0] == 0).then_some(1.0));
    assert!(matches!(undefined, Err(Error::TooFew { .. })));
    assert_eq!(Blocks::for_length(1000, 0), Blocks::Circular(10));
    assert_eq!(Blocks::for_length(1000, 30), Blocks::Circular(31));
}

#[test]
fn permutations_count_themselves() {
    // Three rows in perfect order: 1 of 6 orders is as extreme upwards, so p is near (1 + n/6) / (1 + n).
    let scores = [1.0, 2.0, 3.0];
    let found = permute_rank_ic(&scores, &[0.1, 0.2, 0.3], &[1, 1, 1], 5999, 3, Alternative::Greater).unwrap();
    same(found.statistic, 1.0);
    assert!((found.p - 1.0 / 6.0).abs() < 0.02 && found.reference == Reference::Exact);
    // Nothing is as extreme: 1 / (1 + n), never 0.
    let many: Vec<f64> = (0..40).map(f64::from).collect();
    let found = permute_rank_ic(&many, &many, &vec![0; 40], 99, 3, Alternative::TwoSided).unwrap();
    assert_eq!(found.p, 0.01);
    // Scores stay in their day: the sum of each day cannot change.
    let days: Vec<u64> = (0..40).map(|row| row / 10).collect();
    let first_day = permute_within(&many, &days, 19, 3, Alternative::Greater, |scores| Some(scores[..10].iter().sum()));
    assert_eq!(first_day.unwrap().p, 1.0);
    let constant = permute_rank_ic(&[1.0, 1.0, 2.0], &[0.1, 0.2, 0.3], &[1, 1, 2], 99, 3, Alternative::TwoSided);
    assert_eq!(constant.unwrap_err(), Error::Constant { what: "scores of each day" });
    let alone = permute_rank_ic(&[1.0, 2.0], &[0.1, 0.2], &[1, 2], 99, 3, Alternative::TwoSided);
    assert_eq!(alone.unwrap_err(), Error::TooFew { what: "days with two rows", found: 0, needed: 1 });
}

#[test]
fn sign_flips_need_clusters_and_see_an_effect() {
    let values: Vec<f64> = wave(60, 5).iter().map(|noise| noise + 0.02).collect();
    let clusters: Vec<u64> = (0..60).map(|row| row / 4).collect();
    assert_eq!(sign_flips(&values, &clusters, 999, 1).unwrap().p, 0.001);
    let one = sign_flips(&values, &[0; 60], 999, 1);
    assert_eq!(one.unwrap_err(), Error::TooFew { what: "clusters", found: 1, needed: 2 });
}

#[test]
fn a_family_counts_what_has_no_value_apart() {
    let mut family = Family::new("does anything move");
    let p = [0.04, 0.01, 0.03];
    for (place, p) in p.into_iter().enumerate() {
        let test = tapewire_statistics::Test { statistic: 1.0, reference: Reference::Exact, p, n: 10 };
        family.add(format!("symbol {place}"), || Ok(test)).unwrap();
    }
    let nothing = family.add("thin", || Mean::of("returns", &[])?.t_test());
    assert_eq!(nothing.unwrap_err(), Error::TooFew { what: "returns", found: 0, needed: 2 });
    assert_eq!((family.tests(), family.undefined(), family.entries().len()), (3, 1, 4));
    let entries = family.adjusted(Adjustment::Holm, 0.05).unwrap();
    let adjusted: Vec<Option<f64>> = entries.iter().map(|entry| entry.p_adjusted).collect();
    assert_eq!(adjusted, [Some(0.06), Some(0.03), Some(0.06), None]);
    assert_eq!(entries.iter().map(|entry| entry.rejected).collect::<Vec<_>>(), [false, true, false, false]);
    assert!(family.adjusted(Adjustment::Holm, 1.0).is_err());
}
