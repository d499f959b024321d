//! Moments from a day and a time of day in two columns.

use super::values::quoted;
use super::values::time::{Clock, Moment, Written, in_zone, moment, written};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tapewire_formats::Value;

/// Whether a column of this name holds times of day where another column holds the days.
pub(super) fn is_time(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    name == "time" || name == "timeofday"
}

/// The moment of a day and a time of day. The time of day is `09:30` or `09:30:00`; Stooq writes `93000` and `0`.
///
/// # Errors
/// Why the two are not a moment. The reason quotes both.
pub(super) fn at_time(day: Date, time: &Value, clock: &Clock) -> Result<Timestamp, String> {
    if let Some(at) = whole(day, time, clock) {
        return at;
    }
    let written = match time {
        Value::Text(text) | Value::Number(text) => text.trim(),
        other => return Err(format!("`{day}` has {} as its time of day", quoted(other))),
    };
    let digits = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
    if digits && written.len() < 3 && written.bytes().any(|byte| byte != b'0') {
        return Err(format!(
            "`{day}` and `{written}`: {written} may be hours, minutes or seconds; write it as 00:00:00"
        ));
    }
    // A time that was written as a number has lost its leading zeros.
    let width = if digits && written.len() == 3 { 4 } else { 6 };
    let padded = if digits && written.len() != 4 { format!("{written:0>width$}") } else { written.to_owned() };
    match moment(&Value::Text(format!("{day} {padded}")), clock)? {
        Some(Moment::At(at)) => Ok(at),
        _ => Err(format!("`{day}` and `{written}` are not a day and a time of day")),
    }
}

/// The moment of a column of times that has whole moments, if its day is this one, in the zone of the file or in UTC.
fn whole(day: Date, time: &Value, clock: &Clock) -> Option<Result<Timestamp, String>> {
    match written(time, clock) {
        Ok(Some(Written::At(at))) => {
            let is_on = |zone: &TimeZone| zone.to_datetime(at).date() == day;
            (clock.zone.as_ref().is_some_and(is_on) || is_on(&TimeZone::UTC)).then_some(Ok(at))
        }
        Ok(Some(Written::Civil(civil))) => (civil.date() == day).then(|| in_zone(civil, clock, &quoted(time))),
        _ => None,
    }
}

/// Whether a time of day is midnight. Files of daily bars have midnight in every row.
pub(super) fn is_midnight(time: &Value) -> bool {
    let (Value::Text(text) | Value::Number(text)) = time else { return false };
    text.contains('0') && text.chars().all(|c| "0:. ".contains(c))
}
