//! Where a bar belongs, by rules written a second time for the plain join of `reference.rs`.

use jiff::{SignedDuration, Timestamp};
use tapewire_core::Bar;
use tapewire_core::exchange::{Calendar, Session};

/// The part of a bar that is in a session.
#[derive(Clone)]
pub struct Print {
    pub bar: Bar,
    pub start: Timestamp,
    pub end: Timestamp,
    pub session: usize,
    /// The open and the close, where they are prices of the session.
    pub open: Option<f64>,
    pub close: Option<f64>,
}

/// The part of a bar that is in a session, and which prices it has; `None` if the bar is in no session.
pub fn print(bar: &Bar) -> Option<Print> {
    let calendar = Calendar::xnys();
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let width = SignedDuration::from_secs(bar.width_s.into());
    let whole = |session: &Session| Print {
        bar: bar.clone(),
        start: session.open,
        end: session.close,
        session: session.index,
        open: Some(bar.open),
        close: Some(bar.close),
    };
    if width > SignedDuration::from_hours(24) {
        return None;
    }
    if width == SignedDuration::from_hours(24) {
        for local in [bar.start.to_zoned(zone), bar.start.to_zoned(jiff::tz::TimeZone::UTC)] {
            if (local.hour(), local.minute(), local.second()) == (0, 0, 0) {
                return calendar.on(local.date()).map(whole);
            }
        }
        return calendar.containing(bar.start).filter(|session| session.open == bar.start).map(whole);
    }
    let session = calendar.sessions().iter().find(|session| session.close > bar.start)?;
    let starts_within = bar.start >= session.open;
    let from_the_open = bar.start.duration_since(session.open).as_secs();
    let cut = starts_within && from_the_open % i64::from(bar.width_s) == 0;
    let ends_within = bar.start + width <= session.close;
    let open = starts_within.then_some(bar.open);
    let close = (ends_within || cut).then_some(bar.close);
    if bar.start + width <= session.open || (open, close) == (None, None) {
        return None;
    }
    let (start, end) = (bar.start.max(session.open), (bar.start + width).min(session.close));
    Some(Print { bar: bar.clone(), start, end, session: session.index, open, close })
}

/// The auction of the session at whose close the bar starts, if the bar is not too wide for an auction.
pub fn auction(bar: &Bar) -> Option<Print> {
    let session = Calendar::xnys().sessions().iter().find(|session| session.close == bar.start)?;
    let price = (bar.width_s <= 300).then_some(bar.open)?;
    let (start, end) = (bar.start, bar.end());
    Some(Print { bar: bar.clone(), start, end, session: session.index, open: Some(price), close: None })
}
