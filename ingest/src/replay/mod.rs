//! Recorded news and bars, sent the way live ones are.
//!
//! | module | holds |
//! |---|---|
//! | [`news`] | a line of a news file; pure |
//! | [`bars`] | a row of a bar file, and how wide its bars are; pure |
//!
//! Bars go first, then news, each followed by [`Watermark::END`]: the joiner knows then that the
//! run will not have more, and finishes every row. `received_at` is made from the record itself,
//! so the same files give the same rows each time. Files are read as streams, whatever their size.

pub mod bars;
pub mod news;

use crate::IngestError;
use crate::tape_writer::TapeWriter;
use bars::{Layout, Widths};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapewire_bus::{DeadLetters, Delivery, Producer, Topic};
use tapewire_core::record::News;
use tapewire_core::{NewsRecord, Run, Symbol, Watermark};

/// Most articles on their way at once; then all are waited for.
const IN_FLIGHT: usize = 10_000;

/// What to replay and how.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// News, one JSON object a line.
    pub news: PathBuf,
    /// Bars, CSV with a header.
    pub bars: PathBuf,
    /// Name of the run; `None` makes one from the files' content.
    pub run: Option<Run>,
    /// From publication until an article counts as received.
    pub delay: Duration,
    /// Width of the bars in seconds; `None` takes the commonest step between bars of one symbol.
    pub bar_width_s: Option<u32>,
    /// Symbol in the news to symbol on the tape.
    pub aliases: BTreeMap<Symbol, Symbol>,
    /// Whose bars go to every partition.
    pub benchmark: Symbol,
}

/// What has been sent so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The run it was sent under.
    pub run: Run,
    /// Articles.
    pub articles: u64,
    /// (Article, company) pairs to expect from them; an article without a company is one.
    pub mentions: u64,
    /// Bars.
    pub bars: u64,
    /// Lines that could not be used, or not whole: they are in the dead letters.
    pub dead_letters: u64,
}

/// Sends both files; returns when Kafka has everything. `progress` is called every few thousand records.
///
/// # Errors
/// [`IngestError::File`] or [`IngestError::Shape`] if a file can't be read at all; [`IngestError::Bus`].
pub async fn replay(
    options: &ReplayOptions,
    producer: &Producer,
    letters: &DeadLetters,
    mut progress: impl FnMut(&Sent),
) -> Result<Sent, IngestError> {
    // Both are looked at before anything is sent, so that a wrong path sends nothing.
    let news = Lines::open(&options.news)?;
    let (layout, width_s) = survey(&options.bars, options.bar_width_s)?;
    let run = match &options.run {
        Some(run) => run.clone(),
        None => Run::named(&format!("replay-{}", content_hash(&[&options.news, &options.bars])?)),
    };
    let mut sender = Sender {
        sent: Sent { run, articles: 0, mentions: 0, bars: 0, dead_letters: 0 },
        options,
        producer,
        letters,
        in_flight: Vec::new(),
    };
    sender.bars(&layout, width_s, &mut progress).await?;
    sender.news(news, &mut progress).await?;
    Ok(sender.sent)
}

struct Sender<'a> {
    options: &'a ReplayOptions,
    producer: &'a Producer,
    letters: &'a DeadLetters,
    sent: Sent,
    in_flight: Vec<Delivery>,
}

impl Sender<'_> {
    async fn bars(&mut self, layout: &Layout, width_s: u32, progress: &mut impl FnMut(&Sent)) -> Result<(), IngestError> {
        let mut tape = TapeWriter::new(self.producer.clone(), self.sent.run.clone(), self.options.benchmark.clone());
        let mut lines = Lines::open(&self.options.bars)?;
        lines.next()?; // the header, read in the survey
        while let Some((number, line)) = lines.next()? {
            match layout.bar(&line, width_s) {
                Ok(bar) => {
                    tape.bar(bar).await?;
                    self.sent.bars += 1;
                    if self.sent.bars.is_multiple_of(5_000) {
                        progress(&self.sent);
                    }
                }
                Err(reason) => self.bury(&self.options.bars, number, &reason, &line).await?,
            }
        }
        tape.promise(Watermark::END).await?;
        progress(&self.sent);
        Ok(())
    }

    async fn news(&mut self, mut lines: Lines, progress: &mut impl FnMut(&Sent)) -> Result<(), IngestError> {
        while let Some((number, line)) = lines.next()? {
            let (article, faults) = match news::article(&line, self.options.delay, &self.options.aliases) {
                Ok(found) => found,
                Err(reason) => {
                    self.bury(&self.options.news, number, &reason, &line).await?;
                    continue;
                }
            };
            if !faults.is_empty() {
                self.bury(&self.options.news, number, &faults.join("; "), &line).await?;
            }
            self.sent.articles += 1;
            self.sent.mentions += article.symbols.len().max(1) as u64;
            let key = article.id.clone();
            let record = NewsRecord::new(self.sent.run.clone(), News::Article(article)).encode();
            self.in_flight.push(self.producer.enqueue(Topic::News, &key, &record).await?);
            if self.in_flight.len() >= IN_FLIGHT {
                self.settle().await?;
                progress(&self.sent);
            }
        }
        self.settle().await?;
        let end = Watermark { index: 0, count: 1, at: Watermark::END };
        let record = NewsRecord::new(self.sent.run.clone(), News::Watermark(end)).encode();
        self.producer.broadcast(Topic::News, "watermark", &record).await?;
        progress(&self.sent);
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), IngestError> {
        for delivery in self.in_flight.drain(..) {
            delivery.acknowledged().await?;
        }
        Ok(())
    }

    async fn bury(&mut self, path: &Path, line: u64, reason: &str, bytes: &[u8]) -> Result<(), IngestError> {
        self.sent.dead_letters += 1;
        Ok(self.letters.bury(&format!("{} line {line}", path.display()), reason, bytes).await?)
    }
}

/// The columns of a bar file, and the width of its bars in seconds.
fn survey(path: &Path, given: Option<u32>) -> Result<(Layout, u32), IngestError> {
    let shape = |reason: String| IngestError::Shape { path: path.to_owned(), reason };
    let mut lines = Lines::open(path)?;
    let (_, header) = lines.next()?.ok_or_else(|| shape("the file is empty; the first line must name the columns".into()))?;
    let layout = Layout::read(&header).map_err(shape)?;
    if let Some(width_s) = given {
        return Ok((layout, width_s));
    }
    let mut widths = Widths::default();
    while let Some((_, line)) = lines.next()? {
        if let Ok((symbol, start)) = layout.place(&line) {
            widths.saw(symbol, start);
        }
    }
    let width_s = widths.commonest().ok_or_else(|| shape("no symbol has two bars, so their width can't be told; give it with --bar-width".into()))?;
    Ok((layout, width_s))
}

/// Twelve digits of the SHA-256 of some files.
fn content_hash(paths: &[&Path]) -> Result<String, IngestError> {
    let mut hash = Sha256::new();
    for path in paths {
        let failed = |source| IngestError::File { path: path.to_path_buf(), source };
        std::io::copy(&mut File::open(path).map_err(failed)?, &mut hash).map_err(failed)?;
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// The lines of a file that are not blank, as bytes and with their numbers, from 1.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, IngestError> {
        let file = File::open(path).map_err(|source| IngestError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), number: 0 })
    }

    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, IngestError> {
        loop {
            let mut line = Vec::new();
            let failed = |source| IngestError::File { path: self.path.clone(), source };
            if self.reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }
}
