//! What would be left of the effect if the news had been known later.

use super::{Key, Shift, Shifted, by_key, key};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::{Event, Outcome, Sample, Used};
use crate::findings::{Settings, rank_ic, spread};
use serde::Serialize;
use std::collections::HashMap;
use tapewire_core::{Horizon, Impact};

/// The same events, known later by a delay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delay {
    /// The delay, in seconds, beyond the one that is in the data.
    pub seconds: u32,
    /// Events whose entry is known with the delay too.
    pub events: usize,
    /// Events whose entry is later because of the delay. Bars may be too wide to tell the two moments apart.
    pub moved: usize,
    /// Horizons are counted from the delayed entry.
    pub horizons: Vec<DelayedHorizon>,
}

/// A horizon after a delayed entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DelayedHorizon {
    /// Its name.
    pub horizon: &'static str,
    /// The rank IC.
    pub rank_ic: ValueOrReason<Estimate>,
    /// Mean outcome of the highest fifth of scores less that of the lowest.
    pub spread: ValueOrReason<Estimate>,
    /// Number of events.
    pub n: usize,
}

/// The events of each horizon in minutes, after no delay and after each that there are rows for. Events without an
/// outcome after one of the delays do not count at any, so that the same events are compared.
pub(super) fn of(
    sample: &Sample,
    settings: &Settings,
    rows: &HashMap<Key<'_>, &Impact>,
    shifted: &[Shifted],
) -> ValueOrReason<Vec<Delay>> {
    let later = shifted.iter().filter_map(|Shifted { shift, rows }| match shift {
        Shift::Later(seconds) => Some((*seconds, by_key(rows))),
        _ => None,
    });
    let mut known: Vec<(u32, HashMap<Key<'_>, &Impact>)> = later.collect();
    if known.is_empty() {
        return ValueOrReason::NotKnown(
            "not known: joined rows have one entry each. Later ones are computed from the bars, which --bars FILES beside \
             --impact names"
                .to_owned(),
        );
    }
    if settings.horizons.iter().all(|horizon| horizon.minutes().is_none()) {
        return ValueOrReason::NotKnown("not known: no horizon in minutes is studied".to_owned());
    }
    known.insert(0, (0, rows.clone()));
    let delay = |(seconds, rows): &(u32, HashMap<Key<'_>, &Impact>)| {
        let entries = || sample.events.iter().filter_map(|event| Some((event, rows.get(&key(event))?.entry_at?)));
        Delay {
            seconds: *seconds,
            events: entries().count(),
            moved: entries().filter(|(event, entry_at)| *entry_at > event.entry_at).count(),
            horizons: Vec::new(),
        }
    };
    let mut delays: Vec<Delay> = known.iter().map(delay).collect();
    for &horizon in settings.horizons.iter().filter(|horizon| horizon.minutes().is_some()) {
        for (delay, pairs) in delays.iter_mut().zip(compared(sample, horizon, settings, &known)) {
            delay.horizons.push(DelayedHorizon {
                horizon: horizon.name(),
                rank_ic: pairs.require_minimum(settings).and_then(|()| rank_ic(&pairs)).into(),
                spread: pairs.require_minimum(settings).and_then(|()| spread(&pairs)).into(),
                n: pairs.events.len(),
            });
        }
    }
    ValueOrReason::Value(delays)
}

/// The events with an outcome after every delay: one list for each delay, of the same events.
fn compared<'s>(
    sample: &'s Sample,
    horizon: Horizon,
    settings: &Settings,
    known: &[(u32, HashMap<Key<'_>, &Impact>)],
) -> Vec<Used<'s>> {
    let place = Horizon::ALL.iter().position(|&own| own == horizon).expect("ALL has every horizon");
    let outcome = |row: &Impact| match settings.outcome {
        Outcome::Abnormal => row.abnormal[place],
        Outcome::Raw => row.returns[place],
    };
    let mut lists: Vec<Vec<(&Event, f64)>> = vec![Vec::new(); known.len()];
    for event in sample.at(horizon).events {
        let of_each = known.iter().map(|(_, rows)| outcome(rows.get(&key(event))?));
        if let Some(values) = of_each.collect::<Option<Vec<f64>>>() {
            lists.iter_mut().zip(values).for_each(|(list, value)| list.push((event, value)));
        }
    }
    lists.into_iter().map(Used::of).collect()
}
