//! One article about one company, and which of its records counts.

use super::held::HeldEvaluation;
use super::time::EventTime;
use super::window::EventWindow;
use std::sync::Arc;
use tapewire_core::impact::{Reason, Status};
use tapewire_core::{Mention, Symbol};

/// What identifies a joined row within a run. Two providers may give different articles the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MentionKey {
    /// `None` where the article names no company.
    pub symbol: Option<Symbol>,
    pub provider: Arc<str>,
    pub article_id: String,
}

impl From<&Mention> for MentionKey {
    fn from(mention: &Mention) -> Self {
        Self {
            symbol: mention.symbol.clone(),
            provider: Arc::clone(&mention.provider),
            article_id: mention.article_id.clone(),
        }
    }
}

/// Where the news watermark was when a mention arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lateness {
    /// Before the mention's publication.
    OnTime,
    /// At or after its publication.
    Late,
    /// At or after its finalization time: its bars may have been evicted.
    TooLate,
}

/// One record of a mention.
#[derive(Debug)]
pub(super) struct MentionRevision {
    /// Shared with the rows that are made of it.
    pub mention: Arc<Mention>,
    pub window: EventWindow,
    pub lateness: Lateness,
}

/// A mention in memory. Almost every mention has one revision, which therefore has no allocation of its own.
#[derive(Debug)]
pub(super) struct MentionState {
    /// For each revision, the record that was available first: of the revision that counts,
    current: MentionRevision,
    /// and of the others.
    others: Box<[MentionRevision]>,
    /// Offset of the record that made the current revision count.
    pub effective_offset: u64,
    /// The latest [`EventWindow::finalization`] of all its records.
    pub finalization: EventTime,
    /// What is kept of the last evaluation.
    pub evaluated: Option<HeldEvaluation>,
}

impl MentionState {
    pub fn new(offset: u64, revision: MentionRevision, finalization: EventTime) -> Self {
        let others = Box::default();
        Self { current: revision, others, effective_offset: offset, finalization, evaluated: None }
    }

    pub fn current(&self) -> &MentionRevision {
        &self.current
    }

    /// No revision has its entry in a session before this one. `None` if none can have an entry.
    pub fn oldest_entry_session(&self) -> Option<usize> {
        let windows = std::iter::once(&self.current).chain(&self.others).map(|revision| &revision.window);
        windows.filter_map(|window| Some(window.prices.as_ref()?.sessions[0].index)).min()
    }

    /// Where the tape has to be for the next evaluation.
    pub fn next_timer(&self) -> Option<EventTime> {
        self.evaluated.as_ref()?.next_timer()
    }

    /// Whether a bar of its own symbol, of a width in seconds, can change its row.
    ///
    /// Before the news: only a bar that ends later than the one of `price_before`. After it: a bar that starts within what
    /// the row covers; a later bar only if the row has no entry or no `next_open` yet, or if it is finer than the row's
    /// bars. (Other later bars are seen when a timer evaluates their time.)
    pub fn depends_on_bar(&self, start: EventTime, end: EventTime, width_s: u32) -> bool {
        let window = &self.current.window;
        let Some((prices, evaluated)) = window.prices.as_ref().zip(self.evaluated.as_ref()) else { return false };
        if start < prices.first_minute {
            return end <= window.available && evaluated.price_before_at <= end;
        }
        let Some(entry) = evaluated.entry() else { return true };
        let (is_covered, is_finer) = (start <= evaluated.covered_until, width_s < entry.width_s);
        let is_in_next_session = || {
            let mut closes = prices.sessions.iter().map(|session| EventTime::from(session.close));
            closes.any(|close| entry.bar.start < close && close <= start)
        };
        is_covered || is_finer || (!evaluated.has_next_open && is_in_next_session())
    }

    /// Whether a bar of the benchmark can change its row. Every bar up to the end of the last price that the row uses can,
    /// also those of the session before the entry's: they tell whether the market jumped, too.
    pub fn depends_on_benchmark_bar(&self, start: EventTime) -> bool {
        let Some(evaluated) = &self.evaluated else { return false };
        evaluated.entry().is_some() && start <= evaluated.complete_until
    }

    /// Whether it has no entry and no regular bar, so that a bar outside the sessions can change its reason.
    pub fn is_without_bars(&self) -> bool {
        let status = self.evaluated.as_ref().map(|evaluated| evaluated.status);
        matches!(status, Some(Status::NotJoined(Reason::NoBars | Reason::NoRegularBars)))
    }

    /// Applies another record, with its [`EventWindow::finalization`]. `true` if the current revision changed.
    ///
    /// Another revision is an edit and replaces the current one. The same revision again, as after a restart of the
    /// worker, counts only if it was available earlier.
    pub fn apply_revision(&mut self, offset: u64, revision: MentionRevision, finalization: EventTime) -> bool {
        self.finalization = self.finalization.max(finalization);
        let changed = self.current.number() != revision.number() || revision.is_earlier_than(&self.current);
        if changed {
            self.set_current(revision);
            self.effective_offset = offset;
        }
        changed
    }

    /// Makes a revision the current one, by this record or, if that was available earlier, by the one that is known.
    fn set_current(&mut self, revision: MentionRevision) {
        if self.current.number() == revision.number() {
            self.current = revision;
            return;
        }
        match self.others.iter_mut().find(|other| other.number() == revision.number()) {
            Some(known) => {
                if revision.is_earlier_than(known) {
                    *known = revision;
                }
                std::mem::swap(known, &mut self.current);
            }
            None => {
                let before = std::mem::replace(&mut self.current, revision);
                self.others = std::mem::take(&mut self.others).into_iter().chain([before]).collect();
            }
        }
    }
}

impl MentionRevision {
    fn number(&self) -> u64 {
        self.mention.article_revision
    }

    fn is_earlier_than(&self, other: &Self) -> bool {
        self.window.available < other.window.available
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::JoinConfig;
    use tapewire_core::exchange::Calendar;

    const PUBLISHED: EventTime = EventTime::from_micros(1_719_252_000_000_000); // within a session

    fn scored_after(number: u64, micros: i64) -> MentionRevision {
        let mention = Mention {
            article_revision: number,
            scored_at: EventTime::from_micros(PUBLISHED.as_micros() + micros).timestamp(),
            ..tapewire_testkit::mention("AAPL", PUBLISHED.timestamp())
        };
        let window = EventWindow::new(&mention, &JoinConfig::default(), Calendar::xnys());
        MentionRevision { mention: Arc::new(mention), window, lateness: Lateness::OnTime }
    }

    /// Of the revision that counts: effective offset, number, and microseconds from publication to score.
    fn current(state: &MentionState) -> (u64, u64, i64) {
        let mention = &state.current().mention;
        let delay = mention.scored_at.as_microsecond() - PUBLISHED.as_micros();
        (state.effective_offset, mention.article_revision, delay)
    }

    #[test]
    fn the_earliest_record_of_the_latest_revision_counts() {
        let mut state = MentionState::new(1, scored_after(7, 50), PUBLISHED);
        let mut apply = |offset, number, micros| {
            let changed = state.apply_revision(offset, scored_after(number, micros), PUBLISHED);
            (changed, current(&state))
        };
        assert_eq!(apply(2, 7, 90), (false, (1, 7, 50)), "scored again later");
        assert_eq!(apply(3, 7, 20), (true, (3, 7, 20)), "scored again and available earlier");
        assert_eq!(apply(4, 8, 100), (true, (4, 8, 100)), "an edit");
        // The worker restarts and sends both once more.
        assert_eq!(apply(5, 7, 200), (true, (5, 7, 20)));
        assert_eq!(apply(6, 8, 201), (true, (6, 8, 100)));
        assert_eq!(apply(7, 9, 300), (true, (7, 9, 300)), "a second edit");
        assert_eq!(apply(8, 7, 10), (true, (8, 7, 10)), "the first revision, available earlier than all before");
        assert_eq!(apply(9, 8, 400), (true, (9, 8, 100)));
    }
}
