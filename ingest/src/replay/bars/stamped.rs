//! Whether bars are stamped with their start or with their end, and in the zone that they say.
//!
//! An end that is taken for a start dates every price one bar too late, so that news is entered at a price from before it.
//! A start that is taken for an end dates it one bar too early, before anyone knew it. The bars of regular sessions show
//! which it is. The first bar of a session that starts at 9:30 is stamped 9:30 with its start, and 9:31 with its end; the
//! last is stamped 15:59 or 16:00. Where trading before the open and after the close is in the file, the same holds in New
//! York for 4:00 and 20:00, and for the minute of the opening auction, which has the largest volume of the morning.
//!
//! Symbols that are traded at all hours show nothing, and of daily bars only those on Saturdays and Sundays do. A midnight that
//! is the end of a daily bar is of the day before it.
//!
//! Bars that are together as long as a session, or in New York as the hours from 4:00 to 20:00, and begin before or after
//! them are refused, too: somebody wrote local times as those of UTC, or of another zone. So are bars at night, unless the
//! symbol is traded at all hours.

use super::sessions::{Shown, has_sessions};
use super::width::Width;
use super::{DayKind, Reading};
use jiff::Timestamp;
use jiff::civil::Weekday;
use std::collections::BTreeMap;
use std::str::FromStr;
use tapewire_core::Symbol;
use tapewire_core::exchange::Calendars;

/// What the time of a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarTime {
    /// The moment at which the bar starts.
    Start,
    /// The moment at which the bar ends.
    End,
}

impl FromStr for BarTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            _ => Err("write start or end".to_owned()),
        }
    }
}

/// The flag that says which it is.
pub(super) const FLAG: &str = "--bar-time";

/// Refuses a file whose bars seem to be stamped with their ends, or in another zone than they say.
///
/// # Errors
/// What shows it, with the flag that says which it is.
pub(super) fn check(
    readings: &[Reading],
    width: &Width,
    symbols: &[Symbol],
    calendars: &Calendars,
) -> Result<(), String> {
    refuse_weekends(readings, width, symbols, calendars, None)?;
    for (width, readings) in by_width(readings, width) {
        refuse_last_seconds(&readings, width)?;
        let shown = Shown::of(&readings, width, symbols, calendars);
        if let Some(sign) = shown.ends() {
            let (whose, why) = (sign.whose, sign.why);
            return Err(match sign.is_mixed {
                false => format!(
                    "{whose} seem to be stamped with their ends: {why}; {FLAG} end reads them so, and {FLAG} start takes the \
                     times for starts"
                ),
                true => format!(
                    "{whose} seem to be stamped with their ends, and those of other symbols do not: {why}; write their starts, \
                     because {FLAG} end would move all bars; {FLAG} start takes all times for starts"
                ),
            });
        }
        if let Some(why) = shown.another_zone() {
            return Err(format!(
                "{why}, so the times seem to be in another zone than they say; write them with their zone, or without one and \
                 give --bar-zone; {FLAG} start takes them as they are"
            ));
        }
        if let Some(why) = shown.at_night() {
            return Err(format!("{why}; {FLAG} start takes the times as they are"));
        }
    }
    Ok(())
}

/// Refuses a file whose bars seem to be stamped with their starts, where the user says that times are ends.
///
/// # Errors
/// What shows it, and what to do.
pub(super) fn check_ends(
    readings: &[Reading],
    width: &Width,
    symbols: &[Symbol],
    calendars: &Calendars,
) -> Result<(), String> {
    let mut of_width = by_width(readings, width).into_iter();
    let shown = of_width.find_map(|(width, readings)| Shown::of(&readings, width, symbols, calendars).starts());
    match shown {
        None => Ok(()),
        Some(sign) => Err(format!(
            "{} seem to be stamped with their starts, not with their ends as {FLAG} says: {}; leave {FLAG} out, which is of all \
             files, and write starts where others have ends",
            sign.whose, sign.why
        )),
    }
}

/// The readings of each width that is less than a day, in seconds.
fn by_width<'r>(readings: &'r [Reading], width: &Width) -> BTreeMap<i64, Vec<&'r Reading>> {
    let mut of_width: BTreeMap<i64, Vec<&Reading>> = BTreeMap::new();
    for reading in readings.iter().filter(|reading| reading.stamp.at.is_some()) {
        let own = match width {
            Width::Of(width) => *width,
            _ => reading.width_s.unwrap_or(super::DAY_S),
        };
        if own < super::DAY_S {
            of_width.entry(i64::from(own)).or_default().push(reading);
        }
    }
    of_width
}

/// Moves the times of bars, which are their ends, to their starts. Daily bars stay as they are. Bars do not overlap, so a
/// bar that is cut off at the close starts where the bar before it ends.
pub(super) fn to_starts(readings: &mut [Reading], width: &Width) {
    let width_of = |reading: &Reading| match width {
        Width::Of(width) => Some(*width),
        Width::Daily => None,
        Width::OfRow => reading.width_s.filter(|&width| width < super::DAY_S),
    };
    let mut ends: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
    for reading in readings.iter() {
        if let (Some(width), Some(at)) = (width_of(reading), reading.stamp.at) {
            ends.entry((reading.symbol, width)).or_default().push(end(at));
        }
    }
    ends.values_mut().for_each(|ends| ends.sort_unstable());
    for reading in readings {
        if let (Some(width), Some(at)) = (width_of(reading), reading.stamp.at) {
            let (end, before) = (end(at), ends.get(&(reading.symbol, width)));
            let before = before.and_then(|ends| ends[..ends.partition_point(|&other| other < end)].last());
            let start = end - i64::from(width) * 1_000_000;
            reading.stamp.at = Some(before.map_or(start, |&before| start.max(before)));
        }
    }
}

/// Moves daily bars that are stamped with the midnight at their end to the day that ends then. A date, and the close of a
/// session, are of their own day. Returns how many bars were moved.
///
/// # Errors
/// A bar is stamped with the open of a session, or moved bars are on days without a session.
pub(super) fn to_days(
    readings: &mut [Reading],
    width: &Width,
    symbols: &[Symbol],
    calendars: &Calendars,
) -> Result<usize, String> {
    let mut moved = 0;
    for reading in readings.iter_mut().filter(|reading| is_daily(reading, width)) {
        let Some((day, kind)) = reading.stamp.day else { continue };
        match kind {
            DayKind::Midnight | DayKind::Utc | DayKind::Exchange | DayKind::UtcAndExchange => {
                reading.stamp.day = day.yesterday().ok().map(|day| (day, kind));
                moved += 1;
            }
            DayKind::Written | DayKind::Close => {}
            DayKind::Open => {
                let at = reading.stamp.at.and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or_default();
                return Err(format!(
                    "its daily bars are stamped with the open of their session, as {at} is for {}, which is not their end as \
                     {FLAG} says; leave {FLAG} out, which is of all files, and write starts where others have ends",
                    symbols[reading.symbol as usize]
                ));
            }
        }
    }
    if moved > 0 {
        refuse_weekends(readings, width, symbols, calendars, Some(moved))?;
    }
    Ok(moved)
}

/// Whether a reading is that of a daily bar.
fn is_daily(reading: &Reading, width: &Width) -> bool {
    match width {
        Width::Daily => true,
        Width::Of(_) => false,
        Width::OfRow => reading.width_s == Some(super::DAY_S),
    }
}

/// The end that a time stands for, in microseconds. 9:30:59.999, the last moment within a bar, stands for 9:31.
fn end(at: i64) -> i64 {
    const MINUTE: i64 = 60_000_000;
    if within_last_second(at) { at.div_euclid(MINUTE) * MINUTE + MINUTE } else { at }
}

/// Whether a moment, in microseconds, is in the last second of a minute.
fn within_last_second(at: i64) -> bool {
    at.rem_euclid(60_000_000) >= 59_000_000
}

/// Refuses times such as 9:30:59 or 9:30:59.999, with which some providers say when a bar closed.
fn refuse_last_seconds(readings: &[&Reading], width: i64) -> Result<(), String> {
    let in_last_second = |reading: &&Reading| reading.stamp.at.is_some_and(within_last_second);
    if width % 60 != 0 || !readings.iter().all(in_last_second) {
        return Ok(());
    }
    let example = readings.first().and_then(|reading| Timestamp::from_microsecond(reading.stamp.at?).ok());
    let example = example.map(|at| format!(", as {at} is")).unwrap_or_default();
    Err(format!(
        "all its times are in the last second of a minute{example}, so its bars seem to be stamped with their ends; {FLAG} end \
         reads them so, and {FLAG} start takes the times for starts"
    ))
}

/// Refuses daily bars many of which are on Saturdays and Sundays: the others are a day too early or too late. `moved` is how many
/// were moved to the day before.
fn refuse_weekends(
    readings: &[Reading],
    width: &Width,
    symbols: &[Symbol],
    calendars: &Calendars,
    moved: Option<usize>,
) -> Result<(), String> {
    // Of each symbol, how many bars there are, and how many of them are at weekends.
    let mut counts: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for reading in readings.iter().filter(|reading| is_daily(reading, width)) {
        if let Some((day, _)) = reading.stamp.day {
            let (all, weekend) = counts.entry(reading.symbol).or_default();
            *all += 1;
            *weekend += usize::from(matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
        }
    }
    counts.retain(|&index, _| {
        let symbol = &symbols[index as usize];
        has_sessions(symbol) && !calendars.of(symbol).is_round_the_clock()
    });
    let are_many = |all: usize, weekend: usize| all >= 5 && weekend * 10 >= all;
    let together = counts.values().fold((0, 0), |(all, weekend), own| (all + own.0, weekend + own.1));
    // One odd row of one symbol among others shows nothing.
    let own = counts.iter().find(|(_, own)| own.1 >= 2 && are_many(own.0, own.1));
    let (weekend, whose) = match (together, own) {
        ((all, weekend), _) if are_many(all, weekend) => (weekend, format!("its {all} daily bars")),
        (_, Some((&index, &(all, weekend)))) => {
            (weekend, format!("the {all} daily bars of {}", symbols[index as usize]))
        }
        _ => return Ok(()),
    };
    let remedy = match moved {
        None => "write the day of the session, or the moment with its zone".to_owned(),
        Some(moved) => format!(
            "{FLAG} end took {moved} midnights for the ends of the days before them; leave it out if they are starts, or write the \
             day of the session"
        ),
    };
    Err(format!(
        "{weekend} of {whose} are on Saturdays or Sundays, when there is no session, so the days of its bars seem to be \
         shifted; {remedy}"
    ))
}
