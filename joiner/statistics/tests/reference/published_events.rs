//! Worked examples of event studies that others printed.

use tapewire_statistics::event::{
    self, Abnormal, CumulativeVariance, EventReturns, MissingReturns, Model, Options, PositiveShare, RankTest, Study,
    Variance, abnormal_returns,
};

use crate::{complete, csv_columns, fixture, printed};

/// The rows of a CSV file's `date` between two days, both included.
fn between(path: &std::path::Path, from: &str, to: &str) -> std::ops::Range<usize> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let dates: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
    let start = dates.iter().position(|date| date.as_str() >= from).unwrap();
    start..dates.iter().rposition(|date| date.as_str() <= to).unwrap() + 1
}

/// estudy2's vignette: seven firms from 16 to 20 March 2020, two of them listed after the estimation window begins.
#[test]
fn estudy2s_thirteen_tests_are_reproduced() {
    let Some(folder) = fixture("estudy2", "published/estudy2") else { return };
    let names = ["AMZN", "ZM", "UBER", "NFLX", "SHOP", "FB", "UPWK"];
    let firms = csv_columns(folder.join("rates.csv"), &names);
    let market = csv_columns(folder.join("rates_indx.csv"), &["GSPC"]).remove(0);
    let before = between(&folder.join("rates.csv"), "2019-04-01", "2020-03-13");
    let after = between(&folder.join("rates.csv"), "2020-03-16", "2020-03-20");
    let options = Options { variance: Variance::Sample, factors_of_all_steps: true, ..Options::default() };
    let events: Vec<Abnormal> = firms
        .iter()
        .map(|firm| {
            let returns = EventReturns {
                estimation: firm[before.clone()].to_vec(),
                estimation_factors: vec![market[before.clone()].to_vec()],
                event: firm[after.clone()].to_vec(),
                event_factors: vec![market[after.clone()].to_vec()],
            };
            abnormal_returns(&returns, Model::Factors, &options).unwrap()
        })
        .collect();
    let study = Study::new(events).unwrap();
    let (residuals, abnormal) = (study.residuals(), study.abnormal());
    let share = event::positive_share(&residuals, PositiveShare::Pooled).unwrap();
    let market_before = complete(&market[before]);
    let mut reader = csv::Reader::from_path(folder.join("printed.csv")).unwrap();
    let columns = reader.headers().unwrap().clone();
    for (step, row) in reader.records().enumerate() {
        let row = row.unwrap();
        let ars: Vec<f64> = abnormal.iter().map(|event| event[step].unwrap()).collect();
        let sars: Vec<f64> = study.events().iter().map(|event| event.standardized()[step].unwrap()).collect();
        let df: Vec<usize> = study.events().iter().map(|event| event.df).collect();
        let window = [ars.clone()];
        let ranked = |test| event::rank(&residuals, &abnormal, step..=step, test, MissingReturns::Estudy2);
        let found = [
            Ok(ars.iter().sum::<f64>() / 7.0),
            event::brown_warner_1980(&window, &residuals).map(|test| test.statistic),
            event::brown_warner_1985(&window, &residuals).map(|test| test.statistic),
            event::cross_sectional(&ars).map(|test| test.statistic),
            event::patell(&sars, &df).map(|test| test.statistic),
            event::bmp(&sars).map(|test| test.statistic),
            event::lamb(&ars, &residuals, &market_before, market[after.start + step].unwrap())
                .map(|test| test.statistic),
            event::sign(&ars).map(|test| test.statistic),
            event::generalized_sign(&ars, share).map(|test| test.statistic),
            event::corrado_sign(&residuals, &abnormal, step, MissingReturns::Estudy2).map(|test| test.statistic),
            ranked(RankTest::Corrado1989).map(|test| test.statistic),
            ranked(RankTest::CorradoZivney1992).map(|test| test.statistic),
            event::wilcoxon(&ars).map(|test| test.statistic),
        ];
        for (column, found) in found.into_iter().enumerate() {
            printed(&format!("{} of {}", &columns[column + 1], &row[0]), found.unwrap(), &row[column + 1]);
        }
    }
}

/// eventstudy (Python): Apple around the first iPhone. Its standard deviations divide by T and ignore prediction error.
#[test]
fn the_iphone_of_eventstudy_is_reproduced() {
    let Some(folder) = fixture("eventstudy", "published/eventstudy-py") else { return };
    let mut columns = csv_columns(folder.join("returns_GAFAM.csv"), &["AAPL", "SPY"]);
    let (market, firm) = (columns.remove(1), columns.remove(0));
    let day = between(&folder.join("returns_GAFAM.csv"), "2007-01-09", "2007-01-09").start;
    // Window -2 to 10, 300 days of estimation that end 30 days before it.
    let (first, last) = (day - 2, day + 10);
    let estimation = first - 30 - 300..first - 30;
    let returns = EventReturns {
        estimation: firm[estimation.clone()].to_vec(),
        estimation_factors: vec![market[estimation].to_vec()],
        event: firm[first..=last].to_vec(),
        event_factors: vec![market[first..=last].to_vec()],
    };
    let options = Options { variance: Variance::Population, prediction_error: false, ..Options::default() };
    let found = abnormal_returns(&returns, Model::Factors, &options).unwrap();
    let mut reader = csv::Reader::from_path(folder.join("printed_AAPL_2007-01-09_market_model.csv")).unwrap();
    for (step, row) in reader.records().enumerate() {
        let row = row.unwrap();
        let sum = found.cumulative(0..=step, CumulativeVariance::Simple).unwrap();
        let test = sum.test().unwrap();
        printed("AR", found.abnormal[step].unwrap(), &row[1]);
        printed("standard deviation of AR", found.variance[step].unwrap().sqrt(), &row[2]);
        printed("CAR", sum.car, &format!("{:0<5}", &row[3]));
        printed("standard deviation of CAR", sum.variance.sqrt(), &row[4]);
        printed("t", test.statistic, &row[5]);
        // eventstudy prints one-sided p-values.
        printed("p", test.p / 2.0, &row[6]);
    }
}
