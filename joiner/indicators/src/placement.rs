//! Which session a bar belongs to.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tapewire_core::Bar;
use tapewire_core::exchange::{Calendar, Session};

/// The session of a bar whose open and close are both prices of that session; `None` for all other bars.
///
/// The join places such a bar in the same session; a test of the joiner checks this. A bar of a day stands for the
/// session of its date, and a bar that starts whole widths after the open and reaches past the close was cut at the
/// close by the provider. Bars of pre-market and after hours, bars that start before the open or in a break, and bars
/// of more than a day are in no session.
pub fn session_of(calendar: &'static Calendar, start: Timestamp, width_s: u32) -> Option<&'static Session> {
    if width_s == 0 || width_s > Bar::DAY_S {
        return None;
    }
    let opened = calendar.last_opened(start)?;
    if width_s == Bar::DAY_S {
        return Some(opened).filter(|session| session.open == start).or_else(|| calendar.day_from(start));
    }
    if !opened.contains(start) || opened.lunch_break_end_at(start).is_some() {
        return None;
    }
    let end = start.checked_add(SignedDuration::from_secs(width_s.into())).ok()?;
    let after_open = start.as_microsecond() - opened.open.as_microsecond();
    let is_whole = after_open % (i64::from(width_s) * 1_000_000) == 0;
    let is_cut = is_whole && !calendar.market().is_round_the_clock();
    (end <= opened.close || is_cut).then_some(opened)
}

/// When the daily bar of a session starts, however its source stamps it, so that a session has one: at the open or,
/// where days are those of UTC because the market does not close at night, at midnight.
pub(crate) fn day_start(calendar: &Calendar, session: &Session) -> Timestamp {
    let midnight = || TimeZone::UTC.to_timestamp(session.date.at(0, 0, 0, 0)).ok();
    let of_utc = calendar.market().is_round_the_clock().then(midnight).flatten();
    of_utc.unwrap_or(session.open)
}

/// How many bars of `width_s` fit between two moments of a session, without its break.
pub(crate) fn bars_between(session: &Session, from: Timestamp, until: Timestamp, width_s: u32) -> u32 {
    let span = |from: Timestamp, until: Timestamp| (until.as_microsecond() - from.as_microsecond()).max(0);
    let closed = session.lunch_break.map_or(0, |(begins, ends)| span(from.max(begins), until.min(ends)));
    let bars = (span(from, until) - closed) / (i64::from(width_s) * 1_000_000);
    u32::try_from(bars).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use tapewire_core::exchange::Market;
    use tapewire_testkit::at;

    #[test]
    fn a_bar_is_in_the_session_that_has_its_open_and_its_close() {
        let date = |market: Market, start: &str, width_s| {
            session_of(market.calendar(), at(start), width_s).map(|session| session.date.to_string())
        };
        for (market, start, width_s, expected) in [
            (Market::NewYork, "2024-07-01T13:30:00Z", 60, Some("2024-07-01")),
            (Market::NewYork, "2024-07-01T19:59:00Z", 60, Some("2024-07-01")),
            // Before the open, at the close, on a Sunday.
            (Market::NewYork, "2024-07-01T13:29:00Z", 60, None),
            (Market::NewYork, "2024-07-01T20:00:00Z", 60, None),
            (Market::NewYork, "2024-06-30T15:00:00Z", 60, None),
            // Past the close: cut there if it starts whole hours after the open, otherwise in no session.
            (Market::NewYork, "2024-07-01T19:30:00Z", 3600, Some("2024-07-01")),
            (Market::NewYork, "2024-07-01T19:45:00Z", 3600, None),
            // Days of the exchange, of UTC, and one that starts at no midnight.
            (Market::NewYork, "2024-07-01T04:00:00Z", 86_400, Some("2024-07-01")),
            (Market::NewYork, "2024-07-01T00:00:00Z", 86_400, Some("2024-07-01")),
            (Market::NewYork, "2024-07-01T20:00:00Z", 86_400, None),
            (Market::NewYork, "2024-07-01T04:00:00Z", 604_800, None),
            (Market::NewYork, "2024-07-01T13:30:00Z", 0, None),
            // 11:30 to 12:30 in Tokyo is the break.
            (Market::Tokyo, "2024-07-01T02:29:00Z", 60, Some("2024-07-01")),
            (Market::Tokyo, "2024-07-01T02:30:00Z", 60, None),
            (Market::Tokyo, "2024-07-01T03:30:00Z", 60, Some("2024-07-01")),
        ] {
            assert_eq!(date(market, start, width_s).as_deref(), expected, "{market:?} {start} {width_s}");
        }
    }

    #[test]
    fn a_break_holds_no_missing_bars() {
        let (from, until) = (at("2024-07-01T02:28:00Z"), at("2024-07-01T03:31:00Z"));
        let session = session_of(Market::Tokyo.calendar(), from, 60).unwrap();
        assert_eq!(bars_between(session, from, until, 60), 3);
        assert_eq!(bars_between(session, until, from, 60), 0);
    }
}
