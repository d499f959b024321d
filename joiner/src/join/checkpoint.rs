//! What the next owner of a partition needs, as text in the metadata of each commit.

use super::inputs::{JoinTopic, PerTopic};
use super::time::EventTime;
use super::tracker::Savepoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tapewire_core::{Run, Watermark, Watermarks};

/// Kafka takes metadata of up to 4096 bytes (`offset.metadata.max.bytes`).
pub(super) const MAX_BYTES: usize = 4_000;

/// Where to read each topic again to rebuild a run's state, and which rows are finalized.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunCheckpoint {
    pub news: Savepoint,
    pub tape: Savepoint,
    /// Offset in `halts`.
    pub halts: u64,
    /// Offset in `actions`.
    pub actions: u64,
    /// Rows whose finalization time is at or before this moment are finalized.
    pub finalized: Option<EventTime>,
}

/// The checkpoint in the commit of one topic's partition.
///
/// ```json
/// {"rewind":120,"runs":{"live":{"from":120,"words":[2,1719252000000000,[0,-500000]],"settled":1719000000000000}}}
/// ```
///
/// The names in the JSON are those that the first version wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Where to read this topic from: at or before the committed offset.
    pub rewind: u64,
    /// What each run needs of this topic.
    runs: BTreeMap<String, RunEntry>,
}

/// One run's part of a [`Checkpoint`]. Moments are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RunEntry {
    /// Records of the run before this offset are not needed.
    from: u64,
    /// The watermarks just before that offset: number of streams, a moment, and each stream's watermark relative to
    /// it (null: none yet).
    #[serde(rename = "words")]
    watermarks: (u32, i64, Vec<Option<i64>>),
    /// The streams that are idle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    idle: Vec<u32>,
    /// The name of each stream's source, empty where it has none. Old versions did not write names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    /// How far the topic is complete, where that is not the minimum of the watermarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<i64>,
    /// [`RunCheckpoint::finalized`].
    #[serde(rename = "settled")]
    finalized: Option<i64>,
}

impl Checkpoint {
    /// `None` if the text is not a checkpoint, as after somebody moved the group's offsets by hand.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a checkpoint is strings and numbers")
    }

    /// The checkpoint of one topic for all runs. `next` is the next offset to read if no run needs an earlier one.
    pub fn for_topic(topic: JoinTopic, next: u64, runs: &BTreeMap<Run, RunCheckpoint>) -> Self {
        let entry = |run: &RunCheckpoint| match topic {
            JoinTopic::Sentiment => RunEntry::new(&run.news, run.finalized),
            JoinTopic::Bars => RunEntry::new(&run.tape, run.finalized),
            JoinTopic::Halts => RunEntry::new(&Savepoint::empty(run.halts), run.finalized),
            JoinTopic::Actions => RunEntry::new(&Savepoint::empty(run.actions), run.finalized),
        };
        let runs: BTreeMap<String, RunEntry> =
            runs.iter().map(|(run, checkpoint)| (run.as_str().to_owned(), entry(checkpoint))).collect();
        let rewind = runs.values().map(|entry| entry.from).min().map_or(next, |from| from.min(next));
        Self { rewind, runs }
    }

    /// Merges the checkpoints of all topics, run by run. A run that is missing in the checkpoint of `sentiment`, `bars`
    /// or `halts` has no state to rebuild. One that is missing only in that of `actions`, which old versions did not
    /// commit, reads `actions` from offset 0.
    pub fn merge(topics: &PerTopic<Self>) -> BTreeMap<Run, RunCheckpoint> {
        let whole = |name: &String, news: &RunEntry| {
            let (tape, halts) = (topics.bars.runs.get(name)?, topics.halts.runs.get(name)?);
            Some(RunCheckpoint {
                news: news.savepoint()?,
                tape: tape.savepoint()?,
                halts: halts.from,
                actions: topics.actions.runs.get(name).map_or(0, |actions| actions.from),
                finalized: moment(news.finalized.max(tape.finalized).max(halts.finalized))?,
            })
        };
        let runs = topics.sentiment.runs.iter();
        runs.filter_map(|(name, news)| Some((Run::named(name), whole(name, news)?))).collect()
    }
}

impl RunEntry {
    fn new(savepoint: &Savepoint, finalized: Option<EventTime>) -> Self {
        let latest: Vec<Watermark> = savepoint.watermarks.latest().collect();
        let micros = |watermark: &Watermark| watermark.at.as_microsecond();
        let count = latest.first().map_or(0, |watermark| watermark.count);
        let base = latest.first().map_or(0, micros);
        let streams = latest.last().map_or(0, |watermark| watermark.index + 1);
        let find = |index| latest.iter().find(|watermark| watermark.index == index);
        let of_stream = |index| find(index).map(|watermark| micros(watermark) - base);
        let has_names = latest.iter().any(|watermark| !watermark.source.is_empty());
        let name = |index| find(index).map_or_else(String::new, |watermark| watermark.source.clone());
        let minimum = savepoint.watermarks.minimum().map(EventTime::from);
        Self {
            from: savepoint.offset,
            watermarks: (count, base, (0..streams).map(of_stream).collect()),
            idle: latest.iter().filter(|watermark| watermark.idle).map(|watermark| watermark.index).collect(),
            sources: if has_names { (0..streams).map(name).collect() } else { Vec::new() },
            low: savepoint.watermark.filter(|_| savepoint.watermark != minimum).map(EventTime::as_micros),
            finalized: finalized.map(EventTime::as_micros),
        }
    }

    /// `None` if a moment is out of range, which only happens if a person edited the checkpoint.
    fn savepoint(&self) -> Option<Savepoint> {
        let (count, base, streams) = &self.watermarks;
        let mut watermarks = Watermarks::default();
        let sources = self.sources.iter().cloned().chain(std::iter::repeat(String::new()));
        for ((index, at), source) in (0..).zip(streams).zip(sources) {
            let Some(at) = at else { continue };
            let at = Timestamp::from_microsecond(base.saturating_add(*at)).ok()?;
            let idle = self.idle.contains(&index);
            watermarks.observe(&Watermark { source, idle, ..Watermark::new(index, *count, at) });
        }
        let minimum = watermarks.minimum().map(EventTime::from);
        let watermark = moment(self.low)?.or(minimum);
        Some(Savepoint { offset: self.from, watermarks, watermark })
    }
}

/// A moment of a checkpoint. `None` if it is out of range, which only happens if a person edited the checkpoint.
#[allow(clippy::option_option, reason = "whether there is a moment, apart from whether it is in range")]
fn moment(micros: Option<i64>) -> Option<Option<EventTime>> {
    let in_range = |micros: &i64| {
        EventTime::from_micros(*micros) == EventTime::MIN || Timestamp::from_microsecond(*micros).is_ok()
    };
    micros.is_none_or(|micros| in_range(&micros)).then(|| micros.map(EventTime::from_micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: i64) -> EventTime {
        EventTime::from_micros(micros)
    }

    fn watermarks(of_streams: &[Watermark]) -> Watermarks {
        let mut watermarks = Watermarks::default();
        of_streams.iter().for_each(|watermark| watermarks.observe(watermark));
        watermarks
    }

    fn watermark(index: u32, count: u32, micros: i64) -> Watermark {
        Watermark::new(index, count, at(micros).timestamp())
    }

    fn run_checkpoint(news: &[Watermark], low: Option<i64>) -> RunCheckpoint {
        RunCheckpoint {
            news: Savepoint { offset: 120, watermarks: watermarks(news), watermark: low.map(at) },
            tape: Savepoint::empty(70),
            halts: 5,
            actions: 3,
            finalized: Some(at(9)),
        }
    }

    /// What the next owner reads of what was committed, and the text on the commit of `sentiment`.
    fn through_kafka(runs: &BTreeMap<Run, RunCheckpoint>) -> (BTreeMap<Run, RunCheckpoint>, String) {
        let next = PerTopic { sentiment: 150, bars: 80, halts: 5, actions: 4 };
        let texts = PerTopic::TOPICS.zip(next).map(|(topic, next)| {
            let checkpoint = Checkpoint::for_topic(topic, next, runs);
            assert!(checkpoint.rewind <= next);
            checkpoint.encode()
        });
        let read = texts.as_ref().map(|text| Checkpoint::decode(text).unwrap());
        let expected = PerTopic { sentiment: 120, bars: 70, halts: 5, actions: 3 };
        assert_eq!(read.as_ref().map(|checkpoint| checkpoint.rewind), expected);
        (Checkpoint::merge(&read), texts.sentiment)
    }

    #[test]
    fn the_commits_of_all_topics_carry_the_checkpoint_of_every_run() {
        let news = [watermark(0, 3, 1_000_000), watermark(2, 3, 400_000)];
        let runs =
            BTreeMap::from([(Run::live(), run_checkpoint(&news, None)), (Run::named("r"), run_checkpoint(&[], None))]);
        let (read, sentiment) = through_kafka(&runs);
        assert_eq!(read, runs);
        assert!(sentiment.contains(r#""live":{"from":120,"words":[3,1000000,[0,null,-600000]],"settled":9}"#));
    }

    #[test]
    fn an_idle_stream_and_a_watermark_above_the_minimum_survive_a_commit() {
        let idle = Watermark { idle: true, ..watermark(0, 3, 1_000_000) };
        let news = [idle, watermark(1, 3, 1_500_000), watermark(2, 3, 2_000_000)];
        let runs = BTreeMap::from([(Run::live(), run_checkpoint(&news, Some(1_800_000)))]);
        let (read, sentiment) = through_kafka(&runs);
        assert_eq!(read, runs);
        let expected = r#""words":[3,1000000,[0,500000,1000000]],"idle":[0],"low":1800000,"settled":9"#;
        assert!(sentiment.contains(expected), "{sentiment}");
        // The number of streams is that of the latest record, even if more streams have sent watermarks.
        let runs = BTreeMap::from([(Run::live(), run_checkpoint(&[news[1].clone(), watermark(0, 1, 7)], Some(7)))]);
        assert_eq!(through_kafka(&runs).0, runs);
    }

    #[test]
    fn the_name_of_a_source_survives_a_commit() {
        let named = |source: &str, watermark| Watermark { source: source.into(), ..watermark };
        let news = [named("desk", watermark(0, 4, 1_000_000)), watermark(1, 4, 5), named("wire", watermark(3, 4, 7))];
        let runs = BTreeMap::from([(Run::live(), run_checkpoint(&news, None))]);
        let (mut read, sentiment) = through_kafka(&runs);
        assert_eq!(read, runs);
        assert!(sentiment.contains(r#""sources":["desk","","","wire"],"settled":9"#), "{sentiment}");
        let mut restored = read.remove(&Run::live()).unwrap().news.watermarks;
        restored.observe(&named("wire", watermark(0, 1, 8)));
        assert_eq!(restored.minimum(), Some(at(8).timestamp()), "not the watermark of the source that had the index");
    }

    #[test]
    fn the_checkpoint_of_the_previous_version_is_read() {
        let live = |words: &str| format!(r#""live":{{"from":120,"words":{words},"settled":1719000000000000}}"#);
        let texts = PerTopic {
            sentiment: format!(r#"{{"rewind":120,"runs":{{{}}}}}"#, live("[2,1719252000000000,[0,-500000]]")),
            bars: format!(r#"{{"rewind":120,"runs":{{{}}}}}"#, live("[1,1719252060000000,[0]]")),
            halts: format!(r#"{{"rewind":120,"runs":{{{}}}}}"#, live("[0,0,[]]")),
            // The previous version did not know this topic.
            actions: String::new(),
        };
        let runs = Checkpoint::merge(&texts.map(|text| Checkpoint::decode(&text).unwrap_or_default()));
        let expected = RunCheckpoint {
            news: Savepoint {
                offset: 120,
                watermarks: watermarks(&[
                    watermark(0, 2, 1_719_252_000_000_000),
                    watermark(1, 2, 1_719_251_999_500_000),
                ]),
                watermark: Some(at(1_719_251_999_500_000)),
            },
            tape: Savepoint {
                offset: 120,
                watermarks: watermarks(&[watermark(0, 1, 1_719_252_060_000_000)]),
                watermark: Some(at(1_719_252_060_000_000)),
            },
            halts: 120,
            actions: 0,
            finalized: Some(at(1_719_000_000_000_000)),
        };
        assert_eq!(runs, BTreeMap::from([(Run::live(), expected)]));
    }

    #[test]
    fn without_runs_nothing_is_read_again() {
        assert_eq!(Checkpoint::for_topic(JoinTopic::Bars, 80, &BTreeMap::new()).rewind, 80);
        assert_eq!(Checkpoint::decode("set by hand"), None);
    }

    #[test]
    fn a_moment_out_of_range_leaves_the_run_out() {
        let text = r#"{"rewind":1,"runs":{"live":{"from":1,"words":[1,9223372036854775807,[0]],"settled":null}}}"#;
        let [sentiment, bars, halts, actions] = [0; 4].map(|_| Checkpoint::decode(text).unwrap());
        assert!(Checkpoint::merge(&PerTopic { sentiment, bars, halts, actions }).is_empty());
    }

    /// A number as it may be in a checkpoint that was edited or cut.
    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), Just(0), Just(i64::MIN), Just(i64::MAX), Just(1_719_252_000_000_000)]
    }

    fn entry() -> impl Strategy<Value = RunEntry> {
        let streams = prop::collection::vec(prop::option::of(number()), 0..4);
        let idle = prop::collection::vec(any::<u32>(), 0..3);
        let sources = prop::collection::vec("[ab]?", 0..4);
        let moments = (prop::option::of(number()), prop::option::of(number()));
        (any::<u64>(), (any::<u32>(), number(), streams), idle, sources, moments).prop_map(
            |(from, watermarks, idle, sources, (low, finalized))| RunEntry {
                from,
                watermarks,
                idle,
                sources,
                low,
                finalized,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_committed_is_read_without_panic_and_its_moments_are_in_range(
            entries in prop::array::uniform4(entry()),
            cut in any::<prop::sample::Index>(),
        ) {
            let [sentiment, bars, halts, actions] = entries.map(|entry| {
                Checkpoint { rewind: 1, runs: BTreeMap::from([("live".to_owned(), entry)]) }
            });
            let text = sentiment.encode();
            prop_assert_eq!(Checkpoint::decode(&text), Some(sentiment.clone()));
            let cut = cut.index(text.len());
            prop_assert_eq!(Checkpoint::decode(&text[..cut]), None);
            for run in Checkpoint::merge(&PerTopic { sentiment, bars, halts, actions }).values() {
                for moment in [run.news.watermark, run.tape.watermark, run.finalized].into_iter().flatten() {
                    prop_assert!(moment == EventTime::MIN || moment.timestamp().as_microsecond() == moment.as_micros());
                }
            }
        }
    }
}
