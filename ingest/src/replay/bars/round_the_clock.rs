//! Finds symbols that are traded at weekends, and so are not shares.
//!
//! `BTC` is a coin and a share of a fund in New York. Bars show which: no exchange trades on Saturdays and on Sundays. What is
//! found this way is said to the user, who may say otherwise. Bars at all hours of a weekday do not show it, because some
//! venues trade shares at night: the user is told of them.

use super::hours::longest_pause;
use super::{DayKind, Reading};
use jiff::civil::Weekday;
use std::collections::BTreeMap;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendars, Market};

/// Fewest bars on Saturdays, and on Sundays.
const FEWEST: usize = 2;
/// Least share of the bars that is at weekends, as one in this number. Of a market that never closes it is one in four.
const ONE_IN: usize = 20;
/// A day of UTC has bars at all hours if fewer than this many hours in a row have none.
const PAUSE: u32 = 4;
/// How many symbols a note names.
const NAMED: usize = 5;

/// How many bars a symbol has, and how many of them on Saturdays and on Sundays.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    all: usize,
    saturdays: usize,
    sundays: usize,
    /// The day of UTC of the last bar, counted from 1970, and its hours with bars so far, each as a bit.
    day: (i64, u32),
    /// Whether a day had bars at all hours.
    at_all_hours: bool,
}

impl Counts {
    fn add(&mut self, reading: &Reading) {
        self.all += 1;
        if let Some(at) = reading.stamp.at {
            const HOUR: i64 = 3_600_000_000;
            let (day, hour) = (at.div_euclid(24 * HOUR), at.div_euclid(HOUR).rem_euclid(24));
            // Files have the bars of a symbol by time, or the newest first.
            let known = if self.day.0 == day { self.day.1 } else { 0 };
            if (known >> hour) & 1 == 0 {
                self.day = (day, known | (1 << hour));
                self.at_all_hours |= longest_pause(self.day.1) < PAUSE;
            }
        }
        match weekday(reading) {
            Some(Weekday::Saturday) => self.saturdays += 1,
            Some(Weekday::Sunday) => self.sundays += 1,
            _ => {}
        }
    }

    fn weekends(&self) -> usize {
        self.saturdays + self.sundays
    }

    fn trade_at_weekends(&self) -> bool {
        self.saturdays.min(self.sundays) >= FEWEST && self.weekends() * ONE_IN >= self.all
    }
}

/// The weekday of a bar that is stamped with a date or a midnight. Of any other bar only Saturday and Sunday are found:
/// `None` on other days, and in the hours of a weekend in which it is still Friday or already Monday for an exchange.
fn weekday(reading: &Reading) -> Option<Weekday> {
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    if let Some((day, kind)) = reading.stamp.day
        && !matches!(kind, DayKind::Open | DayKind::Close)
    {
        return Some(day.weekday());
    }
    // 5 January 1970 was a Monday.
    let of_week = (reading.stamp.at?.div_euclid(1_000_000) - 4 * DAY).rem_euclid(7 * DAY);
    match of_week {
        at if (5 * DAY + 2 * HOUR..6 * DAY).contains(&at) => Some(Weekday::Saturday),
        at if (6 * DAY..6 * DAY + 20 * HOUR).contains(&at) => Some(Weekday::Sunday),
        _ => None,
    }
}

/// Adds symbols whose bars show that they are traded at weekends to the calendars, unless it is known where they are traded.
/// Returns what to tell the user.
pub(super) fn find<'r>(
    readings: impl Iterator<Item = &'r Reading>,
    symbols: &[Symbol],
    calendars: &mut Calendars,
) -> Vec<String> {
    let mut counts: BTreeMap<u32, Counts> = BTreeMap::new();
    readings.for_each(|reading| counts.entry(reading.symbol).or_default().add(reading));
    let (mut found, mut doubtful) = (Vec::new(), Vec::new());
    for (index, counts) in counts {
        let symbol = &symbols[index as usize];
        if calendars.is_known(symbol) {
            continue;
        }
        if counts.trade_at_weekends() {
            calendars.learn(symbol, Market::Crypto);
            found.push(format!(
                "{symbol} is joined as a cryptocurrency, at all hours: {} of its {} bars are at weekends; --market \
                 {symbol}=us says that it is a share",
                counts.weekends(),
                counts.all
            ));
        } else if counts.at_all_hours {
            doubtful.push(symbol);
        }
    }
    found.extend(at_all_hours(&doubtful));
    found
}

/// Says which symbols are joined by the sessions of New York although they may be none of its shares.
fn at_all_hours(symbols: &[&Symbol]) -> Option<String> {
    let first = symbols.first()?;
    let mut names: Vec<String> = symbols.iter().take(NAMED).map(ToString::to_string).collect();
    if let others @ 1.. = symbols.len().saturating_sub(NAMED) {
        names.push(format!("{others} more"));
    }
    Some(format!(
        "joined by the sessions of New York, with bars at all hours of a day: {}; --market {first}=crypto says that {first} is \
         a cryptocurrency, and --market {first}=us that it is a share",
        names.join(", ")
    ))
}
