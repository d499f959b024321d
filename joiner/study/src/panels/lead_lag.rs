//! What moves first: scores against returns before and after the news.

use super::{Key, Shift, Shifted, by_key, key};
use crate::estimate::{Estimate, ValueOrReason};
use crate::events::{Event, Sample, Used};
use crate::findings::{HorizonFindings, Settings, rank_ic};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::HashMap;
use tapewire_core::Impact;

/// Rank correlations of the score with the return (not adjusted for the market) of windows that end at the news, with that
/// of the step from the last price before it to the entry, and with the outcomes that are studied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeadLag {
    /// In the order of time.
    pub lags: Vec<Lag>,
    /// Why returns before the news are missing, if they are.
    pub note: Option<String>,
}

/// One window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    /// `-60m`: from 60 minutes before the news to it; `entry`: from the last price before the news to the entry; `+5m`:
    /// from the entry to five minutes later.
    pub window: String,
    /// The rank correlation.
    pub rank_ic: ValueOrReason<Estimate>,
    /// Number of events.
    pub n: usize,
}

pub(super) fn of(
    sample: &Sample,
    horizons: &[HorizonFindings],
    settings: &Settings,
    rows: &HashMap<Key<'_>, &Impact>,
    shifted: &[Shifted],
) -> LeadLag {
    let mut lags = Vec::new();
    for (shift, name) in [
        (Shift::EarlierSession, SESSION),
        (Shift::Earlier(60), "-60m"),
        (Shift::Earlier(30), "-30m"),
        (Shift::Earlier(5), "-5m"),
    ] {
        let Some(shifted) = shifted.iter().find(|shifted| shifted.shift == shift) else { continue };
        let earlier = by_key(&shifted.rows);
        let returns = |event: &Event| {
            let earlier = earlier.get(&key(event))?;
            let value = before(rows.get(&key(event))?, earlier)?;
            Some(Move { value, from: earlier.mention.available_at(), until: event.available_at })
        };
        lags.push(lag(name, sample, returns, settings));
    }
    let note = lags.is_empty().then(|| NOT_BEFORE.to_owned());
    let step = |event: &Event| {
        let row = rows.get(&key(event))?;
        let value = Some((row.entry_price? / row.price_before?).ln()).filter(|step| step.is_finite())?;
        // Events of one company with the same entry share the step.
        Some(Move { value, from: event.entry_at, until: event.entry_at + SignedDuration::from_micros(1) })
    };
    lags.push(lag("entry", sample, step, settings));
    lags.extend(horizons.iter().map(|horizon| Lag {
        window: format!("+{}", horizon.horizon),
        rank_ic: horizon.rank_ic.clone(),
        n: horizon.n,
    }));
    LeadLag { lags, note }
}

/// The window that begins in the session before.
const SESSION: &str = "-1 session";

const NOT_BEFORE: &str = "Returns before the news are not known: joined rows do not have them. They are computed from the \
    bars, which --bars FILES beside --impact names.";

/// The log return from the first price at or after the earlier moment to the last price before the news. `None` if there
/// is no price of a session between them, or if there may be a split or a dividend between them.
fn before(row: &Impact, earlier: &Impact) -> Option<f64> {
    let (last, last_at) = (row.price_before?, row.price_before_at?);
    let (first, first_at) = (earlier.entry_price?, earlier.entry_at?);
    let is_adjusted = [row, earlier].iter().any(|row| row.quality.adjusted || row.quality.possible_split);
    if first_at >= last_at || is_adjusted {
        return None;
    }
    Some((last / first).ln()).filter(|value| value.is_finite())
}

/// A return, and the time that it spans.
struct Move {
    value: f64,
    from: Timestamp,
    until: Timestamp,
}

/// The correlation with the returns that `moves` gives. Of a company's events whose times overlap, the first counts.
fn lag(name: &str, sample: &Sample, moves: impl Fn(&Event) -> Option<Move>, settings: &Settings) -> Lag {
    let mut with: Vec<(&Event, Move)> = sample.events.iter().filter_map(|event| Some((event, moves(event)?))).collect();
    with.sort_by_key(|(_, held)| held.until);
    let mut until: HashMap<u64, Timestamp> = HashMap::new();
    with.retain(|(event, held)| {
        let is_apart = until.get(&event.company).is_none_or(|until| held.from >= *until);
        if is_apart {
            until.insert(event.company, held.until);
        }
        is_apart
    });
    let pairs = Used::of(with.into_iter().map(|(event, held)| (event, held.value)).collect());
    // A return from the session before overlaps with those of the day before and after.
    let pairs = if name == SESSION { pairs.in_pairs() } else { pairs };
    Lag {
        window: name.to_owned(),
        rank_ic: pairs.require_minimum(settings).and_then(|()| rank_ic(&pairs)).into(),
        n: pairs.events.len(),
    }
}
