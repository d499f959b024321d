use tapewire_statistics::event::{
    self, CumulativeVariance, EventDates, EventReturns, Model, Options, Study, abnormal_returns,
};
use tapewire_statistics::regression::{Design, Ols, StandardErrors};

use crate::{json, number, numbers, same};

#[test]
fn the_event_study_agrees_with_the_reference() {
    let Some(reference) = json("event study", "stats/event_study.json") else { return };
    let t = reference["estimation_len"].as_u64().unwrap() as usize;
    let some = |values: &[f64]| -> Vec<Option<f64>> { values.iter().copied().map(Some).collect() };
    let mut events = Vec::new();
    for (index, row) in reference["events"].as_array().unwrap().iter().enumerate() {
        let (stock, market) = (numbers(&row["stock"]), numbers(&row["market"]));
        let returns = EventReturns {
            estimation: some(&stock[..t]),
            estimation_factors: vec![some(&market[..t])],
            event: some(&stock[t..]),
            event_factors: vec![some(&market[t..])],
        };
        let fit = Ols::fit(Design::with_constant(t, &[&market[..t]]).unwrap(), &stock[..t]).unwrap();
        let table = fit.table(&StandardErrors::Classical).unwrap();
        same(&format!("t of alpha {index}"), table.coefficients[0].test.statistic, number(&row["t_alpha"]));
        same(&format!("t of beta {index}"), table.coefficients[1].test.statistic, number(&row["t_beta"]));
        same(&format!("R² {index}"), fit.r_squared().unwrap(), number(&row["r2"]));
        let found = abnormal_returns(&returns, Model::Factors, &Options::default()).unwrap();
        same(&format!("alpha {index}"), found.parameters[0], number(&row["alpha"]));
        same(&format!("beta {index}"), found.parameters[1], number(&row["beta"]));
        same(&format!("sigma2 {index}"), found.sigma2, number(&row["sigma2"]));
        for (ar, expected) in found.abnormal.iter().zip(numbers(&row["ar"])) {
            same(&format!("ar {index}"), ar.unwrap(), expected);
        }
        for (sar, expected) in found.standardized().iter().zip(numbers(&row["sar"])) {
            same(&format!("sar {index}"), sar.unwrap(), expected);
        }
        let car = found.cumulative(4..=6, CumulativeVariance::PredictionError).unwrap();
        same(&format!("car {index}"), car.car, number(&row["car_m1_p1"]));
        same(&format!("var_car {index}"), car.variance, number(&row["var_car"]));
        same(&format!("scar {index}"), car.standardized(), number(&row["scar"]));
        let simple = found.cumulative(4..=6, CumulativeVariance::Simple).unwrap();
        same(&format!("t_car_simple {index}"), simple.standardized(), number(&row["t_car_simple"]));
        events.push(found);
    }
    let study = Study::new(events).unwrap();
    let (day, car) = (study.tests(5..=5, EventDates::Common).unwrap(), study.tests(4..=6, EventDates::Common).unwrap());
    let expected = |name: &str| number(&reference["tests"][name]);
    let of = |test: event::Tests| (test.patell.unwrap().statistic, test.bmp.unwrap().statistic);
    same("residual_mean_corr", *day.mean_correlation.as_ref().unwrap(), expected("residual_mean_corr"));
    same("kolari", day.bmp_adjusted.as_ref().unwrap().statistic, expected("kolari_pynnonen_t_day0"));
    for corrado in [&day.corrado, &day.corrado_zivney] {
        same("corrado day", corrado.as_ref().unwrap().statistic, expected("corrado_z_day0"));
    }
    for corrado in [&car.corrado, &car.corrado_zivney] {
        same("corrado car", corrado.as_ref().unwrap().statistic, expected("corrado_z_car"));
    }
    same("generalized sign", car.generalized_sign.as_ref().unwrap().statistic, expected("generalized_sign_z_car"));
    same("cross-sectional", car.cross_sectional.as_ref().unwrap().statistic, expected("cross_sectional_t_car"));
    same("caar", car.effect, expected("caar"));
    same("bmp car", of(car).1, expected("bmp_t_car"));
    let (patell, bmp) = of(day);
    same("patell", patell, expected("patell_z_day0"));
    same("bmp", bmp, expected("bmp_t_day0"));
}
