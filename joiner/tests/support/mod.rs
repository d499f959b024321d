//! Topics in memory, and ways to read them: in any interleaving, killed and rebuilt at any record.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod expected;
pub mod market;
pub mod night;
pub mod print;

use proptest::prelude::ProptestConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::exchange::Calendar;
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{ActionRecord, CorporateAction, Halt, HaltRecord, Impact, Run, SentimentRecord, TapeRecord};
use tapewire_joiner::join::{JoinConfig, JoinEvent, JoinTopic, Partition, PerTopic, Position};

/// `count` cases of a property, or the number in the environment variable `PROPTEST_CASES`.
pub fn cases(count: u32) -> ProptestConfig {
    let environment = std::env::var_os("PROPTEST_CASES").is_some();
    if environment { ProptestConfig::default() } else { ProptestConfig::with_cases(count) }
}

/// One partition of each topic; a record's index in its list is its offset.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    pub sentiment: Vec<(Run, Scored)>,
    pub bars: Vec<(Run, Tape)>,
    pub halts: Vec<(Run, Halt)>,
    pub actions: Vec<(Run, CorporateAction)>,
}

pub const TOPICS: [JoinTopic; 4] = [JoinTopic::Sentiment, JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions];

impl Topics {
    pub fn len(&self, topic: JoinTopic) -> usize {
        match topic {
            JoinTopic::Sentiment => self.sentiment.len(),
            JoinTopic::Bars => self.bars.len(),
            JoinTopic::Halts => self.halts.len(),
            JoinTopic::Actions => self.actions.len(),
        }
    }

    pub fn total(&self) -> usize {
        TOPICS.into_iter().map(|topic| self.len(topic)).sum()
    }

    /// The record at an offset, as the runner gives it to the join.
    pub fn event(&self, topic: JoinTopic, offset: usize) -> (Run, JoinEvent) {
        let index = offset;
        let offset = index as u64;
        match topic {
            JoinTopic::Sentiment => {
                let (run, body) = self.sentiment[index].clone();
                match body {
                    Scored::Mention(mention) => (run, JoinEvent::Mention { offset, mention }),
                    Scored::Watermark(watermark) => (run, JoinEvent::NewsWatermark { offset, watermark }),
                }
            }
            JoinTopic::Bars => {
                let (run, body) = self.bars[index].clone();
                match body {
                    Tape::Bar(bar) | Tape::BenchmarkBar(bar) => (run, JoinEvent::Bar { offset, bar }),
                    Tape::Watermark(watermark) => (run, JoinEvent::TapeWatermark { offset, watermark }),
                }
            }
            JoinTopic::Halts => {
                let (run, halt) = self.halts[index].clone();
                (run, JoinEvent::Halt { offset, halt })
            }
            JoinTopic::Actions => {
                let (run, action) = self.actions[index].clone();
                (run, JoinEvent::Action { offset, action })
            }
        }
    }

    /// A random offset, not before a bar's own, at which the bar would not be late; a watermark keeps its own offset.
    pub fn place_within_lateness(&self, offset: usize, dice: &mut market::Dice) -> usize {
        let (Tape::Bar(bar) | Tape::BenchmarkBar(bar)) = &self.bars[offset].1 else { return offset };
        let lateness = jiff::SignedDuration::try_from(market::config().allowed_lateness).unwrap();
        // The join rounds a watermark down to a whole minute; all watermarks of this market are whole minutes.
        let end = market::due(bar);
        let too_late = |tape: &Tape| matches!(tape, Tape::Watermark(watermark) if watermark.at >= end + lateness);
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
                "actions" => {
                    let record = ActionRecord::decode(record.as_bytes()).unwrap_or_else(|e| fault(&e));
                    topics.actions.push((record.run, record.body));
                }
                other => fault(&format!("no topic {other}")),
            }
        }
        topics
    }
}

/// Run, symbol, article id, provider.
pub type RowKey = (Run, String, String, String);

pub fn key(row: &Impact) -> RowKey {
    let symbol = row.mention.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
    (row.run.clone(), symbol, row.mention.article_id.clone(), row.mention.provider.to_string())
}

/// The table `impact`: of two rows with one key the one with the higher version counts; of two with the same version,
/// the one that was written last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(pub BTreeMap<RowKey, Impact>);

impl Table {
    /// Upserts rows. `one_tape`: without halts and actions a version is the position of one topic, and two rows of one
    /// version have to be the same row. (With halts, unfinished rows of two processes may differ: one
    /// has seen more bars, the other more halts.)
    pub fn write(&mut self, rows: Vec<Impact>, one_tape: bool) {
        for row in rows {
            assert_never_looks_ahead(&row);
            match self.0.get(&key(&row)) {
                Some(known) if known.version > row.version => continue,
                Some(known) if known.version == row.version && one_tape => {
                    assert_eq!(*known, row, "one version, two contents")
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

/// Fails if the entry is a price at or before the news, or if the price before the news is not from before it.
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

/// A joiner process on the topics: the next offset of each, and what it has written.
pub struct Process<'a> {
    topics: &'a Topics,
    config: Arc<JoinConfig>,
    partition: Partition,
    offsets: PerTopic<usize>,
    committed: PerTopic<Position>,
    /// Rows returned since the last commit.
    unwritten: Vec<Impact>,
    pub table: Table,
}

impl<'a> Process<'a> {
    pub fn start(topics: &'a Topics, config: &JoinConfig) -> Self {
        config.validate().unwrap();
        let config = Arc::new(config.clone());
        let committed = PerTopic::default();
        let partition = Partition::resume(Arc::clone(&config), &committed);
        let (offsets, unwritten, table) = (PerTopic::default(), Vec::new(), Table::default());
        Self { topics, config, partition, offsets, committed, unwritten, table }
    }

    /// Reads the next record of a topic; `false` at its end.
    pub fn read(&mut self, topic: JoinTopic) -> bool {
        let offset = self.offsets[topic];
        if offset == self.topics.len(topic) {
            return false;
        }
        let (run, event) = self.topics.event(topic, offset);
        self.offsets[topic] += 1;
        let rows = self.partition.step(topic, offset as u64, Some((&run, event))).unwrap();
        self.unwritten.extend(rows);
        true
    }

    /// Reads one record of a topic, out of turn.
    pub fn read_at(&mut self, topic: JoinTopic, offset: usize) {
        let (run, event) = self.topics.event(topic, offset);
        let rows = self.partition.step(topic, offset as u64, Some((&run, event))).unwrap();
        self.unwritten.extend(rows);
        self.offsets[topic] = self.offsets[topic].max(offset + 1);
    }

    /// Reads the last record of a topic once more.
    pub fn read_again(&mut self, topic: JoinTopic) {
        if self.offsets[topic] > 0 {
            self.offsets[topic] -= 1;
            self.read(topic);
        }
    }

    /// Writes the rows returned so far, then commits; before the commit, evicts if the halts up to the tape's watermark
    /// have been read.
    pub fn commit(&mut self) {
        self.table.write(std::mem::take(&mut self.unwritten), self.is_one_tape());
        if self.halts_are_read() {
            self.partition.evict();
        }
        self.committed = self.partition.commits().0;
    }

    fn is_one_tape(&self) -> bool {
        self.topics.halts.is_empty() && self.topics.actions.is_empty()
    }

    /// Whether the halts and actions up to the tape's watermark have been read. The feed sends them before the watermark
    /// that covers them, and the runner reads them before it evicts anything.
    fn halts_are_read(&self) -> bool {
        let read = self.topics.bars[..self.offsets.bars].iter();
        let watermark = |body: &Tape| if let Tape::Watermark(watermark) = body { Some(watermark.at) } else { None };
        let latest = read.filter_map(|(_, body)| watermark(body)).max();
        let unread = &self.topics.halts[self.offsets.halts..];
        let actions = &self.topics.actions[self.offsets.actions..];
        let session = |action: &CorporateAction| Calendar::xnys().from(action.ex_date).unwrap().open;
        unread.iter().all(|(_, halt)| latest.is_none_or(|latest| halt.at > latest))
            && actions.iter().all(|(_, action)| latest.is_none_or(|latest| session(action) > latest))
    }

    /// The process dies and another takes the partition over. `written` of the rows that were not committed have been
    /// written.
    pub fn kill(&mut self, written: usize) {
        let mut rows = std::mem::take(&mut self.unwritten);
        rows.truncate(written);
        self.table.write(rows, self.is_one_tape());
        self.partition = Partition::resume(Arc::clone(&self.config), &self.committed);
        self.offsets = self.committed.as_ref().map(|position| start_offset(position) as usize);
    }

    /// Reads everything unread, topics in the order given, and commits.
    pub fn finish(mut self, order: [JoinTopic; 4]) -> Table {
        for topic in order {
            while self.read(topic) {}
        }
        self.commit();
        self.table
    }

    pub fn is_done(&self) -> bool {
        TOPICS.into_iter().all(|topic| self.offsets[topic] == self.topics.len(topic))
    }

    /// Number of records of a topic that have been read.
    pub fn progress(&self, topic: JoinTopic) -> usize {
        self.offsets[topic]
    }

    /// Number of mentions and of bars in memory.
    pub fn size(&self) -> (usize, usize) {
        self.partition.size()
    }

    /// Number of records of a topic that the next owner would read again.
    pub fn rewinds(&self, topic: JoinTopic) -> u64 {
        let position = &self.committed[topic];
        position.next - start_offset(position)
    }
}

/// Where the owner after a commit starts to read.
pub fn start_offset(position: &Position) -> u64 {
    Partition::start_offset(position.next as i64, &position.checkpoint) as u64
}

/// Reads all topics in a given order of turns. Each turn is a topic; the rest is read at the end.
pub fn read_all(topics: &Topics, config: &JoinConfig, turns: impl IntoIterator<Item = JoinTopic>) -> Table {
    let mut process = Process::start(topics, config);
    for topic in turns {
        process.read(topic);
    }
    process.finish(TOPICS)
}

/// Fails with the first row that differs instead of two whole tables.
pub fn assert_same(found: &Table, expected: &Table) {
    for (key, row) in &expected.0 {
        assert!(found.0.get(key) == Some(row), "{key:?}\n   found {:?}\nexpected {row:?}", found.0.get(key));
    }
    assert_eq!(found.0.len(), expected.0.len());
}
