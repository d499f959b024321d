//! One article and company: of all records about it, the one that counts.

use super::Micros;
use super::outcome::Outcome;
use super::plan::Plan;
use tapewire_core::Mention;

/// What names a joined row within a run: company (none: the article names none) and article.
pub(super) type Key = (Option<tapewire_core::Symbol>, String);

/// One record of a mention.
#[derive(Debug)]
pub(super) struct Heard {
    pub mention: Mention,
    pub plan: Plan,
    /// It came after the news watermark had passed its publication.
    pub late: bool,
    /// It came after the news watermark had passed its deadline: its bars may be forgotten.
    pub too_late: bool,
}

/// A mention in memory.
#[derive(Debug)]
pub(super) struct Held {
    /// Of each revision the record that was available first; revisions in the order first heard.
    revisions: Vec<Heard>,
    current: usize,
    /// Position of the record that made the current one count.
    pub since: u64,
    /// When every record of it is settled.
    pub deadline: Micros,
    /// What was last found out about it, and the version of the row that said so.
    pub found: Option<(u64, Outcome)>,
}

impl Held {
    pub fn new(seq: u64, heard: Heard) -> Self {
        let deadline = heard.plan.deadline;
        Self { revisions: vec![heard], current: 0, since: seq, deadline, found: None }
    }

    pub fn current(&self) -> &Heard {
        &self.revisions[self.current]
    }

    /// Where the tape has to be for the next look.
    pub fn wake(&self) -> Option<Micros> {
        self.found.as_ref()?.1.wake
    }

    /// Whether a bar of its own symbol can change it: one after the news, or a later price before it.
    pub fn touched_by(&self, start: Micros, end: Micros) -> bool {
        let plan = &self.current().plan;
        let Some((path, (_, outcome))) = plan.path.as_ref().zip(self.found.as_ref()) else { return false };
        let before = || outcome.price_before.is_none_or(|(_, at)| at <= end);
        start >= path.first || (end <= plan.available && before())
    }

    /// Whether a bar of the benchmark can change it: one between its entry and its last horizon reached.
    pub fn measured_by(&self, start: Micros, end: Micros) -> bool {
        let Some((_, outcome)) = &self.found else { return false };
        let span = outcome.entry.zip(outcome.until).filter(|_| outcome.model.is_some());
        span.is_some_and(|((_, entered), until)| entered <= start && end <= until)
    }

    /// Takes another record in. `true` if another one counts now.
    ///
    /// Another revision is an edit and replaces; the same revision again, as after a restart of
    /// the worker, counts only if it was available earlier.
    pub fn hear(&mut self, seq: u64, heard: Heard) -> bool {
        self.deadline = self.deadline.max(heard.plan.deadline);
        let revision = heard.mention.article_revision;
        let known = self.revisions.iter().position(|known| known.mention.article_revision == revision);
        let index = known.unwrap_or(self.revisions.len());
        let mut changed = index != self.current;
        match self.revisions.get_mut(index) {
            Some(known) if heard.plan.available < known.plan.available => {
                *known = heard;
                changed = true;
            }
            Some(_) => {}
            None => self.revisions.push(heard),
        }
        self.current = index;
        if changed {
            self.since = seq;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::{JoinConfig, timestamp};
    use tapewire_core::exchange::Calendar;
    use tapewire_core::{Symbol, Unscored};

    fn heard(revision: u64, scored_at: Micros) -> Heard {
        let at = timestamp(1_719_252_000_000_000); // within a session
        let mention = Mention {
            article_id: "a".into(),
            article_revision: revision,
            symbol: Some(Symbol::new("AAPL").unwrap()),
            title: String::new(),
            provider: String::new(),
            publisher: String::new(),
            url: String::new(),
            published_at: at,
            received_at: at,
            scored_at: timestamp(at.as_microsecond() + scored_at),
            relevance: None,
            sentiment: Err(Unscored::EmptyText),
        };
        let plan = Plan::new(&mention, &JoinConfig::default(), Calendar::xnys());
        Heard { mention, plan, late: false, too_late: false }
    }

    fn counts(held: &Held) -> (u64, u64, Micros) {
        let current = held.current();
        let scored_at = current.mention.scored_at.as_microsecond() - current.mention.published_at.as_microsecond();
        (held.since, current.mention.article_revision, scored_at)
    }

    #[test]
    fn the_earliest_of_the_latest_revision_counts() {
        let mut held = Held::new(1, heard(7, 50));
        assert!(!held.hear(2, heard(7, 90)), "scored again later");
        assert_eq!(counts(&held), (1, 7, 50));
        assert!(held.hear(3, heard(7, 20)), "scored again and available earlier");
        assert_eq!(counts(&held), (3, 7, 20));
        assert!(held.hear(4, heard(8, 100)), "an edit");
        assert_eq!(counts(&held), (4, 8, 100));
        // The worker starts again and sends both once more.
        assert!(held.hear(5, heard(7, 200)));
        assert!(held.hear(6, heard(8, 201)));
        assert_eq!(counts(&held), (6, 8, 100));
    }
}
