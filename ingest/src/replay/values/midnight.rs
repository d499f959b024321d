//! Days that are written as their midnight, as spreadsheets and pandas write them.

use super::time::{Clock, Written, written};
use super::{is_missing, quoted};
use crate::replay::moments;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use tapewire_formats::Value;

/// Whether a moment may be a midnight of some zone. Offsets from UTC are multiples of a quarter of an hour.
pub(in crate::replay) fn may_be_midnight(at: Timestamp) -> bool {
    const QUARTER_US: i64 = 900_000_000;
    at.as_microsecond() % QUARTER_US == 0
}

/// Whether a moment is a midnight in UTC, in New York or in the zone of the file, or is the moment of `value`, which is
/// written as a midnight.
pub(in crate::replay) fn is_midnight(at: Timestamp, value: &Value, clock: &Clock) -> bool {
    if !may_be_midnight(at) {
        return false;
    }
    let is_in = |zone: &TimeZone| zone.to_datetime(at).time() == Time::midnight();
    let says_so = |text: &str| text.split(['T', 't', ' ']).any(|part| part.starts_with("00:00"));
    let is_written =
        || matches!(value, Value::Text(text) if says_so(text)) && written(value, clock) == Ok(Some(Written::At(at)));
    is_in(&TimeZone::UTC)
        || clock.zone.as_ref().is_some_and(is_in)
        || TimeZone::get("America/New_York").is_ok_and(|zone| is_in(&zone))
        || is_written()
}

/// Whether a field is the time of day that belongs to the day `value`: it has a value, and its name or its form is that
/// of a time of day. A day alone is not a time of day.
pub(in crate::replay) fn is_time_of(value: &Value, name: &str, time: &Value, clock: &Clock) -> bool {
    let has_value = match time {
        Value::Null => false,
        Value::Text(text) => !is_missing(text),
        _ => true,
    };
    let is_time = is_time_of_day(time) || moments::is_time(name);
    has_value && time != value && is_time && !matches!(written(time, clock), Ok(Some(Written::Day(_))))
}

/// Whether a value is a time of day with colons, such as `9:30:00.123`. One without them may be a number of seconds.
pub(in crate::replay) fn is_time_of_day(value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    let hour = text.trim().split_once(':').map_or("", |(hour, _)| hour);
    (1..=2).contains(&hour.len()) && hour.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses a midnight that has its zone and a time of day beside it. The midnight may stand for the day of that time,
/// whose zone is not known then.
///
/// # Errors
/// The reason, which quotes both.
pub(in crate::replay) fn check_alone<'v>(
    at: Timestamp,
    value: &Value,
    clock: &Clock,
    time: impl FnOnce() -> Option<&'v Value>,
) -> Result<(), String> {
    if !is_midnight(at, value, clock) {
        return Ok(());
    }
    let Some(time) = time() else { return Ok(()) };
    // The column of times may have the time of the same moment in UTC.
    let of_utc = Clock { zone: Some(TimeZone::UTC), eastern: None, ..clock.clone() };
    let day = TimeZone::UTC.to_datetime(at).date();
    if moments::is_midnight(time) || moments::at_time(day, time, &of_utc) == Ok(at) {
        return Ok(());
    }
    Err(format!(
        "{} is a midnight beside {}, which may be the time of that day; write the day without a time and a zone, as \
         2025-05-12, or name the column alone if it has the whole time: --news-columns published_at=NAME, \
         --bar-columns start=NAME",
        quoted(value),
        quoted(time)
    ))
}
