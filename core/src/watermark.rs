//! How far a stream is complete, as records on the stream itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// "Stream `index` of `count` has sent everything up to `at`."
///
/// A source writes it to every partition of its topic after the records that it covers. Each configured source of a
/// topic is one stream. A stage that reads several input partitions forwards one stream for each, with `count` the
/// number of partitions. The minimum over these streams says how far the stage's whole input is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The stream, from 0.
    pub index: u32,
    /// Current number of streams. Until each has sent a watermark, nothing is complete.
    pub count: u32,
    /// Name of the source: `massive`. Empty where the stream is a partition, and where the name is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The source has been unreachable for longer than its idle timeout: the other streams do not wait for it until
    /// it sends a watermark that is not idle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// Event time (UTC) up to which the stream is complete, inclusive.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: Timestamp,
}

impl Watermark {
    /// End of stream: the last watermark of a replay. It is so far below the greatest timestamp that an allowed
    /// lateness or a horizon can be added to it without overflow.
    pub const END: Timestamp = Timestamp::constant(221_845_392_000, 0);

    /// The watermark of a stream that is not idle and has no name.
    pub const fn new(index: u32, count: u32, at: Timestamp) -> Self {
        Self { index, count, source: String::new(), idle: false, at }
    }

    /// Whether the stream ends here.
    pub fn is_end_of_stream(&self) -> bool {
        self.at >= Self::END
    }
}

/// The latest watermark of each stream, and their minimum.
///
/// A stream's index is its source's place in a list that can change: if the name at an index changes, another source has
/// the index now, and nothing is known of it but its own watermarks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Number of streams that the latest record named: a source that is no longer configured does not hold the others back.
    count: u32,
    latest: BTreeMap<u32, Latest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Latest {
    at: Timestamp,
    idle: bool,
    /// [`Watermark::source`].
    source: String,
}

impl Watermarks {
    /// Applies one stream's watermark. A watermark that is older than the stream's latest does not move the stream
    /// back. A watermark without a name is taken for the stream that has the index now.
    pub fn observe(&mut self, watermark: &Watermark) {
        self.count = watermark.count;
        let Watermark { index, ref source, idle, at, .. } = *watermark;
        let is_same = |latest: &Latest| source.is_empty() || latest.source.is_empty() || latest.source == *source;
        let known = self.latest.remove(&index).filter(is_same).or_else(|| self.take_moved(source));
        let latest = match known {
            Some(known) => {
                let source = if source.is_empty() { known.source } else { source.clone() };
                Latest { at: known.at.max(at), idle, source }
            }
            None => Latest { at, idle, source: source.clone() },
        };
        self.latest.insert(index, latest);
    }

    /// Takes what is known of a source that had another index before. Its old index then waits for the source that has
    /// it now.
    fn take_moved(&mut self, source: &str) -> Option<Latest> {
        if source.is_empty() {
            return None;
        }
        let (&index, _) = self.latest.iter().find(|(_, latest)| latest.source == source)?;
        self.latest.remove(&index)
    }

    /// The latest watermark of each stream, by index, each with the number of streams that the latest record named.
    /// An empty [`Watermarks`] that observes them all equals this one.
    pub fn latest(&self) -> impl Iterator<Item = Watermark> + '_ {
        self.latest.iter().map(|(&index, Latest { at, idle, source })| Watermark {
            index,
            count: self.count,
            source: source.clone(),
            idle: *idle,
            at: *at,
        })
    }

    /// Event time up to which all streams that are not idle are complete. `None` until each stream has sent a watermark,
    /// and while all are idle.
    pub fn minimum(&self) -> Option<Timestamp> {
        let streams = (0..self.count).map(|index| self.latest.get(&index)).collect::<Option<Vec<_>>>()?;
        streams.into_iter().filter(|stream| !stream.idle).map(|stream| stream.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    fn watermark(index: u32, count: u32, s: i64) -> Watermark {
        Watermark::new(index, count, at(s))
    }

    #[test]
    fn nothing_is_complete_before_every_stream_and_nothing_moves_back() {
        let mut all = Watermarks::default();
        assert_eq!(all.minimum(), None);
        all.observe(&watermark(0, 2, 100));
        assert_eq!(all.minimum(), None);
        all.observe(&watermark(1, 2, 50));
        assert_eq!(all.minimum(), Some(at(50)));
        all.observe(&watermark(1, 2, 70));
        all.observe(&watermark(1, 2, 60));
        assert_eq!(all.minimum(), Some(at(70)));
    }

    #[test]
    fn an_idle_source_holds_nobody_back_until_it_returns() {
        let mut all = Watermarks::default();
        all.observe(&watermark(0, 2, 100));
        all.observe(&Watermark { idle: true, ..watermark(1, 2, 10) });
        assert_eq!(all.minimum(), Some(at(100)), "idle from the start");
        all.observe(&watermark(1, 2, 40));
        assert_eq!(all.minimum(), Some(at(40)), "back");
        all.observe(&Watermark { idle: true, ..watermark(0, 2, 100) });
        all.observe(&Watermark { idle: true, ..watermark(1, 2, 40) });
        assert_eq!(all.minimum(), None, "all are idle");
    }

    #[test]
    fn a_source_that_is_no_longer_configured_is_not_waited_for() {
        let mut all = Watermarks::default();
        all.observe(&watermark(0, 2, 100));
        all.observe(&watermark(1, 2, 50));
        all.observe(&watermark(0, 1, 120));
        assert_eq!(all.minimum(), Some(at(120)));
    }

    fn named(source: &str, index: u32, count: u32, s: i64) -> Watermark {
        Watermark { source: source.into(), ..watermark(index, count, s) }
    }

    #[test]
    fn a_source_that_gets_the_index_of_another_does_not_inherit_its_watermark() {
        let both = || {
            let mut all = Watermarks::default();
            all.observe(&named("fast", 0, 2, 100));
            all.observe(&named("slow", 1, 2, 40));
            all
        };
        let mut all = both();
        all.observe(&named("slow", 0, 1, 45));
        assert_eq!(all.minimum(), Some(at(45)), "the first was taken out");
        all.observe(&named("slow", 0, 1, 44));
        assert_eq!(all.minimum(), Some(at(45)), "nothing moves back");
        let mut all = both();
        all.observe(&named("fast", 1, 2, 110));
        assert_eq!(all.minimum(), None, "they changed places, and the slow one has not said so yet");
        all.observe(&named("slow", 0, 2, 45));
        assert_eq!(all.minimum(), Some(at(45)));
        let mut all = both();
        all.observe(&named("slow", 0, 2, 30));
        assert_eq!(all.minimum(), None);
        all.observe(&named("new", 1, 2, 120));
        assert_eq!(all.minimum(), Some(at(40)), "a source that moves keeps its own");
    }

    #[test]
    fn a_watermark_without_a_name_is_of_the_source_that_has_its_index() {
        let mut all = Watermarks::default();
        all.observe(&watermark(0, 1, 100));
        all.observe(&named("desk", 0, 1, 90));
        assert_eq!(all.minimum(), Some(at(100)), "as after a checkpoint that has no names");
        all.observe(&watermark(0, 1, 110));
        all.observe(&named("other", 0, 1, 95));
        assert_eq!(all.minimum(), Some(at(95)), "the name was kept");
    }

    #[test]
    fn the_latest_watermarks_give_the_same_again() {
        let mut all = Watermarks::default();
        assert_eq!(all.latest().count(), 0);
        let idle = Watermark { idle: true, ..watermark(1, 2, 10) };
        for watermark in [named("desk", 0, 3, 100), watermark(2, 3, 50), idle] {
            all.observe(&watermark);
        }
        let mut again = Watermarks::default();
        all.latest().for_each(|watermark| again.observe(&watermark));
        assert_eq!(again, all);
    }

    #[test]
    fn name_and_idleness_are_on_the_topic_only_where_they_are_set() {
        let plain = serde_json::to_string(&watermark(0, 1, 5)).unwrap();
        assert_eq!(plain, r#"{"index":0,"count":1,"at":5000000}"#);
        assert_eq!(serde_json::from_str::<Watermark>(&plain).unwrap(), watermark(0, 1, 5));
        let idle = Watermark { source: "desk".into(), idle: true, ..watermark(1, 2, 5) };
        let text = serde_json::to_string(&idle).unwrap();
        assert_eq!(text, r#"{"index":1,"count":2,"source":"desk","idle":true,"at":5000000}"#);
        assert_eq!(serde_json::from_str::<Watermark>(&text).unwrap(), idle);
    }
}
