//! Standard errors that Stata and R printed, for published data sets.

use std::collections::HashMap;

use serde_json::Value;
use tapewire_statistics::regression::{ClusterCorrection, Design, Ols, StandardErrors, Table};

use crate::{complete, csv_columns, fixture, json, number, printed, same};

/// Compares a table with the rows `names` of a printed one: estimates, errors, statistics and p-values. Stata prints about
/// 13 digits of a standard error, other sources print fewer.
fn compare(reference: &[Value], name: &str, names: &[&str], table: &Table, tolerance: f64) {
    let rows = &reference.iter().find(|result| result["name"] == name).expect(name)["rows"];
    for (coefficient, row) in table.coefficients.iter().zip(names) {
        let row = &rows[row];
        let statistic = if row["t"].is_null() { &row["z"] } else { &row["t"] };
        // Far out, the relative error of a tail is up to t² times that of its statistic.
        let tail = 1.0 + coefficient.test.statistic.powi(2);
        let pairs = [
            (coefficient.estimate, &row["b"], 1.0),
            (coefficient.standard_error, &row["se"], 1.0),
            (coefficient.test.statistic, statistic, 1.0),
            (coefficient.test.p, &row["pvalue"], tail),
        ];
        for (found, expected, wider) in pairs {
            let expected = number(expected);
            // The number of digits that were printed, 7 or more.
            let text = format!("{expected:e}");
            let digits = text.split_once('e').unwrap().0.replace(['.', '-'], "").len() as i32;
            let tolerance = tolerance.max(0.6 * 10_f64.powi(2 - digits));
            let difference = (found / expected - 1.0).abs();
            assert!(difference < tolerance * wider, "{name}: {found:e} instead of {expected:e}: {difference:e}");
        }
    }
}

#[test]
fn statas_robust_and_newey_west_errors_are_reproduced() {
    let Some(folder) = fixture("macrodata", "published/hac-cluster") else { return };
    let reference = json("macrodata", "published/hac-cluster/printed_stata.json").unwrap();
    let reference = reference.as_array().unwrap();
    let columns = csv_columns(folder.join("macrodata.csv"), &["realinv", "realgdp", "realint"]);
    let growth = |column: &[Option<f64>]| -> Vec<f64> {
        let values = complete(column);
        values.windows(2).map(|pair| 400.0 * (pair[1].ln() - pair[0].ln())).collect()
    };
    let (investment, gdp) = (growth(&columns[0]), growth(&columns[1]));
    let interest = complete(&columns[2]);
    let n = investment.len();
    let fit = Ols::fit(Design::with_constant(n, &[&gdp, &interest[..n]]).unwrap(), &investment).unwrap();
    let names = ["_cons", "g_realgdp", "L.realint"];
    let newey = |small_sample| StandardErrors::NeweyWest { lags: 4, small_sample };
    let table = |errors| fit.table(&errors).unwrap();
    compare(reference, "results_hc0", &names, &table(StandardErrors::Hc1), 1e-9);
    compare(reference, "results_ivhc0_small", &names, &table(StandardErrors::Hc1), 1e-9);
    compare(reference, "results_newey4", &names, &table(newey(true)), 1e-9);
    compare(reference, "results_ivhac4_small", &names, &table(newey(true)), 1e-9);
    compare(reference, "results_ivhac4_large", &names, &table(newey(false)), 1e-9);
    let large = StandardErrors::NeweyWest { lags: 0, small_sample: false };
    compare(reference, "results_ivhc0_large", &names, &table(large), 1e-9);
}

#[test]
fn statas_clustered_errors_are_reproduced() {
    let Some(folder) = fixture("grunfeld", "published/hac-cluster") else { return };
    let reference = json("grunfeld", "published/hac-cluster/printed_stata.json").unwrap();
    let reference = reference.as_array().unwrap();
    // Stata's copy lacks the last firm.
    let columns = csv_columns(folder.join("grunfeld.csv"), &["invest", "value", "capital", "year"]);
    let [invest, value, capital, year] = [0, 1, 2, 3].map(|place| complete(&columns[place][..200]));
    let mut reader = csv::Reader::from_path(folder.join("grunfeld.csv")).unwrap();
    let mut firms = HashMap::new();
    let firm: Vec<u64> = reader
        .records()
        .take(200)
        .map(|record| {
            let next = firms.len() as u64;
            *firms.entry(record.unwrap()[3].to_owned()).or_insert(next)
        })
        .collect();
    let year: Vec<u64> = year.iter().map(|year| *year as u64).collect();
    let design = || Design::with_constant(200, &[&value, &capital]).unwrap();
    let fit = Ols::fit(design(), &invest).unwrap();
    let weights: Vec<f64> = value.iter().map(|value| 1.0 / value).collect();
    let weighted = Ols::fit_weighted(design(), &invest, &weights).unwrap();
    let places: Vec<f64> = (1..=200).map(f64::from).collect();
    let by_place = Ols::fit_weighted(design(), &invest, &places).unwrap();
    let names = ["_cons", "mvalue", "kstock"];
    let by = |correction| StandardErrors::Clustered { by: &firm, correction };
    let two = |correction| StandardErrors::TwoWay { by: [&firm, &year], correction };
    let kraay = |small_sample| StandardErrors::DriscollKraay { lags: 4, period: &year, small_sample };
    let jackknife = |about_mean| StandardErrors::ClusterJackknife { by: &firm, about_mean };
    let cases = [
        ("results_cluster", &fit, by(ClusterCorrection::Each)),
        ("results_cluster_large", &fit, by(ClusterCorrection::None)),
        ("results_nw_panel4", &fit, StandardErrors::NeweyWestWithin { lags: 4, small_sample: true, series: &firm }),
        ("results_cluster_2groups_small", &fit, two(ClusterCorrection::Smallest)),
        ("results_cluster_2groups_large", &fit, two(ClusterCorrection::None)),
        ("results_nw_groupsum4_ivreg_large", &fit, kraay(false)),
        ("results_nw_groupsum4_ivreg_small", &fit, kraay(true)),
        ("results_hc1_wls_small", &weighted, StandardErrors::Hc1),
        ("results_cluster_wls_small", &weighted, by(ClusterCorrection::Each)),
        ("results_cluster_wls_large", &weighted, by(ClusterCorrection::None)),
        ("results_cluster_crv3", &fit, jackknife(false)),
        ("results_cluster_crv_jk", &fit, jackknife(true)),
        ("results_cluster_crv3_sandwich_r", &fit, jackknife(false)),
        ("results_cluster_jk_sandwich_r", &fit, jackknife(true)),
        ("results_cluster_crv3_wls", &by_place, jackknife(false)),
        ("results_cluster_crv_jk_wls", &by_place, jackknife(true)),
        ("results_cluster_crv3_wls_sandwich_r", &by_place, jackknife(false)),
        ("results_cluster_jk_wls_sandwich_r", &by_place, jackknife(true)),
    ];
    for (name, fit, errors) in cases {
        // Stata holds these data in single precision: about seven digits.
        compare(reference, name, &names, &fit.table(&errors).unwrap(), 1e-6);
    }
}

/// Petersen 2009's test data: what he prints, and what R's sandwich computes.
#[test]
fn petersens_test_data_gives_his_errors() {
    let Some(folder) = fixture("Petersen", "published/hac-cluster") else { return };
    let columns = csv_columns(folder.join("PetersenCL.csv"), &["firm", "year", "x", "y"]);
    let [firm, year, x, y] = [0, 1, 2, 3].map(|place| complete(&columns[place]));
    let labels = |values: &[f64]| -> Vec<u64> { values.iter().map(|value| *value as u64).collect() };
    let (firm, year) = (labels(&firm), labels(&year));
    let fit = Ols::fit(Design::with_constant(x.len(), &[&x]).unwrap(), &y).unwrap();
    let each = ClusterCorrection::Each;
    printed("constant", fit.coefficients[0], "0.029679721");
    printed("slope", fit.coefficients[1], "1.034833439");
    let cases = [
        (StandardErrors::Classical, "0.02835932", "0.02858329"),
        (StandardErrors::Hc1, "0.02836067", "0.02839516"),
        (StandardErrors::Hc0, "0.028355", "0.02838948"),
        (StandardErrors::Clustered { by: &firm, correction: each }, "0.0670127", "0.05059573"),
        (StandardErrors::Clustered { by: &year, correction: each }, "0.02338672", "0.03338891"),
        (StandardErrors::TwoWay { by: [&firm, &year], correction: each }, "0.06506392", "0.05355802"),
    ];
    for (errors, constant, slope) in cases {
        let table = fit.table(&errors).unwrap();
        printed(&format!("{errors:.40?}"), table.coefficients[0].standard_error, constant);
        printed(&format!("{errors:.40?}"), table.coefficients[1].standard_error, slope);
    }
}

/// R's `sandwich::vcovPL` of the same data, which multiplies with n / (n - k).
#[test]
fn sandwichs_driscoll_kraay_errors_are_reproduced() {
    let Some(folder) = fixture("Petersen", "published/hac-cluster") else { return };
    let columns = csv_columns(folder.join("PetersenCL.csv"), &["year", "x", "y"]);
    let [year, x, y] = [0, 1, 2].map(|place| complete(&columns[place]));
    let year: Vec<u64> = year.iter().map(|year| *year as u64).collect();
    let fit = Ols::fit(Design::with_constant(x.len(), &[&x]).unwrap(), &y).unwrap();
    let table = fit.table(&StandardErrors::DriscollKraay { lags: 1, period: &year, small_sample: false }).unwrap();
    let factor = (fit.n as f64 / fit.df as f64).sqrt();
    for (coefficient, text) in table.coefficients.iter().zip(["0.02436219", "0.02816896"]) {
        printed("standard error", factor * coefficient.standard_error, text);
    }
}

/// Greene's investment equation, as the vignette of R's sandwich has it.
#[test]
fn sandwichs_newey_west_example_is_reproduced() {
    let Some(folder) = fixture("Investment", "published/hac-cluster") else { return };
    let columns = csv_columns(folder.join("Investment.csv"), &["RealInv", "RealGNP", "RealInt"]);
    let rows: Vec<usize> = (0..columns[0].len()).filter(|&row| columns[2][row].is_some()).collect();
    let [y, gnp, interest] =
        [0, 1, 2].map(|place| rows.iter().map(|&row| columns[place][row].unwrap()).collect::<Vec<f64>>());
    let fit = Ols::fit(Design::with_constant(y.len(), &[&gnp, &interest]).unwrap(), &y).unwrap();
    for (estimate, text) in fit.coefficients.iter().zip(["-12.5336", "0.1691365", "-1.001438"]) {
        printed("estimate", *estimate, text);
    }
    let table = fit.table(&StandardErrors::NeweyWest { lags: 4, small_sample: false }).unwrap();
    for (coefficient, text) in table.coefficients.iter().zip(["18.9583", "0.01675079", "3.342375"]) {
        printed("standard error", coefficient.standard_error, text);
    }
}

#[test]
fn newey_west_agrees_with_statsmodels() {
    let Some(reference) = json("Newey-West", "stats/newey_west.json") else { return };
    let (x, y) = (crate::numbers(&reference["x"]), crate::numbers(&reference["y"]));
    let fit = Ols::fit(Design::with_constant(x.len(), &[&x]).unwrap(), &y).unwrap();
    let lag = tapewire_statistics::regression::newey_west_lags(x.len());
    assert_eq!(lag as u64, reference["auto_lag"].as_u64().unwrap());
    let mut cases = vec![("ols".to_owned(), StandardErrors::Classical), ("hc1".to_owned(), StandardErrors::Hc1)];
    for lags in [0, 4, 8] {
        for (small_sample, word) in [(false, "False"), (true, "True")] {
            cases.push((format!("lags{lags}_correction{word}"), StandardErrors::NeweyWest { lags, small_sample }));
        }
    }
    for (name, errors) in cases {
        let expected = &reference["fits"][&name];
        let table = fit.table(&errors).unwrap();
        for (place, coefficient) in table.coefficients.iter().enumerate() {
            same(&name, coefficient.standard_error, number(&expected["bse"][place]));
            if name != "hc1" {
                same(&name, coefficient.estimate, number(&expected["params"][place]));
                same(&name, coefficient.test.statistic, number(&expected["t"][place]));
            }
        }
    }
}
