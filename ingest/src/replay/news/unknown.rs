//! Columns that have no role although their names say that they hold the time of an edit or of receipt.

use crate::replay::names::{Mapping, Names};
use crate::replay::values::time::{Clock, Moment, moment};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_formats::{Row, Value};

/// Roles, and parts of the names of columns that may have them.
#[rustfmt::skip]
const PARTS: [(&str, &[&str]); 2] = [
    ("updated_at", &["updat", "modif", "edit", "revis", "correct", "version", "amend", "chang"]),
    ("received_at", &[
        "receiv", "scrap", "crawl", "captur", "ingest", "fetch", "retriev", "download", "collect", "insert", "creat",
    ]),
];
/// Last words of names that hold no time.
const NO_TIMES: [&str; 9] = ["id", "ids", "by", "no", "type", "count", "number", "string", "change"];
/// Longest name of a column that a note can quote, in bytes.
const LONGEST_NAME: usize = 100;
/// How many columns are noted.
const SHOWN: usize = 5;

/// Such columns of the rows so far.
#[derive(Debug, Default)]
pub(super) struct UnknownTimes {
    last: RefCell<Columns>,
    /// In how many rows each has a later time than that from which the row counts, by role and name.
    late: RefCell<BTreeMap<(&'static str, String), u64>>,
}

/// The names of a row, and the places of such columns with their roles. Rows of a file mostly have the same names.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<Arc<str>>,
    found: Vec<(usize, &'static str)>,
}

impl UnknownTimes {
    /// Looks at a row that counts from `known_at`. A role of which the user has said which column has it, or that no column
    /// has it, is not looked for.
    pub fn look(&self, row: &Row, names: &Names, mapping: &Mapping, clock: &Clock, known_at: Timestamp) {
        let mut last = self.last.borrow_mut();
        if !last.names.iter().eq(row.fields.iter().map(|(name, _)| name)) {
            *last = Columns::of(row, names, mapping);
        }
        for &(position, role) in &last.found {
            let (name, value) = &row.fields[position];
            if is_after(known_at, name, value, clock) {
                *self.late.borrow_mut().entry((role, name.to_string())).or_default() += 1;
            }
        }
    }

    /// What a person should know, with the flag that helps.
    pub fn notes(&self) -> Vec<String> {
        let late = self.late.borrow();
        let note = |((role, name), rows): (&(&'static str, String), &u64)| {
            let what = if *role == "updated_at" { "edited" } else { "received" };
            format!(
                "the column {name} of the news is not known, and in {rows} rows has a later time than that from which they \
                 count; if their texts were {what} then, --news-columns {role}={name} lets them count from it, and \
                 --news-columns {role}= says that no column has such times"
            )
        };
        late.iter().take(SHOWN).map(note).collect()
    }
}

impl Columns {
    fn of(row: &Row, names: &Names, mapping: &Mapping) -> Self {
        let unknown = names.unknown(row);
        let found = row.fields.iter().enumerate().filter_map(|(position, (name, _))| {
            let role = role_of(name).filter(|role| !mapping.contains_key(*role))?;
            unknown.contains(&&**name).then_some((position, role))
        });
        Self { found: found.collect(), names: row.fields.iter().map(|(name, _)| name.clone()).collect() }
    }
}

/// The role that a column may have by its name.
fn role_of(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let words = words(name);
    // `edition_id`, `revision_count`, `next_update`.
    let is_other = words.first().is_some_and(|word| ["next", "expected", "image"].contains(&word.as_str()))
        || words.last().is_some_and(|word| NO_TIMES.contains(&word.as_str()))
        || words.iter().any(|word| word == "edition");
    let begins = |part: &&str| words.iter().any(|word| word.starts_with(part));
    let role = PARTS.into_iter().find(|(_, parts)| parts.iter().any(&begins)).map(|(role, _)| role);
    role.filter(|_| !is_other)
}

/// The words of a name, in lower case: `last_edit`, `lastEdit` and `Last Edit` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_small {
            words.push(String::new());
        }
        was_small = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value is a moment after another, or a later day. A time without a zone is taken for UTC where the column's name
/// says so, or the zone of the file is not known.
fn is_after(at: Timestamp, name: &str, value: &Value, clock: &Clock) -> bool {
    let name = name.to_lowercase();
    let says_utc = name.ends_with("utc") || name.ends_with("gmt");
    let zone = clock.zone.clone().filter(|_| !says_utc).unwrap_or(TimeZone::UTC);
    match moment(value, &Clock { zone: Some(zone), ..clock.clone() }) {
        Ok(Some(Moment::At(moment))) => moment > at,
        Ok(Some(Moment::Day(day))) => day > TimeZone::UTC.to_datetime(at).date(),
        Ok(None) | Err(_) => false,
    }
}
