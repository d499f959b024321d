//! How far a topic's stream is complete, and which record made it so.

use super::{MINUTE, Micros};
use std::collections::{BTreeMap, VecDeque};
use tapewire_core::{Watermark, Watermarks};

/// Bookmarks lie so far apart in the stream's time.
const BOOKMARK_EVERY: Micros = 60 * MINUTE;

/// A position to read on from, and the watermarks that stood there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bookmark {
    pub seq: u64,
    pub words: Vec<Watermark>,
}

/// The watermarks of one topic for one run, in the topic's order.
#[derive(Debug)]
pub(super) struct Progress {
    watermarks: Watermarks,
    /// The latest word of each stream: what [`Watermarks`] was told.
    words: BTreeMap<u32, Watermark>,
    low: Option<Micros>,
    bookmarks: VecDeque<Bookmark>,
    /// Where the last bookmark was made, in the stream's time.
    bookmarked: Micros,
    /// Records before this position are not for this run's state.
    from: u64,
}

impl Progress {
    /// Reads on from a bookmark; records before it are not for this run's state.
    pub fn resume(bookmark: Bookmark) -> Self {
        let mut watermarks = Watermarks::default();
        bookmark.words.iter().for_each(|word| watermarks.observe(word));
        let low = watermarks.low().map(|at| at.as_microsecond());
        Self {
            watermarks,
            words: bookmark.words.iter().map(|word| (word.index, word.clone())).collect(),
            low,
            bookmarked: low.unwrap_or(Micros::MIN),
            from: bookmark.seq,
            bookmarks: VecDeque::from([bookmark]),
        }
    }

    /// A stream whose first record is at `seq`.
    pub fn start(seq: u64) -> Self {
        Self::resume(Bookmark { seq, words: Vec::new() })
    }

    /// Whether a record is for this run's state and does not lie before the bookmark this was resumed from.
    pub fn is_ours(&self, seq: u64) -> bool {
        seq >= self.from
    }

    /// Takes a watermark in. `true` if the stream is complete further than before.
    pub fn observe(&mut self, seq: u64, word: &Watermark) -> bool {
        let snapshot = Bookmark { seq, words: self.words.values().cloned().collect() };
        self.watermarks.observe(word);
        let latest = self.words.entry(word.index).or_insert_with(|| word.clone());
        latest.at = latest.at.max(word.at);
        latest.count = latest.count.max(word.count);
        let low = self.watermarks.low().map(|at| at.as_microsecond());
        // More streams than before can make it less certain, never more.
        let moved = low > self.low;
        if moved {
            self.low = low;
        }
        if let Some(low) = low.filter(|&low| moved && low >= self.bookmarked.saturating_add(BOOKMARK_EVERY)) {
            self.bookmarked = low;
            self.bookmarks.push_back(snapshot);
        }
        moved
    }

    /// Moment up to which the stream is complete, inclusive.
    pub fn low(&self) -> Option<Micros> {
        self.low
    }

    /// The last bookmark at or before the oldest record still needed; `next`, the next position of
    /// the topic to be read, if none is.
    pub fn rewind(&self, needed: Option<u64>, next: u64) -> Bookmark {
        let Some(needed) = needed else {
            return Bookmark { seq: next.max(self.from), words: self.words.values().cloned().collect() };
        };
        let after = self.bookmarks.partition_point(|bookmark| bookmark.seq <= needed);
        self.bookmarks[after.saturating_sub(1)].clone()
    }

    /// Forgets bookmarks that no rewind to `needed` or later can use.
    pub fn forget_before(&mut self, needed: Option<u64>) {
        let needed = needed.unwrap_or(u64::MAX);
        while self.bookmarks.get(1).is_some_and(|second| second.seq <= needed) {
            self.bookmarks.pop_front();
        }
    }
}

/// Which record of `bars` first said that the tape is complete up to a moment, to the minute.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Whole minutes, ascending, and the position of the watermark that reached each.
    minutes: VecDeque<(Micros, u64)>,
}

impl Reached {
    /// The tape is complete up to `low` since record `seq`. `true` if that is another minute.
    pub fn push(&mut self, low: Micros, seq: u64) -> bool {
        let minute = low - low.rem_euclid(MINUTE);
        let moved = minute > self.low();
        if moved {
            self.minutes.push_back((minute, seq));
        }
        moved
    }

    /// The whole minute up to which the tape is complete; the beginning of time if nobody has said.
    pub fn low(&self) -> Micros {
        self.minutes.back().map_or(Micros::MIN, |&(minute, _)| minute)
    }

    /// One more than the position of the record that reached a moment; 0 if none has, or it is
    /// forgotten.
    pub fn rests_on(&self, at: Micros) -> u64 {
        let index = self.minutes.partition_point(|&(minute, _)| minute < at);
        self.minutes.get(index).map_or(0, |&(_, seq)| seq + 1)
    }

    /// Forgets the minutes before `oldest`, but never where the tape is now.
    pub fn forget_before(&mut self, oldest: Micros) {
        while self.minutes.len() > 1 && self.minutes.front().is_some_and(|&(minute, _)| minute < oldest) {
            self.minutes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::timestamp;

    fn word(index: u32, count: u32, minutes: i64) -> Watermark {
        Watermark::new(index, count, timestamp(minutes * MINUTE))
    }

    #[test]
    fn resumes_as_if_it_had_never_stopped() {
        let mut whole = Progress::start(3);
        for (seq, minutes) in [(3, 0), (4, 10), (7, 61), (8, 62), (9, 130), (12, 140)] {
            whole.observe(seq, &word(0, 1, minutes));
        }
        let bookmark = whole.rewind(Some(11), 20);
        assert_eq!((bookmark.seq, bookmark.words[0].at), (9, timestamp(62 * MINUTE)));
        let mut resumed = Progress::resume(bookmark);
        assert_eq!(resumed.low(), Some(62 * MINUTE));
        assert!(!resumed.is_ours(8) && resumed.is_ours(9));
        resumed.observe(9, &word(0, 1, 130));
        resumed.observe(12, &word(0, 1, 140));
        assert_eq!(resumed.low(), whole.low());
        assert_eq!(whole.rewind(None, 13), resumed.rewind(None, 13));

        whole.forget_before(Some(11));
        assert_eq!(whole.rewind(Some(11), 20).seq, 9);
    }

    #[test]
    fn every_stream_has_to_speak_after_a_resume_too() {
        let mut progress = Progress::start(0);
        assert!(!progress.observe(0, &word(0, 2, 100)));
        let mut resumed = Progress::resume(progress.rewind(None, 1));
        assert_eq!(resumed.low(), None);
        assert!(resumed.observe(1, &word(1, 2, 50)));
        assert_eq!(resumed.low(), Some(50 * MINUTE));
    }

    #[test]
    fn knows_which_record_reached_a_moment() {
        let mut reached = Reached::default();
        assert_eq!((reached.low(), reached.rests_on(0)), (Micros::MIN, 0));
        assert!(reached.push(5 * MINUTE, 10));
        assert!(!reached.push(5 * MINUTE + 1, 11));
        assert!(reached.push(8 * MINUTE, 12));
        assert_eq!([4, 5, 6, 8, 9].map(|m| reached.rests_on(m * MINUTE)), [11, 11, 13, 13, 0]);
        reached.forget_before(6 * MINUTE);
        assert_eq!(reached.rests_on(5 * MINUTE), 13);
    }
}
