//! Which events may be counted, and which belong together: rules for events that are not independent.
//!
//! - Events of one symbol whose windows overlap share returns: [`without_overlaps`] keeps the first.
//! - One story that several providers carry, or that is printed again, is one event for each symbol:
//!   [`first_of_stories`].
//! - Events of one article about many companies, or of one day, are correlated: [`clusters`] labels which events belong
//!   together, for clustered standard errors and sign flips.
//! - Too few events give no result: [`require_minimum`]. Constant scores give none either: [`crate::Error::Constant`].

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::{Result, argument, at_least};

/// One event of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<S> {
    /// Symbol.
    pub symbol: S,
    /// Time, in any unit.
    pub time: i64,
}

/// Whether an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// It counts.
    Kept,
    /// It does not count, because the event at `because_of` in the list counts.
    Dropped {
        /// Place of the event that is kept.
        because_of: usize,
    },
}

/// Goes through each symbol's events in time order and keeps those that begin `window` or more after the last one kept.
/// Of events at the same time, the first in the list is kept; a window of 0 keeps every event. Only kept events cause
/// others to be dropped. `events` need not be sorted.
///
/// # Errors
/// [`crate::Error::Argument`] for a window below 0.
pub fn without_overlaps<S: Hash + Eq + Copy>(events: &[Event<S>], window: i64) -> Result<Vec<Selection>> {
    argument("the window", window as f64, window >= 0, "at least 0")?;
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&index| events[index].time);
    let mut last: HashMap<S, usize> = HashMap::new();
    let mut selection = vec![Selection::Kept; events.len()];
    for index in order {
        let event = events[index];
        match last.get(&event.symbol) {
            Some(&kept) if i128::from(event.time) - i128::from(events[kept].time) < i128::from(window) => {
                selection[index] = Selection::Dropped { because_of: kept };
            }
            _ => {
                last.insert(event.symbol, index);
            }
        }
    }
    Ok(selection)
}

/// Keeps, for each symbol and story, the earliest event, and of events at the same time the first in the list.
/// `stories` has one label for each event.
///
/// # Errors
/// [`crate::Error::Length`].
pub fn first_of_stories<S: Hash + Eq + Copy>(events: &[Event<S>], stories: &[u64]) -> Result<Vec<Selection>> {
    crate::error::same_length("stories", stories.len(), events.len())?;
    let mut first: HashMap<(S, u64), usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let earliest = first.entry((event.symbol, stories[index])).or_insert(index);
        if event.time < events[*earliest].time {
            *earliest = index;
        }
    }
    let select = |(index, event): (usize, &Event<S>)| match first[&(event.symbol, stories[index])] {
        kept if kept == index => Selection::Kept,
        because_of => Selection::Dropped { because_of },
    };
    Ok(events.iter().enumerate().map(select).collect())
}

/// Cluster labels, from 0 by first appearance: two rows get the same label if they share one in any of `keys`, directly
/// or through other rows. With the articles and the days of events as keys, events of one article and events of one day
/// are together.
///
/// # Errors
/// [`crate::Error::TooFew`] without keys; [`crate::Error::Length`] unless all have one label for each row.
pub fn clusters(keys: &[&[u64]]) -> Result<Vec<u64>> {
    at_least("keys", keys.len(), 1)?;
    let rows = keys[0].len();
    let mut parent: Vec<usize> = (0..rows).collect();
    for labels in keys {
        crate::error::same_length("labels", labels.len(), rows)?;
        let mut first = LabelNumbers::for_labels(labels);
        for (row, &label) in labels.iter().enumerate() {
            let other = first.get_or_insert(label, row);
            let (a, b) = (root(&mut parent, other), root(&mut parent, row));
            parent[a.max(b)] = a.min(b);
        }
    }
    let (mut number, mut next) = (vec![usize::MAX; rows], 0);
    let mut labels = Vec::with_capacity(rows);
    for row in 0..rows {
        let root = root(&mut parent, row);
        if number[root] == usize::MAX {
            number[root] = next;
            next += 1;
        }
        labels.push(number[root] as u64);
    }
    Ok(labels)
}

/// A number for each label. It is a table where labels lie close together, as those of articles and days do, because a
/// table is faster.
pub(crate) enum LabelNumbers {
    Table(u64, Vec<usize>),
    Map(HashMap<u64, usize>),
}

impl LabelNumbers {
    /// Empty, for these labels.
    pub(crate) fn for_labels(labels: &[u64]) -> Self {
        let (least, most) = labels.iter().fold((u64::MAX, 0), |(least, most), &l| (least.min(l), most.max(l)));
        match usize::try_from(most.saturating_sub(least)) {
            Ok(span) if span < 4 * labels.len() + 1024 => Self::Table(least, vec![usize::MAX; span + 1]),
            _ => Self::Map(HashMap::new()),
        }
    }

    /// The number of a label, which is `number` if it has none yet.
    pub(crate) fn get_or_insert(&mut self, label: u64, number: usize) -> usize {
        match self {
            Self::Map(map) => *map.entry(label).or_insert(number),
            Self::Table(least, table) => {
                let known = &mut table[(label - *least) as usize];
                if *known == usize::MAX {
                    *known = number;
                }
                *known
            }
        }
    }
}

/// The root of `at` in a union-find forest. Halves the path to it.
pub(crate) fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

/// Refuses fewer events than a study may report on.
///
/// # Errors
/// [`crate::Error::TooFew`].
pub fn require_minimum(events: usize, minimum: usize) -> Result<()> {
    at_least("events", events, minimum)
}
