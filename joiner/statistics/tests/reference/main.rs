//! Every statistic against reference values that others computed: statsmodels, scipy, pandas, R and Stata.
//!
//! The folder of reference values is not part of the project; each test says that it skips where `TAPEWIRE_FIXTURES`
//! does not name one. Small values of each kind are in the tests beside the code.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod event_study;
mod published_events;
mod published_regressions;
mod series;

use std::path::PathBuf;

use serde_json::Value;

/// A file of the fixtures. If there are none, prints that `what` is skipped.
fn fixture(what: &str, path: &str) -> Option<PathBuf> {
    match std::env::var("TAPEWIRE_FIXTURES") {
        Ok(folder) => Some(PathBuf::from(folder).join(path)),
        Err(_) => {
            println!("skipped: {what}: TAPEWIRE_FIXTURES is not set");
            None
        }
    }
}

fn json(what: &str, path: &str) -> Option<Value> {
    let text = std::fs::read_to_string(fixture(what, path)?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Columns of a CSV file by name; a field that is not a number is `None`.
fn csv_columns(path: PathBuf, names: &[&str]) -> Vec<Vec<Option<f64>>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let places: Vec<usize> =
        names.iter().map(|name| headers.iter().position(|header| header == *name).expect(name)).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.unwrap();
        places.iter().zip(&mut columns).for_each(|(&place, column)| column.push(record[place].parse().ok()));
    }
    columns
}

fn complete(column: &[Option<f64>]) -> Vec<f64> {
    column.iter().map(|value| value.unwrap()).collect()
}

/// Compares a value with a reference, within a relative error of 1e-9.
#[track_caller]
fn same(what: &str, found: f64, expected: f64) {
    let difference = ((found - expected) / expected).abs();
    let difference = if expected == 0.0 { found.abs() } else { difference };
    assert!(difference <= 1e-9, "{what}: {found:e} instead of {expected:e}, a difference of {difference:e}");
    if std::env::var("SHOW_DIFFERENCES").is_ok() {
        println!("difference {difference:e} {what}");
    }
}

/// Compares a value with a printed one, within half a unit of the last digit.
#[track_caller]
fn printed(what: &str, found: f64, text: &str) {
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let expected: f64 = text.parse().unwrap();
    let unit = 0.5 * 10_f64.powi(-(digits as i32));
    assert!((found - expected).abs() <= unit * 1.000_001, "{what}: {found} instead of {text}");
}
