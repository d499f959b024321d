//! Tests of every statistic: against values computed by other programs, of invariances, and of how often tests reject.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod golden;
mod models;
mod properties;
mod rows;
mod simulations;

use tapewire_statistics::event::{Abnormal, EventReturns, Model, Options, abnormal_returns};

/// The abnormal returns of a security in the market model: `before` steps of estimation, then the event window.
fn market_model(security: &[f64], market: &[f64], before: usize) -> Abnormal {
    let some = |values: &[f64]| -> Vec<Option<f64>> { values.iter().copied().map(Some).collect() };
    let returns = EventReturns {
        estimation: some(&security[..before]),
        estimation_factors: vec![some(&market[..before])],
        event: some(&security[before..]),
        event_factors: vec![some(&market[before..])],
    };
    abnormal_returns(&returns, Model::Factors, &Options::default()).unwrap()
}
