//! The newest bars of one symbol and width, in order of time.

use crate::compute::{Carried, Indicators, Point, Step};
use crate::placement::day_start;
use crate::{COMPARED_BARS, session_of};
use jiff::Timestamp;
use tapewire_core::Bar;
use tapewire_core::exchange::{Calendar, Session};

/// A bar is too late, or corrected too late, if more than this many bars of the series have started after it.
pub const MAX_BARS_LATE: usize = 60;
/// Number of points that a series is restored from: those that a late bar changes, and those they depend on.
pub const RESTORED_POINTS: usize = COMPARED_BARS + MAX_BARS_LATE + 1;
/// Old points are dropped when there are more than this many, because dropping some moves all that stay.
const DROPPED_AT_ONCE: usize = 16;

/// Whether a series took a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is part of the series, or the series has a later version of it.
    Taken,
    /// It is a daily bar of a session that has one with another start. The one that was received later counts, as if it
    /// corrected the other.
    SameSession,
    /// It is in no session: [`session_of`].
    Outside,
    /// More than [`MAX_BARS_LATE`] bars have started after it, so nothing is computed from it.
    Late,
    /// It is too late, and it was counted already: the series was restored from rows that were written after this bar was
    /// read. (The version of its point, or of the next one, is at least its position.)
    Known,
}

/// Where the bar of a point is.
#[derive(Debug, Clone, Copy)]
struct Place {
    session: &'static Session,
    /// When the bar itself says that it starts, which of a daily bar may be another moment than the point's; `None` if
    /// the point was restored.
    printed_start: Option<Timestamp>,
}

/// The newest bars of one symbol and width, in order of time, with their indicators.
#[derive(Debug, Clone)]
pub struct Series {
    calendar: &'static Calendar,
    width_s: u32,
    points: Vec<Point>,
    places: Vec<Place>,
    /// Place of the first point that has to be computed again; so have all after it.
    changed: Option<usize>,
}

impl Series {
    /// A series without bars. Bars that are put into it have a width of `width_s` seconds.
    pub fn new(calendar: &'static Calendar, width_s: u32) -> Self {
        Self { calendar, width_s, points: Vec::new(), places: Vec::new(), changed: None }
    }

    /// The series whose newest points, in order of time, are these; at least [`RESTORED_POINTS`], or all there are. Points
    /// that are in no session of the calendar, because its rules have changed, are left out, and so is the older of two
    /// daily points of one session.
    pub fn restored(calendar: &'static Calendar, width_s: u32, points: impl IntoIterator<Item = Point>) -> Self {
        let mut series = Self::new(calendar, width_s);
        for point in points {
            let Some(session) = session_of(calendar, point.start, width_s) else { continue };
            let point = Point { start: series.start_of(point.start, session), ..point };
            match series.points.last_mut().filter(|last| last.start == point.start) {
                Some(last) if last.received_at <= point.received_at => *last = point,
                Some(_) => {}
                None => {
                    series.points.push(point);
                    series.places.push(Place { session, printed_start: None });
                }
            }
        }
        series
    }

    /// The start of the point of a bar: its own or, of a daily bar, that of its session.
    fn start_of(&self, start: Timestamp, session: &Session) -> Timestamp {
        if self.width_s == Bar::DAY_S { day_start(self.calendar, session) } else { start }
    }

    /// Adds a bar that is at `position` in its partition of the topic, or corrects one. A bar that was received before the
    /// one that it would replace changes nothing.
    ///
    /// Its point and those after it count as changed in any case: if a process ends while it writes them, the bar is read
    /// again, and then all of them are written again.
    pub fn put(&mut self, bar: &Bar, position: u64) -> Put {
        let Some(session) = session_of(self.calendar, bar.start, self.width_s) else { return Put::Outside };
        let start = self.start_of(bar.start, session);
        let place = self.points.partition_point(|point| point.start < start);
        let held = self.points.get(place).filter(|point| point.start == start).copied();
        if self.points.len() - place - usize::from(held.is_some()) > MAX_BARS_LATE {
            // The bar's own point, or the first after it. A bar that is read for the first time is at a later position than
            // all that a point is made of; a correction was received later than what it corrects.
            let is_known =
                self.points[place].version >= position && held.is_none_or(|held| held.received_at >= bar.received_at);
            return if is_known { Put::Known } else { Put::Late };
        }
        let known_start = held.and_then(|_| self.places[place].printed_start);
        let new = Point { start, ..point(bar, held.map_or(position, |held| held.version.max(position))) };
        let at = Place { session, printed_start: Some(bar.start) };
        match held {
            None => {
                self.points.insert(place, new);
                self.places.insert(place, at);
            }
            Some(held) if held.received_at <= bar.received_at => (self.points[place], self.places[place]) = (new, at),
            Some(_) => {}
        }
        self.changed = Some(self.changed.map_or(place, |changed| changed.min(place)));
        if known_start.is_some_and(|known| known != bar.start) { Put::SameSession } else { Put::Taken }
    }

    /// Computes the points that have changed since the last call and returns them, the oldest first.
    pub fn take_changed(&mut self) -> Vec<Point> {
        let Some(first) = self.changed.take() else { return Vec::new() };
        for place in first..self.points.len() {
            let step = Step {
                before: &self.points[place.saturating_sub(COMPARED_BARS)..place],
                point: self.points[place],
                width_s: self.width_s,
                session: self.places[place].session,
                session_before: place.checked_sub(1).map(|before| self.places[before].session),
                is_round_the_clock: self.calendar.market().is_round_the_clock(),
            };
            self.points[place] = step.computed();
        }
        let changed = self.points[first..].to_vec();
        if self.points.len() > RESTORED_POINTS + DROPPED_AT_ONCE {
            let old = self.points.len() - RESTORED_POINTS;
            self.points.drain(..old);
            self.places.drain(..old);
        }
        changed
    }
}

fn point(bar: &Bar, version: u64) -> Point {
    let typical = || (bar.high + bar.low + bar.close) / 3.0;
    Point {
        start: bar.start,
        open: bar.open,
        close: bar.close,
        price: bar.vwap.filter(|price| price.is_finite() && *price > 0.0).unwrap_or_else(typical),
        volume: bar.volume,
        received_at: bar.received_at,
        version,
        carried: Carried::default(),
        indicators: Indicators::default(),
    }
}
