//! What moves first: scores against returns before and after the news.

use super::{Key, Shift, Shifted, by_key, key};
use crate::estimate::{Estimate, Figure};
use crate::events::{Event, Sample, Used};
use crate::findings::{HorizonFindings, Settings, rank_ic};
use serde::Serialize;
use std::collections::HashMap;
use tapewire_core::Impact;
use tapewire_statistics::overlap::{self, Fate};

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
    pub rank_ic: Figure<Estimate>,
    /// Number of events.
    pub n: usize,
}

const SESSION: i64 = 24 * 60 * 60 * 1_000_000;
const MINUTE: i64 = 60 * 1_000_000;

pub(super) fn of(
    sample: &Sample,
    horizons: &[HorizonFindings],
    settings: &Settings,
    rows: &HashMap<Key<'_>, &Impact>,
    shifted: &[Shifted],
) -> LeadLag {
    let mut lags = Vec::new();
    for (shift, name, window) in [
        (Shift::EarlierSession, "-1 session", SESSION),
        (Shift::Earlier(60), "-60m", 60 * MINUTE),
        (Shift::Earlier(30), "-30m", 30 * MINUTE),
        (Shift::Earlier(5), "-5m", 5 * MINUTE),
    ] {
        let Some(shifted) = shifted.iter().find(|shifted| shifted.shift == shift) else { continue };
        let earlier = by_key(&shifted.rows);
        let returns = |event: &Event| before(rows.get(&key(event))?, earlier.get(&key(event))?);
        lags.push(lag(name, sample, returns, |event| event.available_at.as_microsecond(), window, settings));
    }
    let note = lags.is_empty().then(|| NOT_BEFORE.to_owned());
    let step = |event: &Event| {
        let row = rows.get(&key(event))?;
        Some((row.entry_price? / row.price_before?).ln()).filter(|step| step.is_finite())
    };
    // Events of one company with the same entry share the step.
    lags.push(lag("entry", sample, step, |event| event.entry_at.as_microsecond(), 1, settings));
    lags.extend(horizons.iter().map(|of| Lag {
        window: format!("+{}", of.horizon),
        rank_ic: of.rank_ic.clone(),
        n: of.n,
    }));
    LeadLag { lags, note }
}

const NOT_BEFORE: &str = "Returns before the news are not known: joined rows do not have them. They are computed from the \
    bars, which --bars FILES beside --impact names.";

/// The log return from the first price at or after the earlier moment to the last price before the news. `None` if there
/// is no price of a session between them, or a split or a dividend may be.
fn before(row: &Impact, earlier: &Impact) -> Option<f64> {
    let (last, last_at) = (row.price_before?, row.price_before_at?);
    let (first, first_at) = (earlier.entry_price?, earlier.entry_at?);
    let is_adjusted = [row, earlier].iter().any(|row| row.quality.adjusted || row.quality.possible_split);
    if first_at >= last_at || is_adjusted {
        return None;
    }
    Some((last / first).ln()).filter(|value| value.is_finite())
}

/// The correlation with `returns`. Of a company's events that are less than `window` apart by `time`, the first counts.
fn lag(
    name: &str,
    sample: &Sample,
    returns: impl Fn(&Event) -> Option<f64>,
    time: impl Fn(&Event) -> i64,
    window: i64,
    settings: &Settings,
) -> Lag {
    let with: Vec<(&Event, f64)> = sample.events.iter().filter_map(|event| Some((event, returns(event)?))).collect();
    let spans: Vec<_> =
        with.iter().map(|(event, _)| overlap::Event { symbol: event.company, time: time(event) }).collect();
    let fates = overlap::without_overlaps(&spans, window).expect("a window is above 0");
    let kept = with.into_iter().zip(fates).filter(|(_, fate)| *fate == Fate::Kept).map(|(pair, _)| pair).collect();
    let pairs = Used::of(kept);
    Lag {
        window: name.to_owned(),
        rank_ic: pairs.enough(settings).and_then(|()| rank_ic(&pairs)).into(),
        n: pairs.events.len(),
    }
}
