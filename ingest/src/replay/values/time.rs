//! Moments and days.

use super::{is_missing, quoted, quoted_text};
use crate::epoch::{self, is_plausible, whole_microseconds};
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, tz};
use std::fmt;
use tapewire_formats::Value;

/// The meaning of a value of a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A moment, in whole microseconds.
    At(Timestamp),
    /// A day without a time of day.
    Day(Date),
}

/// The meaning of a value of a time column, before the zone of the file is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A moment.
    At(Timestamp),
    /// A day and a time of day without a zone.
    Civil(DateTime),
    /// A day.
    Day(Date),
}

/// In which order a date of two numbers and a year is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `05/12/2025` is the twelfth of May.
    MonthFirst,
    /// `05/12/2025` is the fifth of December.
    DayFirst,
}

impl DateOrder {
    /// The order that it is not.
    fn other(self) -> Self {
        if self == Self::MonthFirst { Self::DayFirst } else { Self::MonthFirst }
    }
}

/// As the flag has it.
impl fmt::Display for DateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::MonthFirst { "mdy" } else { "dmy" })
    }
}

/// What the user has said about the times of a file.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The zone of times without one.
    pub zone: Option<TimeZone>,
    /// `EST` or `EDT`, where a column beside a time without a zone says it, by its offset.
    pub eastern: Option<tz::Offset>,
    /// The order of dates such as `05/12/2025`.
    pub order: Option<DateOrder>,
    /// The flag that sets the zone; refusals name it.
    pub zone_flag: &'static str,
}

/// The flag that sets [`Clock::order`].
pub const ORDER_FLAG: &str = "--date-order";

/// What the reason for a date says that is a day only in the other order than the one that was given.
const ONLY_IN_ORDER: &str = "is a day only in the order";

/// Whether a reason says that a date is a day only in the other order than [`Clock::order`]. Then the order is wrong, and
/// the other dates of the file would be read as other days.
pub fn is_of_other_order(reason: &str) -> bool {
    reason.contains(ONLY_IN_ORDER)
}

/// Reads a moment or a day; `None` if the value says that it is missing.
///
/// # Errors
/// Why the value has no meaning, or more than one. The reason quotes the value.
pub fn moment(value: &Value, clock: &Clock) -> Result<Option<Moment>, String> {
    match written(value, clock)? {
        None => Ok(None),
        Some(Written::At(at)) => Ok(Some(Moment::At(at))),
        Some(Written::Day(day)) => Ok(Some(Moment::Day(day))),
        Some(Written::Civil(civil)) => in_zone(civil, clock, &quoted(value)).map(|at| Some(Moment::At(at))),
    }
}

/// As [`moment`], but a time without a zone stays without one.
///
/// # Errors
/// As [`moment`].
pub fn written(value: &Value, clock: &Clock) -> Result<Option<Written>, String> {
    let written = match value {
        Value::Null => return Ok(None),
        Value::Text(text) if is_missing(text) => return Ok(None),
        Value::Text(text) => of_text(text.trim(), clock)?,
        Value::Number(digits) => of_digits(digits)?,
        Value::Instant(at) => Written::At(*at),
        Value::Civil(at) => Written::Civil(*at),
        Value::Date(day) => Written::Day(*day),
        Value::Bool(_) | Value::List(_) | Value::Object(_) => return Err(format!("{} is not a time", quoted(value))),
    };
    plausible(written, &quoted(value)).map(Some)
}

/// Refuses a moment outside 1990 to 2099: its value is a zero, or a number that means something else.
fn plausible(written: Written, cell: &str) -> Result<Written, String> {
    let (written, holds) = match written {
        Written::At(at) => (Written::At(whole_microseconds(at)), is_plausible(at)),
        Written::Day(day) => (written, epoch::YEARS.contains(&day.year())),
        Written::Civil(civil) => (written, epoch::YEARS.contains(&civil.year())),
    };
    let (first, last) = (epoch::YEARS.start(), epoch::YEARS.end());
    if holds { Ok(written) } else { Err(format!("{cell} is not between the years {first} and {last}")) }
}

fn of_text(text: &str, clock: &Clock) -> Result<Written, String> {
    let cell = quoted_text(text);
    if text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(|c: char| !(c.is_ascii_digit() || c == '.')) {
        // `2025.05.12` has two points; a number has at most one.
        if text.matches('.').count() < 2 {
            return of_digits(text);
        }
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.contains(|c: char| c.is_ascii_alphabetic()) {
        // RFC 2822, as e-mail and RSS feeds have it. A zone of one letter is not read: such military zones are often
        // misused.
        let military = text.rsplit(' ').next().is_some_and(|zone| zone.len() == 1 && zone != "Z");
        // Names of other zones, which the parser takes for UTC, are read or refused below, as in every other form.
        let is_clear = !military && crate::epoch::has_known_zone(text) && !is_ambiguous(text);
        if is_clear && let Ok(at) = DateTimeParser::new().parse_timestamp(text) {
            let name = text.rsplit(' ').next().unwrap_or_default();
            let Some(offset) = eastern_offset(name) else { return Ok(Written::At(at)) };
            return eastern(offset.to_datetime(at), offset, clock, &cell).map(Written::At);
        }
    }
    let (date, rest) = date(text, clock)?.ok_or_else(|| not_a_time(&cell))?;
    let rest = rest.trim_start_matches(['T', 't', ' ', '\u{a0}']).trim_end();
    if rest.is_empty() {
        return Ok(Written::Day(date));
    }
    let (time, zone) = time(rest).ok_or_else(|| not_a_time(&cell))?;
    let civil = date.to_datetime(time);
    match zone {
        Zone::None => Ok(Written::Civil(civil)),
        Zone::Fixed(offset) => offset.to_timestamp(civil).map(Written::At).map_err(|_| not_a_time(&cell)),
        Zone::Named(zone) => local(civil, &zone, &cell).map(Written::At),
        Zone::Eastern(offset) => eastern(civil, offset, clock, &cell).map(Written::At),
    }
}

fn not_a_time(cell: &str) -> String {
    format!(
        "{cell} is not a time that we can read, such as 2025-05-12T09:30:00-04:00 or a number of seconds since 1970"
    )
}

/// Reads a number, which is a Unix time or a date and time written without marks.
fn of_digits(digits: &str) -> Result<Written, String> {
    let cell = quoted_text(digits);
    let unix = epoch::of_decimal(digits);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if digits.len() == 10 && unix.is_some() && hour_of_digits(digits).is_some() {
            return Err(format!("{cell} may be an hour of a day or a number of seconds since 1970"));
        }
        if unix.is_none()
            && let Some((date, rest)) = compact_date(digits)
        {
            if rest.is_empty() {
                return Ok(Written::Day(date));
            }
            if let Some((time, _)) = time(rest) {
                return Ok(Written::Civil(date.to_datetime(time)));
            }
        }
    }
    unix.map(Written::At).ok_or_else(|| {
        let (first, last) = (epoch::YEARS.start(), epoch::YEARS.end());
        format!(
            "{cell} is not a time between the years {first} and {last} as seconds, milli-, micro- or nanoseconds since 1970"
        )
    })
}

fn hour_of_digits(digits: &str) -> Option<(Date, i8)> {
    let (date, rest) = compact_date(digits)?;
    let hour = rest.parse().ok().filter(|hour| (0..24).contains(hour))?;
    epoch::YEARS.contains(&date.year()).then_some((date, hour))
}

/// `20250512` and what follows it.
fn compact_date(text: &str) -> Option<(Date, &str)> {
    let (date, rest) = text.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Date::new(date[..4].parse().ok()?, date[4..6].parse().ok()?, date[6..].parse().ok()?).ok()?, rest))
}

/// The date at the beginning and what follows it; `None` without one.
fn date<'a>(text: &'a str, clock: &Clock) -> Result<Option<(Date, &'a str)>, String> {
    if let Some(date) = date_with_month(text) {
        return Ok(Some(date));
    }
    if let Some((date, rest)) = compact_date(text) {
        return Ok(rest.starts_with(['T', 't', ' ']).then_some((date, rest)));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || "-/.".contains(c))).unwrap_or(text.len());
    let (written, rest) = text.split_at(end);
    let Some(mark) = written.chars().find(|c| !c.is_ascii_digit()) else { return Ok(None) };
    let parts: Vec<&str> = written.split(mark).collect();
    let [first, second, third] = parts[..] else { return Ok(None) };
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&part.len()).then(|| part.parse::<i16>().ok()).flatten()
    };
    let parts = (number(first, 4..=4), number(second, 1..=2), number(third, 1..=2));
    if let (Some(year), Some(month), Some(day)) = parts {
        return Ok(of_numbers(year, month, day).map(|date| (date, rest)));
    }
    let (Some(first), Some(second), Some(year)) = (number(first, 1..=2), number(second, 1..=2), number(third, 4..=4))
    else {
        return Ok(None);
    };
    let Some(order) = clock.order else {
        let cell = quoted_text(text);
        return Err(format!("{cell} does not say which number is the month; {ORDER_FLAG} mdy or dmy says it"));
    };
    let in_order = |order| match order {
        DateOrder::MonthFirst => of_numbers(year, first, second),
        DateOrder::DayFirst => of_numbers(year, second, first),
    };
    if let Some(date) = in_order(order) {
        return Ok(Some((date, rest)));
    }
    let (cell, other) = (quoted_text(text), order.other());
    Err(match in_order(other) {
        Some(_) => format!("{cell} {ONLY_IN_ORDER} {other}, and {ORDER_FLAG} says {order}"),
        None => format!("{cell} is not a day"),
    })
}

/// `May 12, 2025` or `12 May 2025` at the beginning, and what follows it.
fn date_with_month(text: &str) -> Option<(Date, &str)> {
    let (first, rest) = text.split_once(' ')?;
    let (second, rest) = rest.trim_start().split_once(' ')?;
    let rest = rest.trim_start();
    let (year, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let (month, day) = match (month(first), month(second)) {
        (Some(month), None) => (month, second.trim_end_matches(',')),
        (None, Some(month)) => (month, first),
        _ => return None,
    };
    let is_number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(year, 4..=4) || !is_number(day, 1..=2) || rest.starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    Some((date, rest.trim_start_matches(',')))
}

/// The month of an English name or its first three letters.
fn month(name: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = name.trim_end_matches(['.', ',']).to_ascii_lowercase();
    let is_it = |full: &&str| {
        let full: &str = full;
        name == full || name.len() == 3 && full.starts_with(&name) || name == "sept" && full == "september"
    };
    NAMES.iter().position(is_it).and_then(|month| i8::try_from(month + 1).ok())
}

fn of_numbers(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A time zone that a column names.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedZone {
    /// A name of the time zone database, `UTC`, or an offset.
    Zone(TimeZone),
    /// `EST` or `EDT`, by its offset. Many people write `EST` all year.
    Eastern(tz::Offset),
}

/// Reads the name of a time zone (IANA), `UTC`, an offset such as `-04:00`, or `EST`, `EDT` and `ET`. `None` if it is neither,
/// or if the name has several meanings, as `CST` has.
pub fn named_zone(text: &str) -> Option<NamedZone> {
    let text = text.trim();
    match zone(text) {
        Some(Zone::Fixed(offset)) => Some(NamedZone::Zone(offset.to_time_zone())),
        Some(Zone::Named(zone)) => Some(NamedZone::Zone(zone)),
        Some(Zone::Eastern(offset)) => Some(NamedZone::Eastern(offset)),
        Some(Zone::None) => None,
        None if text == "0" => Some(NamedZone::Zone(TimeZone::UTC)),
        // `Japan`. Shorter names are abbreviations.
        None if text.len() > 4 => TimeZone::get(text).ok().map(NamedZone::Zone),
        None => None,
    }
}

/// The zone after a time.
enum Zone {
    None,
    Fixed(tz::Offset),
    Named(TimeZone),
    /// `EST` or `EDT`.
    Eastern(tz::Offset),
}

/// A time of day: `09:30`, `09:30:00.123`, `093000`, `3:43 PM`, each with or without a zone after it.
fn time(text: &str) -> Option<(Time, Zone)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c))).unwrap_or(text.len());
    let (written, rest) = text.split_at(end);
    let mut rest = rest.trim();
    let mut half = None;
    for (name, afternoon) in [("AM", false), ("PM", true), ("a.m.", false), ("p.m.", true)] {
        if let Some((own, behind)) = rest.split_at_checked(name.len())
            && own.eq_ignore_ascii_case(name)
            && !behind.starts_with(|c: char| c.is_alphanumeric())
        {
            half = Some(afternoon);
            rest = behind.trim_start();
            break;
        }
    }
    let time = clock_time(written, half)?;
    Some((time, zone(rest)?))
}

fn clock_time(written: &str, afternoon: Option<bool>) -> Option<Time> {
    let (whole, fraction) = written.split_once(['.', ',']).unwrap_or((written, ""));
    let parts: Vec<&str> = if whole.contains(':') {
        whole.split(':').collect()
    } else if whole.len() == 4 || whole.len() == 6 {
        whole.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect()
    } else {
        return None;
    };
    let number = |part: &&str| (1..=2).contains(&part.len()).then(|| part.parse::<i8>().ok()).flatten();
    let numbers = parts.iter().map(number).collect::<Option<Vec<i8>>>()?;
    let (mut hour, minute, second) = match numbers[..] {
        [hour, minute] if !written.contains(['.', ',']) => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    // A leap second is read as the last second of its minute, because times on the topics have no leap seconds.
    let second = if second == 60 { 59 } else { second };
    Time::new(hour, minute, second, nanoseconds(fraction)?).ok()
}

/// Reads the digits of a fraction of a second; those beyond the ninth are cut.
fn nanoseconds(fraction: &str) -> Option<i32> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    digits.parse().ok()
}

/// The offset that `EST` or `EDT` stands for.
fn eastern_offset(name: &str) -> Option<tz::Offset> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("EST") { Some(tz::offset(-5)) } else { is("EDT").then(|| tz::offset(-4)) }
}

/// The moment of a time with `EST` or `EDT` after it. Many people write `EST` all year and mean the time in New York, so
/// where New York has the other offset on that day, the zone of the file decides, and without one the time is refused.
fn eastern(civil: DateTime, offset: tz::Offset, clock: &Clock, cell: &str) -> Result<Timestamp, String> {
    let new_york = TimeZone::get("America/New_York").map_err(|error| error.to_string())?;
    let as_written = || offset.to_timestamp(civil).map_err(|_| not_a_time(cell));
    let ambiguous = new_york.to_ambiguous_timestamp(civil);
    let agrees = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset: own } => own == offset,
        AmbiguousOffset::Gap { .. } => false,
        AmbiguousOffset::Fold { before, after } => before == offset || after == offset,
    };
    let is_new_york = |zone: &TimeZone| zone.iana_name() == new_york.iana_name();
    match &clock.zone {
        _ if agrees => as_written(),
        Some(zone) if is_new_york(zone) => local(civil, &new_york, cell),
        Some(_) => as_written(),
        None => {
            let (flag, hours) = (clock.zone_flag, -offset.seconds() / 3600);
            Err(format!(
                "{cell} names a time that New York does not have then; {flag} America/New_York reads it as the time in New York, \
                 {flag} UTC as UTC-{hours}"
            ))
        }
    }
}

/// Whether the name of a zone has several meanings.
fn is_ambiguous(text: &str) -> bool {
    let name = text.rsplit(' ').next().unwrap_or_default();
    ["CST", "CDT"].iter().any(|ambiguous| name.eq_ignore_ascii_case(ambiguous))
}

fn zone(text: &str) -> Option<Zone> {
    match text.to_ascii_uppercase().as_str() {
        "" => return Some(Zone::None),
        "Z" | "UTC" | "GMT" => return Some(Zone::Fixed(tz::Offset::UTC)),
        // Names of the exchange's own zone. Other abbreviations, such as CST, have several meanings.
        name @ ("EST" | "EDT") => return eastern_offset(name).map(Zone::Eastern),
        "ET" => return TimeZone::get("America/New_York").ok().map(Zone::Named),
        _ => {}
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, hours) = match text.split_at_checked(1)? {
        ("+", hours) => (1, hours),
        ("-" | "\u{2212}", hours) => (-1, hours),
        _ if text.contains('/') => return TimeZone::get(text).ok().map(Zone::Named),
        _ => return None,
    };
    // `-04:00[America/New_York]`: the offset decides.
    let hours = match hours.split_once('[') {
        Some((hours, name)) if name.ends_with(']') => hours,
        Some(_) => return None,
        None => hours,
    };
    let (hours, minutes) = match (hours.split_once(':'), hours.len()) {
        (Some((hours, minutes)), _) if minutes.len() == 2 => (hours, minutes),
        (None, 4) => hours.split_at_checked(2)?,
        (None, 1 | 2) => (hours, "00"),
        _ => return None,
    };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|&minutes| minutes < 60)?);
    (hours <= 15)
        .then(|| tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok())
        .flatten()
        .map(Zone::Fixed)
}

/// The moment of a time without a zone, in the zone that was given for the file. `cell` is the value as reasons quote
/// it.
///
/// # Errors
/// No zone was given, or the zone has no such moment or two of them.
pub fn in_zone(civil: DateTime, clock: &Clock, cell: &str) -> Result<Timestamp, String> {
    if let Some(offset) = clock.eastern {
        return eastern(civil, offset, clock, cell);
    }
    let Some(zone) = &clock.zone else {
        let flag = clock.zone_flag;
        return Err(format!("{cell} has no time zone; {flag} America/New_York or {flag} UTC says which"));
    };
    local(civil, zone, cell)
}

/// Refuses times in the hour that is skipped when clocks go forward, which have no moment, and in the hour that is
/// repeated, which have two.
fn local(civil: DateTime, zone: &TimeZone, cell: &str) -> Result<Timestamp, String> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let name = zone.iana_name().unwrap_or("its zone");
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().map_err(|_| not_a_time(cell)),
        AmbiguousOffset::Gap { .. } => Err(format!("{cell} does not exist in {name}: clocks went forward then")),
        AmbiguousOffset::Fold { .. } => {
            Err(format!("{cell} occurs twice in {name}: clocks went back then; write it with its offset"))
        }
    }
}
