//! Files scored row by row: inputs in one format, the output in the same or another.
//!
//! Every row that can be read is in the output, in order, with its other columns as they were. One
//! without a score has NULL in the columns of the scores and its reason among the rejected rows; a
//! row that can't be read is only there.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@format`] | formats, and the names of files in them |
//! | `input` | inputs, a file a format |
//! | `columns` | which column is the text; the columns of the scores |
//! | `row` | one row on its way |
//! | `batch` | rows scored together, read ahead |
//! | `output` | outputs, a file a format |
//! | `resume` | a file that is continued |
//! | `rejected` | the side file of rows without a score |
//! | `written` | which files are written, and that none is replaced unasked |
//! | [`progress`] | how far it is |

mod batch;
mod columns;
mod error;
pub mod format;
mod input;
mod output;
pub mod progress;
mod rejected;
mod resume;
mod row;
mod written;

pub use columns::Selection;
pub use error::FilesError;
pub use format::{InputFormat, OutputFormat};
pub use progress::Progress;
pub use row::Place;

use batch::{Batch, Batches, Next};
use columns::{Score, ScoreColumns};
use input::{Opened, Reading};
use output::{Output, Writing};
use rejected::Rejected;
use row::{Item, Row};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use tapewire_sentiment::companies::{Companies, Company};
use tapewire_sentiment::{Engine, Input, ScoreError};

/// Something to score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Texts as they are.
    Texts(Vec<String>),
    /// Rows from the standard input.
    StandardInput,
    /// Rows of a file.
    File(PathBuf),
}

/// What to score, and where to put it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Inputs of one format and the same columns, taken one after the other.
    pub sources: Vec<Source>,
    /// Their format, if their names don't tell it.
    pub input_format: Option<InputFormat>,
    /// Which columns are text and company.
    pub selection: Selection,
    /// The company of rows whose column has none: a name or a ticker.
    pub company: Option<String>,
    /// Where the output goes; else the standard output.
    pub output: Option<PathBuf>,
    /// The output's format.
    pub output_format: OutputFormat,
    /// Columns of the terminal a table is shown on.
    pub width: Option<usize>,
    /// Put before the names of the columns of the scores.
    pub prefix: String,
    /// Where rejected rows go; else beside the output, if that is a file.
    pub rejected: Option<PathBuf>,
    /// Continue an output that an earlier run did not finish.
    pub resume: bool,
    /// Replace an output that is there.
    pub overwrite: bool,
    /// About how many tokens are scored at once.
    pub batch_tokens: usize,
}

impl Job {
    /// The file of rejected rows: rows are only told about where the output is a pipe or a device.
    pub fn side_file(&self) -> Option<PathBuf> {
        let output = self.output.as_deref().filter(|path| !written::is_device(path));
        self.rejected.clone().or_else(|| output.map(rejected::beside))
    }
}

/// What happens while files are scored.
#[derive(Debug)]
pub enum Event<'a> {
    /// A batch is done.
    Progress(Progress),
    /// A row has no score, or could not be read.
    Rejected {
        /// Where it stands.
        place: &'a Place,
        /// Why.
        reason: &'a str,
    },
}

/// What came out.
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
    /// Rows that an earlier run had done.
    pub known: u64,
    /// Rows in the output.
    pub written: u64,
    /// The column that was scored.
    pub text_column: String,
    /// The side file, if there is one.
    pub rejected: Option<PathBuf>,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// Scores files. Blocks; looks at `stop` between batches and then closes the output as it is.
///
/// # Errors
/// [`FilesError`]. What is written by then stays and can be continued.
pub fn score(
    engine: &Engine,
    companies: &Companies,
    job: &Job,
    stop: impl Fn() -> bool,
    tell: impl FnMut(Event<'_>),
) -> Result<Summary, FilesError> {
    written::check(job)?;
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
        rejected: Rejected::open(job.side_file(), job.resume)?,
        summary: Summary { text_column: opened.text_column.clone(), ..Summary::default() },
        total: opened.total,
        tell,
    };
    run.until_the_end(&Batches::of(opened.inputs, job.batch_tokens), stop)
}

/// What can be told to be wrong with a job before a model is there: its files, and their columns.
/// Pipes are not touched.
///
/// # Errors
/// [`FilesError`].
pub fn check(job: &Job) -> Result<(), FilesError> {
    written::check(job)?;
    let is_file = |source: &Source| matches!(source, Source::File(path) if path.is_file());
    if !job.sources.iter().all(is_file) {
        return Ok(());
    }
    let scores = ScoreColumns::new(&job.prefix, "", "");
    let reading = Reading { selection: job.selection.clone(), output: job.output_format, scores };
    let format = input::format(&job.sources, job.input_format)?;
    input::open(&job.sources, format, &reading).map(drop)
}

/// Opens the inputs; `None` if it was stopped before they said what they have.
fn open(job: &Job, reading: &Reading, stop: &impl Fn() -> bool) -> Option<Result<(Opened, InputFormat), FilesError>> {
    let (send, receive) = sync_channel(1);
    let (sources, asked, reading) = (job.sources.clone(), job.input_format, reading.clone());
    std::thread::spawn(move || {
        let opened = input::format(&sources, asked).and_then(|format| input::open(&sources, format, &reading));
        // Nobody receives any more where it was stopped.
        let _ = send.send(opened);
    });
    batch::wait(&receive, stop).map(|opened| opened.expect("what opens an input does not panic"))
}

/// A run in progress.
struct Run<'a, T> {
    engine: &'a Engine,
    companies: &'a Companies,
    job: &'a Job,
    output: Box<dyn Output>,
    rejected: Rejected,
    summary: Summary,
    total: Option<u64>,
    tell: T,
}

impl<T: FnMut(Event<'_>)> Run<'_, T> {
    fn until_the_end(mut self, batches: &Batches, stop: impl Fn() -> bool) -> Result<Summary, FilesError> {
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

    /// Rejected rows are written before the others: whatever the moment of a kill, no row in the
    /// output lacks its reason.
    fn batch(&mut self, batch: &Batch) -> Result<(), FilesError> {
        let known = |item: &Item| match item {
            Item::Row(row) => self.output.known(row),
            Item::Unreadable(_) => Ok(None),
        };
        let known: Vec<Option<Option<Score>>> = batch.items.iter().map(known).collect::<Result<_, _>>()?;
        let scores = self.ask(&batch.items, &known)?;
        for (item, score) in batch.items.iter().zip(&scores) {
            self.count(item, score)?;
        }
        self.rejected.flush()?;
        for ((item, known), score) in batch.items.iter().zip(&known).zip(&scores) {
            match (item, known) {
                (Item::Row(row), None) => self.output.write(row, score.as_ref().ok())?,
                (Item::Row(_), Some(_)) => self.summary.known += 1,
                (Item::Unreadable(_), _) => {}
            }
        }
        self.output.flush()?;
        let Summary { rows, known, .. } = self.summary;
        (self.tell)(Event::Progress(Progress { done: batch.position, total: self.total, rows, known }));
        Ok(())
    }

    /// The score of each item, or why it has none. The model is asked for what is not known, and
    /// again where an earlier run had no score for a text: only the model can say why.
    fn ask(&self, items: &[Item], known: &[Option<Option<Score>>]) -> Result<Vec<Result<Score, String>>, FilesError> {
        let is_asked = |known: &Option<Option<Score>>| known.flatten().is_none();
        let asked = items.iter().zip(known).filter(|(_, known)| is_asked(known));
        let asked: Vec<(&str, Option<Arc<Company>>)> = asked
            .filter_map(|(item, _)| match item {
                Item::Row(row) => Some((row.text.as_deref().ok()?, self.company(row))),
                Item::Unreadable(_) => None,
            })
            .collect();
        let inputs: Vec<Input<'_>> = asked.iter().map(|(text, company)| Input::new(text, company.as_deref())).collect();
        let mut scores = self.engine.score(&inputs).into_iter();
        let score = |(item, known): (&Item, &Option<Option<Score>>)| match (item, known) {
            (_, Some(Some(score))) => Ok(Ok(*score)),
            (Item::Unreadable(row), _) => Ok(Err(row.reason.clone())),
            (Item::Row(Row { text: Err(reason), .. }), _) => Ok(Err(reason.clone())),
            (Item::Row(_), _) => match scores.next().expect("the engine answers every text") {
                Ok(scored) => Ok(Ok(scored.into())),
                Err(ScoreError::Device(reason)) => Err(FilesError::Device(reason)),
                Err(error) => Ok(Err(error.to_string())),
            },
        };
        items.iter().zip(known).map(score).collect()
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
            (self.tell)(Event::Rejected { place, reason });
        }
        Ok(())
    }

    /// Whom the model is asked about.
    fn company(&self, row: &Row) -> Option<Arc<Company>> {
        let own = row.company.as_deref().filter(|company| !company.trim().is_empty());
        own.or(self.job.company.as_deref()).map(|company| self.companies.find(company))
    }
}
