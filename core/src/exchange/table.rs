//! Calendars of stock exchanges from `calendars.txt`, which `scripts/calendars.py` writes.

use super::{Calendar, Market, Session};
use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const TABLE: &str = include_str!("calendars.txt");
const FIRST: Date = date(2000, 1, 1);
const LAST: Date = date(2030, 12, 31);

/// Why a line of the file can always be read.
const TESTED: &str = "a test reads every line of the file";

/// The calendar of a market that is in the file.
pub(super) fn calendar(market: Market) -> &'static Calendar {
    static MADE: [OnceLock<Calendar>; Market::ALL.len()] = [const { OnceLock::new() }; Market::ALL.len()];
    MADE[market as usize].get_or_init(|| Schedule::of(market).calendar(market))
}

/// Usual hours: open, close, and the lunch break.
#[derive(Debug, Clone, Copy)]
struct Hours {
    open: Time,
    close: Time,
    lunch_break: Option<(Time, Time)>,
}

/// What the file says about one exchange: its zone, its usual hours, and what differs on some days.
#[derive(Debug)]
struct Schedule {
    zone: TimeZone,
    /// Usual hours, by the day from which they hold.
    hours: BTreeMap<Date, Hours>,
    closed: BTreeSet<Date>,
    /// Sessions that end earlier, and when.
    short: BTreeMap<Date, Time>,
    /// By the time at which a session ends: the day from which such sessions have a closing auction, and the first and
    /// last minute in which the auction's price is printed.
    auctions: BTreeMap<Time, (Date, Time, Time)>,
}

impl Schedule {
    fn of(market: Market) -> Self {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let mut words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
        let of_market = |line: &Vec<&str>| matches!(line[..], ["exchange", code, _] if code == market.code());
        let head = words.find(of_market).expect("every market with a table is in the file");
        let mut schedule = Self {
            zone: TimeZone::get(head[2]).expect("the time zone database is compiled in"),
            hours: BTreeMap::new(),
            closed: BTreeSet::new(),
            short: BTreeMap::new(),
            auctions: BTreeMap::new(),
        };
        words.take_while(|line| line[0] != "exchange").for_each(|line| schedule.read(&line));
        schedule
    }

    fn read(&mut self, line: &[&str]) {
        let time = |text: &str| text.parse::<Time>().expect(TESTED);
        let day = |year: &str, day: &str| format!("{year}-{day}").parse::<Date>().expect(TESTED);
        match line {
            ["hours", from, open, close, times @ ..] => {
                let lunch_break = times.first().zip(times.get(1)).map(|(from, until)| (time(from), time(until)));
                let hours = Hours { open: time(open), close: time(close), lunch_break };
                self.hours.insert(from.parse().expect(TESTED), hours);
            }
            ["auction", from, close, first, last] => {
                self.auctions.insert(time(close), (from.parse().expect(TESTED), time(first), time(last)));
            }
            ["closed", year, days @ ..] => self.closed.extend(days.iter().map(|text| day(year, text))),
            ["short", close, year, days @ ..] => {
                self.short.extend(days.iter().map(|text| (day(year, text), time(close))));
            }
            _ => unreachable!("{TESTED}"),
        }
    }

    fn calendar(&self, market: Market) -> Calendar {
        let mut sessions = Vec::new();
        let days = FIRST.series(jiff::Span::new().days(1)).take_while(|day| *day <= LAST);
        let is_open =
            |day: &Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.closed.contains(day);
        for day in days.filter(is_open) {
            let (_, usual) = self.hours.range(..=day).next_back().expect("the first hours hold from the first day");
            let short = self.short.get(&day).copied();
            let moment = |time: Time| {
                let local = self.zone.to_timestamp(day.to_datetime(time));
                local.expect("a day of the file is a moment on the clock of its zone")
            };
            let lunch_break =
                usual.lunch_break.filter(|_| short.is_none()).map(|(from, until)| (moment(from), moment(until)));
            let ends = short.unwrap_or(usual.close);
            let auction = self.auctions.get(&ends).filter(|(from, ..)| *from <= day);
            let auction = auction.map(|&(_, first, last)| (moment(first), moment(last)));
            let (open, close) = (moment(usual.open), moment(ends));
            sessions.push(Session { index: sessions.len(), date: day, open, close, lunch_break, auction });
        }
        Calendar { market, sessions, time_zone: self.zone.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(market: Market, day: &str) -> Option<[String; 4]> {
        let session = market.calendar().on(day.parse().unwrap())?;
        let text = |at: jiff::Timestamp| at.strftime("%H:%M").to_string();
        let (from, until) =
            session.lunch_break.map_or_else(Default::default, |(from, until)| (text(from), text(until)));
        Some([text(session.open), from, until, text(session.close)])
    }

    #[test]
    fn every_line_of_the_file_is_read() {
        for market in [Market::London, Market::Xetra, Market::Paris, Market::Tokyo, Market::HongKong, Market::Toronto] {
            let sessions = market.calendar().sessions();
            assert!((7500..8000).contains(&sessions.len()), "{market}: {}", sessions.len());
            assert!(sessions.windows(2).all(|pair| pair[0].close < pair[1].open), "{market}");
        }
    }

    /// Closing auctions in local time, as the exchanges publish them.
    #[test]
    fn closing_auctions_follow_each_exchange() {
        for (market, day, expected) in [
            (Market::London, "2025-06-02", "16:35 16:35"),
            (Market::London, "2024-12-24", "12:35 12:35"),
            (Market::London, "2000-03-01", ""),
            (Market::Xetra, "2025-01-06", "17:35 17:35"),
            (Market::Paris, "2025-06-02", "17:35 17:35"),
            (Market::Paris, "2024-12-24", "14:05 14:10"),
            (Market::Tokyo, "2024-11-01", "15:00 15:00"),
            (Market::Tokyo, "2024-11-05", "15:30 15:30"),
            (Market::HongKong, "2025-06-02", "16:08 16:10"),
            (Market::HongKong, "2025-01-28", "12:08 12:10"),
            (Market::HongKong, "2016-07-22", ""),
            (Market::Toronto, "2024-12-24", "13:00 13:00"),
            (Market::NewYork, "2024-07-03", "13:00 13:00"),
            (Market::Crypto, "2025-06-02", ""),
        ] {
            let calendar = market.calendar();
            let auction = calendar.on(day.parse().unwrap()).unwrap().auction;
            let text = |at: jiff::Timestamp| at.to_zoned(calendar.time_zone().clone()).strftime("%H:%M").to_string();
            let found = auction.map(|(first, last)| format!("{} {}", text(first), text(last))).unwrap_or_default();
            assert_eq!(found, expected, "{market} {day}");
        }
        for session in Market::ALL.into_iter().flat_map(|market| market.calendar().sessions()) {
            assert!(session.auction.is_none_or(|(first, last)| session.close <= first && first <= last), "{session:?}");
        }
        let since_2025 = |market: Market| market.calendar().from(date(2025, 1, 1)).unwrap().index;
        for market in [Market::London, Market::Xetra, Market::Paris, Market::Tokyo, Market::HongKong, Market::Toronto] {
            let since = &market.calendar().sessions()[since_2025(market)..];
            assert!(since.iter().all(|session| session.auction.is_some()), "{market}");
        }
    }

    /// Hours in UTC as the exchanges publish them.
    #[test]
    fn sessions_follow_each_exchange() {
        for (market, day, expected) in [
            (Market::London, "2025-06-02", Some(["07:00", "", "", "15:30"])),
            (Market::London, "2025-01-06", Some(["08:00", "", "", "16:30"])),
            (Market::London, "2024-12-24", Some(["08:00", "", "", "12:30"])),
            (Market::London, "2025-08-25", None), // summer bank holiday
            (Market::Xetra, "2025-06-02", Some(["07:00", "", "", "15:30"])),
            (Market::Xetra, "2025-05-01", None),
            (Market::Xetra, "2024-12-24", None),
            (Market::Paris, "2024-12-24", Some(["08:00", "", "", "13:05"])),
            (Market::Tokyo, "2024-11-01", Some(["00:00", "02:30", "03:30", "06:00"])),
            (Market::Tokyo, "2024-11-05", Some(["00:00", "02:30", "03:30", "06:30"])),
            (Market::Tokyo, "2025-05-05", None), // Golden Week
            (Market::HongKong, "2025-06-02", Some(["01:30", "04:00", "05:00", "08:00"])),
            (Market::HongKong, "2025-01-28", Some(["01:30", "", "", "04:00"])), // New Year's Eve of the lunar calendar
            (Market::HongKong, "2025-01-29", None),
            (Market::Toronto, "2025-06-02", Some(["13:30", "", "", "20:00"])),
            (Market::Toronto, "2025-07-01", None), // Canada Day; New York is open
        ] {
            let expected = expected.map(|times| times.map(str::to_owned));
            assert_eq!(session(market, day), expected, "{market} {day}");
        }
    }
}
