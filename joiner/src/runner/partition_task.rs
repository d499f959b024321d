//! One partition number of all topics: its part of the join, and the next offset of each topic.

use crate::JoinerError;
use crate::join::partition::MAX_SILENT_RECORDS;
use crate::join::{EvictedRun, JoinConfig, JoinEvent, JoinTopic, Partition, PerTopic, Position};
use std::sync::Arc;
use tapewire_bus::consumer::Assigned;
use tapewire_bus::{Commit, Received, Topic};
use tapewire_core::{Impact, Run};

/// What the joiner keeps for one partition number of `sentiment`, `bars`, `halts`, `actions` and `trades`.
pub struct PartitionTask {
    number: i32,
    partition: Partition,
    /// Next offset of `trades`, once one has been read. The join does not read that topic.
    trades: Option<i64>,
}

/// The Kafka topic of each of the join's topics.
const KAFKA_TOPICS: PerTopic<Topic> =
    PerTopic { sentiment: Topic::Sentiment, bars: Topic::Bars, halts: Topic::Halts, actions: Topic::Actions };

/// The join's topic, if it reads this one.
fn join_topic(topic: Topic) -> Option<JoinTopic> {
    let mut topics = PerTopic::TOPICS.zip(KAFKA_TOPICS).into_iter();
    topics.find(|(_, kafka)| *kafka == topic).map(|(join, _)| join)
}

fn kafka_offset(offset: u64) -> i64 {
    i64::try_from(offset).expect("offsets come from Kafka, where they are signed")
}

impl PartitionTask {
    /// Takes over partition `number` as the group's last commits left it.
    pub fn resume(number: i32, config: Arc<JoinConfig>, assigned: &[Assigned]) -> Self {
        let positions = KAFKA_TOPICS.map(|topic| {
            let found = assigned.iter().find(|a| a.partition == number && a.topic == topic);
            let next = found.and_then(|a| a.committed).and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
            Position { next, checkpoint: found.map(|a| a.metadata.clone()).unwrap_or_default() }
        });
        Self { number, partition: Partition::resume(config, &positions), trades: None }
    }

    /// Whether a record was committed before. Such a record only rebuilds the state, because its facts are stored.
    pub fn is_committed(&self, record: &Received) -> bool {
        join_topic(record.topic).is_some_and(|topic| self.partition.is_committed(topic, record.position()))
    }

    /// Moves past a record and gives its event, if it has one, to the join; returns the rows that changed.
    ///
    /// # Errors
    /// As [`Partition::step`].
    pub fn step(&mut self, record: &Received, event: Option<(Run, JoinEvent)>) -> Result<Vec<Impact>, JoinerError> {
        match join_topic(record.topic) {
            Some(topic) => {
                let (run, event) = event.unzip();
                self.partition.step(topic, record.position(), run.as_ref().zip(event))
            }
            None => {
                self.trades = Some(record.offset + 1);
                Ok(Vec::new())
            }
        }
    }

    /// Partition number, and the next offset of a topic.
    pub fn next(&self, topic: JoinTopic) -> (i32, i64) {
        (self.number, kafka_offset(self.partition.next(topic)))
    }

    /// As [`Partition::take_outside_bars`].
    pub fn take_outside_bars(&mut self) -> u64 {
        self.partition.take_outside_bars()
    }

    /// As [`Partition::has_ended`].
    pub fn has_ended(&self) -> bool {
        self.partition.has_ended()
    }

    /// As [`Partition::holds_rows_back`].
    pub fn holds_rows_back(&self, run: &Run) -> bool {
        self.partition.holds_rows_back(run)
    }

    /// Evicts what is finished. Call it only when every halt and action up to the tape's watermark has been read, see
    /// [`State::evict`](crate::join::State::evict).
    pub fn evict(&mut self) {
        for EvictedRun { run, unfinished } in self.partition.evict() {
            tracing::info!(
                %run, unfinished, partition = self.number, records = MAX_SILENT_RECORDS,
                "a replay with mentions and without bars was evicted: no record of it came for this many records of `bars`, \
                 so its mentions were probably sent again after it had ended; its rows stay as they are"
            );
        }
    }

    /// What to commit once all rows returned so far are written.
    pub fn commits(&mut self) -> Vec<Commit> {
        let (positions, evicted) = self.partition.commits();
        for EvictedRun { run, unfinished } in evicted {
            tracing::warn!(
                %run, unfinished, partition = self.number,
                "a commit has no room for all unfinished replays, so the state of the one silent for longest was evicted; \
                 its rows stay as they are; to finish them, replay it again under a new name"
            );
        }
        let commit = |topic, next, metadata| Commit { topic, partition: self.number, next, metadata };
        let mut commits: Vec<Commit> = KAFKA_TOPICS
            .zip(positions)
            .into_iter()
            .map(|(topic, position)| commit(topic, kafka_offset(position.next), position.checkpoint))
            .collect();
        commits.extend(self.trades.map(|next| commit(Topic::Trades, next, String::new())));
        commits
    }
}
