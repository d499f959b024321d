//! Sessions, holidays, half days and lunch breaks of a market, and when news can first be traded on.
//!
//! | | where its sessions are from |
//! |---|---|
//! | New York | rules, from 1999 to 2100 (`rules`) |
//! | London, Xetra, Paris, Tokyo, Hong Kong, Toronto | a file of exceptions from the usual hours, from 2000 to 2030 (`table`) |
//! | cryptocurrencies | every day of UTC, from 2000 to 2100 (`round_the_clock`) |
//! | currencies | the days of UTC in the week of foreign exchange, from 2000 to 2100 (`round_the_clock`) |
//!
//! [`Calendars`] says which symbol is traded in which [`Market`].

pub mod abroad;
mod calendars;
mod entry;
mod market;
mod pairs;
mod round_the_clock;
mod rules;
mod table;
mod venue;

pub use calendars::{Calendars, InvalidRule};
pub use entry::floor_minute;
use jiff::civil::{Date, Time};
use jiff::{Timestamp, tz::TimeZone};
pub use market::{Market, NotAMarket};
pub use pairs::is_pair;
use std::sync::OnceLock;
pub use venue::{Venue, venue};

/// One trading day's regular session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Position among all sessions of the calendar, counted without gaps.
    pub index: usize,
    /// The trading day, in the exchange's own time zone.
    pub date: Date,
    /// First moment of the session (UTC).
    pub open: Timestamp,
    /// End of the session, exclusive (UTC).
    pub close: Timestamp,
    /// The lunch break, in which nothing can be traded: its beginning, and its end, exclusive (UTC).
    pub lunch_break: Option<(Timestamp, Timestamp)>,
    /// The first and the last minute (UTC) in which the price of the closing auction is printed. Nothing else is traded on
    /// the exchange between the close and that price. `None` where there is no closing auction.
    pub auction: Option<(Timestamp, Timestamp)>,
}

impl Session {
    /// Whether the moment is within the session. The open belongs to the session, the close does not; a break does.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.open <= at && at < self.close
    }

    /// The end of the session's break, if the moment is in it. The beginning of the break belongs to it.
    pub fn lunch_break_end_at(&self, at: Timestamp) -> Option<Timestamp> {
        self.lunch_break.filter(|(from, until)| *from <= at && at < *until).map(|(_, until)| until)
    }
}

/// All regular sessions of a market over a fixed span of years.
#[derive(Debug)]
pub struct Calendar {
    market: Market,
    sessions: Vec<Session>,
    time_zone: TimeZone,
}

impl Calendar {
    /// First and last year of [`Calendar::xnys`].
    pub const YEARS: std::ops::RangeInclusive<i16> = 1999..=2100;

    /// The New York Stock Exchange. Nasdaq and the other US stock exchanges have the same days.
    ///
    /// Future sessions follow today's rules. A closure announced at short notice, such as a day of mourning, has to be
    /// added to the rules.
    pub fn xnys() -> &'static Self {
        static XNYS: OnceLock<Calendar> = OnceLock::new();
        XNYS.get_or_init(|| {
            let time_zone = TimeZone::get("America/New_York").expect("the time zone database is compiled in");
            let moment = |date: Date, hour, minute| {
                let local = date.at(hour, minute, 0, 0).to_zoned(time_zone.clone());
                local
                    .expect("no session opens or closes in the hour that is skipped when summer time starts")
                    .timestamp()
            };
            let days = rules::trading_days(Self::YEARS);
            let sessions = days.enumerate().map(|(index, (date, hours))| {
                let (open, close) = (moment(date, 9, 30), moment(date, hours.closing_hour(), 0));
                Session { index, date, open, close, lunch_break: None, auction: Some((close, close)) }
            });
            Self { market: Market::NewYork, sessions: sessions.collect(), time_zone }
        })
    }

    /// The time zone in which the sessions' days begin at midnight.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The market whose sessions these are.
    pub fn market(&self) -> Market {
        self.market
    }

    /// All sessions, in order of time.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The session a moment is in.
    pub fn containing(&self, at: Timestamp) -> Option<&Session> {
        self.last_opened(at).filter(|session| at < session.close)
    }

    /// The first session that opens strictly after a moment.
    pub fn after(&self, at: Timestamp) -> Option<&Session> {
        self.sessions.get(self.opened(at))
    }

    /// The last session that has closed by a moment.
    pub fn before(&self, at: Timestamp) -> Option<&Session> {
        let last = self.last_opened(at)?;
        if at < last.close { self.offset(last, -1) } else { Some(last) }
    }

    /// The last session that has opened by a moment, whether it has closed or not.
    pub fn last_opened(&self, at: Timestamp) -> Option<&Session> {
        self.opened(at).checked_sub(1).map(|index| &self.sessions[index])
    }

    /// The session of a trading day; `None` on weekends and holidays.
    pub fn on(&self, date: Date) -> Option<&Session> {
        self.sessions.binary_search_by_key(&date, |session| session.date).ok().map(|index| &self.sessions[index])
    }

    /// The session of a date or, if the date has no session, the next one.
    pub fn from(&self, date: Date) -> Option<&Session> {
        self.sessions.get(self.sessions.partition_point(|session| session.date < date))
    }

    /// The session of the day that begins at this moment, which is midnight in the exchange's time zone or in UTC.
    /// `None` for every other moment, and if that day has no session.
    ///
    /// ```
    /// # use tapewire_core::exchange::Market;
    /// let tokyo = Market::Tokyo.calendar();
    /// let day = |text: &str| Some(tokyo.day_from(text.parse().ok()?)?.date.to_string());
    /// assert_eq!(day("2025-05-12T15:00:00Z").as_deref(), Some("2025-05-13"), "midnight in Tokyo");
    /// assert_eq!(day("2025-05-13T00:00:00Z").as_deref(), Some("2025-05-13"), "midnight in UTC");
    /// ```
    pub fn day_from(&self, midnight: Timestamp) -> Option<&Session> {
        let zones = [self.time_zone.clone(), TimeZone::UTC];
        let local =
            zones.into_iter().map(|zone| zone.to_datetime(midnight)).find(|local| local.time() == Time::midnight());
        self.on(local?.date())
    }

    /// The session after `session`.
    pub fn next(&self, session: &Session) -> Option<&Session> {
        self.offset(session, 1)
    }

    /// The session before `session`.
    pub fn previous(&self, session: &Session) -> Option<&Session> {
        self.offset(session, -1)
    }

    /// The session that is `sessions` sessions after `session` (before it if negative).
    pub fn offset(&self, session: &Session, sessions: isize) -> Option<&Session> {
        self.sessions.get(session.index.checked_add_signed(sessions)?)
    }

    /// The number of sessions that have opened by a moment.
    fn opened(&self, at: Timestamp) -> usize {
        self.sessions.partition_point(|session| session.open <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn sessions_follow_new_york_through_summer_time_and_half_days() {
        let calendar = Calendar::xnys();
        for (date, open, close) in [
            ("2024-03-08", "2024-03-08T14:30:00Z", "2024-03-08T21:00:00Z"),
            ("2024-03-11", "2024-03-11T13:30:00Z", "2024-03-11T20:00:00Z"),
            ("2024-07-03", "2024-07-03T13:30:00Z", "2024-07-03T17:00:00Z"),
            ("2024-11-01", "2024-11-01T13:30:00Z", "2024-11-01T20:00:00Z"),
            ("2024-11-04", "2024-11-04T14:30:00Z", "2024-11-04T21:00:00Z"),
            ("2024-11-29", "2024-11-29T14:30:00Z", "2024-11-29T18:00:00Z"),
        ] {
            let session = calendar.on(date.parse().unwrap()).unwrap();
            assert_eq!((session.open, session.close), (at(open), at(close)), "{date}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_new_york_or_of_utc() {
        for (midnight, date) in [
            ("2025-05-13T04:00:00Z", Some("2025-05-13")),
            ("2025-05-13T00:00:00Z", Some("2025-05-13")),
            ("2025-01-14T05:00:00Z", Some("2025-01-14")),
            ("2025-01-14T04:00:00Z", None),
            ("2025-05-13T05:00:00Z", None),
            ("2025-05-17T04:00:00Z", None),
            ("2025-07-04T00:00:00Z", None),
        ] {
            let found = Calendar::xnys().day_from(at(midnight)).map(|session| session.date.to_string());
            assert_eq!(found.as_deref(), date, "{midnight}");
        }
    }

    #[test]
    fn neighbours_of_a_moment() {
        let calendar = Calendar::xnys();
        let date = |session: Option<&Session>| session.map(|s| s.date.to_string());
        let day = |text: &str| Some(text.to_owned());
        for (moment, before, containing, after) in [
            ("2024-06-24T13:29:59.999999Z", day("2024-06-21"), None, day("2024-06-24")),
            ("2024-06-24T13:30:00Z", day("2024-06-21"), day("2024-06-24"), day("2024-06-25")),
            ("2024-06-24T19:59:59.999999Z", day("2024-06-21"), day("2024-06-24"), day("2024-06-25")),
            ("2024-06-24T20:00:00Z", day("2024-06-24"), None, day("2024-06-25")),
            ("2024-06-22T12:00:00Z", day("2024-06-21"), None, day("2024-06-24")),
            ("1990-01-01T00:00:00Z", None, None, day("1999-01-04")),
            ("2101-06-01T00:00:00Z", day("2100-12-31"), None, None),
        ] {
            let moment = at(moment);
            assert_eq!(date(calendar.before(moment)), before, "{moment}");
            assert_eq!(date(calendar.containing(moment)), containing, "{moment}");
            assert_eq!(date(calendar.after(moment)), after, "{moment}");
        }
        let first = &calendar.sessions()[0];
        assert_eq!(calendar.previous(first), None);
        assert_eq!(calendar.next(first).unwrap().index, 1);
    }
}
