//! The times of a row of news.

use crate::epoch::whole_microseconds;
use crate::replay::moments;
use crate::replay::names::{Field, Names};
use crate::replay::values::time::{Clock, Moment, Written, in_zone, moment, written};
use crate::replay::values::{midnight, quoted};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use tapewire_formats::{Row, Value};

/// Reads the times of a row by a clock that may be the row's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times<'r> {
    pub names: &'r Names,
    pub clock: &'r Clock,
}

impl Times<'_> {
    /// The moment of the best field of a role.
    ///
    /// # Errors
    /// Why it is not a moment.
    pub fn time(&self, row: &Row, role: &str) -> Result<Option<Timestamp>, String> {
        let field = self.names.find(row, role);
        field.map_or(Ok(None), |field| self.moment_of(field, &self.names.all(row, role)))
    }

    /// When the provider made or showed the article, where the row has that beside the time of publication.
    pub fn made_public(&self, row: &Row, published_at: Timestamp) -> Result<Option<Timestamp>, String> {
        let publication = self.names.find(row, "published_at").map(|(name, _)| name);
        let mut latest: Option<Timestamp> = None;
        for (name, value) in self.names.all(row, "published_at") {
            if Some(name) == publication || !is_like(name, &["created", "display"]) || is_no_time(name, value) {
                continue;
            }
            let at = match moment(value, self.clock).map_err(|reason| format!("{name} {reason}"))? {
                None => continue,
                Some(Moment::At(at)) => whole_microseconds(at),
                Some(Moment::Day(day)) if is_over(day, published_at) => continue,
                Some(Moment::Day(_)) => return Err(format!("{name} {} is a day without a time of day", quoted(value))),
            };
            latest = latest.max(Some(at));
        }
        Ok(latest)
    }

    /// The moments of all fields of a role: of edits, or of receipts.
    pub fn times<'r>(&self, row: &'r Row, role: &str) -> Result<Vec<(&'r str, Timestamp)>, String> {
        let fields = self.names.all(row, role);
        let mut times = Vec::with_capacity(fields.len());
        for &(name, value) in &fields {
            let is_beside_day = || fields.iter().any(|&(other, day)| other != name && self.may_be_day(day));
            if is_no_time(name, value) || midnight::is_time_of_day(value) && is_beside_day() {
                continue;
            }
            let at = self.moment_of((name, value), &fields);
            let at = at.map_err(|reason| format!("{reason}; --news-columns {role}= leaves such times out"))?;
            times.extend(at.map(|at| (name, at)));
        }
        Ok(times)
    }

    /// Whether a value is a day, or the midnight that spreadsheets write for it.
    fn may_be_day(&self, value: &Value) -> bool {
        match written(value, self.clock) {
            Ok(Some(Written::Day(_))) => true,
            Ok(Some(Written::Civil(civil))) => civil.time() == Time::midnight(),
            Ok(Some(Written::At(at))) => midnight::is_midnight(at, value, self.clock),
            Ok(None) | Err(_) => false,
        }
    }

    /// The moment of one of the fields of a role. The day and the time of day may be in two of them, such as `date` and
    /// `time`.
    fn moment_of(&self, (name, value): Field<'_>, fields: &[Field<'_>]) -> Result<Option<Timestamp>, String> {
        let of_name = |reason: String| format!("{name} {reason}");
        let beside = || {
            let mut fields = fields.iter();
            let time =
                fields.find(|(other, time)| *other != name && midnight::is_time_of(value, other, time, self.clock));
            time.map(|&(_, time)| time)
        };
        let day = match written(value, self.clock).map_err(of_name)? {
            None => return Ok(None),
            Some(Written::At(at)) => {
                let alone = midnight::check_alone(at, value, self.clock, beside);
                return alone.map(|()| Some(at)).map_err(of_name);
            }
            // Spreadsheets write a day as its midnight.
            Some(Written::Civil(civil)) if civil.time() != Time::midnight() || beside().is_none() => {
                let at = in_zone(civil, self.clock, &quoted(value)).map_err(of_name)?;
                return Ok(Some(whole_microseconds(at)));
            }
            Some(Written::Civil(civil)) => civil.date(),
            Some(Written::Day(day)) => day,
        };
        match beside() {
            Some(time) => moments::at_time(day, time, self.clock).map(Some).map_err(of_name),
            None => Err(format!("{name} {} is a day without a time of day", quoted(value))),
        }
    }
}

/// Whether a name begins with one of these words.
pub(super) fn is_like(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)))
}

/// Whether a field of a time says that it has no value, as programs write it (`0`, `0001-01-01`), or, by its name, that
/// something happened, or what, but not when: `edited: "N"`, `changed: ["title"]`.
fn is_no_time(name: &str, value: &Value) -> bool {
    const NEVER: [&str; 5] = ["0000-", "0001-01-01", "1899-12-30", "1900-01-01", "1970-01-01"];
    let (text, is_flag) = match value {
        Value::Bool(_) => return true,
        Value::List(_) | Value::Object(_) => ("", true),
        Value::Text(text) | Value::Number(text) => {
            let text = text.trim();
            (text, text.len() < 4 || text.bytes().all(|byte| byte.is_ascii_alphabetic()))
        }
        Value::Instant(_) | Value::Civil(_) | Value::Date(_) => return is_unset(value),
        Value::Null => return false,
    };
    let is_never = matches!(text, "0" | "false" | "False") || NEVER.iter().any(|never| text.starts_with(never));
    is_never || is_flag && name.to_lowercase().ends_with("ed")
}

/// Whether a time of a typed column is of 1970 or earlier, as programs write one that was never set.
fn is_unset(value: &Value) -> bool {
    let year = match value {
        Value::Instant(at) => at.to_zoned(TimeZone::UTC).year(),
        Value::Civil(civil) => civil.year(),
        Value::Date(day) => day.year(),
        _ => return false,
    };
    year <= 1970
}

/// Whether a day is over in every zone at a moment. It ends last where clocks are twelve hours behind UTC.
fn is_over(day: Date, at: Timestamp) -> bool {
    day < TimeZone::fixed(Offset::constant(-12)).to_datetime(at).date()
}
