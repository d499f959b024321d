//! Scoring of files row by row, from inputs of one format to an output of the same or another format.
//!
//! Every readable row is in the output, in order, with its other columns unchanged. A row without a score has NULL in
//! the score columns, and the rejected rows give the reason. A row that can't be read is only among the rejected rows.
//!
//! ```no_run
//! use std::path::Path;
//! use tapewire_files::{Job, JobSource, OutputFormat, Selection};
//! use tapewire_formats::Options;
//! use tapewire_models::Source;
//! use tapewire_sentiment::companies::Companies;
//! use tapewire_sentiment::{Engine, EngineConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::load(&Source::default().resolve()?, &EngineConfig::default())?;
//! let output = Path::new("scored.csv");
//! let job = Job {
//!     sources: vec![JobSource::File("news.csv".into())],
//!     input: Options::default(),
//!     selection: Selection::default(),
//!     company: None,
//!     output: Some(output.to_owned()),
//!     output_format: OutputFormat::of(output)?,
//!     width: None,
//!     prefix: String::new(),
//!     rejected: None,
//!     resume: false,
//!     overwrite: false,
//!     batch_tokens: 8192,
//! };
//! let summary = tapewire_files::score(&engine, &Companies::load(None)?, &job, || false, |_| {})?;
//! println!("{} of {} rows have a score", summary.scored, summary.rows);
//! # Ok(())
//! # }
//! ```

mod batch;
mod columns;
mod continued;
mod error;
pub mod format;
mod input;
mod output;
mod output_paths;
pub mod progress;
mod rejected;
mod resume;
mod row;

pub use columns::Selection;
pub use error::FilesError;
pub use format::OutputFormat;
pub use progress::JobProgress;
pub use row::Place;

use batch::{Batch, Batches, Next};
use columns::{Score, ScoreColumns};
use input::{Opened, Reading};
use output::{RowWriter, Writing};
use rejected::Rejected;
use row::{Item, Row};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use tapewire_formats::{Format, Options};
use tapewire_sentiment::companies::{Companies, Company};
use tapewire_sentiment::{Engine, Input, ScoreError};

/// An input of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobSource {
    /// Texts from the command line.
    Texts(Vec<String>),
    /// Rows from the standard input.
    StandardInput,
    /// Rows of a file.
    File(PathBuf),
}

/// What to score, and where to write the scores.
#[derive(Debug, Clone)]
pub struct Job {
    /// Inputs of one format with the same columns, scored one after the other.
    pub sources: Vec<JobSource>,
    /// How inputs are read: format, encoding, header. By default their contents decide, or their names if the contents
    /// could be of several formats.
    pub input: Options,
    /// The columns with text and company.
    pub selection: Selection,
    /// The company of rows without one in their column: a name or a ticker.
    pub company: Option<String>,
    /// The output file; `None` is the standard output.
    pub output: Option<PathBuf>,
    /// The format of the output.
    pub output_format: OutputFormat,
    /// Width of the terminal for a table, in characters; `None` if it is not shown on a terminal.
    pub width: Option<usize>,
    /// Prefix of the names of the score columns.
    pub prefix: String,
    /// The file for rejected rows; by default it is next to the output, if that is a file.
    pub rejected: Option<PathBuf>,
    /// Continue an output that an earlier run did not finish.
    pub resume: bool,
    /// Replace an existing output.
    pub overwrite: bool,
    /// Approximate number of tokens that are scored at once.
    pub batch_tokens: usize,
}

impl Job {
    /// The file for rejected rows; `None` if the output is a pipe or a device and no file was given.
    pub fn rejected_file(&self) -> Option<PathBuf> {
        let output = self.output.as_deref().filter(|path| !output_paths::is_special_file(path));
        self.rejected.clone().or_else(|| output.map(rejected::default_path))
    }
}

/// An event while a job runs.
#[derive(Debug)]
pub enum JobEvent<'a> {
    /// A batch is done.
    Progress(JobProgress),
    /// A row has no score or could not be read.
    Rejected {
        /// The row.
        place: &'a Place,
        /// The reason.
        reason: &'a str,
    },
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows read, in this run and those it continues.
    pub rows: u64,
    /// Rows with a score.
    pub scored: u64,
    /// Rows in the output without a score.
    pub unscored: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Rows that an earlier run had written, with or without a score.
    pub resumed: u64,
    /// Rows in the output.
    pub written: u64,
    /// The column that was scored.
    pub text_column: String,
    /// The file with rejected rows, if there are any.
    pub rejected: Option<PathBuf>,
    /// Whether the job was stopped before the end.
    pub stopped: bool,
}

/// Scores files. Blocks. Once `stop` returns true, the output is closed after the current batch. `on_event` receives
/// progress and rejected rows.
///
/// # Errors
/// [`FilesError`]. The part of the output that is already written stays and can be continued.
pub fn score(
    engine: &Engine,
    companies: &Companies,
    job: &Job,
    stop: impl Fn() -> bool,
    on_event: impl FnMut(JobEvent<'_>),
) -> Result<Summary, FilesError> {
    output_paths::check(job)?;
    let scores = ScoreColumns::new(&job.prefix, engine.name(), engine.revision());
    let reading = Reading { selection: job.selection.clone(), output: job.output_format, scores };
    let Some(opened) = open(job, &reading, &stop) else {
        return Ok(Summary { stopped: true, ..Summary::default() });
    };
    let (opened, format) = opened?;
    let writing = Writing {
        format: job.output_format,
        path: job.output.as_deref(),
        resume: job.resume,
        width: job.width,
        sources: &job.sources,
        opened: &opened,
        scores: &reading.scores,
        keep: reading.keep(format),
    };
    let output = output::open(&writing)?;
    let run = Run {
        engine,
        companies,
        job,
        output,
        rejected: Rejected::open(job.rejected_file(), job.resume)?,
        summary: Summary { text_column: opened.text_column.clone(), ..Summary::default() },
        total: opened.total,
        computed_again: 0,
        on_event,
    };
    run.run(&Batches::of(opened.inputs, job.batch_tokens), stop)
}

/// Checks a job before a model is loaded: its files and their columns. Pipes are not read.
///
/// # Errors
/// [`FilesError`].
pub fn check(job: &Job) -> Result<(), FilesError> {
    output_paths::check(job)?;
    let is_file = |source: &JobSource| matches!(source, JobSource::File(path) if path.is_file());
    if !job.sources.iter().all(is_file) {
        return Ok(());
    }
    let scores = ScoreColumns::new(&job.prefix, "", "");
    let reading = Reading { selection: job.selection.clone(), output: job.output_format, scores };
    input::open(&job.sources, &job.input, &reading).map(drop)
}

/// Opens the inputs; `None` if the job was stopped while waiting for their first rows.
fn open(job: &Job, reading: &Reading, stop: &impl Fn() -> bool) -> Option<Result<(Opened, Format), FilesError>> {
    let (send, receive) = sync_channel(1);
    let (sources, options, reading) = (job.sources.clone(), job.input.clone(), reading.clone());
    std::thread::spawn(move || {
        let opened = input::open(&sources, &options, &reading);
        // If the job was stopped, there is no receiver.
        let _ = send.send(opened);
    });
    batch::wait(&receive, stop).map(|opened| opened.expect("opening an input does not panic"))
}

/// A run in progress.
struct Run<'a, T> {
    engine: &'a Engine,
    companies: &'a Companies,
    job: &'a Job,
    output: Box<dyn RowWriter>,
    rejected: Rejected,
    summary: Summary,
    total: Option<u64>,
    /// How many scores of an earlier run were computed again, to compare them.
    computed_again: usize,
    on_event: T,
}

impl<T: FnMut(JobEvent<'_>)> Run<'_, T> {
    fn run(mut self, batches: &Batches, stop: impl Fn() -> bool) -> Result<Summary, FilesError> {
        loop {
            match batches.next(&stop)? {
                Next::Batch(batch) => self.batch(&batch)?,
                Next::End => break,
                Next::Stopped => {
                    self.summary.stopped = true;
                    break;
                }
            }
        }
        self.summary.written = self.output.finish(!self.summary.stopped)?;
        self.summary.rejected = self.rejected.finish()?;
        Ok(self.summary)
    }

    /// Scores a batch and writes it. Rejected rows are written first, so that after a kill at any moment every row of
    /// the output that has no score has its reason.
    fn batch(&mut self, batch: &Batch) -> Result<(), FilesError> {
        let known = |item: &Item| match item {
            Item::Row(row) => self.output.existing_score(row),
            Item::Unreadable(_) => Ok(None),
        };
        let known: Vec<Option<Option<Score>>> = batch.items.iter().map(known).collect::<Result<_, _>>()?;
        self.check_continued(&batch.items, &known)?;
        let scores = self.scores_of(&batch.items, &known)?;
        for ((item, known), score) in batch.items.iter().zip(&known).zip(&scores) {
            if let (Item::Row(row), Some(None), Ok(_)) = (item, known, score) {
                return Err(self.differs(row, "it has no score there, and one here"));
            }
            self.count(item, score)?;
        }
        self.rejected.flush()?;
        for ((item, known), score) in batch.items.iter().zip(&known).zip(&scores) {
            match (item, known) {
                (Item::Row(row), None) => self.output.write(row, score.as_ref().ok())?,
                (Item::Row(_), Some(_)) => self.summary.resumed += 1,
                (Item::Unreadable(_), _) => {}
            }
        }
        self.output.flush()?;
        let Summary { rows, resumed, .. } = self.summary;
        (self.on_event)(JobEvent::Progress(JobProgress { done: batch.position, total: self.total, rows, resumed }));
        Ok(())
    }

    /// The score of each item, or the reason why it has none. The model scores the items without a known score, also
    /// those for which an earlier run had none, because only the model gives the reason.
    fn scores_of(
        &self,
        items: &[Item],
        known: &[Option<Option<Score>>],
    ) -> Result<Vec<Result<Score, String>>, FilesError> {
        let is_missing = |known: &Option<Option<Score>>| known.as_ref().is_none_or(Option::is_none);
        let companies: Vec<Result<Option<Arc<Company>>, String>> = items
            .iter()
            .zip(known)
            .map(|(item, known)| match item {
                Item::Row(row) if is_missing(known) => self.company(row),
                _ => Ok(None),
            })
            .collect();
        let asked = items.iter().zip(known).zip(&companies).filter(|((_, known), _)| is_missing(known));
        let asked: Vec<(&str, Option<&Company>)> = asked
            .filter_map(|((item, _), company)| match item {
                Item::Row(row) => Some((row.text.as_deref().ok()?, company.as_ref().ok()?.as_deref())),
                Item::Unreadable(_) => None,
            })
            .collect();
        let inputs: Vec<Input<'_>> = asked.iter().map(|(text, company)| Input::new(text, *company)).collect();
        let mut scores = self.engine.score(&inputs).into_iter().zip(&asked);
        let score =
            |((item, known), company): ((&Item, &Option<Option<Score>>), &Result<_, String>)| match (item, known) {
                (_, Some(Some(score))) => Ok(Ok(score.clone())),
                (Item::Unreadable(row), _) => Ok(Err(row.reason.clone())),
                (Item::Row(Row { text: Err(reason), .. }), _) => Ok(Err(reason.clone())),
                (Item::Row(_), _) if company.is_err() => Ok(Err(company.as_ref().err().cloned().unwrap_or_default())),
                (Item::Row(_), _) => match scores.next().expect("the engine answers for every text") {
                    (Ok(scored), (text, company)) => Ok(Ok(Score::new(&scored, text, *company))),
                    (Err(ScoreError::Device(reason)), _) => Err(FilesError::Device(reason)),
                    (Err(error), _) => Ok(Err(error.to_string())),
                },
            };
        items.iter().zip(known).zip(&companies).map(score).collect()
    }

    fn count(&mut self, item: &Item, score: &Result<Score, String>) -> Result<(), FilesError> {
        let (place, raw, count) = match item {
            Item::Unreadable(row) => (&row.place, &row.raw, &mut self.summary.unreadable),
            Item::Row(row) if score.is_err() => (&row.place, &row.raw, &mut self.summary.unscored),
            Item::Row(row) => (&row.place, &row.raw, &mut self.summary.scored),
        };
        *count += 1;
        self.summary.rows += 1;
        if let Err(reason) = score {
            self.rejected.put(place, reason, raw)?;
            (self.on_event)(JobEvent::Rejected { place, reason });
        }
        Ok(())
    }

    /// The company that a row is scored for.
    ///
    /// # Errors
    /// The reason, if the row names several.
    fn company(&self, row: &Row) -> Result<Option<Arc<Company>>, String> {
        let own = row.company.as_deref().filter(|company| !company.trim().is_empty());
        let Some(company) = own.or(self.job.company.as_deref()) else { return Ok(None) };
        match self.companies.several(company) {
            None => Ok(Some(self.companies.find(company))),
            Some(names) => Err(input::why_not_several("its company", &names)),
        }
    }
}
