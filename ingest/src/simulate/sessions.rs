//! Trading time of the simulated exchange: the seconds it has been open. Its sessions are those
//! of the New York Stock Exchange, holidays and half days included.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::sync::LazyLock;
use tapewire_core::exchange::Calendar;

static NEW_YORK: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("America/New_York").expect("the time zone database is compiled in"));

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The day in New York.
    pub date: Date,
    /// First moment of trading.
    pub open: Timestamp,
    /// End of trading.
    pub close: Timestamp,
    /// Trading time at the open, in seconds since the beginning of the history.
    pub starts_at: i64,
}

impl Session {
    /// Length in seconds.
    pub fn seconds(&self) -> i64 {
        self.close.as_second() - self.open.as_second()
    }

    /// Length in minutes.
    pub fn minutes(&self) -> usize {
        usize::try_from(self.seconds() / 60).expect("a session closes after it opens")
    }
}

/// All sessions so far, in order.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// Adds the session of the next day, if there is one. Days must come in order.
    pub fn add_day(&mut self, date: Date) -> Option<Session> {
        let (open, close) = hours(date)?;
        let starts_at = self.traded();
        self.0.push(Session { date, open, close, starts_at });
        self.0.last().copied()
    }

    /// Trading time of all sessions so far.
    pub fn traded(&self) -> i64 {
        self.0.last().map_or(0, |session| session.starts_at + session.seconds())
    }

    /// Trading time at a moment: it stands still while the exchange is closed.
    pub fn trading_time(&self, at: Timestamp) -> i64 {
        match self.0.partition_point(|session| session.open <= at) {
            0 => 0,
            n => {
                let session = &self.0[n - 1];
                session.starts_at + (at.as_second() - session.open.as_second()).min(session.seconds())
            }
        }
    }

    /// The session that contains a moment; the close is no longer in it.
    pub fn containing(&self, at: Timestamp) -> Option<usize> {
        let index = self.0.partition_point(|session| session.open <= at).checked_sub(1)?;
        (at < self.0[index].close).then_some(index)
    }

    /// The first whole minute in which an order given after `at` can trade, and its session, if
    /// that has been made.
    pub fn first_minute_after(&self, at: Timestamp) -> Option<(usize, Timestamp)> {
        let (session, minute) = Calendar::xnys().first_tradable(at)?;
        let index = self.0.binary_search_by_key(&session.date, |known| known.date).ok()?;
        Some((index, minute))
    }

    /// The sessions.
    pub fn all(&self) -> &[Session] {
        &self.0
    }
}

/// Open and close of a day's session, if the exchange opens that day.
pub fn hours(date: Date) -> Option<(Timestamp, Timestamp)> {
    Calendar::xnys().on(date).map(|session| (session.open, session.close))
}

/// The moment of a time of day in New York.
pub fn at(date: Date, hour: i8, minute: i8) -> Timestamp {
    let zoned: Zoned = date.at(hour, minute, 0, 0).to_zoned(NEW_YORK.clone()).expect("a New York time is a timestamp");
    zoned.timestamp()
}

/// The day in New York.
pub fn date_of(at: Timestamp) -> Date {
    at.to_zoned(NEW_YORK.clone()).date()
}

/// The hour of the day in New York, with fraction.
pub fn hour_of(at: Timestamp) -> f64 {
    let time = at.to_zoned(NEW_YORK.clone()).time();
    f64::from(time.hour()) + f64::from(time.minute()) / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_days() -> Sessions {
        let mut sessions = Sessions::default();
        for day in 6..=9 {
            sessions.add_day(jiff::civil::date(2025, 6, day)); // Friday to Monday
        }
        sessions
    }

    #[test]
    fn trading_time_stands_still_overnight() {
        let sessions = two_days();
        assert_eq!(sessions.all().len(), 2);
        let time = |text: &str| sessions.trading_time(text.parse().unwrap());
        assert_eq!(time("2025-06-06T13:00:00Z"), 0);
        assert_eq!(time("2025-06-06T13:31:00Z"), 60);
        assert_eq!(time("2025-06-06T20:00:00Z"), 23_400);
        assert_eq!(time("2025-06-08T12:00:00Z"), 23_400);
        assert_eq!(time("2025-06-09T13:30:30Z"), 23_430);
    }

    #[test]
    fn entries_are_in_sessions_that_have_been_made() {
        let sessions = two_days();
        let entry = |text: &str| sessions.first_minute_after(text.parse().unwrap());
        let monday = "2025-06-09T13:30:00Z".parse().unwrap();
        assert_eq!(entry("2025-06-07T10:00:00Z"), Some((1, monday)));
        assert_eq!(entry("2025-06-09T19:59:30Z"), None);
    }
}
