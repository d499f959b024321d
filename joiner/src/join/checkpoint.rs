//! What a commit says to the next owner of a partition, as text.

use super::Micros;
use super::memory::RunNote;
use super::partition::Topic;
use super::progress::Bookmark;
use super::timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tapewire_core::{Run, Watermark};

/// Kafka takes notes of up to 4096 bytes (`offset.metadata.max.bytes`).
pub(super) const LONGEST: usize = 4_000;

/// The note on the commit of one topic's partition.
///
/// ```json
/// {"rewind":120,"runs":{"live":{"from":120,"words":[2,1719252000000000,[0,-500000]],"settled":1719000000000000}}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Where to read this topic from: at or before the committed offset.
    pub rewind: u64,
    /// What each run needs of this topic.
    pub runs: BTreeMap<String, RunPart>,
}

/// One run's part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunPart {
    /// Records of the run before this position are not needed.
    from: u64,
    /// The watermarks at that position: number of streams, a moment, and what each stream said relative to it.
    words: (u32, Micros, Vec<Option<Micros>>),
    /// Rows settled by this moment are finished.
    settled: Option<Micros>,
}

impl Note {
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a note is strings and numbers")
    }

    /// The note of one topic for all runs; `next` is where reading goes on without any.
    pub fn of(topic: Topic, next: u64, runs: &BTreeMap<Run, RunNote>) -> Self {
        let part = |note: &RunNote| {
            let (from, words) = match topic {
                Topic::Sentiment => (note.news.seq, pack(&note.news.words)),
                Topic::Bars => (note.tape.seq, pack(&note.tape.words)),
                Topic::Halts => (note.halts, pack(&[])),
            };
            RunPart { from, words, settled: note.settled }
        };
        let runs: BTreeMap<String, RunPart> =
            runs.iter().map(|(run, note)| (run.as_str().to_owned(), part(note))).collect();
        let rewind = runs.values().map(|part| part.from).min().map_or(next, |from| from.min(next));
        Self { rewind, runs }
    }

    /// What all topics' notes say together, run by run. A run that one of them does not know has no state to rebuild.
    pub fn together(sentiment: &Self, bars: &Self, halts: &Self) -> BTreeMap<Run, RunNote> {
        let whole = |name: &String, news: &RunPart| {
            let (tape, halts) = (bars.runs.get(name)?, halts.runs.get(name)?);
            Some(RunNote {
                news: Bookmark { seq: news.from, words: unpack(&news.words) },
                tape: Bookmark { seq: tape.from, words: unpack(&tape.words) },
                halts: halts.from,
                settled: news.settled.max(tape.settled).max(halts.settled),
            })
        };
        sentiment.runs.iter().filter_map(|(name, news)| Some((Run::named(name), whole(name, news)?))).collect()
    }
}

fn pack(words: &[Watermark]) -> (u32, Micros, Vec<Option<Micros>>) {
    let count = words.iter().map(|word| word.count).max().unwrap_or(0);
    let base = words.first().map_or(0, |word| word.at.as_microsecond());
    let streams = words.iter().map(|word| word.index + 1).max().unwrap_or(0);
    let said = |index| words.iter().find(|word| word.index == index).map(|word| word.at.as_microsecond() - base);
    (count, base, (0..streams).map(said).collect())
}

fn unpack((count, base, said): &(u32, Micros, Vec<Option<Micros>>)) -> Vec<Watermark> {
    let word = |(index, at): (u32, &Option<Micros>)| {
        Some(Watermark::new(index, *count, timestamp(base.saturating_add((*at)?))))
    };
    (0..).zip(said).filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_note(words: &[(u32, Micros)]) -> RunNote {
        let words = words.iter().map(|&(index, at)| Watermark::new(index, 3, timestamp(at))).collect();
        RunNote {
            news: Bookmark { seq: 120, words },
            tape: Bookmark { seq: 70, words: Vec::new() },
            halts: 5,
            settled: Some(9),
        }
    }

    #[test]
    fn survives_three_commits() {
        let notes = BTreeMap::from([
            (Run::live(), run_note(&[(0, 1_000_000), (2, 400_000)])),
            (Run::named("r"), run_note(&[])),
        ]);
        let [sentiment, bars, halts] =
            [(Topic::Sentiment, 150), (Topic::Bars, 80), (Topic::Halts, 5)].map(|(topic, next)| {
                let note = Note::of(topic, next, &notes);
                assert!(note.rewind <= next);
                Note::decode(&note.encode()).unwrap()
            });
        assert_eq!((sentiment.rewind, bars.rewind, halts.rewind), (120, 70, 5));
        assert_eq!(Note::together(&sentiment, &bars, &halts), notes);
        assert!(sentiment.encode().contains(r#""live":{"from":120,"words":[3,1000000,[0,null,-600000]],"settled":9}"#));
    }

    #[test]
    fn without_runs_nothing_is_read_again() {
        assert_eq!(Note::of(Topic::Bars, 80, &BTreeMap::new()).rewind, 80);
        assert_eq!(Note::decode("set by hand"), None);
    }
}
