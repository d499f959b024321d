//! One partition of all topics: a state for each run, and what to commit.

use super::checkpoint::{Checkpoint, MAX_BYTES, RunCheckpoint};
use super::inputs::{JoinEvent, JoinTopic, PerTopic, Position};
use super::tracker::WatermarkTracker;
use super::{JoinConfig, State};
use crate::JoinerError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::{Impact, Run};

/// A replay without bars and without a record for this number of records of `bars` is taken to be over. It is then what
/// the worker sent again after the replay had ended: bars will never come, and the mentions would hold the rewind point
/// of `sentiment` back forever. The number is more than any backlog of `bars`, because news is read sooner than bars are.
///
/// A replay with bars is never taken to be over: they may have been sent long before the worker gets to its news, and a
/// backfill waits for days for the quota of a source.
pub(crate) const MAX_SILENT_RECORDS: u64 = 100_000_000;

/// The state of one run on this partition.
#[derive(Debug)]
struct RunState {
    state: State,
    /// The next offset of `bars` at the moment when the run's last record was read.
    last_seen_offset: u64,
}

/// A replay whose state was evicted before it was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictedRun {
    /// The replay.
    pub run: Run,
    /// Number of its mentions whose rows stay unfinished.
    pub unfinished: usize,
}

fn rewind(committed: u64, checkpoint: &str) -> u64 {
    Checkpoint::decode(checkpoint).map_or(committed, |checkpoint| checkpoint.rewind.min(committed))
}

/// The states of all runs on one partition number.
#[derive(Debug)]
pub struct Partition {
    config: Arc<JoinConfig>,
    runs: BTreeMap<Run, RunState>,
    /// What was committed when this partition was taken over.
    committed: PerTopic<u64>,
    /// The next offsets to read.
    next: PerTopic<u64>,
    rebuilding: bool,
    /// Whether a replay has ended whose state is still in memory, because its halts and actions may be unread.
    has_ended: bool,
}

impl Partition {
    /// Takes a partition over, given what was last committed. The caller then reads each topic from the
    /// [`Partition::start_offset`] of its commit.
    ///
    /// A checkpoint that can't be read, as after somebody moved the group's offsets by hand, is ignored: rows that were
    /// open stay as they are.
    pub fn resume(config: Arc<JoinConfig>, positions: &PerTopic<Position>) -> Self {
        let positions = positions.as_ref();
        let committed = positions.map(|position| position.next);
        let next = positions.map(|position| rewind(position.next, &position.checkpoint));
        let checkpoints = positions.map(|position| Checkpoint::decode(&position.checkpoint).unwrap_or_default());
        let restore = |(run, checkpoint): (Run, RunCheckpoint)| {
            let state = State::restore(run.clone(), Arc::clone(&config), checkpoint);
            (run, RunState { state, last_seen_offset: committed.bars })
        };
        let runs = Checkpoint::merge(&checkpoints).into_iter().map(restore).collect();
        Self { runs, committed, next, config, rebuilding: true, has_ended: false }
    }

    /// Where to read a topic from, given its committed offset and the checkpoint in the commit's metadata.
    pub fn start_offset(committed: i64, checkpoint: &str) -> i64 {
        let start = rewind(u64::try_from(committed).unwrap_or(0), checkpoint);
        i64::try_from(start).expect("at most the committed offset")
    }

    /// Notes that a record was read, and applies its event, if it has one for the join. Returns the rows that changed.
    ///
    /// # Errors
    /// As [`State::step`].
    pub fn step(
        &mut self,
        topic: JoinTopic,
        offset: u64,
        event: Option<(&Run, JoinEvent)>,
    ) -> Result<Vec<Impact>, JoinerError> {
        let was_rebuilding = self.rebuilding;
        let mut rows = self.finish_rebuild()?;
        let is_end_of_stream = event.as_ref().is_some_and(|(_, event)| event.is_end_of_stream());
        if let Some((run, event)) = event {
            self.apply(topic, offset, run, event, &mut rows)?;
        }
        self.next[topic] = self.next[topic].max(offset + 1);
        rows.extend(self.finish_rebuild()?);
        if is_end_of_stream || was_rebuilding != self.rebuilding {
            self.has_ended = self.runs.values().any(|run| run.state.is_finished());
        }
        Ok(rows)
    }

    #[inline]
    fn apply(
        &mut self,
        topic: JoinTopic,
        offset: u64,
        run: &Run,
        event: JoinEvent,
        rows: &mut Vec<Impact>,
    ) -> Result<(), JoinerError> {
        let now = self.next.bars;
        // Halts and actions are read in no order with bars and news, so those of a run that has ended may still come.
        let is_news_or_bars = matches!(topic, JoinTopic::Bars | JoinTopic::Sentiment);
        let begins_again = self.has_ended && is_news_or_bars && offset >= self.unread()[topic];
        match self.runs.get_mut(run) {
            Some(known) if begins_again && known.state.is_finished() => {
                let trackers = self.unread().map(WatermarkTracker::starting_at);
                if let Some(known) = self.runs.remove(run) {
                    let mut state = known.state.restarted(trackers);
                    state.step_into(event, rows)?;
                    self.runs.insert(run.clone(), RunState { state, last_seen_offset: now });
                }
                return Ok(());
            }
            Some(known) => {
                known.last_seen_offset = known.last_seen_offset.max(now);
                return known.state.step_into(event, rows);
            }
            None => {}
        }
        // Otherwise it is a committed record of a run that is not in the checkpoints: the run was over before the commit.
        if !self.is_committed(topic, offset) {
            let mut state = self.new_state(run);
            state.step_into(event, rows)?;
            self.runs.insert(run.clone(), RunState { state, last_seen_offset: now });
        }
        Ok(())
    }

    /// The state of a run whose first record is being read: none of its records is before the unread offsets.
    fn new_state(&self, run: &Run) -> State {
        State::with(run.clone(), Arc::clone(&self.config), self.unread().map(WatermarkTracker::starting_at))
    }

    /// The first offsets that are neither committed nor read.
    fn unread(&self) -> PerTopic<u64> {
        self.next.zip(self.committed).map(|(next, committed)| next.max(committed))
    }

    /// The states are complete again when the last committed mention has been read again.
    fn finish_rebuild(&mut self) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        if self.rebuilding && self.next.sentiment >= self.committed.sentiment {
            self.rebuilding = false;
            for run in self.runs.values_mut() {
                rows.extend(run.state.finish_rebuild()?);
            }
        }
        Ok(rows)
    }

    /// Whether a record was committed before: its facts are stored, it only rebuilds the state.
    pub fn is_committed(&self, topic: JoinTopic, offset: u64) -> bool {
        offset < self.committed[topic]
    }

    /// The next offset of a topic to read.
    pub fn next(&self, topic: JoinTopic) -> u64 {
        self.next[topic]
    }

    /// Whether a replay has ended whose state is still in memory: it is evicted by the next [`Partition::evict`].
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether rows of this run are held back for now: its state is being rebuilt, or the tape of a replay has not
    /// begun.
    pub fn holds_rows_back(&self, run: &Run) -> bool {
        self.runs.get(run).is_some_and(|run| run.state.holds_rows_back())
    }

    /// Evicts what is finished, and the replays that are taken to be over; returns the latter. Call it only when every
    /// halt and every action up to the tape's watermark has been read, see [`State::evict`].
    pub fn evict(&mut self) -> Vec<EvictedRun> {
        let now = self.next.bars;
        self.runs.retain(|_, run| !run.state.is_finished());
        self.has_ended = false;
        let is_silent = |run: &Run, RunState { state, last_seen_offset }: &RunState| {
            !run.is_live() && !state.has_tape() && last_seen_offset + MAX_SILENT_RECORDS < now
        };
        let silent: Vec<Run> = self.runs.iter().filter(|(r, s)| is_silent(r, s)).map(|(r, _)| r.clone()).collect();
        self.runs.values_mut().for_each(|run| run.state.evict());
        silent.into_iter().filter_map(|run| self.evict_run(run)).collect()
    }

    /// `None` if the run was finished.
    fn evict_run(&mut self, run: Run) -> Option<EvictedRun> {
        let state = self.runs.remove(&run)?.state;
        let (unfinished, _) = state.size();
        (!state.is_finished()).then_some(EvictedRun { run, unfinished })
    }

    /// What to commit once all rows returned so far are written.
    ///
    /// If there are more runs than fit into the metadata that Kafka takes, finished replays are evicted, then those without
    /// bars, then those that were silent for longest. The unfinished ones are returned.
    pub fn commits(&mut self) -> (PerTopic<Position>, Vec<EvictedRun>) {
        let mut evicted = Vec::new();
        loop {
            // Not from `unread`: while committed records are read again, the rest of them may still be needed.
            let checkpoint = |(run, state): (&Run, &RunState)| (run.clone(), state.state.checkpoint(self.next));
            let runs = self.runs.iter().map(checkpoint).collect();
            let positions = PerTopic::TOPICS.zip(self.unread()).map(|(topic, next)| {
                let checkpoint = Checkpoint::for_topic(topic, next, &runs).encode();
                Position { next, checkpoint }
            });
            let fits = positions.as_ref().into_iter().all(|position| position.checkpoint.len() <= MAX_BYTES);
            let replays = self.runs.iter().filter(|(run, _)| !run.is_live());
            let age = |run: &RunState| (!run.state.is_finished(), run.state.has_tape(), run.last_seen_offset);
            let silent = replays.min_by_key(|(_, run)| age(run)).map(|(run, _)| run.clone());
            match silent {
                Some(run) if !fits => evicted.extend(self.evict_run(run)),
                _ => return (positions, evicted),
            }
        }
    }

    /// Number of bars since the last call that are in no regular session and so have no price for the join. A bar of
    /// the benchmark is counted on every partition.
    pub fn take_outside_bars(&mut self) -> u64 {
        self.runs.values_mut().map(|run| run.state.take_outside_bars()).sum()
    }

    /// Number of mentions and of bars in memory.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.runs.values().map(|run| run.state.size());
        sizes.fold((0, 0), |(mentions, bars), (m, b)| (mentions + m, bars + b))
    }
}
