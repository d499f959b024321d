//! What the calendar alone says of a mention.

use super::{JoinConfig, MINUTE, Micros};
use tapewire_core::Mention;
use tapewire_core::exchange::{Calendar, Session, floor_minute};
use tapewire_core::impact::Phase;

/// A session, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    pub index: usize,
    pub open: Micros,
    pub close: Micros,
}

impl Day {
    pub fn new(session: &Session) -> Self {
        let (open, close) = (session.open.as_microsecond(), session.close.as_microsecond());
        Self { index: session.index, open, close }
    }
}

/// Where in the calendar a mention's prices lie.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// No price at or before this moment may be an outcome.
    pub available: Micros,
    pub phase: Phase,
    pub path: Option<Path>,
    /// When everything about the mention is settled, corrections included.
    pub deadline: Micros,
}

/// The sessions of a mention's price path. `None` in [`Plan`] only where the calendar ends.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// The first tradable minute.
    pub first: Micros,
    /// The session it lies in and the two after it. The entry is in the first or, where the symbol
    /// does not trade again that day, in the second; the last outcome is in the session after.
    pub days: [Day; 3],
    /// The last whole minute of trading at or before `available`, and its session.
    pub before: (Micros, Day),
    /// Sessions before this one are never looked at.
    pub oldest: Day,
}

impl Plan {
    pub fn new(mention: &Mention, config: &JoinConfig, calendar: &Calendar) -> Self {
        let at = mention.available_at();
        let available = at.as_microsecond();
        let path = Path::new(at, config, calendar);
        let settled = path.as_ref().map_or(available, |path| path.days[2].close + lateness(config));
        Self { available, phase: calendar.phase(at), path, deadline: settled }
    }
}

impl Path {
    fn new(at: jiff::Timestamp, config: &JoinConfig, calendar: &Calendar) -> Option<Self> {
        let (entry, first) = calendar.first_tradable(at)?;
        let next = calendar.next(entry)?;
        let last = calendar.next(next)?;
        let before = match calendar.containing(at) {
            Some(session) => (floor_minute(at).as_microsecond(), Day::new(session)),
            None => {
                let session = calendar.before(at)?;
                (session.close.as_microsecond(), Day::new(session))
            }
        };
        let back = isize::try_from(config.baseline_sessions).expect("a small number of sessions");
        Some(Self {
            first: first.as_microsecond(),
            days: [entry, next, last].map(Day::new),
            before,
            oldest: Day::new(calendar.offset(entry, -back)?),
        })
    }

    /// Trading time between a moment and the last whole minute before the mention; `None` if more than a night
    /// lies between.
    pub fn age_before(&self, session: usize, end: Micros, calendar: &Calendar) -> Option<Micros> {
        let (moment, day) = self.before;
        if session == day.index {
            return Some(moment - end);
        }
        let previous = calendar.sessions().get(session).filter(|_| session + 1 == day.index)?;
        Some(Day::new(previous).close - end + (moment - day.open))
    }
}

pub(super) fn lateness(config: &JoinConfig) -> Micros {
    config.allowed_lateness_us()
}

/// Age at which a price of bars this wide is stale.
pub(super) fn stale_after(config: &JoinConfig, width_s: u32) -> Micros {
    config.stale_after_us().max(Micros::from(width_s) * 1_000_000)
}

/// The minute after a moment of the tape, or the first after a night.
pub(super) fn next_minute(low: Micros, days: &[Day]) -> Option<Micros> {
    let ends = |day: &Day| (day.open.max(low).saturating_add(MINUTE), day.close);
    days.iter().map(ends).find(|(minute, close)| minute <= close).map(|(minute, _)| minute)
}
