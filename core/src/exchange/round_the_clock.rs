//! Calendars of markets that do not close at night.

use super::{Calendar, Market, Session};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::sync::OnceLock;

const FIRST: Date = date(2000, 1, 1);
const LAST: Date = date(2100, 12, 31);

/// The calendar of [`Market::Crypto`] or [`Market::Currencies`].
pub(super) fn calendar(market: Market) -> &'static Calendar {
    static CRYPTO: OnceLock<Calendar> = OnceLock::new();
    static CURRENCIES: OnceLock<Calendar> = OnceLock::new();
    if market == Market::Crypto {
        CRYPTO.get_or_init(|| of_days(market, every_day))
    } else {
        CURRENCIES.get_or_init(|| of_days(market, week_of_currencies))
    }
}

fn of_days(market: Market, hours: impl Fn(Date) -> Option<(Timestamp, Timestamp)>) -> Calendar {
    let mut sessions = Vec::new();
    for date in FIRST.series(1.day()).take_while(|day| *day <= LAST) {
        if let Some((open, close)) = hours(date) {
            sessions.push(Session { index: sessions.len(), date, open, close, lunch_break: None, auction: None });
        }
    }
    Calendar { market, sessions, time_zone: TimeZone::UTC }
}

/// From midnight to midnight.
fn every_day(day: Date) -> Option<(Timestamp, Timestamp)> {
    Some((midnight(day), midnight(day.tomorrow().ok()?)))
}

/// The days of UTC from Monday to Friday. The week begins on Sunday at 17:00 in New York and ends on Friday at 17:00
/// there, so Monday is longer and Friday shorter.
fn week_of_currencies(day: Date) -> Option<(Timestamp, Timestamp)> {
    let new_york = TimeZone::get("America/New_York").expect("the time zone database is compiled in");
    let evening = |day: Date| new_york.to_timestamp(day.at(17, 0, 0, 0)).expect("no clock is changed in the evening");
    let (open, close) = every_day(day)?;
    match day.weekday() {
        Weekday::Saturday | Weekday::Sunday => None,
        Weekday::Monday => Some((evening(day.yesterday().ok()?), close)),
        Weekday::Friday => Some((open, evening(day))),
        _ => Some((open, close)),
    }
}

fn midnight(day: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).expect("the years end long before the last timestamp")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impact::Phase;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn coins_are_traded_every_minute() {
        let calendar = Market::Crypto.calendar();
        assert!(calendar.sessions().windows(2).all(|pair| pair[0].close == pair[1].open));
        for (available, date, minute) in [
            ("2023-03-11T03:00:10Z", "2023-03-11", "2023-03-11T03:01:00Z"), // a Saturday night
            ("2023-03-11T23:58:59Z", "2023-03-11", "2023-03-11T23:59:00Z"),
            ("2023-03-11T23:59:00Z", "2023-03-12", "2023-03-12T00:00:00Z"),
            ("2023-03-12T00:00:00Z", "2023-03-12", "2023-03-12T00:01:00Z"),
            ("2023-12-25T12:00:30Z", "2023-12-25", "2023-12-25T12:01:00Z"),
        ] {
            let (session, first) = calendar.first_tradable(at(available)).unwrap();
            assert_eq!((session.date.to_string().as_str(), first), (date, at(minute)), "{available}");
            assert_eq!(calendar.phase(at(available)), Phase::Session);
        }
    }

    #[test]
    fn the_week_of_currencies_is_from_sunday_to_friday_evening() {
        let calendar = Market::Currencies.calendar();
        for (available, minute, phase) in [
            ("2025-01-10T21:59:10Z", "2025-01-12T22:00:00Z", Phase::Session), // Friday evening in winter
            ("2025-01-10T22:00:00Z", "2025-01-12T22:00:00Z", Phase::AfterHours),
            ("2025-01-11T12:00:00Z", "2025-01-12T22:00:00Z", Phase::Closed),
            ("2025-01-12T22:30:00Z", "2025-01-12T22:31:00Z", Phase::Session), // a Sunday
            ("2025-06-01T21:00:00Z", "2025-06-01T21:01:00Z", Phase::Session), // summer time
            ("2025-06-03T23:59:30Z", "2025-06-04T00:00:00Z", Phase::Session),
        ] {
            let (_, first) = calendar.first_tradable(at(available)).unwrap();
            assert_eq!((first, calendar.phase(at(available))), (at(minute), phase), "{available}");
        }
    }
}
