//! One partition number of all topics: the join's part of it, and how far each topic has been read.

use crate::JoinerError;
use crate::join::{Event, JoinConfig, Partition, Position, Topic as Joined};
use std::sync::Arc;
use tapewire_bus::consumer::Assigned;
use tapewire_bus::{Commit, Received, Topic};
use tapewire_core::{Impact, Run};

/// `sentiment`, `bars`, `halts` and `trades` of one partition number.
pub struct Share {
    number: i32,
    partition: Partition,
    /// Next offset of `trades`, once one has been read: the join does not know of them.
    trades: Option<i64>,
}

/// The topics of the join, in its order.
const JOINED: [(Topic, Joined); 3] =
    [(Topic::Sentiment, Joined::Sentiment), (Topic::Bars, Joined::Bars), (Topic::Halts, Joined::Halts)];

fn joined(topic: Topic) -> Option<Joined> {
    JOINED.into_iter().find(|(ours, _)| *ours == topic).map(|(_, joined)| joined)
}

fn offset(seq: u64) -> i64 {
    i64::try_from(seq).expect("positions come from Kafka, whose offsets are signed")
}

impl Share {
    /// Takes over partition `number` as the group's last commits left it.
    pub fn resume(number: i32, config: Arc<JoinConfig>, assigned: &[Assigned]) -> Self {
        let position = |(topic, _)| {
            let found = assigned.iter().find(|a| a.partition == number && a.topic == topic);
            let next = found.and_then(|a| a.committed).and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
            Position { next, note: found.map(|a| a.note.clone()).unwrap_or_default() }
        };
        Self { number, partition: Partition::resume(config, &JOINED.map(position)), trades: None }
    }

    /// Whether a record was committed before: it only rebuilds the state, its facts are stored.
    pub fn is_known(&self, record: &Received) -> bool {
        joined(record.topic).is_some_and(|topic| self.partition.is_known(topic, record.seq()))
    }

    /// Moves past a record and lets the join take in what it says, if anything; the rows that changed.
    ///
    /// # Errors
    /// As [`Partition::step`].
    pub fn step(&mut self, record: &Received, event: Option<(Run, Event)>) -> Result<Vec<Impact>, JoinerError> {
        match joined(record.topic) {
            Some(topic) => self.partition.step(topic, record.seq(), event.as_ref().map(|(run, e)| (run, e.clone()))),
            None => {
                self.trades = Some(record.offset + 1);
                Ok(Vec::new())
            }
        }
    }

    /// Partition number, and the next offset of `halts`.
    pub fn next_halt(&self) -> (i32, i64) {
        (self.number, offset(self.partition.next(Joined::Halts)))
    }

    /// Forgets what is finished; to be called only when all halts there are have been read, see
    /// [`State::forget`](crate::join::State::forget).
    pub fn forget(&mut self) {
        let over = self.partition.forget();
        self.say_over(over);
    }

    fn say_over(&self, over: Vec<(Run, usize)>) {
        for (run, unfinished) in over {
            tracing::info!(%run, unfinished, partition = self.number, "a silent replay is taken to be over");
        }
    }

    /// What to commit once everything given out is written.
    pub fn commits(&mut self) -> Vec<Commit> {
        let (positions, over) = self.partition.commits();
        self.say_over(over);
        let commit = |topic, next, note| Commit { topic, partition: self.number, next, note };
        let mut commits: Vec<Commit> = JOINED
            .into_iter()
            .zip(positions)
            .map(|((topic, _), position)| commit(topic, offset(position.next), position.note))
            .collect();
        commits.extend(self.trades.map(|next| commit(Topic::Trades, next, String::new())));
        commits
    }
}
