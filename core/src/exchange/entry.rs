//! When news can first be traded on.

use super::{Calendar, Session};
use crate::impact::Phase;
use jiff::{SignedDuration, Timestamp};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Calendar {
    /// The first tradable minute strictly after a moment, and its session: within a session the next whole minute,
    /// otherwise the next session's open.
    ///
    /// A minute counts only if it ends by the close. News that becomes known during the last minute of a session can
    /// therefore first be traded on at the next open. In the same way a minute counts only if it ends by the beginning
    /// of a break or starts after it.
    ///
    /// `None` only if the calendar has no later tradable minute.
    pub fn first_tradable(&self, available_at: Timestamp) -> Option<(&Session, Timestamp)> {
        if let Some(session) = self.containing(available_at) {
            let minute = floor_minute(available_at) + MINUTE;
            if let Some((from, until)) = session.lunch_break
                && from < minute + MINUTE
                && minute < until
            {
                return Some((session, until));
            }
            if minute + MINUTE <= session.close {
                return Some((session, minute));
            }
        }
        self.after(available_at).map(|session| (session, session.open))
    }

    /// The part of the market's day that a moment is in.
    pub fn phase(&self, at: Timestamp) -> Phase {
        // A session may begin on the day before the one it belongs to.
        if let Some(session) = self.containing(at) {
            return session.lunch_break_end_at(at).map_or(Phase::Session, |_| Phase::Break);
        }
        match self.on(at.to_zoned(self.time_zone.clone()).date()) {
            None => Phase::Closed,
            Some(session) if at < session.open => Phase::PreMarket,
            Some(_) => Phase::AfterHours,
        }
    }
}

/// The start of the minute that a moment is in. For [`Timestamp::MIN`] it is the moment itself, because no timestamp is
/// earlier.
pub fn floor_minute(at: Timestamp) -> Timestamp {
    let seconds = at.as_duration().as_nanos().div_euclid(60_000_000_000) * 60;
    let seconds = i64::try_from(seconds).expect("a timestamp's seconds fit into 64 bits");
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_timestamp_have_a_minute() {
        assert_eq!(floor_minute(Timestamp::MIN), Timestamp::MIN);
        assert_eq!(floor_minute(Timestamp::MAX).as_second() % 60, 0);
        assert!(Calendar::xnys().first_tradable(Timestamp::MIN).is_some());
    }

    #[test]
    fn first_tradable_minute_is_strictly_after_the_news() {
        // The times of the news are from a reference list made with exchange_calendars, which rounds up to the next
        // whole minute. We differ from it on purpose where it gives the time of the news itself (such a price would
        // not be after the news), and where no whole minute of the session is left. The comments have its answers.
        for (available, expected) in [
            ("2024-06-24T18:33:53Z", "2024-06-24T18:34:00Z"),
            ("2024-06-24T13:29:59Z", "2024-06-24T13:30:00Z"),
            ("2024-06-24T13:30:00Z", "2024-06-24T13:31:00Z"), // rounding up: 13:30
            ("2024-06-24T19:59:59Z", "2024-06-25T13:30:00Z"), // rounding up: 20:00, the close
            ("2024-06-24T20:00:00Z", "2024-06-25T13:30:00Z"),
            ("2024-06-22T12:00:00Z", "2024-06-24T13:30:00Z"),
            ("2024-07-03T17:30:00Z", "2024-07-05T13:30:00Z"), // after a half day, before a holiday
            ("2024-07-04T15:00:00Z", "2024-07-05T13:30:00Z"),
            ("2024-11-29T18:30:00Z", "2024-12-02T14:30:00Z"),
            ("2024-03-08T20:59:00Z", "2024-03-11T13:30:00Z"), // rounding up: 20:59
            ("2024-03-11T13:30:00Z", "2024-03-11T13:31:00Z"), // rounding up: 13:30
            ("2024-11-01T19:30:00Z", "2024-11-01T19:31:00Z"), // rounding up: 19:30
            ("2024-11-04T14:30:00Z", "2024-11-04T14:31:00Z"), // rounding up: 14:30
            ("2025-01-09T15:00:00Z", "2025-01-10T14:30:00Z"), // day of mourning
            ("2020-03-09T13:35:00Z", "2020-03-09T13:36:00Z"), // rounding up: 13:35
        ] {
            let available: Timestamp = available.parse().unwrap();
            let (session, minute) = Calendar::xnys().first_tradable(available).unwrap();
            assert_eq!(minute.to_string(), expected, "{available}");
            assert!(session.contains(minute) && minute > available);
        }
    }

    #[test]
    fn the_last_whole_minute_counts_and_after_that_comes_the_next_open() {
        for (available, expected) in [
            ("2024-06-24T19:58:59.999999Z", "2024-06-24T19:59:00Z"),
            ("2024-06-24T19:59:00Z", "2024-06-25T13:30:00Z"),
            ("2024-07-03T16:58:30Z", "2024-07-03T16:59:00Z"),
            ("2024-07-03T16:59:00.000001Z", "2024-07-05T13:30:00Z"),
        ] {
            let (_, minute) = Calendar::xnys().first_tradable(available.parse().unwrap()).unwrap();
            assert_eq!(minute.to_string(), expected, "{available}");
        }
        assert!(Calendar::xnys().first_tradable("2101-01-01T00:00:00Z".parse().unwrap()).is_none());
    }

    #[test]
    fn each_part_of_the_new_york_day_has_its_phase() {
        for (at, expected) in [
            ("2024-06-24T04:00:00Z", Phase::PreMarket), // midnight in New York
            ("2024-06-24T13:29:59Z", Phase::PreMarket),
            ("2024-06-24T13:30:00Z", Phase::Session),
            ("2024-06-24T20:00:00Z", Phase::AfterHours),
            ("2024-06-25T03:59:59Z", Phase::AfterHours),
            ("2024-07-03T17:00:00Z", Phase::AfterHours),
            ("2024-07-04T15:00:00Z", Phase::Closed),
            ("2024-06-23T15:00:00Z", Phase::Closed),
        ] {
            assert_eq!(Calendar::xnys().phase(at.parse().unwrap()), expected, "{at}");
        }
    }

    #[test]
    fn nothing_is_entered_in_a_break() {
        let tokyo = crate::exchange::Market::Tokyo.calendar();
        // The break is from 02:30 to 03:30 UTC, the close at 06:30.
        for (available, expected, phase) in [
            ("2025-06-02T02:28:59Z", "2025-06-02T02:29:00Z", Phase::Session),
            ("2025-06-02T02:29:00Z", "2025-06-02T03:30:00Z", Phase::Session),
            ("2025-06-02T02:30:00Z", "2025-06-02T03:30:00Z", Phase::Break),
            ("2025-06-02T03:29:59Z", "2025-06-02T03:30:00Z", Phase::Break),
            ("2025-06-02T03:30:00Z", "2025-06-02T03:31:00Z", Phase::Session),
            ("2025-06-02T06:29:00Z", "2025-06-03T00:00:00Z", Phase::Session),
        ] {
            let available: Timestamp = available.parse().unwrap();
            let (_, minute) = tokyo.first_tradable(available).unwrap();
            assert_eq!((minute.to_string().as_str(), tokyo.phase(available)), (expected, phase), "{available}");
        }
    }

    #[test]
    fn minutes_before_1970_are_floored_too() {
        assert_eq!(floor_minute("1969-12-31T23:59:30.5Z".parse().unwrap()).to_string(), "1969-12-31T23:59:00Z");
    }
}
