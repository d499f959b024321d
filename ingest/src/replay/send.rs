//! Sends a prepared replay, or returns its records.

use super::prepare::Prepared;
use super::source::Rejected;
use super::{ReplayProgress, STAGE, Stage};
use crate::IngestError;
use crate::writer::{Sent, WatermarkStream, Writer};
use jiff::Timestamp;
use std::collections::BTreeSet;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::{Article, Bar, CorporateAction, Run, Symbol, Watermark};
use tapewire_runtime::Clock;

/// How many records are sent between two reports of progress.
const REPORT_EVERY: u64 = 1000;

/// Counts of what a replay has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Name of the run.
    pub run: Run,
    /// Articles; every edit counts.
    pub articles: u64,
    /// Rows that the join must have at the end: one for each company that an article's last revision names, one for an
    /// article without companies.
    pub mentions: u64,
    /// Bars, each once.
    pub bars: u64,
    /// Rows that can't be read.
    pub unreadable: u64,
    /// Rows that are kept without a part that can't be read.
    pub in_part: u64,
    /// Articles and bars by id.
    pub sent: Sent,
    /// End of the last bar, which is the end of the tape.
    pub tape_end: Option<Timestamp>,
}

impl Summary {
    /// Rows that became dead letters.
    pub fn dead_letters(&self) -> u64 {
        self.unreadable + self.in_part
    }
}

/// The records of a replay, for a process that works without topics. [`Prepared::send`] sends the same records:
/// `actions`, `bars`, `articles`, and then [`Watermark::END`] of both streams.
pub struct Records {
    /// Name of the run.
    pub run: Run,
    /// Splits and dividends.
    pub actions: Vec<CorporateAction>,
    /// Bars, each once, in the order of the files.
    pub bars: Box<dyn Iterator<Item = Bar> + Send>,
    /// Articles with every edit, in the order in which they are sent.
    pub articles: Vec<Article>,
    /// Whether there are bars of a benchmark of any symbol in the news.
    pub has_benchmark: bool,
    /// Rows that can't be used, then rows of which a part can't be used.
    pub rejected: Vec<Rejected>,
    /// Counts of what would be sent, and of the rows that can't be used.
    pub summary: Summary,
}

impl Prepared {
    /// Returns the records instead of sending them.
    pub fn into_records(mut self) -> Records {
        let summary = self.summary();
        let options = &self.options;
        let mentioned: BTreeSet<&Symbol> = self.articles.iter().flat_map(|article| &article.symbols).collect();
        let of = |symbol| options.calendars.benchmark_of(symbol, options.benchmarks());
        let has_benchmark = mentioned.into_iter().filter_map(of).any(|benchmark| self.bars.has(benchmark));
        self.bars.sort();
        let bars = Box::new(self.bars.into_bars());
        self.rejected.append(&mut self.in_part);
        let Self { run, actions, articles, rejected, .. } = self;
        Records { run, actions, bars, articles, has_benchmark, rejected, summary }
    }

    /// Sends splits and dividends, bars, news, and at the end [`Watermark::END`] of both streams. Rows that can't be
    /// read become dead letters.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn send(
        mut self,
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
        let mut writer =
            Writer::new(producer.clone(), self.run.clone(), self.options.benchmarks().cloned()).with_record_of_sent();
        let letters = DeadLetters::new(producer, clock, STAGE).of_run(&self.run);
        for Rejected { origin, reason, raw } in self.rejected.iter().chain(&self.in_part) {
            letters.publish(&origin.to_string(), reason, raw).await?;
            advance(1);
        }
        for action in self.actions {
            writer.action(action).await?;
        }
        self.bars.sort();
        for bar in self.bars.into_bars() {
            writer.bar(bar).await?;
            advance(1);
        }
        for article in self.articles {
            writer.article(article).await?;
            advance(1);
        }
        // The end of both streams: no more records of the run follow, so the join can finalize every row. The watermark
        // has no name, because a replay is the only source of its run.
        writer.emit_tape_watermark(&WatermarkStream::prices(0, 1, ""), Watermark::END).await?;
        writer.emit_news_watermark(&WatermarkStream::news(0, 1, ""), Watermark::END).await?;
        Ok(Summary { sent: writer.take_sent(), ..summary })
    }

    fn summary(&self) -> Summary {
        Summary {
            run: self.run.clone(),
            articles: self.articles.len() as u64,
            mentions: self.mentions,
            bars: self.bars.count(),
            unreadable: self.rejected.len() as u64,
            in_part: self.in_part.len() as u64,
            sent: Sent::default(),
            tape_end: self.bars.end(),
        }
    }
}
