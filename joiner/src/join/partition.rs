//! One partition of all topics: a state for each run, and what to commit.

use super::memory::RunNote;
use super::note::{LONGEST, Note};
use super::progress::Progress;
use super::{Event, JoinConfig, State};
use crate::JoinerError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::{Impact, Run};

/// A replay that has not been heard of for so many records of `bars` is taken to be over. Its tail,
/// mentions whose outcomes the replay ended before, would else hold the rewind point back for ever.
const SILENT_RECORDS: u64 = 1_000_000;

/// The topics the join rests on, in this order wherever there are three of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Mentions.
    Sentiment,
    /// Bars.
    Bars,
    /// Halts.
    Halts,
}

/// How far one topic of the partition has been read, and committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read, were there nothing to rebuild; what was committed.
    pub next: u64,
    /// The note on the commit; empty if there was none.
    pub note: String,
}

#[derive(Debug)]
struct Member {
    state: State,
    /// Position in `bars` when the run was last heard of.
    heard: u64,
}

fn rewind(committed: u64, note: &str) -> u64 {
    Note::decode(note).map_or(committed, |note| note.rewind.min(committed))
}

/// The states of all runs on one partition number.
#[derive(Debug)]
pub struct Partition {
    config: Arc<JoinConfig>,
    members: BTreeMap<Run, Member>,
    /// What was committed when this partition was taken over, topic by topic.
    committed: [u64; 3],
    /// The next offsets to read.
    next: [u64; 3],
    rebuilding: bool,
}

impl Partition {
    /// Takes a partition over, given what was last committed for sentiment, bars and halts. Each
    /// topic is to be read from [`Partition::start`] of its commit.
    ///
    /// A note that can't be read, as after somebody moved the group's offsets by hand, says nothing:
    /// rows that were open are left as they are.
    pub fn resume(config: Arc<JoinConfig>, positions: &[Position; 3]) -> Self {
        let [sentiment, bars, halts] = [0, 1, 2].map(|topic| Note::decode(&positions[topic].note).unwrap_or_default());
        let runs = Note::together(&sentiment, &bars, &halts);
        let committed = [0, 1, 2].map(|topic| positions[topic].next);
        let member = |(run, note): (Run, RunNote)| {
            let state = State::resume(run.clone(), Arc::clone(&config), note);
            (run, Member { state, heard: committed[Topic::Bars as usize] })
        };
        let next = [0, 1, 2].map(|topic| rewind(positions[topic].next, &positions[topic].note));
        Self { members: runs.into_iter().map(member).collect(), committed, next, config, rebuilding: true }
    }

    /// Where to read a topic from, given its committed offset and the commit's note.
    pub fn start(committed: i64, note: &str) -> i64 {
        let start = rewind(u64::try_from(committed).unwrap_or(0), note);
        i64::try_from(start).expect("at most the committed offset")
    }

    /// Moves past a record, whatever it holds, and takes in what the join has to know of it. Gives
    /// out the rows that changed.
    ///
    /// # Errors
    /// As [`State::step`].
    pub fn step(&mut self, topic: Topic, seq: u64, event: Option<(&Run, Event)>) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = self.finish_rebuild()?;
        let heard = self.next[Topic::Bars as usize];
        let is_last_word = event.as_ref().is_some_and(|(_, event)| event.is_last_word());
        if let Some((run, event)) = event {
            if !self.members.contains_key(run) && !self.is_known(topic, seq) {
                let state = self.join_in(run);
                self.members.insert(run.clone(), Member { state, heard });
            }
            // A run that is not in the notes was over before the commit.
            if let Some(member) = self.members.get_mut(run) {
                member.heard = member.heard.max(heard);
                rows.extend(member.state.step(event)?);
            }
        }
        self.next[topic as usize] = self.next[topic as usize].max(seq + 1);
        let was_rebuilding = self.rebuilding;
        rows.extend(self.finish_rebuild()?);
        if is_last_word || was_rebuilding != self.rebuilding {
            // The same run may be replayed again: then it is one never heard of before.
            self.members.retain(|_, member| !member.state.is_over());
        }
        Ok(rows)
    }

    /// A run never heard of before: nothing of it lies before what we have read.
    fn join_in(&self, run: &Run) -> State {
        State::with(run.clone(), Arc::clone(&self.config), self.unread().map(Progress::start))
    }

    /// The first offsets that are neither committed nor read.
    fn unread(&self) -> [u64; 3] {
        [0, 1, 2].map(|topic| self.next[topic].max(self.committed[topic]))
    }

    /// The states are whole again when the last committed mention has come by.
    fn finish_rebuild(&mut self) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        if self.rebuilding && self.next[Topic::Sentiment as usize] >= self.committed[Topic::Sentiment as usize] {
            self.rebuilding = false;
            for member in self.members.values_mut() {
                rows.extend(member.state.rebuilt()?);
            }
        }
        Ok(rows)
    }

    /// Whether a record was committed before: its facts are stored, it only rebuilds the state.
    pub fn is_known(&self, topic: Topic, seq: u64) -> bool {
        seq < self.committed[topic as usize]
    }

    /// The next offset of a topic to read.
    pub fn next(&self, topic: Topic) -> u64 {
        self.next[topic as usize]
    }

    /// Forgets what is finished, see [`State::forget`]; returns the replays taken to be over and how many of their
    /// mentions will stay unfinished.
    pub fn forget(&mut self) -> Vec<(Run, usize)> {
        let now = self.next[Topic::Bars as usize];
        let silent = |run: &Run, member: &Member| !run.is_live() && member.heard + SILENT_RECORDS < now;
        let over: Vec<Run> = self.members.iter().filter(|(r, m)| silent(r, m)).map(|(r, _)| r.clone()).collect();
        self.members.values_mut().for_each(|member| member.state.forget());
        over.into_iter().filter_map(|run| self.let_go(run)).collect()
    }

    fn let_go(&mut self, run: Run) -> Option<(Run, usize)> {
        let member = self.members.remove(&run)?;
        Some((run, member.state.size().0))
    }

    /// What to commit for sentiment, bars and halts once all rows given out so far are written.
    ///
    /// If so many runs are unfinished that a note would be longer than Kafka takes, the replays longest silent are
    /// let go and returned like those of [`Partition::forget`].
    pub fn commits(&mut self) -> ([Position; 3], Vec<(Run, usize)>) {
        let mut over = Vec::new();
        loop {
            let unread = self.unread();
            // While the past is read again, what has not come by yet may still be needed.
            let note = |(run, member): (&Run, &Member)| (run.clone(), member.state.note(self.next));
            let runs = self.members.iter().map(note).collect();
            let positions = [Topic::Sentiment, Topic::Bars, Topic::Halts].map(|topic| {
                let next = unread[topic as usize];
                Position { next, note: Note::of(topic, next, &runs).encode() }
            });
            let silent = self.members.iter().filter(|(run, _)| !run.is_live()).min_by_key(|(_, member)| member.heard);
            match silent.map(|(run, _)| run.clone()) {
                Some(run) if positions.iter().any(|position| position.note.len() > LONGEST) => {
                    over.extend(self.let_go(run))
                }
                _ => return (positions, over),
            }
        }
    }

    /// Mentions and bars in memory.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.members.values().map(|member| member.state.size());
        sizes.fold((0, 0), |(mentions, bars), (m, b)| (mentions + m, bars + b))
    }
}
