//! `tapewire score`: texts and files through the model, without the pipeline.

use crate::config::Config;
use crate::exit::UsageError;
use crate::roles;
use anyhow::Context as _;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_core::ticker;
use tapewire_files::{self as files, Job, JobEvent, JobProgress, JobSource, OutputFormat, Selection, Summary};
use tapewire_formats::{Format, Options};
use tapewire_runtime::Shutdown;

/// Scores texts, or the rows of files.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire score \"Example Corp raises its outlook\"\n  \
    tapewire score news.csv -o scored.csv\n  \
    tapewire score news.csv -o scored.csv --resume                continues after Ctrl-C or a kill\n  \
    tapewire score 2025-*.parquet -o scored.parquet --text-column body --company-column ticker\n  \
    tail -f wire.txt | tapewire score - | jq .score\n  \
    tapewire score news.jsonl.gz -o scored.csv\n  \
    tapewire score phrases.csv --encoding windows-1252 --no-header --columns text,mood -o scored.csv\n\n\
    Files are CSV (also ; tab |), JSON (lines, lists, answers of providers), Parquet or lines of text, plain or compressed\n\
    with gzip, zstd, bzip2 or xz. A JSON list becomes JSON lines. A company column may hold a list of one\n\
    company; a row with several companies gets no score; OUTPUT.rejected.jsonl has the reason.\n\n\
    The output has every row that could be read, in order, with its columns unchanged and these in addition:\n\
    p_positive, p_neutral, p_negative, score = p_positive - p_negative, label, model, model_revision, asked_as, windows.\n\
    asked_as is the name by which the model was asked about the company. It is empty if no company was given, or\n\
    if only a ticker is known and the text does not mark it as one; the score is then that of the whole text.\n\
    windows is 1, or for a text longer than the model's limit the number of overlapping windows it was read in.\n\
    A text without a score, because it is empty or longer than 1 MiB, has nulls there. Such rows, and rows that could not\n\
    be read, are in OUTPUT.rejected.jsonl with the reason.\n\n\
    --resume checks that the output was made from the same input, with the same options, by the same model, and continues\n\
    after its last row.\n\
    A Parquet file can't be continued itself: until it is complete, its scores are kept in OUTPUT.scores.jsonl.\n\
    From JSON to CSV or Parquet the rows that are read ahead, at most 1000 of each input, determine the columns, so from\n\
    a pipe nothing is written before these rows, or the end of the pipe; to JSON lines each row is written at once.\n\n\
    Settings of the engine: --set sentiment.engine.precision=f32, sentiment.engine.threads=1, and so on.")]
pub struct Score {
    /// Texts, files, or - for the standard input
    #[arg(value_name = "TEXT|-|FILE")]
    inputs: Vec<String>,
    /// Where the output goes [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the output [default: by the extension of --output; a table on a terminal, otherwise jsonl]
    #[arg(long, value_parser = PossibleValuesParser::new(OutputFormat::NAMES).try_map(|name| name.parse::<OutputFormat>()))]
    format: Option<OutputFormat>,
    /// Format of the input [default: by its contents; text, where these are neither JSON nor Parquet and the name is
    /// not that of a CSV file]
    #[arg(long, value_parser = PossibleValuesParser::new(Format::NAMES).try_map(|name| name.parse::<Format>()))]
    input_format: Option<Format>,
    /// Encoding of the input, such as windows-1252 [default: UTF-8, or UTF-16 where the contents show it]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The first row of a CSV file is not a header; its columns are c1, c2, ... or those of --columns
    #[arg(long)]
    no_header: bool,
    /// Names of the columns of a CSV file without a header
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "no_header")]
    columns: Option<Vec<String>>,
    /// Column with the text [default: the first that exists of text, headline, title, sentence]
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column with the company that the text is about: its name or ticker
    #[arg(long, value_name = "NAME")]
    company_column: Option<String>,
    /// The company of every row that has none of its own
    #[arg(long)]
    company: Option<String>,
    /// Prefix of the names of the columns with scores
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Where rejected rows go [default: OUTPUT.rejected.jsonl]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Continue an output that was interrupted
    #[arg(long, requires = "output")]
    resume: bool,
    /// Replace the output and the file of rejected rows if they exist
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Model: shipped, a folder, or a name on the hub [default: the setting `model`]
    #[arg(long)]
    model: Option<String>,
}

/// Number of rejected rows that are reported on the terminal if no file keeps them.
const MAX_REPORTED: u64 = 5;

impl Score {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        config.model = self.model.clone().unwrap_or(config.model);
        let job = self.job(&config)?;
        // Checked before the model is loaded, because loading may download it.
        files::check(&job).map_err(failed)?;
        let companies = config.sentiment.companies()?;
        if let Some(Err(reason)) = job.company.as_deref().map(ticker::decorated) {
            return Err(UsageError(format!("--company: {reason}")).into());
        }
        if let Some(names) = job.company.as_deref().and_then(|company| companies.several(company)) {
            let problem = format!(
                "--company names {} companies ({}), and a score is for one; score each by itself",
                names.len(),
                names.join(", ")
            );
            return Err(UsageError(problem).into());
        }
        let engine = roles::load_engine(&config).await?;
        let scoring = tokio::task::spawn_blocking(move || {
            let bar = progress_bar(&job);
            let mut rejected = 0;
            let keeps_rejected = job.rejected_file().is_some();
            let on_event = |event: JobEvent<'_>| match event {
                JobEvent::Progress(progress) => show(&bar, progress),
                JobEvent::Rejected { place, reason } => {
                    rejected += 1;
                    if !keeps_rejected && rejected <= MAX_REPORTED {
                        bar.suspend(|| eprintln!("tapewire: {place}: {reason}"));
                    }
                }
            };
            let result = files::score(&engine, &companies, &job, || shutdown.is_cancelled(), on_event);
            bar.finish_and_clear();
            (result, job)
        });
        let (result, job) = scoring.await.context("scoring panicked")?;
        match result {
            // The reader of the output has closed it.
            Err(error) if job.output.is_none() && error.is_closed_pipe() => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(summary) => report(&summary, &job),
        }
    }

    fn job(self, config: &Config) -> anyhow::Result<Job> {
        let on_terminal = self.output.is_none() && std::io::stdout().is_terminal();
        let usage = |error: files::FilesError| UsageError(error.to_string());
        let output_format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => OutputFormat::of(path).map_err(usage)?,
            (None, None) if on_terminal => OutputFormat::Table,
            (None, None) => OutputFormat::Jsonl,
        };
        let width = on_terminal.then(|| usize::from(console::Term::stdout().size().1));
        Ok(Job {
            sources: JobSource::parse(&self.inputs).map_err(usage)?,
            input: Options {
                format: self.input_format,
                header: !self.no_header,
                columns: self.columns,
                encoding: self.encoding,
                ..Options::default()
            },
            selection: Selection { text: self.text_column, company: self.company_column },
            company: self.company,
            output: self.output,
            output_format,
            width,
            prefix: self.prefix,
            rejected: self.rejected,
            resume: self.resume,
            overwrite: self.overwrite,
            batch_tokens: config.sentiment.batch_tokens.get(),
        })
    }
}

/// The error as one of this command: a usage error if the command line is the cause.
fn failed(error: files::FilesError) -> anyhow::Error {
    if error.is_usage() { UsageError(error.to_string()).into() } else { error.into() }
}

/// A progress bar on standard error; hidden if that is no terminal, or if rows are printed on the same one.
fn progress_bar(job: &Job) -> ProgressBar {
    if job.output.is_none() && std::io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(bar: &ProgressBar, progress: JobProgress) {
    if let (Some(total), None) = (progress.total, bar.length()) {
        let template = "{wide_bar} {percent} %  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        bar.set_length(total);
    }
    // Rows of an earlier run took no time, so they do not count towards the rate.
    if progress.rows == progress.resumed {
        bar.set_position(progress.done);
        bar.reset_eta();
        bar.reset_elapsed();
    }
    bar.set_position(progress.done);
    let rate = (progress.rows - progress.resumed) as f64 / bar.elapsed().as_secs_f64().max(1e-3);
    bar.set_message(format!("{} rows, {rate:.0} a second", progress.rows));
}

fn names(sources: &[JobSource]) -> String {
    let name = |source: &JobSource| match source {
        JobSource::StandardInput => "the standard input".to_owned(),
        source => source.to_string(),
    };
    sources.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn report(summary: &Summary, job: &Job) -> anyhow::Result<()> {
    let Summary { rows, scored, unscored, unreadable, resumed, written, .. } = summary;
    if let (Some(output), false) = (&job.output, summary.stopped && *rows == 0) {
        let column = &summary.text_column;
        eprintln!("{}: {written} rows, {scored} of them scored by column {column}", output.display());
        if *resumed > 0 {
            eprintln!("{resumed} of these rows are from an earlier run");
        }
    }
    if unscored + unreadable > 0 {
        let kept = match &summary.rejected {
            Some(path) => format!("; see {}", path.display()),
            None => "; --rejected FILE keeps them with their reasons".into(),
        };
        eprintln!("{unscored} rows have no score and {unreadable} could not be read{kept}");
    }
    if summary.stopped {
        let remedy = match &job.output {
            Some(_) => "the same command with --resume continues from there",
            None => "only a run with --output FILE can be continued",
        };
        anyhow::bail!("stopped after {rows} rows; {remedy}");
    }
    if *rows > 0 && *scored == 0 {
        anyhow::bail!("no row could be scored");
    }
    if *rows == 0 {
        anyhow::bail!("there are no rows to score in {}", names(&job.sources));
    }
    Ok(())
}
