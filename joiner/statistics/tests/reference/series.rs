//! Information coefficients, lead and lag, multiple tests and decay.

use tapewire_statistics::Test;
use tapewire_statistics::decay::half_life_mean;
use tapewire_statistics::ic::{self, Correlation, Period};
use tapewire_statistics::leadlag::{augmented_dickey_fuller, cross_correlation, granger};
use tapewire_statistics::multiple::{Adjustment, adjusted};
use tapewire_statistics::regression::fama_macbeth;

use crate::{complete, csv_columns, fixture, json, number, numbers, printed, same};

#[test]
fn information_coefficients_agree_with_scipy() {
    let Some(reference) = json("information coefficients", "stats/information_coefficient.json") else { return };
    let rows = |name: &str| -> Vec<Vec<f64>> { reference[name].as_array().unwrap().iter().map(numbers).collect() };
    let (factor, forward) = (rows("factor"), rows("fwd"));
    let periods: Vec<Period> =
        factor.iter().zip(&forward).map(|(scores, returns)| Period { scores, returns }).collect();
    let found = ic::summary(Correlation::Rank, &periods, None, 0, 0.95).unwrap();
    for (found, expected) in found.periods.iter().zip(numbers(&reference["rank_ic"])) {
        same("rank IC", *found.as_ref().unwrap(), expected);
    }
    for (period, expected) in periods.iter().zip(numbers(&reference["pearson_ic"])) {
        same("IC", ic::correlation(Correlation::Pearson, period.scores, period.returns).unwrap(), expected);
    }
    same("mean IC", found.mean.mean, number(&reference["mean"]));
    same("std IC", found.mean.standard_deviation, number(&reference["std_ddof1"]));
    same("IR", found.ratio, number(&reference["ir"]));
    same("t", found.test.statistic, number(&reference["t"]));
    same("p", found.test.p, number(&reference["p"]));
    same("tau", ic::kendall(&factor[0], &forward[0]).unwrap(), number(&reference["kendall0"]));
}

#[test]
fn granger_and_cross_correlations_agree_with_statsmodels() {
    let Some(reference) = json("Granger", "stats/granger_ccf.json") else { return };
    let (sentiment, returns) = (numbers(&reference["sentiment"]), numbers(&reference["ret"]));
    let directions = [("sentiment_causes_ret", &returns, &sentiment), ("ret_causes_sentiment", &sentiment, &returns)];
    for (name, effect, cause) in directions {
        for lags in 1..=4 {
            let found = granger(effect, cause, lags).unwrap();
            let hold = |test: Test, key: &str| {
                let expected = numbers(&reference[name][lags.to_string()][key]);
                same(&format!("{name} {lags} {key}"), test.statistic, expected[0]);
                same(&format!("{name} {lags} {key} p"), test.p, expected[1]);
            };
            hold(found.f, "ssr_ftest");
            hold(found.f, "params_ftest");
            hold(found.chi_squared, "ssr_chi2test");
            hold(found.likelihood_ratio, "lrtest");
        }
    }
    for (kind, adjusted) in [("adjusted", true), ("biased", false)] {
        let found = cross_correlation(&sentiment, &returns, 10, adjusted, 0.95).unwrap();
        let ahead = found.lags.iter().filter(|lag| lag.lag >= 0);
        for (lag, expected) in ahead.zip(numbers(&reference["ccf_ret_leads_lag_k"][kind])) {
            same(&format!("ccf {}", lag.lag), lag.correlation, expected);
        }
        // The reference takes 1.96.
        assert!((found.band / number(&reference["bound95"]) - 1.0).abs() < 2e-5);
    }
    let expected = numbers(&reference["adf_ret"]);
    let found = augmented_dickey_fuller(&returns).unwrap();
    same("adf", found.statistic, expected[0]);
    same("adf p", found.p, expected[1]);
}

/// Thurman and Fisher 1988, as R's lmtest prints it.
#[test]
fn the_chicken_and_the_egg_are_reproduced() {
    let Some(folder) = fixture("chicken and egg", "published/granger-chickegg") else { return };
    let columns = csv_columns(folder.join("ChickEgg.csv"), &["chicken", "egg"]);
    let (chicken, egg) = (complete(&columns[0]), complete(&columns[1]));
    let printed_values = [
        (1, "0.047", "0.8292", "1.2071", "0.2772"),
        (2, "0.88", "0.4215", "8.8175", "0.0005602"),
        (3, "0.5916", "0.6238", "5.405", "0.002966"),
        (4, "0.3929", "0.8125", "4.2568", "0.005671"),
    ];
    for (lags, f_egg, p_egg, f_chicken, p_chicken) in printed_values {
        let (of_egg, of_chicken) = (granger(&egg, &chicken, lags).unwrap().f, granger(&chicken, &egg, lags).unwrap().f);
        printed("chicken to egg", of_egg.statistic, f_egg);
        printed("chicken to egg, p", of_egg.p, p_egg);
        printed("egg to chicken", of_chicken.statistic, f_chicken);
        printed("egg to chicken, p", of_chicken.p, p_chicken);
    }
}

#[test]
fn adjusted_p_values_agree_with_statsmodels() {
    let Some(reference) = json("multiple tests", "stats/multiple_testing.json") else { return };
    let p = numbers(&reference["p"]);
    let cases = [
        ("bonferroni", Adjustment::Bonferroni),
        ("holm", Adjustment::Holm),
        ("fdr_bh", Adjustment::BenjaminiHochberg),
        ("fdr_by", Adjustment::BenjaminiYekutieli),
    ];
    for (name, adjustment) in cases {
        let found = adjusted(&p, adjustment).unwrap();
        let rejected = reference[name]["reject"].as_array().unwrap();
        for ((found, expected), rejected) in found.iter().zip(numbers(&reference[name]["adjusted"])).zip(rejected) {
            same(name, *found, expected);
            assert_eq!(*found <= 0.05, rejected.as_bool().unwrap(), "{name}: {found}");
        }
    }
}

#[test]
fn the_decaying_mean_agrees_with_pandas() {
    let Some(reference) = json("decay", "stats/ewma_halflife.json") else { return };
    // The times in the file, in seconds of 24 June 2024 from 13:30:00.
    let times = [0, 90, 900, 5400, 5405, 86400];
    let minutes = number(&reference["halflife_minutes"]);
    let found = half_life_mean(&times, &numbers(&reference["values"]), minutes * 60.0).unwrap();
    for (found, expected) in found.iter().zip(numbers(&reference["ewm_adjust_true"])) {
        same("decay", *found, expected);
    }
}

/// Fama and MacBeth 1973 on Petersen's data: the mean of each year's slopes.
#[test]
fn petersens_fama_macbeth_is_reproduced() {
    let Some(folder) = fixture("Petersen", "published/hac-cluster") else { return };
    let columns = csv_columns(folder.join("PetersenCL.csv"), &["year", "x", "y"]);
    let [year, x, y] = [0, 1, 2].map(|place| complete(&columns[place]));
    let year: Vec<u64> = year.iter().map(|year| *year as u64).collect();
    let found = fama_macbeth(&y, &[&x], &year, 0).unwrap();
    let expected = [("0.03127797", "0.02335649"), ("1.035586", "0.03334159")];
    for ((found, _), (mean, error)) in found.iter().zip(expected) {
        printed("Fama-MacBeth", found.mean, mean);
        printed("Fama-MacBeth error", found.standard_error, error);
    }
}
