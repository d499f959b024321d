//! History from files: news and bars onto the same topics, as a run of their own.
//!
//! Clocks of a replay are those of the data: an article is received a configured delay after its
//! publication, a bar when it ends. So a replay gives the same records each time it is run.

mod actions;
mod bars;
mod news;
pub mod values;

use crate::IngestError;
use crate::writer::{Sent, Stream, Writer};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::{CorporateAction, Run, Symbol, Watermark};
use tapewire_runtime::Clock;

/// Rows between two reports of progress.
const REPORT_EVERY: usize = 1000;

/// How to read the files.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Name of the run; by default `replay-` and a fingerprint of the files.
    pub run: Option<String>,
    /// From publication to reception.
    pub delay: Duration,
    /// Symbols to be read as others, in news and bars alike (`GOOG` as `GOOGL`).
    pub aliases: BTreeMap<Symbol, Symbol>,
    /// The symbol that stands for the market.
    pub benchmark: Symbol,
    /// Length of a bar; by default the commonest distance between neighbouring bars of a symbol.
    pub width: Option<Duration>,
    /// CSV file of splits and dividends; without one, prices are compared as they are.
    pub actions: Option<PathBuf>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            run: None,
            delay: Duration::from_secs(1),
            aliases: BTreeMap::new(),
            benchmark: Symbol::new("SPY").expect("SPY is a ticker"),
            width: None,
            actions: None,
        }
    }
}

impl ReplayOptions {
    /// The symbol a symbol is to be read as.
    fn alias(&self, symbol: Symbol) -> Symbol {
        self.aliases.get(&symbol).cloned().unwrap_or(symbol)
    }
}

/// How far a replay is, in bytes of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Read and sent.
    pub done: u64,
    /// All.
    pub total: u64,
}

/// What a replay has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Name of the run.
    pub run: Run,
    /// Articles, with every edit.
    pub articles: u64,
    /// Rows the join must end with: one for each company of each article, one for an article without.
    pub mentions: u64,
    /// Bars, with every correction.
    pub bars: u64,
    /// Lines and rows put to the dead letters.
    pub dead_letters: u64,
    /// The same by id.
    pub sent: Sent,
    /// End of the last bar, where the tape ends.
    pub tape_end: Option<Timestamp>,
}

/// Sends a news file (JSON lines) and a bars file (CSV), bars first, and at the end [`Watermark::END`] on both.
/// Rows that can't be read are put to the dead letters. Both files are held in memory.
///
/// # Errors
/// [`IngestError::File`], [`IngestError::Shape`], [`IngestError::Config`], [`IngestError::Bus`].
pub async fn replay(
    news_file: &Path,
    bars_file: &Path,
    options: &ReplayOptions,
    producer: Producer,
    clock: Clock,
    report: impl FnMut(ReplayProgress),
) -> Result<Summary, IngestError> {
    let news = read(news_file)?;
    let bars = read(bars_file)?;
    let actions = options.actions.as_deref().map(|path| Ok::<_, IngestError>((path, read(path)?))).transpose()?;
    let run = run_name(options, [&news, &bars].into_iter().chain(actions.as_ref().map(|(_, content)| content)))?;
    let actions = actions.map_or(Ok(Vec::new()), |(path, content)| actions::read(path, &content, options))?;
    let table = bars::Table::open(bars_file, &bars, options)?;
    let mut replay = Replay {
        writer: Writer::new(producer.clone(), run.clone(), Some(options.benchmark.clone())).with_account(),
        dead_letters: DeadLetters::new(producer, clock, "replay").of_run(&run),
        summary: Summary {
            run,
            articles: 0,
            mentions: 0,
            bars: 0,
            dead_letters: 0,
            sent: Sent::default(),
            tape_end: None,
        },
        report,
        progress: ReplayProgress { done: 0, total: (news.len() + bars.len()) as u64 },
    };
    replay.actions(actions).await?;
    replay.bars(bars_file, table).await?;
    replay.news(news_file, &news, options).await?;
    replay.finish().await
}

struct Replay<Report> {
    writer: Writer,
    dead_letters: DeadLetters,
    summary: Summary,
    report: Report,
    progress: ReplayProgress,
}

impl<Report: FnMut(ReplayProgress)> Replay<Report> {
    async fn actions(&mut self, actions: Vec<CorporateAction>) -> Result<(), IngestError> {
        if !actions.is_empty() {
            tracing::info!(actions = actions.len(), "sending splits and dividends");
        }
        for action in actions {
            self.writer.action(action).await?;
        }
        Ok(())
    }

    async fn bars(&mut self, file: &Path, table: bars::Table<'_>) -> Result<(), IngestError> {
        for (number, row) in table.rows().enumerate() {
            match row.bar {
                Ok(bar) => {
                    self.summary.tape_end = self.summary.tape_end.max(Some(bar.end()));
                    self.summary.bars += 1;
                    self.writer.bar(bar).await?;
                }
                Err(reason) => self.reject(file, row.line, &reason, row.bytes).await?,
            }
            self.advance(number, row.bytes.len());
        }
        Ok(())
    }

    async fn news(&mut self, file: &Path, content: &[u8], options: &ReplayOptions) -> Result<(), IngestError> {
        let mut mentions: HashMap<String, u64> = HashMap::new();
        for (number, line) in content.split(|&byte| byte == b'\n').enumerate() {
            match news::article(line, options) {
                None => {}
                Some(Ok((article, flaw))) => {
                    self.summary.articles += 1;
                    mentions.insert(article.key(), article.symbols.len().max(1) as u64);
                    self.writer.article(article).await?;
                    if let Some(flaw) = flaw {
                        self.reject(file, number as u64 + 1, &flaw, line).await?;
                    }
                }
                Some(Err(reason)) => self.reject(file, number as u64 + 1, &reason, line).await?,
            }
            self.advance(number, line.len() + 1);
        }
        self.summary.mentions = mentions.values().sum();
        Ok(())
    }

    /// The end of both streams: the run will not have more, so the join can finish every row.
    async fn finish(mut self) -> Result<Summary, IngestError> {
        // Without a name: a replay is the only source of its run.
        self.writer.emit_tape_watermark(&Stream::prices(0, 1, ""), Watermark::END).await?;
        self.writer.emit_news_watermark(&Stream::news(0, 1, ""), Watermark::END).await?;
        (self.report)(ReplayProgress { done: self.progress.total, ..self.progress });
        Ok(Summary { sent: self.writer.take_account(), ..self.summary })
    }

    async fn reject(&mut self, file: &Path, line: u64, reason: &str, bytes: &[u8]) -> Result<(), IngestError> {
        self.summary.dead_letters += 1;
        Ok(self.dead_letters.publish(&format!("{} line {line}", file.display()), reason, bytes).await?)
    }

    fn advance(&mut self, number: usize, bytes: usize) {
        self.progress.done = (self.progress.done + bytes as u64).min(self.progress.total);
        if number.is_multiple_of(REPORT_EVERY) {
            (self.report)(self.progress);
        }
    }
}

/// The file's bytes, without the byte-order mark some tools put first.
fn read(path: &Path) -> Result<Vec<u8>, IngestError> {
    let mut bytes = std::fs::read(path).map_err(|source| IngestError::File { path: path.to_owned(), source })?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

fn run_name<'a>(options: &ReplayOptions, files: impl Iterator<Item = &'a Vec<u8>>) -> Result<Run, IngestError> {
    let name = options.run.clone().unwrap_or_else(|| {
        let mut hash = Sha256::new();
        for file in files {
            hash.update((file.len() as u64).to_le_bytes());
            hash.update(file);
        }
        format!("replay-{}", hex::encode(&hash.finalize()[..6]))
    });
    let run = Run::named(name.trim());
    if run.as_str().is_empty() || run.is_live() {
        return Err(IngestError::Config(format!("`{run}` can't be the name of a replay; choose another")));
    }
    Ok(run)
}

/// A moment later by the configured delay.
fn delayed(at: Timestamp, delay: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}
