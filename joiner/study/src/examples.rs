//! The events that findings quote.

use crate::events::{Event, Sample};
use jiff::Timestamp;
use serde::Serialize;
use tapewire_core::Horizon;

/// How many events the findings quote.
const EXAMPLES: usize = 10;

/// An event that is quoted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// The company.
    pub symbol: String,
    /// When the news was available (UTC).
    pub available_at: Timestamp,
    /// Headline.
    pub headline: String,
    /// Score.
    pub score: f64,
    /// Outcome.
    pub outcome: f64,
}

pub(crate) fn examples(sample: &Sample, horizon: Horizon) -> Vec<Example> {
    let used = sample.at(horizon);
    let mut events: Vec<_> = used.events.iter().zip(&used.outcomes).collect();
    events.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let example = |(event, outcome): (&&Event, &f64)| Example {
        symbol: event.symbol.to_string(),
        available_at: event.available_at,
        headline: event.headline.clone(),
        score: event.score,
        outcome: *outcome,
    };
    events.into_iter().take(EXAMPLES).map(example).collect()
}
