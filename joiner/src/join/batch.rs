//! The join of a whole replay in one process, without topics.

use super::inputs::{JoinEvent, JoinTopic, PerTopic};
use super::mention::MentionKey;
use super::{JoinConfig, State};
use crate::JoinerError;
use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;
use tapewire_core::{Bar, CorporateAction, Impact, Mention, Run, Watermark};

/// Joins the records of one replay. The rows are those that a replay through the topics leaves in table `impact`; only
/// their versions differ, because versions are made of offsets.
///
/// Records are taken as a partition takes them from topics whose ends have been reached: `actions`, `bars` and the end of
/// the tape, then `mentions` and the end of the news. Of a mention with several revisions the last counts. Rows are
/// ordered by symbol, provider and article. All bars are in memory until the end.
///
/// ```
/// use tapewire_core::{Bar, Run};
/// use tapewire_joiner::join::{JoinConfig, batch};
///
/// let bars = std::iter::empty::<Bar>();
/// assert!(batch::join(&Run::named("none"), JoinConfig::default(), Vec::new(), bars, Vec::new())?.is_empty());
/// # Ok::<(), tapewire_joiner::JoinerError>(())
/// ```
///
/// # Errors
/// [`JoinerError::Setting`]; [`JoinerError::TooManyRecords`].
pub fn join(
    run: &Run,
    config: JoinConfig,
    actions: Vec<CorporateAction>,
    bars: impl IntoIterator<Item = Bar>,
    mentions: impl IntoIterator<Item = Mention>,
) -> Result<Vec<Impact>, JoinerError> {
    config.validate()?;
    let mut batch = Batch {
        state: State::new(run.clone(), Arc::new(config)),
        next: PerTopic::default(),
        changed: Vec::new(),
        rows: Vec::new(),
        by_key: HashMap::new(),
    };
    let end = Watermark::new(0, 1, Watermark::END);
    for action in actions {
        batch.step(JoinTopic::Actions, |offset| JoinEvent::Action { offset, action })?;
    }
    for bar in bars {
        batch.bar(&bar)?;
    }
    batch.step(JoinTopic::Bars, |offset| JoinEvent::TapeWatermark { offset, watermark: end.clone() })?;
    for mention in mentions {
        batch.step(JoinTopic::Sentiment, |offset| JoinEvent::Mention { offset, mention })?;
    }
    batch.step(JoinTopic::Sentiment, |offset| JoinEvent::NewsWatermark { offset, watermark: end })?;
    Ok(batch.ordered())
}

/// The state of the run, and the last row of each mention, by what identifies it.
struct Batch {
    state: State,
    next: PerTopic<u64>,
    /// Rows that the last record changed.
    changed: Vec<Impact>,
    rows: Vec<Option<Impact>>,
    by_key: HashMap<MentionKey, usize>,
}

impl Batch {
    fn step(&mut self, topic: JoinTopic, event: impl FnOnce(u64) -> JoinEvent) -> Result<(), JoinerError> {
        let offset = self.next[topic];
        self.next[topic] += 1;
        self.state.step_into(event(offset), &mut self.changed)?;
        self.keep_changed();
        Ok(())
    }

    /// As [`step`](Self::step), for a bar. There are many of them, so no [`JoinEvent`] is made of each.
    fn bar(&mut self, bar: &Bar) -> Result<(), JoinerError> {
        let offset = self.next.bars;
        self.next.bars += 1;
        self.state.bar(offset, bar, &mut self.changed)?;
        self.keep_changed();
        Ok(())
    }

    fn keep_changed(&mut self) {
        for row in self.changed.drain(..) {
            let index = *self.by_key.entry(MentionKey::from(&*row.mention)).or_insert(self.rows.len());
            // As in the table, the row with the higher version replaces the other of the same key.
            match self.rows.get_mut(index) {
                Some(Some(known)) if known.version > row.version => {}
                Some(known) => *known = Some(row),
                None => self.rows.push(Some(row)),
            }
        }
    }

    /// The rows by their keys.
    fn ordered(mut self) -> Vec<Impact> {
        let mut keys: Vec<(MentionKey, usize)> = self.by_key.drain().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|(_, index)| self.rows[index].take()).collect()
    }
}
