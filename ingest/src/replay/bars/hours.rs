//! At which hours of the day a symbol has bars, by the clock of its market.
//!
//! Some shares are traded at all hours of a weekday. Bars at night that leave many other hours free are not of such
//! trading: somebody lost AM and PM, or wrote times of another zone.

use super::sessions::city;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, Market};

const HOUR: i64 = 3600;
/// A market that is traded at all hours closes for less than this many hours in a row.
const LONGEST_PAUSE: u32 = 7;
/// Least share of the bars that is at night, as one in this number; fewest bars at night, and fewest nights with some.
const ONE_IN: usize = 10;
const FEWEST: usize = 10;
const NIGHTS: usize = 3;

/// When the bars of a symbol are.
pub(super) struct Hours {
    all: usize,
    /// The hours of the day with bars, each as a bit.
    of_day: u32,
    /// Bars at weekends, after 21:00 and before 3:00.
    late: usize,
    /// Bars that are wholly in the night.
    at_night: usize,
    /// The days of these.
    nights: BTreeSet<Date>,
}

impl Hours {
    /// The hours of bars that are stamped so, in seconds since 1970, and are this wide.
    pub fn of(times: impl Iterator<Item = i64>, width: i64, calendar: &Calendar) -> Self {
        let mut hours = Self { all: 0, of_day: 0, late: 0, at_night: 0, nights: BTreeSet::new() };
        for at in times.filter_map(|at| Timestamp::from_second(at).ok()) {
            let local = calendar.time_zone().to_datetime(at);
            let is_weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
            let second = i64::from(local.hour()) * HOUR + i64::from(local.minute()) * 60 + i64::from(local.second());
            hours.all += 1;
            hours.late += usize::from(is_weekend || !(3 * HOUR..=21 * HOUR).contains(&second));
            for hour in second / HOUR..=(second + width - 1) / HOUR {
                hours.of_day |= 1 << (hour % 24);
            }
            if is_at_night(second, width, calendar.market()) {
                hours.at_night += 1;
                hours.nights.insert(local.date());
            }
        }
        hours
    }

    /// Whether the symbol is traded at all hours of the day.
    pub fn are_all(&self) -> bool {
        self.late * 20 > self.all && longest_pause(self.of_day) < LONGEST_PAUSE
    }

    /// What shows that times are not those of the clock of the market.
    pub fn at_night(&self, symbol: &Symbol, calendar: &Calendar) -> Option<String> {
        let (pause, bars, nights) = (longest_pause(self.of_day), self.at_night, self.nights.len());
        let are_many = nights >= NIGHTS && bars >= FEWEST && bars * ONE_IN >= self.all;
        (are_many && pause >= LONGEST_PAUSE).then(|| {
            let (from, all) = (if calendar.market() == Market::NewYork { "20:00" } else { "1:00" }, self.all);
            format!(
                "{bars} of the {all} bars of {symbol} are between {from} and 4:00 in {}, and none are in {pause} other hours \
                 of the day, so the times seem to be without AM and PM, or in another zone than they say; write them with 24 \
                 hours and their zone, or say with --market {symbol}=london or another where it is traded",
                city(calendar)
            )
        })
    }
}

/// Whether a bar that starts in this second of the day is wholly in the night. In New York that is between 20:00 and 4:00.
/// Elsewhere some venues are open until midnight.
fn is_at_night(second: i64, width: i64, market: Market) -> bool {
    let is_before_four = second + width <= 4 * HOUR;
    match market {
        Market::NewYork => is_before_four || second > 20 * HOUR,
        _ => is_before_four && second >= HOUR,
    }
}

/// The longest time without bars, in hours, where each bit is an hour of the day.
pub(super) fn longest_pause(of_day: u32) -> u32 {
    let (mut longest, mut pause) = (0, 0);
    for hour in 0..48 {
        let is_empty = (of_day >> (hour % 24)) & 1 == 0;
        pause = if is_empty { pause + 1 } else { 0 };
        longest = longest.max(pause);
    }
    longest.min(24)
}
