//! What the report shows beside the table of horizons: each panel's numbers, which are also in the JSON.

mod calibration;
mod contributions;
mod delay;
mod lead_lag;
mod scatter;
mod shift;

pub use calibration::{CalibrationBin, ScoreCalibration, Share};
pub use contributions::{Contribution, Contributions};
pub use delay::{Delay, DelayedHorizon};
pub use lead_lag::{Lag, LeadLag};
pub use scatter::{Cell, FitPoint, MOST_POINTS, Scatter};
pub use shift::{Shift, Shifted};

use crate::estimate::ValueOrReason;
use crate::events::{Event, Sample};
use crate::filters::ScoreAs;
use crate::findings::{HorizonFindings, Settings};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use tapewire_core::{Horizon, Impact, Mention};
use tapewire_statistics::Error;

/// The numbers of all panels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panels {
    /// The horizon of the panels that show one: the one with the most events.
    pub horizon: Option<&'static str>,
    /// The models that scored the events.
    pub models: Vec<Model>,
    /// The widths of the bars that the events were joined with.
    pub bar_widths: Vec<BarWidth>,
    /// Scores against outcomes, with a straight line.
    pub scatter: ValueOrReason<Scatter>,
    /// How often the outcome was above 0, by the probability that the score implies.
    pub calibration: ValueOrReason<ScoreCalibration>,
    /// The events that contribute most to the rank IC.
    pub contributions: ValueOrReason<Contributions>,
    /// Scores against returns before and after the news.
    pub lead_lag: LeadLag,
    /// The rank IC if the news had been known later.
    pub delays: ValueOrReason<Vec<Delay>>,
}

/// A model that scored events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// Number of events that it scored.
    pub events: usize,
}

/// A width of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BarWidth {
    /// In seconds.
    pub seconds: u32,
    /// Number of events that were joined with such bars.
    pub events: usize,
}

/// What the join knows of the rows that are studied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Joined<'a> {
    /// The rows with their prices; empty if they are not at hand.
    pub rows: &'a [Impact],
    /// The same mentions, joined again for other moments; empty if they could not be.
    pub shifted: &'a [Shifted],
}

/// What identifies a mention.
type Key<'a> = (&'a str, &'a str, &'a str);

fn by_key(rows: &[Impact]) -> HashMap<Key<'_>, &Impact> {
    rows.iter().map(|row| (key_of_row(row), row)).collect()
}

fn key_of_row(row: &Impact) -> Key<'_> {
    let Mention { symbol, provider, article_id, .. } = &*row.mention;
    (symbol.as_ref().map_or("", |symbol| symbol.as_str()), provider, article_id)
}

fn key(event: &Event) -> Key<'_> {
    (event.symbol.as_str(), &event.provider, &event.article_id)
}

/// The panels of a sample with its findings; `main_horizon` is the horizon with the most events.
pub(crate) fn of(
    sample: &Sample,
    horizons: &[HorizonFindings],
    main_horizon: Option<Horizon>,
    settings: &Settings,
    joined: Joined<'_>,
) -> Panels {
    let main = main_horizon.map(|horizon| sample.at(horizon));
    let main = main.ok_or(Error::TooFew { what: "events with an outcome", found: 0, needed: settings.minimum_events });
    let main = main.and_then(|used| used.require_minimum(settings).map(|()| used));
    let pairs = || main.as_ref().map_err(Clone::clone);
    let calibrated = || match settings.score {
        ScoreAs::Raw => pairs().and_then(calibration::of).into(),
        _ => ValueOrReason::NotKnown("the score that is studied implies no probability".to_owned()),
    };
    let rows = by_key(joined.rows);
    let (models, bar_widths) = of_events(sample);
    let ((scatter, calibration), (contributions, lead_lag)) = rayon::join(
        || rayon::join(|| pairs().and_then(scatter::of).into(), calibrated),
        || {
            let lead_lag = || lead_lag::of(sample, horizons, settings, &rows, joined.shifted);
            rayon::join(|| pairs().and_then(contributions::of), lead_lag)
        },
    );
    Panels {
        horizon: main_horizon.map(Horizon::name),
        models,
        bar_widths,
        scatter,
        calibration,
        contributions: contributions.into(),
        lead_lag,
        delays: delay::of(sample, settings, &rows, joined.shifted),
    }
}

/// The models and the widths of bars of the events, each with their number.
fn of_events(sample: &Sample) -> (Vec<Model>, Vec<BarWidth>) {
    let mut models = vec![0; sample.models.len()];
    let mut widths: BTreeMap<u32, usize> = BTreeMap::new();
    for event in &sample.events {
        if let Some(model) = event.model {
            models[model as usize] += 1;
        }
        if let Some(width) = event.bar_width_s {
            *widths.entry(width).or_default() += 1;
        }
    }
    let model = |((name, revision), events): (&(String, String), usize)| Model {
        name: name.clone(),
        revision: revision.clone(),
        events,
    };
    let used = sample.models.iter().zip(models).filter(|(_, events)| *events > 0);
    let width = |(seconds, events)| BarWidth { seconds, events };
    (used.map(model).collect(), widths.into_iter().map(width).collect())
}
