//! What the calendar alone says about a mention: when it became available and which sessions its prices are from.

use super::JoinConfig;
use super::time::{EventTime, Span};
use tapewire_core::Mention;
use tapewire_core::exchange::{Calendar, Session, floor_minute};
use tapewire_core::impact::Phase;

/// Number, open and close of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionBounds {
    /// [`Session::index`].
    pub index: usize,
    pub open: EventTime,
    /// Exclusive.
    pub close: EventTime,
    /// The lunch break: its beginning, and its end, exclusive.
    pub lunch_break: Option<(EventTime, EventTime)>,
    /// [`Session::auction`].
    pub auction: Option<(EventTime, EventTime)>,
}

impl SessionBounds {
    pub fn new(session: &Session) -> Self {
        let both = |(from, until): (jiff::Timestamp, jiff::Timestamp)| (from.into(), until.into());
        let (lunch_break, auction) = (session.lunch_break.map(both), session.auction.map(both));
        Self { index: session.index, open: session.open.into(), close: session.close.into(), lunch_break, auction }
    }

    /// The time from one moment of the session to another, without the break.
    pub fn trading(&self, from: EventTime, until: EventTime) -> Span {
        let all = until - from;
        let overlap = self.lunch_break.map(|(begins, ends)| (begins.max(from), ends.min(until)));
        overlap.filter(|(begins, ends)| begins < ends).map_or(all, |(begins, ends)| all - (ends - begins))
    }

    /// From a moment of the session to its close, without the break: one stretch of trading, or two.
    pub fn stretches(&self, from: EventTime) -> impl Iterator<Item = (EventTime, EventTime)> + use<> {
        let (first, second) = match self.lunch_break {
            Some((begins, ends)) if from < begins => (Some((from, begins)), (ends, self.close)),
            Some((_, ends)) => (None, (from.max(ends), self.close)),
            None => (None, (from, self.close)),
        };
        first.into_iter().chain(std::iter::once(second))
    }

    /// Whether a horizon that is due at this moment is in the break: nothing has been traded since it began.
    pub fn is_due_in_lunch_break(&self, due: EventTime) -> bool {
        self.lunch_break.is_some_and(|(begins, ends)| begins < due && due <= ends)
    }
}

/// From when on a mention can have prices, and in which sessions.
#[derive(Debug, Clone)]
pub(super) struct EventWindow {
    /// No price at or before this moment may be an outcome.
    pub available: EventTime,
    pub phase: Phase,
    /// `None` only where the calendar ends.
    pub prices: Option<PriceWindow>,
}

/// The sessions that a mention's prices are from. Every mention in memory has a window, so it refers to the sessions of
/// the calendar; [`SessionBounds`] are made of them where they are used.
#[derive(Debug, Clone)]
pub(super) struct PriceWindow {
    /// The first tradable minute.
    pub first_minute: EventTime,
    /// The session of the first tradable minute and the two after it. The entry is in the first or, where the symbol
    /// does not trade again that day, in the second; the last horizon is in the session after the entry's.
    pub sessions: &'static [Session; 3],
    /// The last whole minute of trading at or before `available`, and its session.
    pub minute_before: (EventTime, &'static Session),
    /// No price of a session before this one is used.
    pub oldest: &'static Session,
}

impl EventWindow {
    pub fn new(mention: &Mention, config: &JoinConfig, calendar: &'static Calendar) -> Self {
        let at = mention.available_at();
        Self { available: at.into(), phase: calendar.phase(at), prices: PriceWindow::new(at, config, calendar) }
    }

    /// Once news and tape have passed this moment, nothing can change the mention's row any more: its last horizon is
    /// over and corrections of its bars would be late.
    pub fn finalization(&self, config: &JoinConfig) -> EventTime {
        let last_close = self.prices.as_ref().map(|prices| EventTime::from(prices.sessions[2].close));
        last_close.map_or(self.available, |close| close + allowed_lateness(config))
    }
}

impl PriceWindow {
    fn new(at: jiff::Timestamp, config: &JoinConfig, calendar: &'static Calendar) -> Option<Self> {
        let (entry, first_minute) = calendar.first_tradable(at)?;
        let minute_before = match calendar.containing(at) {
            Some(session) => (floor_minute(at).into(), session),
            None => {
                let session = calendar.before(at)?;
                (session.close.into(), session)
            }
        };
        let back = isize::try_from(config.baseline_sessions).expect("a small number of sessions");
        Some(Self {
            first_minute: first_minute.into(),
            sessions: calendar.sessions().get(entry.index..)?.first_chunk()?,
            minute_before,
            oldest: calendar.offset(entry, -back)?,
        })
    }

    /// Trading time from `end`, a moment of session number `session`, to the last whole minute before the mention;
    /// `None` if more than one night is between.
    pub fn trading_time_since(&self, session: usize, end: EventTime, calendar: &Calendar) -> Option<Span> {
        let (minute, bounds) = (self.minute_before.0, SessionBounds::new(self.minute_before.1));
        if session == bounds.index {
            // A closing auction's bar ends after the close.
            return Some(bounds.trading(end.min(bounds.close), minute));
        }
        let previous = calendar.sessions().get(session).filter(|_| session + 1 == bounds.index)?;
        let previous = SessionBounds::new(previous);
        let close = previous.close;
        Some(previous.trading(end.min(close), close) + bounds.trading(bounds.open, minute))
    }
}

/// How long after its end a bar may still arrive or be corrected.
pub(super) fn allowed_lateness(config: &JoinConfig) -> Span {
    config.allowed_lateness.into()
}

/// Age at which a price of bars this wide (in seconds) is stale.
pub(super) fn stale_after(config: &JoinConfig, width_s: u32) -> Span {
    Span::from(config.stale_after).max(Span::from_secs(width_s))
}

/// The next trading minute that ends after the tape's watermark, in the first of `sessions` that has one.
pub(super) fn next_minute(watermark: EventTime, sessions: &[SessionBounds]) -> Option<EventTime> {
    let ends = |session: &SessionBounds| (session.open.max(watermark) + Span::MINUTE, session.close);
    sessions.iter().map(ends).find(|(minute, close)| minute <= close).map(|(minute, _)| minute)
}
