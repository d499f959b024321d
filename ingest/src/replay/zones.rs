//! Columns that say the time zone of each row.
//!
//! A time that has no zone itself is read in that of its row. What the user says of the whole file must not contradict it.

use super::names::Names;
use super::values::is_missing;
use super::values::quoted_text;
use super::values::time::{Clock, NamedZone, named_zone};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use tapewire_formats::{Row, Value};

/// The role of such a column.
pub(super) const ROLE: &str = "time_zone";
/// Other names of it.
pub(super) const NAMES: &[&str] = &["timezone", "tz", "tz_name", "timezone_name", "time_zone_name", "published_tz"];

/// The zones of the rows so far, each read once.
#[derive(Debug, Default)]
pub(super) struct Zones(RefCell<HashMap<String, Option<NamedZone>>>);

/// How the times of a row are read.
#[derive(Debug)]
pub(super) struct RowClock<'c> {
    /// With the zone of the row, if it has one.
    pub clock: Cow<'c, Clock>,
    /// What the user says of all rows.
    base: &'c Clock,
    /// The column of time zones and what it says, and the flag that leaves it out.
    says: Option<(String, String, &'static str)>,
    zone: Option<NamedZone>,
}

impl Zones {
    /// The clock of a row. `base` is that of its file, and `flag` the one that names columns.
    pub fn clock<'c>(&self, row: &Row, names: &Names, base: &'c Clock, flag: &'static str) -> RowClock<'c> {
        let as_said = || RowClock { clock: Cow::Borrowed(base), base, says: None, zone: None };
        let (name, text) = match names.find(row, ROLE) {
            Some((name, Value::Text(text) | Value::Number(text))) if !is_missing(text) => (name, text.trim()),
            _ => return as_said(),
        };
        let zone = match self.0.borrow().get(text) {
            Some(known) => known.clone(),
            None => named_zone(text),
        };
        self.0.borrow_mut().entry(text.to_owned()).or_insert_with(|| zone.clone());
        let clock = match &zone {
            Some(NamedZone::Zone(zone)) => Clock { zone: Some(zone.clone()), ..base.clone() },
            Some(NamedZone::Eastern(offset)) => Clock { eastern: Some(*offset), ..base.clone() },
            None => Clock { zone: None, ..base.clone() },
        };
        RowClock { clock: Cow::Owned(clock), base, says: Some((name.to_owned(), text.to_owned(), flag)), zone }
    }
}

impl RowClock<'_> {
    /// Reads a time of the row.
    ///
    /// # Errors
    /// What `read` returns, with the column of time zones; the zone of the row and that of the file make two times of it.
    pub fn read<T: PartialEq>(&self, read: impl Fn(&Clock) -> Result<T, String>) -> Result<T, String> {
        let found = read(&self.clock).map_err(|reason| self.explained(reason))?;
        let Some((name, text, flag)) = &self.says else { return Ok(found) };
        let is_named = matches!(self.zone, Some(NamedZone::Zone(_))) && self.base.zone.is_some();
        match is_named.then(|| read(self.base)) {
            Some(Ok(other)) if other != found => {
                let zone = self.base.zone_flag;
                Err(format!(
                    "{name} {} contradicts {zone}; leave {zone} out, or give {flag} {ROLE}= to leave the column out",
                    quoted_text(text)
                ))
            }
            _ => Ok(found),
        }
    }

    /// A reason why a time can't be read, with what the column of time zones says.
    pub fn explained(&self, reason: String) -> String {
        let Some((name, text, flag)) = &self.says else { return reason };
        let text = quoted_text(text);
        match self.zone {
            Some(_) => format!("{reason} ({name} is {text})"),
            None => format!(
                "{reason}; {name} {text} is not a zone that we can read, such as America/New_York, UTC or -05:00, and {flag} \
                 {ROLE}= leaves it out"
            ),
        }
    }
}
