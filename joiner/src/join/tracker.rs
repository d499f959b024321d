//! How far a topic is complete, and which record made it so.

use super::time::{EventTime, Span};
use std::collections::VecDeque;
use tapewire_core::{Watermark, Watermarks};

/// Savepoints are at least this far apart in event time.
const SAVEPOINT_INTERVAL: Span = Span::HOUR;

/// An offset to read on from, and the watermarks just before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Savepoint {
    pub offset: u64,
    pub watermarks: Watermarks,
    /// How far the topic was complete. It can be later than the minimum of the watermarks: a source that was idle, or
    /// one that is new, may be further back than what was complete without it.
    pub watermark: Option<EventTime>,
}

impl Savepoint {
    /// Before the first watermark.
    pub fn empty(offset: u64) -> Self {
        Self { offset, watermarks: Watermarks::default(), watermark: None }
    }
}

/// The watermarks of one topic for one run, in the topic's order.
#[derive(Debug)]
pub(super) struct WatermarkTracker {
    watermarks: Watermarks,
    /// Never moves back.
    watermark: Option<EventTime>,
    savepoints: VecDeque<Savepoint>,
    /// Where the last savepoint was made, in event time.
    saved_at: EventTime,
    /// Records before this offset do not belong to this run's state.
    from: u64,
}

impl WatermarkTracker {
    /// Reads on from a savepoint; records before it do not belong to this run's state.
    pub fn restore(savepoint: Savepoint) -> Self {
        Self {
            watermarks: savepoint.watermarks.clone(),
            watermark: savepoint.watermark,
            saved_at: savepoint.watermark.unwrap_or(EventTime::MIN),
            from: savepoint.offset,
            savepoints: VecDeque::from([savepoint]),
        }
    }

    /// A topic whose first record is at `offset`.
    pub fn starting_at(offset: u64) -> Self {
        Self::restore(Savepoint::empty(offset))
    }

    /// Whether a record belongs to this run's state: it is not before the savepoint that this was restored from.
    pub fn includes(&self, offset: u64) -> bool {
        offset >= self.from
    }

    /// Applies a watermark. `true` if the topic is complete further than before.
    pub fn observe(&mut self, offset: u64, watermark: &Watermark) -> bool {
        let before = self.savepoint(offset);
        self.watermarks.observe(watermark);
        let minimum = self.watermarks.minimum().map(EventTime::from);
        // With a source that is new, or back from being idle, the minimum can be earlier. What was complete stays so.
        let moved = minimum > self.watermark;
        if moved {
            self.watermark = minimum;
        }
        if let Some(minimum) = minimum.filter(|&minimum| moved && minimum >= self.saved_at + SAVEPOINT_INTERVAL) {
            self.saved_at = minimum;
            self.savepoints.push_back(before);
        }
        moved
    }

    /// Moment up to which the topic is complete, inclusive.
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark
    }

    fn savepoint(&self, offset: u64) -> Savepoint {
        Savepoint { offset, watermarks: self.watermarks.clone(), watermark: self.watermark }
    }

    /// The last savepoint at or before `needed`, the oldest record still needed. If none is needed, a savepoint at
    /// `next`, the next offset to be read.
    pub fn rewind(&self, needed: Option<u64>, next: u64) -> Savepoint {
        let Some(needed) = needed else { return self.savepoint(next.max(self.from)) };
        let after = self.savepoints.partition_point(|savepoint| savepoint.offset <= needed);
        self.savepoints[after.saturating_sub(1)].clone()
    }

    /// The offset to read again from, of a topic without watermarks: that of `needed`, the oldest record still needed,
    /// or `next`, the next offset to be read, if none is.
    pub fn rewind_offset(&self, needed: Option<u64>, next: u64) -> u64 {
        needed.unwrap_or(next).max(self.from)
    }

    /// Evicts savepoints that no rewind to `needed` or later can use.
    pub fn evict_before(&mut self, needed: Option<u64>) {
        let needed = needed.unwrap_or(u64::MAX);
        while self.savepoints.get(1).is_some_and(|second| second.offset <= needed) {
            self.savepoints.pop_front();
        }
    }
}

/// Which record of `bars` first completed the tape up to a moment, to the minute.
#[derive(Debug, Default)]
pub(super) struct WatermarkHistory {
    /// Whole minutes, ascending, and the offset of the watermark that completed each.
    minutes: VecDeque<(EventTime, u64)>,
}

impl WatermarkHistory {
    /// The record at `offset` completed the tape up to `watermark`. `true` if that is a later minute than before.
    pub fn push(&mut self, watermark: EventTime, offset: u64) -> bool {
        let minute = watermark.floor_minute();
        let moved = minute > self.watermark();
        if moved {
            self.minutes.push_back((minute, offset));
        }
        moved
    }

    /// The whole minute up to which the tape is complete; [`EventTime::MIN`] before the first watermark.
    pub fn watermark(&self) -> EventTime {
        self.minutes.back().map_or(EventTime::MIN, |&(minute, _)| minute)
    }

    /// One past the offset of the record that completed the tape up to a moment; 0 if none has, or it was evicted.
    pub fn dependency_offset(&self, at: EventTime) -> u64 {
        let index = self.minutes.partition_point(|&(minute, _)| minute < at);
        self.minutes.get(index).map_or(0, |&(_, offset)| offset + 1)
    }

    /// Evicts the minutes before `oldest`, but never the latest.
    pub fn evict_before(&mut self, oldest: EventTime) {
        while self.minutes.len() > 1 && self.minutes.front().is_some_and(|&(minute, _)| minute < oldest) {
            self.minutes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minutes: i64) -> EventTime {
        EventTime::from_micros(0) + Span::MINUTE * minutes
    }

    fn watermark(index: u32, count: u32, minutes: i64) -> Watermark {
        Watermark::new(index, count, minute(minutes).timestamp())
    }

    fn idle(index: u32, count: u32, minutes: i64) -> Watermark {
        Watermark { idle: true, ..watermark(index, count, minutes) }
    }

    #[test]
    fn a_restored_tracker_continues_where_the_first_one_was() {
        let mut whole = WatermarkTracker::starting_at(3);
        for (offset, minutes) in [(3, 0), (4, 10), (7, 61), (8, 62), (9, 130), (12, 140)] {
            whole.observe(offset, &watermark(0, 1, minutes));
        }
        let savepoint = whole.rewind(Some(11), 20);
        assert_eq!((savepoint.offset, savepoint.watermark), (9, Some(minute(62))));
        assert_eq!(savepoint.watermarks.minimum(), Some(minute(62).timestamp()));
        let mut restored = WatermarkTracker::restore(savepoint);
        assert_eq!(restored.watermark(), Some(minute(62)));
        assert!(!restored.includes(8) && restored.includes(9));
        restored.observe(9, &watermark(0, 1, 130));
        restored.observe(12, &watermark(0, 1, 140));
        assert_eq!(restored.watermark(), whole.watermark());
        assert_eq!(whole.rewind(None, 13), restored.rewind(None, 13));

        whole.evict_before(Some(11));
        assert_eq!(whole.rewind(Some(11), 20).offset, 9);
    }

    #[test]
    fn without_watermarks_the_oldest_record_needed_is_read_again_and_none_before_it() {
        let tracker = WatermarkTracker::starting_at(3);
        assert_eq!([Some(7), Some(3), None].map(|needed| tracker.rewind_offset(needed, 12)), [7, 3, 12]);
        assert_eq!(tracker.rewind_offset(None, 1), 3, "committed records are still read again");
    }

    #[test]
    fn a_restored_tracker_waits_for_every_stream_too() {
        let mut tracker = WatermarkTracker::starting_at(0);
        assert!(!tracker.observe(0, &watermark(0, 2, 100)));
        let mut restored = WatermarkTracker::restore(tracker.rewind(None, 1));
        assert_eq!(restored.watermark(), None);
        assert!(restored.observe(1, &watermark(1, 2, 50)));
        assert_eq!(restored.watermark(), Some(minute(50)));
    }

    #[test]
    fn what_was_complete_stays_complete_when_an_idle_source_returns() {
        let mut tracker = WatermarkTracker::starting_at(0);
        tracker.observe(0, &watermark(1, 2, 10));
        assert!(tracker.observe(1, &watermark(0, 2, 100)), "complete up to the slower one");
        assert!(tracker.observe(2, &idle(1, 2, 10)), "not waited for");
        assert_eq!(tracker.watermark(), Some(minute(100)));
        assert!(!tracker.observe(3, &watermark(1, 2, 40)), "back, and behind what is complete");
        let mut restored = WatermarkTracker::restore(tracker.rewind(None, 4));
        for tracker in [&mut tracker, &mut restored] {
            assert_eq!(tracker.watermark(), Some(minute(100)));
            assert!(!tracker.observe(4, &watermark(0, 2, 200)), "the slower one is at minute 40");
            assert!(tracker.observe(5, &watermark(1, 2, 150)));
            assert_eq!(tracker.watermark(), Some(minute(150)));
        }
    }

    #[test]
    fn knows_which_record_completed_a_moment() {
        let mut history = WatermarkHistory::default();
        assert_eq!((history.watermark(), history.dependency_offset(minute(0))), (EventTime::MIN, 0));
        assert!(history.push(minute(5), 10));
        assert!(!history.push(EventTime::from_micros(minute(5).as_micros() + 1), 11));
        assert!(history.push(minute(8), 12));
        assert_eq!([4, 5, 6, 8, 9].map(|m| history.dependency_offset(minute(m))), [11, 11, 13, 13, 0]);
        history.evict_before(minute(6));
        assert_eq!(history.dependency_offset(minute(5)), 13);
    }
}
