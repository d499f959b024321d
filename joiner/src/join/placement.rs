//! What a bar says about a regular session, by where it starts and ends.
//!
//! | the bar | is in | its open | its close |
//! |---|---|---|---|
//! | starts in a session and ends by the close | that session | a price | a price |
//! | starts a whole number of widths after the open and reaches past the close: the provider cut it at the close | that session, until the close | a price | a price, but see [`may_hold_auction`] |
//! | starts in a session and reaches past the close otherwise | that session, until the close | a price | not used: it may be a price of after hours |
//! | starts before the open and ends within the session, such as an hourly bar from 9:00 to 10:00 | that session, from the open | not used: it may be a price from before the open | a price |
//! | starts in the lunch break and ends after it | that session, from the end of the break | not used | a price |
//! | is one day long and starts at midnight of the exchange or of UTC, or at the open | the session of that date, from open to close | the opening price | the closing price |
//! | is at most five minutes wide, starts at the close or later, and holds a minute in which the closing auction's price is printed | that session | the closing auction's price | not used |
//!
//! Where each session opens when the previous one closes, no provider cuts bars, so the close of a bar that reaches
//! past the session's close is not used.
//!
//! All others, such as those of pre-market and after hours, are outside: they have no price of a regular session.

use super::JoinConfig;
use super::tape::BarRef;
use super::time::{EventTime, Span};
use super::window::{SessionBounds, allowed_lateness};
use tapewire_core::Bar;
use tapewire_core::exchange::{Calendar, Session};

/// Width of a bar of one day, in seconds.
pub(super) const DAY_S: u32 = Bar::DAY_S;
/// The widest bar, in seconds, that is taken to hold a closing auction: its open is the auction's price. A wider bar is
/// mostly after hours.
pub(super) const WIDEST_AUCTION_S: u32 = 300;

/// Where a bar belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// Within a session.
    Session(Placed),
    /// With the closing auction of a session.
    Auction(Placed),
    /// In no session. `session` is the number of the last session that had opened when the bar started.
    Outside { session: usize, end: EventTime },
}

/// The part of a bar that is within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub session: usize,
    /// No earlier than the session's open.
    pub start: EventTime,
    /// Exclusive. No later than the session's close, except of an auction.
    pub end: EventTime,
    /// Whether the bar's open is a price of the regular session, at `start`.
    pub has_open: bool,
    /// Whether the bar's close is a price of the regular session, at `end`.
    pub has_close: bool,
    /// The bar is late if it arrives when the tape's watermark has reached this moment.
    pub deadline: EventTime,
}

/// When the bar with a session's closing auction has ended, at the latest; `None` if the session has no auction, or bars of
/// this width hold none.
///
/// Also `None` if it would end after the close by more than the allowed lateness (at least a minute): the rows that use
/// it would be finalized before it is visible.
pub(super) fn auction_end(config: &JoinConfig, session: &SessionBounds, width_s: u32) -> Option<EventTime> {
    let (_, last) = session.auction?;
    let end = last + Span::from_secs(width_s);
    let longest = allowed_lateness(config).max(Span::MINUTE);
    (width_s <= WIDEST_AUCTION_S && end - session.close <= longest).then_some(end)
}

/// Whether the close of a session's last bar may be the price of a closing auction after the close: the bar was cut at the
/// close, and without the cut it would end after the auction has begun.
pub(super) fn may_hold_auction(session: &SessionBounds, bar: BarRef, width_s: u32) -> bool {
    let begins_before = |end| session.auction.is_some_and(|(first, _)| session.close < first && first < end);
    bar.end == session.close && begins_before(bar.start + Span::from_secs(width_s))
}

/// Where a bar belongs; `None` before the first session of the calendar and after its last. `near` is the session to
/// try first.
pub(super) fn place(
    bar: &Bar,
    near: Option<&'static Session>,
    calendar: &'static Calendar,
    config: &JoinConfig,
) -> Option<Placement> {
    let opened = match near.filter(|session| session.contains(bar.start)) {
        Some(session) => session,
        None => calendar.last_opened(bar.start)?,
    };
    if bar.width_s > DAY_S {
        return Some(outside(bar, opened));
    }
    let lateness = allowed_lateness(config);
    if bar.width_s == DAY_S {
        return Some(place_day(bar, opened, calendar, lateness));
    }
    let is_round_the_clock = calendar.market().is_round_the_clock();
    if opened.contains(bar.start) {
        return Some(place_in_session(bar, opened, is_round_the_clock, lateness));
    }
    let (start, end) = (EventTime::from(bar.start), EventTime::from(bar.end()));
    let bounds = SessionBounds::new(opened);
    if let Some((first, last)) = bounds.auction
        && bounds.close <= start
        && start <= last
        && first < end
        && auction_end(config, &bounds, bar.width_s).is_some()
    {
        return Some(Placement::Auction(Placed {
            session: bounds.index,
            start,
            end,
            has_open: true,
            has_close: false,
            // The same deadline as for the session's last bar: no row of the session is finished before it.
            deadline: bounds.close + lateness,
        }));
    }
    let next = calendar.next(opened)?;
    let opens_within = EventTime::from(next.open) < end && end <= EventTime::from(next.close);
    Some(if opens_within { cut_to(next, bar, false, true, lateness) } else { outside(bar, opened) })
}

/// A bar of one day: the session of its date. If the day begins at another moment than a midnight or the open, such as
/// the close, nothing tells which prices its bar has.
fn place_day(bar: &Bar, opened: &'static Session, calendar: &'static Calendar, lateness: Span) -> Placement {
    let day = Some(opened).filter(|session| session.open == bar.start).or_else(|| calendar.day_from(bar.start));
    let Some(day) = day else { return outside(bar, opened) };
    let session = SessionBounds::new(day);
    Placement::Session(Placed {
        session: session.index,
        // Monday's session of currencies opens on Sunday evening, but its daily bar starts at midnight.
        start: if calendar.market().is_round_the_clock() { session.open.max(bar.start.into()) } else { session.open },
        end: session.close,
        has_open: true,
        has_close: true,
        deadline: session.close + lateness,
    })
}

/// A bar, of less than a day, that starts in a session or in its break.
fn place_in_session(bar: &Bar, session: &Session, is_round_the_clock: bool, lateness: Span) -> Placement {
    let (start, end) = (EventTime::from(bar.start), EventTime::from(bar.end()));
    let bounds = SessionBounds::new(session);
    if let Some(resumes) = session.lunch_break_end_at(bar.start).map(EventTime::from) {
        let is_within = resumes < end && end <= bounds.close;
        let placed = Placed {
            session: bounds.index,
            start: resumes,
            end,
            has_open: false,
            has_close: true,
            deadline: end + lateness,
        };
        return if is_within { Placement::Session(placed) } else { outside(bar, session) };
    }
    let is_whole = (start - bounds.open).is_multiple_of(Span::from_secs(bar.width_s));
    let cut_at_close = is_whole && !is_round_the_clock;
    cut_to(session, bar, true, end <= bounds.close || cut_at_close, lateness)
}

/// The part of a bar that is within a session.
fn cut_to(session: &Session, bar: &Bar, has_open: bool, has_close: bool, lateness: Span) -> Placement {
    let bounds = SessionBounds::new(session);
    let (start, end) = (bounds.open.max(bar.start.into()), bounds.close.min(bar.end().into()));
    Placement::Session(Placed { session: bounds.index, start, end, has_open, has_close, deadline: end + lateness })
}

/// A bar that is in no session; `opened` is the last that had opened when it started.
fn outside(bar: &Bar, opened: &Session) -> Placement {
    Placement::Outside { session: opened.index, end: bar.end().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use tapewire_core::exchange::Market;
    use tapewire_testkit::at;

    /// Start, end, and which of open and close the bar has, with "auction" before them for an auction; or only "outside".
    fn placed(start: &str, width_s: u32) -> String {
        let bar = Bar { width_s, ..tapewire_testkit::bar("AAA", at(start), 1.0) };
        let text = |p: Placed| {
            let moment = |at: EventTime| at.timestamp().strftime("%dT%H:%M").to_string();
            let price = |has: bool, name: &'static str| if has { name } else { "-" };
            let (open, close) = (price(p.has_open, "open"), price(p.has_close, "close"));
            format!("{} {} {open} {close}", moment(p.start), moment(p.end))
        };
        match place(&bar, None, Calendar::xnys(), &JoinConfig::default()).unwrap() {
            Placement::Session(placed) => text(placed),
            Placement::Auction(placed) => format!("auction {}", text(placed)),
            Placement::Outside { .. } => "outside".into(),
        }
    }

    #[test]
    fn each_kind_of_bar_has_its_place() {
        for (start, width_s, expected) in [
            // Minutes.
            ("2025-05-13T13:29:00Z", 60, "outside"),
            ("2025-05-13T13:30:00Z", 60, "13T13:30 13T13:31 open close"),
            ("2025-05-13T19:59:00Z", 60, "13T19:59 13T20:00 open close"),
            ("2025-05-13T20:00:00Z", 60, "auction 13T20:00 13T20:01 open -"),
            ("2025-05-13T20:01:00Z", 60, "outside"),
            // Half day.
            ("2024-07-03T17:00:00Z", 60, "auction 03T17:00 03T17:01 open -"),
            ("2024-07-03T20:00:00Z", 60, "outside"),
            ("2025-05-13T20:00:00Z", 300, "auction 13T20:00 13T20:05 open -"),
            ("2025-05-13T20:00:00Z", 3600, "outside"),
            // Hours on the clock.
            ("2025-05-13T12:00:00Z", 3600, "outside"),
            ("2025-05-13T13:00:00Z", 3600, "13T13:30 13T14:00 - close"),
            ("2025-05-13T14:00:00Z", 3600, "13T14:00 13T15:00 open close"),
            ("2025-05-13T19:00:00Z", 3600, "13T19:00 13T20:00 open close"),
            // Hours from the open: the last is half an hour.
            ("2025-05-13T13:30:00Z", 3600, "13T13:30 13T14:30 open close"),
            ("2025-05-13T19:30:00Z", 3600, "13T19:30 13T20:00 open close"),
            // Four hours of UTC, in winter: neither edge is the session's.
            ("2025-01-14T12:00:00Z", 14_400, "14T14:30 14T16:00 - close"),
            ("2025-01-14T20:00:00Z", 14_400, "14T20:00 14T21:00 open -"),
            // Days: midnight of New York in summer and winter, midnight of UTC, the open; a Saturday, a holiday.
            ("2025-05-13T04:00:00Z", DAY_S, "13T13:30 13T20:00 open close"),
            ("2025-01-14T05:00:00Z", DAY_S, "14T14:30 14T21:00 open close"),
            ("2025-05-13T00:00:00Z", DAY_S, "13T13:30 13T20:00 open close"),
            ("2024-07-03T04:00:00Z", DAY_S, "03T13:30 03T17:00 open close"),
            ("2025-05-13T13:30:00Z", DAY_S, "13T13:30 13T20:00 open close"),
            ("2025-05-17T04:00:00Z", DAY_S, "outside"),
            ("2025-07-04T00:00:00Z", DAY_S, "outside"),
            // Days that begin at neither midnight: it is not known which session's open and close they have.
            ("2025-05-13T20:00:00Z", DAY_S, "outside"),
            ("2025-05-13T09:00:00Z", DAY_S, "outside"),
            ("2025-05-13T14:30:00Z", DAY_S, "outside"),
            // A week has no session.
            ("2025-05-12T13:30:00Z", 7 * DAY_S, "outside"),
        ] {
            assert_eq!(placed(start, width_s), expected, "{start} {width_s}");
        }
    }

    #[test]
    fn an_auction_is_visible_before_its_rows_are_finished() {
        let config =
            |seconds| JoinConfig { allowed_lateness: std::time::Duration::from_secs(seconds), ..JoinConfig::default() };
        let span = |market: Market, lateness, width_s| {
            let session = SessionBounds::new(market.calendar().on("2025-05-13".parse().unwrap()).unwrap());
            Some(auction_end(&config(lateness), &session, width_s)? - session.close)
        };
        assert_eq!(span(Market::NewYork, 900, 300), Some(Span::from_secs(300)));
        assert_eq!(span(Market::NewYork, 299, 300), None);
        assert_eq!(span(Market::NewYork, 10, 60), Some(Span::MINUTE));
        assert_eq!(span(Market::NewYork, 4000, 3600), None, "mostly after hours");
        assert_eq!(span(Market::London, 900, 60), Some(Span::MINUTE * 6));
        assert_eq!(span(Market::London, 299, 60), None);
        assert_eq!(span(Market::HongKong, 900, 300), Some(Span::MINUTE * 15));
        assert_eq!(span(Market::Crypto, 900, 60), None);
    }

    #[test]
    fn a_bar_that_reaches_into_an_auction_after_the_close_may_hold_its_price() {
        for (market, start, width_s, holds) in [
            (Market::London, "15:29:00", 60, false),
            (Market::London, "15:25:00", 300, false),
            (Market::London, "15:00:00", 1800, false),
            (Market::London, "15:00:00", 3600, true),
            (Market::London, "14:00:00", 3600, false),
            (Market::London, "15:00:00", 14_400, true),
            (Market::London, "00:00:00", DAY_S, true),
            // A bar of 7 seconds reaches past the close, but not to the auction five minutes later.
            (Market::London, "15:29:58", 7, false),
            // Hours on the clock end at Hong Kong's close, those from the open at 9:30 reach into its auction.
            (Market::HongKong, "07:00:00", 3600, false),
            (Market::HongKong, "07:30:00", 1800, false),
            (Market::HongKong, "07:30:00", 3600, true),
            // The auction is at the close.
            (Market::NewYork, "19:30:00", 3600, false),
            (Market::NewYork, "00:00:00", DAY_S, false),
            (Market::Crypto, "23:00:00", 3600, false),
        ] {
            let session = SessionBounds::new(market.calendar().on("2025-05-13".parse().unwrap()).unwrap());
            let start = EventTime::from(at(&format!("2025-05-13T{start}Z")));
            let end = (start + Span::from_secs(width_s)).min(session.close);
            let bar = BarRef { start, end, offset: 0 };
            assert_eq!(may_hold_auction(&session, bar, width_s), holds, "{market} {start:?} {width_s}");
        }
    }

    #[test]
    fn an_auction_after_the_close_is_in_the_bar_that_holds_its_minute() {
        let place_in = |market: Market, start: &str, width_s: u32| {
            let bar = Bar { width_s, ..tapewire_testkit::bar("AAA", at(start), 1.0) };
            place(&bar, None, market.calendar(), &JoinConfig::default()).unwrap()
        };
        for (market, start, width_s, is_auction) in [
            (Market::London, "2025-05-13T15:30:00Z", 60, false),
            (Market::London, "2025-05-13T15:34:00Z", 60, false),
            (Market::London, "2025-05-13T15:35:00Z", 60, true),
            (Market::London, "2025-05-13T15:36:00Z", 60, false),
            (Market::London, "2025-05-13T15:34:00Z", 120, true),
            (Market::London, "2025-05-13T15:30:00Z", 300, false),
            (Market::London, "2025-05-13T15:35:00Z", 300, true),
            (Market::London, "2024-12-24T12:35:00Z", 60, true),
            (Market::Paris, "2025-05-13T15:35:00Z", 60, true),
            (Market::HongKong, "2025-05-13T08:07:00Z", 60, false),
            (Market::HongKong, "2025-05-13T08:08:00Z", 60, true),
            (Market::HongKong, "2025-05-13T08:10:00Z", 60, true),
            (Market::HongKong, "2025-05-13T08:11:00Z", 60, false),
            (Market::HongKong, "2025-05-13T08:05:00Z", 300, true),
            (Market::Tokyo, "2025-05-13T06:30:00Z", 60, true),
        ] {
            let placed = place_in(market, start, width_s);
            assert_eq!(matches!(placed, Placement::Auction(_)), is_auction, "{market} {start} {width_s}: {placed:?}");
        }
    }

    proptest! {
        /// [`tapewire_indicators::session_of`] has rules of its own, because it needs none of the other placements.
        #[test]
        fn indicators_are_of_the_bars_that_have_both_prices_of_a_session(
            market in prop::sample::select(Market::ALL.to_vec()),
            (minute, second) in (0_i64..60 * 24 * 28, prop::sample::select(vec![0_i64, 0, 0, 30])),
            width_s in prop::sample::select(vec![1, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, DAY_S, 7 * DAY_S]),
        ) {
            let (calendar, start) = (market.calendar(), at("2025-06-23T00:00:00Z") + SignedDuration::from_mins(minute));
            let bar = tapewire_testkit::bar("AAA", start + SignedDuration::from_secs(second), 1.0);
            let bar = Bar { width_s, ..bar };
            let expected = match place(&bar, None, calendar, &JoinConfig::default()) {
                Some(Placement::Session(placed)) if placed.has_open && placed.has_close => Some(placed.session),
                _ => None,
            };
            let found = tapewire_indicators::session_of(calendar, bar.start, width_s).map(|session| session.index);
            prop_assert_eq!(found, expected, "{} {:?}", market, bar);
        }
    }
}
