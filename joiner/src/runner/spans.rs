//! The spans of mentions that are traced: from the moment a record was read until ClickHouse has acknowledged the
//! first row that it led to. The join knows nothing of them: after a restart, a mention that was committed before has
//! none.

use super::batch::Batch;
use crate::join::MentionKey;
use std::collections::VecDeque;
use tapewire_bus::Received;
use tapewire_bus::traces::about_mention;
use tapewire_core::{Mention, Run};
use tapewire_runtime::traces::{Moment, Span};

/// What the joiner does with a record, in the names of its spans.
pub const OPERATION: &str = "join";
/// Most spans that may wait for their rows, of about a kilobyte each. The rows of a replay all wait for the beginning
/// of its tape.
const LIMIT: usize = 10_000;

/// Mentions whose first row is not written yet, the oldest first. Empty where nothing is traced.
#[derive(Default)]
pub struct Spans(VecDeque<Waiting>);

struct Waiting {
    mention: (Run, MentionKey),
    partition: i32,
    span: Span,
}

impl Spans {
    /// Begins the span of a mention, if it is traced.
    pub fn add(&mut self, record: &Received, run: &Run, mention: &Mention) {
        let mut span = record.span(OPERATION);
        if !span.is_recording() {
            return;
        }
        about_mention(&mut span, run, mention);
        self.push(Waiting { mention: (run.clone(), MentionKey::from(mention)), partition: record.partition, span });
    }

    fn push(&mut self, waiting: Waiting) {
        self.0.push_back(waiting);
        if self.0.len() > LIMIT
            && let Some(mut oldest) = self.0.pop_front()
        {
            oldest.span.describe(|| [("tapewire.row", "not waited for: too many mentions wait for their rows".into())]);
            oldest.span.done();
        }
    }

    /// Ends the spans of mentions whose rows ClickHouse has acknowledged, which it was sent at `sent_at`, and of
    /// those that no row is to be expected of: the mention was known, or came too late. `holds_back` says whether the
    /// rows of a run are held back on a partition.
    pub fn written(&mut self, batch: &Batch, sent_at: Moment, holds_back: impl Fn(i32, &Run) -> bool) {
        let waiting = std::mem::take(&mut self.0);
        for Waiting { mention, partition, mut span } in waiting {
            let has_row = batch.has(&mention);
            if !has_row && holds_back(partition, &mention.0) {
                self.0.push_back(Waiting { mention, partition, span });
                continue;
            }
            span.event("insert", sent_at);
            let row = if has_row { "written" } else { "unchanged" };
            span.describe(|| [("tapewire.row", row.into())]);
            span.done();
        }
    }

    /// Ends all spans: ClickHouse has not acknowledged the rows.
    pub fn failed(&mut self) {
        self.end("clickhouse did not acknowledge the rows");
    }

    /// Ends all spans: the partitions were taken away.
    pub fn revoked(&mut self) {
        self.end("the partition was taken away; its next owner reads the record again");
    }

    fn end(&mut self, what: &'static str) {
        for mut waiting in self.0.drain(..) {
            waiting.span.fail(what);
            waiting.span.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_testkit::{at, mention};

    fn waiting(ticker: &str, run: &Run) -> Waiting {
        let mention = mention(ticker, at("2024-07-01T14:00:00Z"));
        Waiting { mention: (run.clone(), MentionKey::from(&mention)), partition: 0, span: Span::none() }
    }

    #[test]
    fn only_a_mention_whose_row_is_held_back_goes_on_waiting() {
        let (live, replay) = (Run::live(), Run::named("replay"));
        let mut spans = Spans::default();
        spans.push(waiting("AAA", &live));
        spans.push(waiting("BBB", &replay));
        spans.written(&Batch::default(), Moment::now(), |_, run| *run == replay);
        let left: Vec<&Run> = spans.0.iter().map(|waiting| &waiting.mention.0).collect();
        assert_eq!(left, [&replay]);
        spans.revoked();
        assert!(spans.0.is_empty());
    }

    #[test]
    fn not_more_mentions_wait_than_the_limit() {
        let mut spans = Spans::default();
        for number in 0..LIMIT + 3 {
            spans.push(waiting(&format!("S{number}"), &Run::live()));
        }
        assert_eq!(spans.0.len(), LIMIT);
        assert_eq!(spans.0[0].mention.1.symbol.as_ref().unwrap().as_str(), "S3");
    }
}
