//! Which session a daily bar stands for.
//!
//! Providers stamp a daily bar with the midnight of its exchange or of UTC, or with the open. It is sent as a replay sends
//! it: it starts at the open of its session and is received at the close. So it is one bar by its key, whoever gives it.

use jiff::Timestamp;
use tapewire_core::Bar;
use tapewire_core::exchange::Calendars;

/// The bar as it is sent; `None` if its day is not over at `now`, because its close is then no closing price.
///
/// # Errors
/// Why it stands for no session, in words.
pub(super) fn placed(bar: &Bar, calendars: &Calendars, now: Timestamp) -> Result<Option<Bar>, String> {
    let market = calendars.of(&bar.symbol);
    let calendar = market.calendar();
    let session = calendar
        .day_from(bar.start)
        .or_else(|| calendar.last_opened(bar.start).filter(|session| session.open == bar.start))
        .ok_or_else(|| {
            format!(
                "a daily bar starts at {}, which is neither the midnight, in UTC or at the exchange ({market}), of a day with a \
                 session nor the open of one",
                bar.start
            )
        })?;
    // Where a market does not close at night, days are those of UTC.
    let (start, end) = match market.is_round_the_clock() {
        true => (bar.start, bar.end()),
        false => (session.open, session.close),
    };
    let is_over = session.close <= now && end <= now;
    Ok(is_over.then(|| Bar { start, received_at: end, ..bar.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_testkit::at;

    /// Start and receipt of the bar that is sent of one that starts at `start`.
    fn sent(symbol: &str, start: &str, now: &str) -> Result<Option<[String; 2]>, String> {
        let bar = Bar { width_s: Bar::DAY_S, ..tapewire_testkit::bar(symbol, at(start), 100.0) };
        let placed = placed(&bar, &Calendars::default(), at(now))?;
        Ok(placed.map(|bar| [bar.start.to_string(), bar.received_at.to_string()]))
    }

    #[test]
    fn a_daily_bar_is_that_of_its_session_however_it_is_stamped() {
        let summer = Ok(Some(["2025-05-13T13:30:00Z", "2025-05-13T20:00:00Z"].map(str::to_owned)));
        for start in ["2025-05-13T04:00:00Z", "2025-05-13T00:00:00Z", "2025-05-13T13:30:00Z"] {
            assert_eq!(sent("AAA", start, "2025-05-13T20:00:00Z"), summer, "{start}");
        }
        let half_day = ["2024-11-29T14:30:00Z", "2024-11-29T18:00:00Z"].map(str::to_owned);
        assert_eq!(sent("AAA", "2024-11-29T05:00:00Z", "2024-11-30T00:00:00Z"), Ok(Some(half_day)), "in winter");
        let coin = ["2025-05-17T00:00:00Z", "2025-05-18T00:00:00Z"].map(str::to_owned);
        assert_eq!(sent("X:BTCUSD", "2025-05-17T00:00:00Z", "2025-05-18T00:00:00Z"), Ok(Some(coin)));
        for (symbol, start) in [
            ("AAA", "2025-05-17T04:00:00Z"),
            ("AAA", "2025-07-04T04:00:00Z"),
            ("AAA", "2025-05-13T20:00:00Z"),
            ("X:BTCUSD", "2025-05-17T06:00:00Z"),
        ] {
            let reason = sent(symbol, start, "2025-12-01T00:00:00Z").unwrap_err();
            assert!(reason.contains(start), "a weekend, a holiday, and other moments: {reason}");
        }
    }

    #[test]
    fn the_bar_of_a_day_that_is_not_over_is_not_sent() {
        for start in ["2025-05-13T04:00:00Z", "2025-05-13T13:30:00Z"] {
            assert_eq!(sent("AAA", start, "2025-05-13T19:59:59Z"), Ok(None), "{start}");
        }
        assert_eq!(sent("X:BTCUSD", "2025-05-17T00:00:00Z", "2025-05-17T23:59:59Z"), Ok(None));
    }
}
