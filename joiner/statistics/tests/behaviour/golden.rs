//! Values that numpy 2, scipy 1.17, statsmodels 0.15 and linearmodels 7.1 compute from series of whole thousandths.

use tapewire_statistics::event::{EventDates, Study};
use tapewire_statistics::groups::{clopper_pearson, welch, wilson};
use tapewire_statistics::ic::{self, Correlation};
use tapewire_statistics::leadlag::{augmented_dickey_fuller, cross_correlation, granger};
use tapewire_statistics::multiple::{Adjustment, adjusted};
use tapewire_statistics::regression::{ClusterCorrection, Design, FixedEffects, Ols, Panel, StandardErrors};
use tapewire_statistics::{Result, Test, decay, distributions};

use crate::market_model;

/// A series without a pattern, in whole thousandths from -0.020 to 0.020.
pub(crate) fn wave(n: i64, seed: i64) -> Vec<f64> {
    (0..n).map(|i| ((i * i * 7 + seed * 13 * i + seed * 5 + i * seed * i / 3) % 41 - 20) as f64 / 1000.0).collect()
}

#[track_caller]
pub(crate) fn same(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found:e} instead of {expected:e}");
}

#[track_caller]
pub(crate) fn statistic(found: Result<Test>, expected: f64) {
    same(found.unwrap().statistic, expected);
}

fn study() -> Study {
    let event = |i: i64| {
        let market = wave(43, 3 + i);
        let mut security: Vec<f64> =
            market.iter().zip(wave(43, 11 + 2 * i)).map(|(m, noise)| 0.0005 + 0.8 * m + noise).collect();
        security[41] += 0.01;
        market_model(&security, &market, 40)
    };
    Study::new((0..5).map(event).collect()).unwrap()
}

#[test]
fn event_tests_of_one_step_agree_with_numpy() {
    let found = study().tests(1..=1, EventDates::Common).unwrap();
    same(found.effect, 0.016_577_881_290_165_755);
    same(found.cross_sectional.as_ref().unwrap().p, 0.040_657_919_154_641_43);
    statistic(found.cross_sectional, 2.982_010_796_352_174_7);
    same(found.patell.as_ref().unwrap().p, 0.002_648_263_279_968_266_5);
    statistic(found.patell, 3.005_865_248_955_885);
    same(found.bmp.as_ref().unwrap().p, 0.042_247_955_094_857_875);
    statistic(found.bmp, 2.943_350_243_203_624);
    same(found.mean_correlation.unwrap(), -0.104_660_237_996_792_65);
    statistic(found.bmp_adjusted, 4.057_271_654_972_385);
    statistic(found.patell_adjusted, 3.942_278_391_235_698);
    statistic(found.corrado, 3.123_806_184_735_829);
    statistic(found.corrado_zivney, 3.123_806_184_735_829);
    statistic(found.sign, 2.236_067_977_499_79);
    same(found.sign_exact.unwrap().p, 0.0625);
    same(found.wilcoxon.unwrap().p, 0.0625);
    statistic(found.brown_warner_1980, 3.184_712_819_397_804_5);
    statistic(found.brown_warner_1985, 4.143_980_662_181_12);
}

#[test]
fn event_tests_of_several_steps_agree_with_numpy() {
    let found = study().tests(0..=2, EventDates::Common).unwrap();
    same(found.effect, 0.018_766_364_085_154_91);
    statistic(found.cross_sectional, 4.501_975_320_565_98);
    statistic(found.patell, 1.896_337_596_630_655);
    statistic(found.bmp, 4.658_372_096_976_769);
    statistic(found.standard, 1.966_863_738_726_831);
    statistic(found.corrado, 1.905_137_684_845_192);
    statistic(found.generalized_sign, 2.281_245_631_810_187);
    statistic(found.brown_warner_1985, 2.708_371_312_943_778);
}

#[test]
fn regressions_agree_with_statsmodels() {
    let x = wave(30, 4);
    let y: Vec<f64> = x.iter().zip(wave(30, 9)).map(|(x, noise)| 0.3 * x + noise + 0.001).collect();
    let (thirds, fifths): (Vec<u64>, Vec<u64>) = (0..30).map(|i| (i / 3, i % 5)).unzip();
    let fit = Ols::fit(Design::with_constant(30, &[&x]).unwrap(), &y).unwrap();
    same(fit.coefficients[1], 0.206_049_276_195_954_42);
    same(fit.r_squared().unwrap(), 0.040_920_374_637_950_62);
    let each = ClusterCorrection::Each;
    let two_way = |correction| StandardErrors::TwoWay { by: [&thirds, &fifths], correction };
    let cases = [
        (StandardErrors::Classical, 0.188_516_604_818_095_96),
        (StandardErrors::Hc0, 0.182_423_814_414_072_13),
        (StandardErrors::Hc1, 0.188_826_587_296_518_74),
        (StandardErrors::Hc2, 0.190_772_179_364_731_84),
        (StandardErrors::Hc3, 0.199_556_364_658_639_74),
        (StandardErrors::NeweyWest { lags: 3, small_sample: false }, 0.158_213_144_377_158_03),
        (StandardErrors::NeweyWest { lags: 3, small_sample: true }, 0.163_766_162_954_904_3),
        (StandardErrors::Clustered { by: &thirds, correction: each }, 0.151_337_718_144_693_6),
        (two_way(each), 0.171_864_368_821_507_32),
        (two_way(ClusterCorrection::None), 0.138_883_894_195_894_8),
    ];
    for (errors, expected) in cases {
        same(fit.table(&errors).unwrap().coefficients[1].standard_error, expected);
    }
    same(fit.table(&StandardErrors::Classical).unwrap().coefficients[1].test.p, 0.283_707_283_809_118_36);
    let clustered = fit.table(&StandardErrors::Clustered { by: &thirds, correction: each }).unwrap();
    same(clustered.coefficients[1].test.p, 0.206_456_146_324_477_67);
}

#[test]
fn an_unbalanced_panel_agrees_with_linearmodels() {
    let x = wave(30, 4);
    let y: Vec<f64> = x.iter().zip(wave(30, 9)).map(|(x, noise)| 0.3 * x + noise + 0.001).collect();
    let rows: Vec<usize> = (0..30).filter(|row| ![4, 11, 17].contains(row)).collect();
    let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&row| values[row]).collect() };
    let (symbol, day): (Vec<u64>, Vec<u64>) = rows.iter().map(|&row| (row as u64 / 3, row as u64 % 5)).unzip();
    let panel = Panel::fit(&pick(&y), &[&pick(&x)], FixedEffects::Two(&symbol, &day)).unwrap();
    let table = panel.fit.table(&StandardErrors::Classical).unwrap();
    same(table.coefficients[0].estimate, 0.160_776_936_931_648_52);
    same(table.coefficients[0].standard_error, 0.303_457_867_738_067_93);
}

#[test]
fn correlations_and_groups_agree_with_scipy() {
    let x = wave(20, 2);
    let y: Vec<f64> = wave(20, 6).iter().zip(&x).map(|(noise, x)| noise + 0.2 * x).collect();
    let rank = ic::correlation(Correlation::Rank, &x, &y).unwrap();
    same(rank, -0.064_593_320_879_193_94);
    same(ic::correlation_test(rank, 20).unwrap().p, 0.786_735_479_129_832_9);
    same(ic::correlation(Correlation::Pearson, &x, &y).unwrap(), -0.017_493_351_690_719_038);
    same(ic::kendall(&x, &y).unwrap(), -0.049_930_699_897_395_465);
    let found = welch(&wave(9, 1), &wave(14, 7)).unwrap().0;
    same(found.statistic, -1.201_719_746_368_261_8);
    same(found.p, 0.244_919_513_814_717_77);
    same(wilson(7, 20, 0.95).unwrap().low, 0.181_191_824_101_082_03);
    same(clopper_pearson(7, 20, 0.95).unwrap().low, 0.153_909_204_784_541_18);
    same(clopper_pearson(7, 20, 0.95).unwrap().high, 0.592_188_534_532_828_2);
}

#[test]
fn lead_and_lag_agree_with_statsmodels() {
    let cause = wave(60, 5);
    let effect: Vec<f64> =
        wave(60, 8).iter().enumerate().map(|(t, noise)| noise + if t > 0 { 0.5 * cause[t - 1] } else { 0.0 }).collect();
    let found = granger(&effect, &cause, 2).unwrap();
    same(found.f.statistic, 4.060_192_672_378_136);
    same(found.f.p, 0.022_875_959_936_059_66);
    same(found.chi_squared.statistic, 8.886_459_433_884_223);
    same(found.chi_squared.p, 0.011_757_902_433_225_836);
    same(found.likelihood_ratio.statistic, 8.268_105_088_619_677);
    same(found.likelihood_ratio.p, 0.016_017_834_130_797_61);
    let at_two = |adjusted| cross_correlation(&cause, &effect, 2, adjusted, 0.95).unwrap().lags[4].correlation;
    same(at_two(true), -0.095_884_609_856_085_16);
    same(at_two(false), -0.092_688_456_194_215_65);
    let walk: Vec<f64> = effect
        .iter()
        .scan(0.0, |sum, step| {
            *sum += step;
            Some(*sum)
        })
        .collect();
    let found = augmented_dickey_fuller(&walk).unwrap();
    assert_eq!(found.lags, 3);
    same(found.statistic, -2.235_337_451_027_157_3);
    same(found.p, 0.193_670_823_961_748_17);
}

/// The example of Benjamini and Hochberg 1995, as statsmodels adjusts it.
#[test]
fn adjusted_p_values_agree_with_statsmodels() {
    let p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759,
        1.0,
    ];
    let at = |adjustment, place: usize| adjusted(&p, adjustment).unwrap()[place];
    same(at(Adjustment::Bonferroni, 2), 0.0285);
    same(at(Adjustment::Holm, 3), 0.114);
    same(at(Adjustment::BenjaminiHochberg, 4), 0.060_3);
    same(at(Adjustment::BenjaminiHochberg, 5), 0.063_857_142_857_142_86);
    same(at(Adjustment::BenjaminiYekutieli, 0), 0.004_977_343_489_843_491);
}

/// Tails from 40-digit arithmetic.
#[test]
fn tails_keep_their_digits() {
    same(distributions::normal_upper(1.959_963_984_540_054), 0.025);
    same(distributions::normal_upper(10.0), 7.619_853_024_160_526e-24);
    same(distributions::student_two_sided(12.0, 30.0), 5.580_185_415_199_256e-13);
    same(distributions::student_two_sided(1.0, 1e6), 0.317_310_749_833_578_3);
    same(distributions::f_upper(8.0, 3.0, 50.0), 1.876_189_101_400_900_3e-4);
    same(distributions::chi_squared_upper(100.0, 4.0), 9.836_624_224_615_98e-21);
    same(distributions::normal_quantile_upper(0.025), 1.959_963_984_540_054);
    same(distributions::student_quantile_upper(0.025, 10.0), 2.228_138_851_986_275_3);
    same(distributions::binomial_at_least(60, 100, 0.5), 0.028_443_966_820_490_39);
}

#[test]
fn the_decaying_mean_halves_each_half_life() {
    // (0.8 * 0.5 - 0.2) / 1.5; more than a day later, in effect only the last value counts.
    let found = decay::half_life_mean(&[0, 30, 100_000], &[0.8, -0.2, 0.4], 30.0).unwrap();
    same(found[1], 0.2 / 1.5);
    same(found[2], 0.4);
}
