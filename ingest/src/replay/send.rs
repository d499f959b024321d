//! Sends what was prepared, or hands it out.

use super::prepare::Prepared;
use super::source::Rejected;
use super::{ReplayProgress, Stage};
use crate::IngestError;
use crate::writer::{Sent, Stream, Writer};
use jiff::Timestamp;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::{Article, Bar, CorporateAction, Run, Watermark};
use tapewire_runtime::Clock;

/// Records between two reports of progress.
const REPORT_EVERY: u64 = 1000;

/// What a replay has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Name of the run.
    pub run: Run,
    /// Articles, with every edit.
    pub articles: u64,
    /// Rows the join must end with: one for each company that an article names in the end, one for an article without.
    pub mentions: u64,
    /// Bars, each once.
    pub bars: u64,
    /// Rows that can't be read.
    pub unreadable: u64,
    /// Rows that are kept without a part that can't be read.
    pub in_part: u64,
    /// Rows that say what another says, too.
    pub repeated: u64,
    /// Rows of bars that a later row of the same bar replaces.
    pub replaced: u64,
    /// Articles and bars by id.
    pub sent: Sent,
    /// End of the last bar, where the tape ends.
    pub tape_end: Option<Timestamp>,
}

impl Summary {
    /// Rows put to the dead letters.
    pub fn dead_letters(&self) -> u64 {
        self.unreadable + self.in_part
    }
}

/// The records of a replay, for a process that does without topics. [`Prepared::send`] sends the same: `actions`, `bars`,
/// `articles`, and then [`Watermark::END`] of both streams.
pub struct Records {
    /// Name of the run.
    pub run: Run,
    /// Splits and dividends.
    pub actions: Vec<CorporateAction>,
    /// Bars, each once, in the order of the files.
    pub bars: Box<dyn Iterator<Item = Bar> + Send>,
    /// Articles with every edit, in the order in which they are sent.
    pub articles: Vec<Article>,
    /// Whether there is a bar of the benchmark.
    pub has_benchmark: bool,
    /// What would be sent, and what can't be.
    pub summary: Summary,
}

impl Prepared {
    /// Hands the records out instead of sending them.
    pub fn into_records(self) -> Records {
        let summary = self.summary();
        let has_benchmark = self.options.benchmark.as_ref().is_some_and(|benchmark| self.bars.has(benchmark));
        let bars = Box::new(self.bars.into_bars());
        Records { run: self.run, actions: self.actions, bars, articles: self.articles, has_benchmark, summary }
    }

    /// Sends splits and dividends, bars, then news, and at the end [`Watermark::END`] on both. Rows that can't be read are put to the dead
    /// letters.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn send(
        self,
        producer: Producer,
        clock: Clock,
        mut report: impl FnMut(ReplayProgress),
    ) -> Result<Summary, IngestError> {
        let summary = self.summary();
        let total = summary.bars + summary.articles + summary.dead_letters();
        let mut done = 0;
        let mut advance = |by: u64| {
            done += by;
            if done.is_multiple_of(REPORT_EVERY) || done == total {
                report(ReplayProgress { stage: Stage::Sending, done, total });
            }
        };
        let mut writer = Writer::new(producer.clone(), self.run.clone(), self.options.benchmark.clone()).with_account();
        let letters = DeadLetters::new(producer, clock, "replay").of_run(&self.run);
        for Rejected { origin, reason, raw } in self.rejected.iter().chain(&self.in_part) {
            letters.publish(&origin.to_string(), reason, raw).await?;
            advance(1);
        }
        for action in self.actions {
            writer.action(action).await?;
        }
        for bar in self.bars.into_bars() {
            writer.bar(bar).await?;
            advance(1);
        }
        for article in self.articles {
            writer.article(article).await?;
            advance(1);
        }
        // The end of both streams: the run will not have more, so the join can finish every row. Without a name: a replay
        // is the only source of its run.
        writer.emit_tape_watermark(&Stream::prices(0, 1, ""), Watermark::END).await?;
        writer.emit_news_watermark(&Stream::news(0, 1, ""), Watermark::END).await?;
        Ok(Summary { sent: writer.take_account(), ..summary })
    }

    fn summary(&self) -> Summary {
        Summary {
            run: self.run.clone(),
            articles: self.articles.len() as u64,
            mentions: self.mentions,
            bars: self.bars.count(),
            unreadable: self.rejected.len() as u64,
            in_part: self.in_part.len() as u64,
            repeated: self.repeated + self.bars.repeated,
            replaced: self.bars.replaced,
            sent: Sent::default(),
            tape_end: self.bars.end(),
        }
    }
}
