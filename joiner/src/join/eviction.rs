//! Evicting what is finished, and rebuilding what is not.
//!
//! The join keeps its state in memory only. A commit carries a [`RunCheckpoint`]; the next owner of the partition reads
//! each topic again from there and has the same state. Three things make that exact:
//!
//! - A mention is evicted, with all its records, when news and tape have both passed its finalization time; bars and
//!   watermarks are evicted when no mention, in memory or still to come, can need their session. So the checkpoint is
//!   before everything that an unfinished row depends on.
//! - The checkpoint holds the watermarks as they were at that offset, so what was late is late again.
//! - Reading again also meets records of mentions that were finished and evicted. No row is returned until the last
//!   committed record of `sentiment` has been read again; then the mentions that were finalized before are evicted.
//!   Their rows are written, and their bars may have been evicted.

use super::checkpoint::RunCheckpoint;
use super::inputs::PerTopic;
use super::tape::Bars;
use super::time::EventTime;
use super::tracker::WatermarkTracker;
use super::window::SessionBounds;
use super::{JoinConfig, State};
use crate::JoinerError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::{Impact, Run, Watermark};

/// A mention can arrive until the news has passed its finalization time, and its row is open until then. So its first
/// session is at most this number of sessions before the one that the news is in.
const OPEN_SESSIONS: usize = 2;

/// What was evicted, and the oldest records of what was not.
#[derive(Debug)]
pub(super) struct EvictionState {
    /// Bars and halts of sessions before this one were evicted.
    pub oldest_session: usize,
    /// Mentions whose finalization time is at or before this moment were evicted.
    pub finalized: Option<EventTime>,
    /// No mention in memory has an earlier finalization time.
    pub earliest_finalization: EventTime,
    /// Offset of the first record of `bars` for each session.
    bars: BTreeMap<usize, u64>,
    /// Offset of the first record of `halts` for each session.
    halts: BTreeMap<usize, u64>,
    /// Offset of the first record of `actions` for each session.
    actions: BTreeMap<usize, u64>,
}

impl Default for EvictionState {
    fn default() -> Self {
        Self {
            oldest_session: 0,
            finalized: None,
            earliest_finalization: EventTime::MIN,
            bars: BTreeMap::new(),
            halts: BTreeMap::new(),
            actions: BTreeMap::new(),
        }
    }
}

impl EvictionState {
    /// The session needs this record of `bars`.
    pub fn keep_bars_from(&mut self, session: usize, offset: u64) {
        // Most records are of the newest session, and later than its first.
        if self.bars.last_key_value().is_some_and(|(&last, &first)| last == session && first <= offset) {
            return;
        }
        let first = self.bars.entry(session).or_insert(offset);
        *first = offset.min(*first);
    }

    /// The session needs this record of `halts`.
    pub fn keep_halts_from(&mut self, session: usize, offset: u64) {
        let first = self.halts.entry(session).or_insert(offset);
        *first = offset.min(*first);
    }

    /// The session needs this record of `actions`.
    pub fn keep_actions_from(&mut self, session: usize, offset: u64) {
        let first = self.actions.entry(session).or_insert(offset);
        *first = offset.min(*first);
    }

    fn first_bar(&self) -> Option<u64> {
        self.bars.values().min().copied()
    }

    fn first_halt(&self) -> Option<u64> {
        self.halts.values().min().copied()
    }

    fn first_action(&self) -> Option<u64> {
        self.actions.values().min().copied()
    }
}

impl State {
    /// A state to be rebuilt: until [`State::finish_rebuild`] it applies events and returns no rows.
    pub(super) fn restore(run: Run, config: Arc<JoinConfig>, checkpoint: RunCheckpoint) -> Self {
        let before = checkpoint.tape.offset.saturating_sub(1);
        let trackers = PerTopic {
            sentiment: WatermarkTracker::restore(checkpoint.news),
            bars: WatermarkTracker::restore(checkpoint.tape),
            halts: WatermarkTracker::starting_at(checkpoint.halts),
            actions: WatermarkTracker::starting_at(checkpoint.actions),
        };
        let mut state = Self::with(run, config, trackers);
        if let Some(low) = state.tape.low() {
            // Which record completed the tape up to here is not in the checkpoint, and no row in memory depends on it.
            state.history.push(low, before);
        }
        state.eviction.finalized = checkpoint.finalized;
        state.rebuilding = true;
        state
    }

    /// All committed mentions have been read again: evicts those that were finalized before the commit, and
    /// returns the rows of the others.
    pub(super) fn finish_rebuild(&mut self) -> Result<Vec<Impact>, JoinerError> {
        if !std::mem::take(&mut self.rebuilding) {
            return Ok(Vec::new());
        }
        self.evict_finalized();
        self.evaluate_all()
    }

    /// Evicts what is finished: mentions whose finalization time both news and tape have passed, and the bars, halts,
    /// actions and baselines of sessions that no mention, in memory or still to come, uses. Evicts nothing until
    /// both have a watermark.
    ///
    /// Call it only when every halt and every action up to the tape's watermark has been read: their topics have no
    /// watermarks, and neither can change a row that was evicted.
    pub fn evict(&mut self) {
        if self.rebuilding || self.history.low() == EventTime::MIN {
            return;
        }
        let Some(finalized) = self.news.low().map(|news| news.min(self.history.low())) else { return };
        if self.eviction.finalized.is_some_and(|before| finalized <= before) {
            return;
        }
        self.eviction.finalized = Some(finalized);
        self.evict_finalized();
        let Some(now) = self.calendar.last_opened(finalized.timestamp()) else { return };
        let back = usize::from(self.config.baseline_sessions) + OPEN_SESSIONS;
        let Some(oldest) = now.index.checked_sub(back).and_then(|index| self.calendar.sessions().get(index)) else {
            return;
        };
        if oldest.index > self.eviction.oldest_session {
            self.evict_sessions_before(&SessionBounds::new(oldest));
        }
        self.news.evict_before(self.mentions.keys().next().copied());
    }

    fn evict_finalized(&mut self) {
        let Some(finalized) = self.eviction.finalized else { return };
        if finalized < self.eviction.earliest_finalization {
            return;
        }
        let finalized = self.mentions.iter().filter(|(_, state)| state.finalization <= finalized);
        let evicted: Vec<u64> = finalized.map(|(&id, _)| id).collect();
        evicted.into_iter().for_each(|id| self.evict_mention(id));
        let left = self.mentions.values().map(|state| state.finalization);
        self.eviction.earliest_finalization = left.min().unwrap_or(EventTime::MAX);
    }

    fn evict_sessions_before(&mut self, oldest: &SessionBounds) {
        self.eviction.oldest_session = oldest.index;
        self.eviction.bars = self.eviction.bars.split_off(&oldest.index);
        self.eviction.halts = self.eviction.halts.split_off(&oldest.index);
        self.eviction.actions = self.eviction.actions.split_off(&oldest.index);
        self.symbols.retain(|_, symbol| {
            symbol.bars.retain(|_, bars| !bars.evict_before(oldest.index));
            symbol.outside = symbol.outside.split_off(&oldest.index);
            symbol.halts = symbol.halts.split_off(&oldest.open);
            symbol.actions.evict_before(oldest.index);
            let is_empty = symbol.bars.is_empty() && symbol.outside.is_empty();
            !(is_empty && symbol.halts.is_empty() && symbol.actions.is_empty() && symbol.mentions.is_empty())
        });
        self.baselines.retain(|_, baselines| {
            baselines.retain(|(session, _), _| *session >= oldest.index);
            !baselines.is_empty()
        });
        self.history.evict_before(oldest.open);
        self.tape.evict_before(self.eviction.first_bar());
    }

    /// Whether news and tape have both ended: every row has been returned in its final form.
    pub(super) fn is_finished(&self) -> bool {
        let end = EventTime::from(Watermark::END);
        let has_ended = |tracker: &WatermarkTracker| tracker.low() >= Some(end);
        !self.rebuilding && has_ended(&self.news) && has_ended(&self.tape)
    }

    /// The checkpoint for a commit made now, given the next offsets to be read.
    pub(super) fn checkpoint(&self, next: PerTopic<u64>) -> RunCheckpoint {
        RunCheckpoint {
            news: self.news.rewind(self.mentions.keys().next().copied(), next.sentiment),
            tape: self.tape.rewind(self.eviction.first_bar(), next.bars),
            halts: self.halts.rewind(self.eviction.first_halt(), next.halts).offset,
            actions: self.actions.rewind(self.eviction.first_action(), next.actions).offset,
            finalized: self.eviction.finalized,
        }
    }

    /// Number of mentions and of bars in memory.
    pub fn size(&self) -> (usize, usize) {
        let bars = self.symbols.values().flat_map(|symbol| symbol.bars.values()).map(Bars::len).sum();
        (self.mentions.len(), bars)
    }
}
