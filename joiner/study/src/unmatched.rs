//! Values of filters that keep no event. Most are misspelled, and a study without them would look like one with them.

use crate::events::reason;
use crate::filters::{Filters, session_name};
use crate::row::Row;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A value of a filter that keeps no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The flag, such as `--symbols`.
    pub flag: &'static str,
    /// The value as it was given.
    pub value: String,
    /// Whether no value of the flag keeps an event, so that nothing is left.
    pub is_all: bool,
    /// Why it keeps none.
    pub why: Why,
}

/// Why a value keeps no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No row has it. These are the values that rows have, the most frequent first.
    Absent(Vec<String>),
    /// The rows that have it are no events: the reasons in words and their numbers of rows, the most frequent first.
    NoEvent(Vec<(&'static str, usize)>),
}

/// The rows with one value.
#[derive(Debug, Default)]
struct Having {
    rows: usize,
    events: usize,
    reasons: BTreeMap<&'static str, usize>,
}

impl Having {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        match reason(row) {
            Some((_, words)) => *self.reasons.entry(words).or_default() += 1,
            None => self.events += 1,
        }
    }

    /// The reasons why none of the rows is an event.
    fn no_event(&self) -> Why {
        let mut reasons: Vec<(&'static str, usize)> =
            self.reasons.iter().map(|(words, rows)| (*words, *rows)).collect();
        reasons.sort_by_key(|(_, rows)| Reverse(*rows));
        Why::NoEvent(reasons)
    }
}

impl Filters {
    /// The values of the filters that keep none of the events among `rows`, each filter by itself. Without rows there
    /// are none.
    pub fn unmatched(&self, rows: &[Row]) -> Vec<Unmatched> {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.reason != Some("withdrawn")).collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut all = of_flag("--symbols", self.symbols.iter().map(ToString::to_string), &rows, |row| {
            row.symbol.as_ref().map(ToString::to_string)
        });
        all.extend(of_flag("--source", self.sources.iter().cloned(), &rows, |row| text(&row.provider)));
        all.extend(of_flag("--publisher", self.publishers.iter().cloned(), &rows, |row| text(&row.publisher)));
        let phases = self.phases.iter().map(|&phase| session_name(phase).to_owned());
        all.extend(of_flag("--session", phases, &rows, |row| row.phase.map(|phase| session_name(phase).to_owned())));
        let labels = self.labels.iter().map(|&label| label.to_owned());
        all.extend(of_flag("--label", labels, &rows, |row| row.label.map(str::to_owned)));
        all.extend(self.days_without_events(&rows));
        all
    }

    /// The first and the last day, if no event is between them.
    fn days_without_events(&self, rows: &[&Row]) -> Option<Unmatched> {
        let (flag, value) = match (self.from, self.to) {
            (Some(from), Some(to)) => ("--from, --to", format!("{from} to {to}")),
            (Some(from), None) => ("--from", from.to_string()),
            (None, Some(to)) => ("--to", to.to_string()),
            (None, None) => return None,
        };
        let day = |row: &&Row| row.available_at.to_zoned(TimeZone::UTC).date();
        let mut having = Having::default();
        for row in rows {
            let day = day(row);
            if self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to) {
                having.add(row);
            }
        }
        let why = match (having.rows, rows.iter().map(day).min(), rows.iter().map(day).max()) {
            _ if having.events > 0 => return None,
            (0, Some(first), Some(last)) => Why::Absent(vec![format!("{first} to {last}")]),
            _ => having.no_event(),
        };
        Some(Unmatched { flag, value, is_all: true, why })
    }
}

/// The values of one flag that keep no event.
fn of_flag(
    flag: &'static str,
    wanted: impl Iterator<Item = String>,
    rows: &[&Row],
    value_of: impl Fn(&Row) -> Option<String>,
) -> Vec<Unmatched> {
    let mut wanted: Vec<String> = wanted.collect();
    wanted.dedup();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut having: BTreeMap<String, Having> = BTreeMap::new();
    for row in rows {
        if let Some(value) = value_of(row) {
            having.entry(value).or_default().add(row);
        }
    }
    let keeps = |value: &String| having.get(value).is_some_and(|having| having.events > 0);
    let is_all = !wanted.iter().any(keeps);
    let mut there: Vec<(&String, &Having)> = having.iter().collect();
    there.sort_by_key(|(_, having)| Reverse(having.rows));
    let unmatched = |value: String| {
        let absent = || Why::Absent(there.iter().map(|(value, _)| (*value).clone()).collect());
        let why = having.get(&value).map_or_else(absent, Having::no_event);
        Unmatched { flag, value, is_all, why }
    };
    wanted.into_iter().filter(|value| !keeps(value)).map(unmatched).collect()
}
