//! Topics in memory, and ways to read them: in any interleaving, killed and rebuilt anywhere.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod market;

use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Halt, HaltRecord, Impact, Run, SentimentRecord, TapeRecord};
use tapewire_joiner::join::{Event, JoinConfig, Partition, Position, Topic};

/// One partition of the three topics; a record's place in its list is its offset.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    pub sentiment: Vec<(Run, Scored)>,
    pub bars: Vec<(Run, Tape)>,
    pub halts: Vec<(Run, Halt)>,
}

pub const TOPICS: [Topic; 3] = [Topic::Sentiment, Topic::Bars, Topic::Halts];

impl Topics {
    pub fn len(&self, topic: Topic) -> usize {
        match topic {
            Topic::Sentiment => self.sentiment.len(),
            Topic::Bars => self.bars.len(),
            Topic::Halts => self.halts.len(),
        }
    }

    pub fn total(&self) -> usize {
        TOPICS.into_iter().map(|topic| self.len(topic)).sum()
    }

    /// The record at an offset, as the shell hands it to the join.
    pub fn event(&self, topic: Topic, offset: usize) -> (Run, Event) {
        let seq = offset as u64;
        match topic {
            Topic::Sentiment => {
                let (run, body) = self.sentiment[offset].clone();
                match body {
                    Scored::Mention(mention) => (run, Event::Mention { seq, mention }),
                    Scored::Watermark(watermark) => (run, Event::NewsWatermark { seq, watermark }),
                }
            }
            Topic::Bars => {
                let (run, body) = self.bars[offset].clone();
                match body {
                    Tape::Bar(bar) | Tape::BenchmarkBar(bar) => (run, Event::Bar { seq, bar }),
                    Tape::Watermark(watermark) => (run, Event::TapeWatermark { seq, watermark }),
                }
            }
            Topic::Halts => {
                let (run, halt) = self.halts[offset].clone();
                (run, Event::Halt { seq, halt })
            }
        }
    }

    /// Some place at or after a bar's own where it would still not be late; a watermark stays where it is.
    pub fn place_within_lateness(&self, offset: usize, dice: &mut market::Dice) -> usize {
        let (Tape::Bar(bar) | Tape::BenchmarkBar(bar)) = &self.bars[offset].1 else { return offset };
        let lateness = jiff::SignedDuration::try_from(market::config().allowed_lateness).unwrap();
        let close = tapewire_core::exchange::Calendar::xnys().containing(bar.start).unwrap().close;
        // A watermark counts by its whole minute, as all of this market's are.
        let end = bar.end().min(close);
        let too_late = |tape: &Tape| matches!(tape, Tape::Watermark(word) if word.at >= end + lateness);
        let furthest = (offset..self.bars.len()).find(|&i| too_late(&self.bars[i].1)).unwrap_or(self.bars.len());
        offset + if dice.chance(30) { dice.below((furthest - offset) as u64) as usize } else { 0 }
    }

    /// The topics as lines of JSON, each with the topic's name before the record.
    pub fn from_jsonl(text: &str) -> Self {
        let mut topics = Self::default();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let (topic, record) = line.split_once(' ').unwrap_or_else(|| panic!("line {}: no topic", number + 1));
            let fault = |error: &dyn std::fmt::Display| -> ! { panic!("line {}: {error}", number + 1) };
            match topic {
                "sentiment" => {
                    let record = SentimentRecord::decode(record.as_bytes()).unwrap_or_else(|e| fault(&e));
                    topics.sentiment.push((record.run, record.body));
                }
                "bars" => {
                    let record = TapeRecord::decode(record.as_bytes()).unwrap_or_else(|e| fault(&e));
                    topics.bars.push((record.run, record.body));
                }
                "halts" => {
                    let record = HaltRecord::decode(record.as_bytes()).unwrap_or_else(|e| fault(&e));
                    topics.halts.push((record.run, record.body));
                }
                other => fault(&format!("no topic {other}")),
            }
        }
        topics
    }
}

pub type RowKey = (Run, String, String);

pub fn key(row: &Impact) -> RowKey {
    let symbol = row.mention.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
    (row.run.clone(), symbol, row.mention.article_id.clone())
}

/// The table `impact`: of rows with one key the one with the higher version stands, of two with one
/// version the one written last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(pub BTreeMap<RowKey, Impact>);

impl Table {
    /// Upserts rows. `one_tape`: without halts a version is the position of one topic, and two rows of one
    /// version have to be the same row. (With halts, unfinished rows of two processes may differ: one
    /// has seen more bars, the other more halts.)
    pub fn write(&mut self, rows: Vec<Impact>, one_tape: bool) {
        for row in rows {
            assert_never_looks_ahead(&row);
            match self.0.get(&key(&row)) {
                Some(held) if held.version > row.version => continue,
                Some(held) if held.version == row.version && one_tape => {
                    assert_eq!(*held, row, "one version, two contents")
                }
                _ => {}
            }
            self.0.insert(key(&row), row);
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = &Impact> {
        self.0.values()
    }
}

/// No price at or before the news is an entry, and the price before it is from before it.
pub fn assert_never_looks_ahead(row: &Impact) {
    let available = row.mention.available_at();
    assert!(row.entry_at.is_none_or(|at| at > available), "{row:?}");
    assert!(row.price_before_at.is_none_or(|at| at <= available), "{row:?}");
    let numbers = row.returns.iter().chain(&row.abnormal).flatten();
    let numbers = numbers.chain([&row.alpha, &row.beta, &row.volume_ratio, &row.entry_price].into_iter().flatten());
    assert!(numbers.copied().all(f64::is_finite), "{row:?}");
    assert_eq!(row.entry_at.is_some(), row.entry_price.is_some());
    assert!(row.entry_at.is_some() || row.returns.iter().all(Option::is_none), "{row:?}");
}

/// A joiner process on the topics: where it reads, and what it has written.
pub struct Process<'a> {
    topics: &'a Topics,
    config: Arc<JoinConfig>,
    partition: Partition,
    offsets: [usize; 3],
    committed: [Position; 3],
    /// Rows given out since the last commit.
    unwritten: Vec<Impact>,
    pub table: Table,
}

impl<'a> Process<'a> {
    pub fn start(topics: &'a Topics, config: &JoinConfig) -> Self {
        config.validate().unwrap();
        let config = Arc::new(config.clone());
        let committed = <[Position; 3]>::default();
        let partition = Partition::resume(Arc::clone(&config), &committed);
        Self { topics, config, partition, offsets: [0; 3], committed, unwritten: Vec::new(), table: Table::default() }
    }

    /// Reads the next record of a topic; `false` at its end.
    pub fn read(&mut self, topic: Topic) -> bool {
        let offset = self.offsets[topic as usize];
        if offset == self.topics.len(topic) {
            return false;
        }
        let (run, event) = self.topics.event(topic, offset);
        self.offsets[topic as usize] += 1;
        let rows = self.partition.step(topic, offset as u64, Some((&run, event))).unwrap();
        self.unwritten.extend(rows);
        true
    }

    /// Reads one record of a topic, out of turn.
    pub fn read_at(&mut self, topic: Topic, offset: usize) {
        let (run, event) = self.topics.event(topic, offset);
        let rows = self.partition.step(topic, offset as u64, Some((&run, event))).unwrap();
        self.unwritten.extend(rows);
        self.offsets[topic as usize] = self.offsets[topic as usize].max(offset + 1);
    }

    /// Reads the last record of a topic once more.
    pub fn read_again(&mut self, topic: Topic) {
        if self.offsets[topic as usize] > 0 {
            self.offsets[topic as usize] -= 1;
            self.read(topic);
        }
    }

    /// Writes what was given out, then commits; forgets first if the halts are read up to the tape.
    pub fn commit(&mut self) {
        self.table.write(std::mem::take(&mut self.unwritten), self.topics.halts.is_empty());
        if self.halts_are_read() {
            self.partition.forget();
        }
        self.committed = self.partition.commits().0;
    }

    /// The feed sends a halt before the watermark that covers it, and the shell reads it before it lets
    /// anything be forgotten.
    fn halts_are_read(&self) -> bool {
        let said = self.topics.bars[..self.offsets[Topic::Bars as usize]].iter();
        let low =
            said.filter_map(|(_, body)| if let Tape::Watermark(word) = body { Some(word.at) } else { None }).max();
        let unread = &self.topics.halts[self.offsets[Topic::Halts as usize]..];
        unread.iter().all(|(_, halt)| low.is_none_or(|low| halt.at > low))
    }

    /// The process dies and another takes the partition over. Of what was not committed some rows
    /// may have been written.
    pub fn kill(&mut self, written: usize) {
        let mut rows = std::mem::take(&mut self.unwritten);
        rows.truncate(written);
        self.table.write(rows, self.topics.halts.is_empty());
        self.partition = Partition::resume(Arc::clone(&self.config), &self.committed);
        for topic in TOPICS {
            let Position { next, note } = &self.committed[topic as usize];
            self.offsets[topic as usize] = Partition::start(*next as i64, note) as usize;
        }
    }

    /// Reads all that is left, topics in the order given, and commits.
    pub fn finish(mut self, order: [Topic; 3]) -> Table {
        for topic in order {
            while self.read(topic) {}
        }
        self.commit();
        self.table
    }

    pub fn is_done(&self) -> bool {
        TOPICS.into_iter().all(|topic| self.offsets[topic as usize] == self.topics.len(topic))
    }

    /// How many records of a topic have been read.
    pub fn progress(&self, topic: Topic) -> usize {
        self.offsets[topic as usize]
    }

    /// Mentions and bars in memory.
    pub fn size(&self) -> (usize, usize) {
        self.partition.size()
    }

    /// How many records of a topic the next owner would read again.
    pub fn rewinds(&self, topic: Topic) -> u64 {
        let Position { next, note } = &self.committed[topic as usize];
        next - Partition::start(*next as i64, note) as u64
    }
}

/// Reads all topics in a given order of turns (each turn a topic; what is left is read at the end).
pub fn read_all(topics: &Topics, config: &JoinConfig, turns: impl IntoIterator<Item = Topic>) -> Table {
    let mut process = Process::start(topics, config);
    for topic in turns {
        process.read(topic);
    }
    process.finish(TOPICS)
}

/// Fails with the first row that differs, not with two tables.
pub fn assert_same(found: &Table, expected: &Table) {
    for (key, row) in &expected.0 {
        assert!(found.0.get(key) == Some(row), "{key:?}\n   found {:?}\nexpected {row:?}", found.0.get(key));
    }
    assert_eq!(found.0.len(), expected.0.len());
}
