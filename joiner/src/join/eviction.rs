//! Forgetting what is finished, and rebuilding what is not.
//!
//! The join keeps no store. A commit carries a [`RunNote`]; the next owner of the partition reads
//! each topic again from there and has the same state. Three things make that exact:
//!
//! - A mention is forgotten when news and tape have both passed its deadline, with all its records;
//!   bars and watermarks when no mention in memory or still to come can need their session. So the
//!   note leads before everything an unfinished row rests on.
//! - Watermarks stand in the note as they were at that place of the topic, so what was late is late
//!   again.
//! - Reading again also meets records of mentions that were finished and forgotten. Nothing is given
//!   out until the last committed record of `sentiment` has come by; then those that were settled
//!   are dropped. Their rows are written, and their bars may be gone.

use super::plan::Day;
use super::progress::{Bookmark, Progress};
use super::{JoinConfig, Micros, State, timestamp};
use crate::JoinerError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_core::{Impact, Run, Watermark};

/// A mention that is heard before the news has passed its deadline has its first session at most
/// two sessions before the one the news is in; and so has a row that is still open.
const SESSIONS_OPEN: usize = 2;

/// What is gone, and the oldest records of what is not.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    /// Bars and halts of sessions before this one are gone.
    pub sessions_before: usize,
    /// Mentions settled by this moment are gone.
    pub settled: Option<Micros>,
    /// First record of `bars` for each session.
    tape: BTreeMap<usize, u64>,
    /// First record of `halts` for each session.
    halts: BTreeMap<usize, u64>,
}

impl Forgotten {
    pub fn tape_needs(&mut self, session: usize, seq: u64) {
        let first = self.tape.entry(session).or_insert(seq);
        *first = seq.min(*first);
    }

    pub fn halts_need(&mut self, session: usize, seq: u64) {
        let first = self.halts.entry(session).or_insert(seq);
        *first = seq.min(*first);
    }

    fn first_tape(&self) -> Option<u64> {
        self.tape.values().min().copied()
    }

    fn first_halt(&self) -> Option<u64> {
        self.halts.values().min().copied()
    }
}

/// Where to read each topic again to have this run's state, and what need not be made again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunNote {
    pub news: Bookmark,
    pub tape: Bookmark,
    pub halts: u64,
    pub settled: Option<Micros>,
}

impl State {
    /// A state to be rebuilt: until [`State::rebuilt`] it takes events in and gives nothing out.
    pub(super) fn resume(run: Run, config: Arc<JoinConfig>, note: RunNote) -> Self {
        let halts = Progress::start(note.halts);
        let before = note.tape.seq.saturating_sub(1);
        let mut state = Self::with(run, config, [Progress::resume(note.news), Progress::resume(note.tape), halts]);
        if let Some(low) = state.tape.low() {
            // Which record reached it is forgotten, and no row in memory rests on it.
            state.reached.push(low, before);
        }
        state.forgotten.settled = note.settled;
        state.rebuilding = true;
        state
    }

    /// All committed mentions have come by again: drops those that were settled then, and gives
    /// out the rows of the others.
    pub(super) fn rebuilt(&mut self) -> Result<Vec<Impact>, JoinerError> {
        if !std::mem::take(&mut self.rebuilding) {
            return Ok(Vec::new());
        }
        self.drop_settled();
        self.look_at_all()
    }

    /// Forgets what is finished: mentions whose deadline news and tape have both passed, and the bars, halts and
    /// market models of sessions that nothing in memory or still to come looks at. Until both
    /// have a watermark, nothing.
    ///
    /// To be called only when every halt that the tape's watermark vouches for has been taken in:
    /// `halts` has no watermark of its own, and a row that is forgotten learns of no halt.
    pub fn forget(&mut self) {
        if self.rebuilding || self.reached.low() == Micros::MIN {
            return;
        }
        let Some(settled) = self.news.low().map(|news| news.min(self.reached.low())) else { return };
        if self.forgotten.settled.is_some_and(|before| settled <= before) {
            return;
        }
        self.forgotten.settled = Some(settled);
        self.drop_settled();
        let Some(now) = self.calendar.last_opened(timestamp(settled)) else { return };
        let back = usize::from(self.config.baseline_sessions) + SESSIONS_OPEN;
        let Some(oldest) = now.index.checked_sub(back).and_then(|index| self.calendar.sessions().get(index)) else {
            return;
        };
        if oldest.index > self.forgotten.sessions_before {
            self.forget_sessions_before(&Day::new(oldest));
        }
        self.news.forget_before(self.mentions.keys().next().copied());
    }

    fn drop_settled(&mut self) {
        let Some(settled) = self.forgotten.settled else { return };
        let done: Vec<u64> =
            self.mentions.iter().filter(|(_, held)| held.deadline <= settled).map(|(&id, _)| id).collect();
        done.into_iter().for_each(|id| self.drop_mention(id));
    }

    fn forget_sessions_before(&mut self, oldest: &Day) {
        self.forgotten.sessions_before = oldest.index;
        self.forgotten.tape = self.forgotten.tape.split_off(&oldest.index);
        self.forgotten.halts = self.forgotten.halts.split_off(&oldest.index);
        self.symbols.retain(|_, symbol| {
            symbol.bars.retain(|_, bars| !bars.forget_before(oldest.index));
            symbol.halts = symbol.halts.split_off(&oldest.open);
            !(symbol.bars.is_empty() && symbol.halts.is_empty() && symbol.mentions.is_empty())
        });
        self.models.retain(|_, models| {
            models.retain(|(session, _), _| *session >= oldest.index);
            !models.is_empty()
        });
        self.reached.forget_before(oldest.open);
        self.tape.forget_before(self.forgotten.first_tape());
    }

    /// Whether news and tape have both said their last word: every row has been given out in its final form.
    pub(super) fn is_over(&self) -> bool {
        let last = |progress: &Progress| progress.low() >= Some(Watermark::END.as_microsecond());
        !self.rebuilding && last(&self.news) && last(&self.tape)
    }

    /// The note for a commit made now, given the next positions of sentiment, bars and halts.
    pub(super) fn note(&self, [news, tape, halts]: [u64; 3]) -> RunNote {
        RunNote {
            news: self.news.rewind(self.mentions.keys().next().copied(), news),
            tape: self.tape.rewind(self.forgotten.first_tape(), tape),
            halts: self.halts.rewind(self.forgotten.first_halt(), halts).seq,
            settled: self.forgotten.settled,
        }
    }

    /// Mentions in memory, and bars.
    pub fn size(&self) -> (usize, usize) {
        let bars = self.symbols.values().flat_map(|symbol| symbol.bars.values()).map(super::tape::Bars::len).sum();
        (self.mentions.len(), bars)
    }
}
