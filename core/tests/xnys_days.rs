//! Compares every day from 1999 to 2027 with the calendar of exchange_calendars.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use tapewire_core::exchange::Calendar;

/// Date to (open, close) in UTC `HH:MM`; `None` where the exchange stays closed.
fn irregular_days() -> BTreeMap<Date, Option<(String, String)>> {
    let text = include_str!("data/xnys_irregular_days.csv");
    let mut days = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(',').map(str::to_owned);
        let day = fields.next().unwrap().parse().unwrap();
        days.insert(day, fields.next().zip(fields.next()));
    }
    days
}

#[test]
fn every_day_is_closed_half_or_full_as_published() {
    let irregular = irregular_days();
    assert!(irregular.len() > 300);
    let new_york = TimeZone::get("America/New_York").unwrap();
    let full_day = |day: Date, hour, minute| {
        day.at(hour, minute, 0, 0)
            .to_zoned(new_york.clone())
            .unwrap()
            .with_time_zone(TimeZone::UTC)
            .strftime("%H:%M")
            .to_string()
    };
    let mut day = date(1999, 1, 1);
    while day <= date(2027, 12, 31) {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let expected = match irregular.get(&day) {
            Some(hours) => hours.clone(),
            None if weekend => None,
            None => Some((full_day(day, 9, 30), full_day(day, 16, 0))),
        };
        let found = Calendar::xnys()
            .on(day)
            .map(|session| (session.open.strftime("%H:%M").to_string(), session.close.strftime("%H:%M").to_string()));
        assert_eq!(found, expected, "{day}");
        day = day.tomorrow().unwrap();
    }
}
