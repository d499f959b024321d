//! Whether bars are stamped with their start or with their end.
//!
//! An end that is taken for a start gives every price one bar too early, before anyone knew it. The bars of regular
//! sessions show which it is. The first bar of a session that starts at 9:30 is stamped 9:30 with its start, and 9:31
//! with its end; the last is stamped 15:59 or 16:00. Where trading before the open and after the close is in the file,
//! the same holds for 4:00 and 20:00, and for the minute of the opening auction, which has the largest volume of the
//! morning.
//!
//! Symbols that are traded at all hours show nothing, and daily bars stand for sessions anyway.
//!
//! Bars that are together as long as a session and begin hours before or after it are refused, too: somebody wrote local
//! times as those of UTC, or of another zone.

use super::Reading;
use super::width::Width;
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, Calendars, Session};
use tapewire_core::symbol::AssetClass;

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

/// How many times as much has to be traded in the second bar after the open for it to hold the opening auction.
const AUCTION: f64 = 3.0;
/// The fewest sessions that show something by volume, or by trades of a thinly traded symbol.
const SESSIONS: usize = 3;
/// The largest width whose bars show the opening auction by their volume, in seconds.
const LONGEST_OF_AUCTION: i64 = 300;

/// Refuses a file whose bars seem to be stamped with their ends.
///
/// # Errors
/// What shows it, with the flag that says which it is.
pub(super) fn check(
    readings: &[Reading],
    width: &Width,
    symbols: &[Symbol],
    calendars: &Calendars,
) -> Result<(), String> {
    if *width == Width::Daily {
        return weekends(readings, symbols, calendars);
    }
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
    for (width, readings) in of_width {
        last_seconds(&readings, width)?;
        let days = Days::of(&readings, width, symbols);
        if let Some(why) = days.shows_ends() {
            return Err(format!(
                "its bars seem to be stamped with their ends: {why}; {FLAG} end reads them so, and {FLAG} start takes the \
                 times for starts"
            ));
        }
        if let Some(why) = days.shows_another_zone() {
            return Err(format!(
                "{why}, so the times seem to be in another zone than they say; write them with their zone, or without one and \
                 give --bar-zone; {FLAG} start takes them as they are"
            ));
        }
    }
    Ok(())
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
fn last_seconds(readings: &[&Reading], width: i64) -> Result<(), String> {
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

/// Refuses daily bars many of which are on Saturdays and Sundays: the others are a day too early or too late.
fn weekends(readings: &[Reading], symbols: &[Symbol], calendars: &Calendars) -> Result<(), String> {
    let days = readings.iter().filter(|reading| {
        let symbol = &symbols[reading.symbol as usize];
        has_sessions(symbol) && !calendars.of(symbol).is_endless()
    });
    let (mut all, mut saturdays, mut sundays) = (0_usize, 0_usize, 0_usize);
    for (day, _) in days.filter_map(|reading| reading.stamp.day) {
        all += 1;
        saturdays += usize::from(day.weekday() == Weekday::Saturday);
        sundays += usize::from(day.weekday() == Weekday::Sunday);
    }
    let weekend = saturdays + sundays;
    if all < 5 || weekend * 10 < all {
        return Ok(());
    }
    Err(format!(
        "{weekend} of its {all} daily bars are on Saturdays or Sundays, when there is no session in New York, so the days of \
         its bars seem to be shifted; write the day of the session, or the moment with its zone"
    ))
}

/// Whether a symbol is traded in the sessions of New York, as far as its name tells.
fn has_sessions(symbol: &Symbol) -> bool {
    matches!(symbol.asset_class(), AssetClass::Equity | AssetClass::Index)
}

/// What the days of all symbols show for bars of one width.
#[derive(Debug, Default)]
struct Days {
    /// Sessions whose first half hour has a bar.
    begun: usize,
    /// Those of them with a bar that is stamped at the open, or so that it would hold the open if it started then.
    with_open: usize,
    /// Those without such a bar, but with one that is stamped at the close.
    only_close: usize,
    /// Those of them in which the first bar is stamped one width after the open.
    from_second: usize,
    /// Days with a bar at 4:00, when trading begins.
    from_four: usize,
    /// Days with a bar at 20:00, when trading ends.
    until_eight: usize,
    /// Sessions in which the volumes show the opening auction in the bar that is stamped one width after the open.
    auction_second: usize,
    /// Sessions in which the volumes could show the opening auction.
    auctions: usize,
    /// Days with ten bars or more.
    full: usize,
    /// Those of them whose bars are as long together as the session, but begin at another hour or half hour than it.
    shifted: usize,
    /// The first of these: when its bars begin and end.
    first_shifted: Option<(i64, i64)>,
}

impl Days {
    fn of(readings: &[&Reading], width: i64, symbols: &[Symbol]) -> Self {
        let mut of_symbol: BTreeMap<u32, Bars> = BTreeMap::new();
        for reading in readings.iter().filter(|reading| has_sessions(&symbols[reading.symbol as usize])) {
            let second = reading.stamp.at.map(|at| at.div_euclid(1_000_000));
            of_symbol.entry(reading.symbol).or_default().0.extend(second.map(|at| (at, reading.prices.volume)));
        }
        let mut days = Self::default();
        for bars in of_symbol.values_mut() {
            bars.0.sort_unstable_by_key(|&(at, _)| at);
            if !bars.are_around_the_clock() {
                bars.sessions().for_each(|session| days.add(bars, session, width));
            }
        }
        days
    }

    /// Adds a session of a symbol with these volumes by time.
    fn add(&mut self, bars: &Bars, session: &Session, width: i64) {
        let (open, close) = (session.open.as_second(), session.close.as_second());
        let has = |from: i64, until: i64| bars.first_from(from).is_some_and(|(at, _)| at < until);
        let with_open = has(open - width + 1, open + 1);
        let with_close = has(close, close + width);
        let first = bars.first_from(open + 1).map(|(at, _)| at).filter(|&at| at <= close);
        if with_open || first.is_some_and(|first| first <= open + (2 * width).max(1800)) {
            self.begun += 1;
            self.with_open += usize::from(with_open);
            self.only_close += usize::from(!with_open && with_close);
            let is_second = first.is_some_and(|first| first > open && first <= open + width);
            self.from_second += usize::from(!with_open && with_close && is_second);
        }
        if let Some((from, until)) = bars.of_day(session).filter(|_| close - open > width) {
            self.full += 1;
            let until = until + width;
            if until - from == close - open && (from - open).abs() > width && (from - open) % 1800 == 0 {
                self.shifted += 1;
                self.first_shifted.get_or_insert((from, until));
            }
        }
        let (four, eight) = hours_of_trading(session);
        self.from_four += usize::from(has(four - width + 1, four + 1));
        self.until_eight += usize::from(has(eight, eight + 1));
        let volume = |at: i64| bars.first_from(at).filter(|&(own, volume)| own == at && volume > 0.0).map(|(_, v)| v);
        if let (Some(at_open), Some(after)) = (volume(open), volume(open + width))
            && width <= LONGEST_OF_AUCTION
        {
            let grew = volume(open - width).map_or(0.0, |before| at_open / before);
            self.auctions += 1;
            self.auction_second += usize::from(after >= AUCTION * at_open && after / at_open > grew);
        }
    }

    /// What shows that local times were written as those of another zone; `None` if nothing does.
    fn shows_another_zone(&self) -> Option<String> {
        let (from, until) = self.first_shifted.filter(|_| self.shifted * 5 >= self.full * 4)?;
        let moment =
            |at: i64| Some(new_york()?.to_datetime(Timestamp::from_second(at).ok()?).strftime("%-H:%M").to_string());
        let (shifted, full) = (self.shifted, self.full);
        Some(format!(
            "on {shifted} of {full} days its bars are from {} to {} in New York, as long as a session and at another time",
            moment(from)?,
            moment(until)?
        ))
    }

    /// Why the bars seem to be stamped with their ends; `None` if they do not.
    fn shows_ends(&self) -> Option<String> {
        let nearly_all = |part: usize, all: usize| part > 0 && part * 5 >= all * 4;
        let of = |part: usize, all: usize| format!("{part} of {all} session{}", if all == 1 { "" } else { "s" });
        if self.with_open * 20 <= self.begun
            && nearly_all(self.only_close, self.begun)
            && (self.from_second == self.only_close || self.only_close >= SESSIONS)
        {
            let (open, close) = (of(self.with_open, self.begun), of(self.only_close, self.begun));
            return Some(format!("{open} with a bar at the open, 9:30 in New York, and {close} with one at the close"));
        }
        if self.from_four == 0 && self.until_eight >= SESSIONS && self.until_eight * 5 >= self.begun {
            let days = self.until_eight;
            return Some(format!(
                "{days} days with a bar at 20:00 in New York, when trading after hours ends, and none with one at 4:00, when \
                 trading begins"
            ));
        }
        if self.auction_second >= SESSIONS && self.from_four == 0 && nearly_all(self.auction_second, self.auctions) {
            let shown = of(self.auction_second, self.auctions);
            return Some(format!(
                "in {shown} the opening auction's volume is in the bar after the one at 9:30 in New York"
            ));
        }
        None
    }
}

/// The session of the New York day that has this moment; `None` on a day without one.
fn session_of_day(at: i64) -> Option<&'static Session> {
    let at = Timestamp::from_second(at).ok()?;
    Calendar::xnys().on(new_york()?.to_datetime(at).date())
}

/// When trading before the open begins and trading after the close ends: at 4:00 and 20:00, in seconds since 1970.
fn hours_of_trading(session: &Session) -> (i64, i64) {
    let moment = |hour: i8| {
        let zone = new_york()?;
        zone.to_timestamp(session.date.to_datetime(Time::constant(hour, 0, 0, 0))).ok()
    };
    let hours = |hour: i8, otherwise: Timestamp| moment(hour).unwrap_or(otherwise).as_second();
    (hours(4, session.open), hours(20, session.close))
}

/// The time and the volume of each bar of a symbol, by time; times in seconds since 1970.
#[derive(Debug, Default)]
struct Bars(Vec<(i64, f64)>);

impl Bars {
    /// The first bar at a time or after it.
    fn first_from(&self, at: i64) -> Option<(i64, f64)> {
        self.0.get(self.0.partition_point(|&(own, _)| own < at)).copied()
    }

    /// The times of the first and the last bar of a session's day in New York, if it has ten bars or more.
    fn of_day(&self, session: &Session) -> Option<(i64, i64)> {
        let midnight = |date: jiff::civil::Date| Some(new_york()?.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_second());
        let (from, until) = (midnight(session.date)?, midnight(session.date.tomorrow().ok()?)?);
        let [first, end] = [from, until].map(|at| self.0.partition_point(|&(own, _)| own < at));
        let day = self.0.get(first..end).filter(|day| day.len() >= 10)?;
        Some((day.first()?.0, day.last()?.0))
    }

    /// The sessions on whose days there are bars.
    fn sessions(&self) -> impl Iterator<Item = &'static Session> {
        let days: BTreeSet<usize> =
            self.0.iter().filter_map(|&(at, _)| session_of_day(at)).map(|session| session.index).collect();
        days.into_iter().map(|index| &Calendar::xnys().sessions()[index])
    }

    /// Whether many bars are at hours when no share is traded.
    fn are_around_the_clock(&self) -> bool {
        let Some(zone) = new_york() else { return true };
        let is_at_night = |&&(at, _): &&(i64, f64)| {
            let Ok(at) = Timestamp::from_second(at) else { return false };
            let local = zone.to_datetime(at);
            let is_weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
            is_weekend || local.hour() < 3 || local.time() > Time::constant(21, 0, 0, 0)
        };
        self.0.iter().filter(is_at_night).count() * 20 > self.0.len()
    }
}

fn new_york() -> Option<&'static TimeZone> {
    static ZONE: std::sync::OnceLock<Option<TimeZone>> = std::sync::OnceLock::new();
    ZONE.get_or_init(|| TimeZone::get("America/New_York").ok()).as_ref()
}
