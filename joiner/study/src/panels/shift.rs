//! The same news at another moment: later, as if it had been known later, or earlier, for the price before it.

use jiff::{SignedDuration, Timestamp};
use tapewire_core::exchange::Calendar;
use tapewire_core::{Impact, Mention};

/// By how much the moment at which news is available is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// Later by seconds.
    Later(u32),
    /// Earlier by minutes.
    Earlier(u32),
    /// To the same time in the session before.
    EarlierSession,
}

impl Shift {
    /// The shifts that a study uses.
    pub const ALL: [Self; 8] = [
        Self::Later(1),
        Self::Later(10),
        Self::Later(60),
        Self::Later(300),
        Self::Earlier(5),
        Self::Earlier(30),
        Self::Earlier(60),
        Self::EarlierSession,
    ];

    /// The mention as if its news had been available at the other moment, by the calendar of its company. Only its times
    /// differ. `None` if the calendar has no session before.
    pub fn moved(self, mention: &Mention, calendar: &Calendar) -> Option<Mention> {
        let available_at = mention.available_at();
        let at = match self {
            Self::Later(seconds) => available_at.checked_add(SignedDuration::from_secs(seconds.into())).ok()?,
            Self::Earlier(minutes) => available_at.checked_sub(SignedDuration::from_mins(minutes.into())).ok()?,
            Self::EarlierSession => a_session_before(available_at, calendar)?,
        };
        let published_at = mention.published_at.min(at);
        Some(Mention { published_at, received_at: at, scored_at: at, ..mention.clone() })
    }
}

/// The moment that is as far from the open of the session before as `at` is from the open of its own, the last that
/// opened by then; after the close of its own, as far as the close is.
fn a_session_before(at: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
    let own = calendar.last_opened(at)?;
    let before = calendar.sessions().get(own.index.checked_sub(1)?)?;
    if at >= own.close {
        return Some(before.close);
    }
    before.open.checked_add(at.duration_since(own.open)).ok()
}

/// Rows of mentions that were joined again for another moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Shifted {
    /// By how much the moment was moved.
    pub shift: Shift,
    /// The rows, in any order; their mentions are those that were joined without the shift, except for the times.
    pub rows: Vec<Impact>,
}
