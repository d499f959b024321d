//! How far a stream is complete, said on the stream itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// "Stream `index` of `count` has sent everything up to `at`."
///
/// A source writes it to every partition of its topic after the records it vouches for.
/// A stage that reads several input partitions forwards one stream for each, with `count`
/// the number of them, so that downstream the minimum is the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Which of the streams speaks, from 0.
    pub index: u32,
    /// How many streams there are; the watermark holds only when all have spoken.
    pub count: u32,
    /// Event time (UTC) up to which the stream is complete, inclusive.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: Timestamp,
}

impl Watermark {
    /// "There will never be more": the last word of a replay. Far enough from the end of time that
    /// a lateness or a horizon can still be added to it.
    pub const END: Timestamp = Timestamp::constant(221_845_392_000, 0);
}

/// The latest word of each stream, and their minimum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermarks {
    count: u32,
    latest: BTreeMap<u32, Timestamp>,
}

impl Watermarks {
    /// Takes one stream's word; a word older than the stream's last is a repeat and ignored.
    pub fn observe(&mut self, watermark: &Watermark) {
        self.count = self.count.max(watermark.count);
        let latest = self.latest.entry(watermark.index).or_insert(watermark.at);
        *latest = (*latest).max(watermark.at);
    }

    /// Event time up to which all streams are complete; `None` until each has spoken.
    pub fn low(&self) -> Option<Timestamp> {
        let all_spoke = self.count > 0 && (0..self.count).all(|index| self.latest.contains_key(&index));
        if all_spoke { self.latest.values().min().copied() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_only_when_every_stream_has_spoken_and_never_moves_back() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let say = |index, s| Watermark { index, count: 2, at: at(s) };
        let mut all = Watermarks::default();
        assert_eq!(all.low(), None);
        all.observe(&say(0, 100));
        assert_eq!(all.low(), None);
        all.observe(&say(1, 50));
        assert_eq!(all.low(), Some(at(50)));
        all.observe(&say(1, 70));
        all.observe(&say(1, 60));
        assert_eq!(all.low(), Some(at(70)));
    }
}
