//! `tapewire study`: whether scores of news order the returns that follow, from files, without servers.

use super::reading::Reading;
use crate::batch::{self, Joined, output};
use crate::config::Config;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::io::Write as _;
use std::path::PathBuf;
use tapewire_runtime::Shutdown;
use tapewire_study::html::{self, Source};
use tapewire_study::{Findings, Outcome, Settings, study, text};

/// Reads news and bars, scores and joins them, and says whether scores order the returns that follow: a table, a sentence,
/// and with --output a report. It needs no servers.
///
/// The rows are those of `tapewire join`. Each number of the table is explained in docs/study.md.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire study --news news.jsonl --bars bars.csv\n  \
    tapewire study --news news-*.jsonl.gz --bars bars-*.parquet --benchmark SPY -o report.html --json findings.json\n  \
    tapewire study --news news.jsonl --bars bars.csv --benchmark none      returns that are not adjusted for the market\n\n\
    What counts: the first telling of a story about a company in 72 hours, and of events of a company whose outcomes overlap\n\
    the earlier. A horizon with fewer than --minimum-events events, or from fewer than --minimum-days days, has \"not enough\n\
    data\" in the place of numbers. Found is only what holds after correction for every test in the table, and when scores are shuffled\n\
    within days.\n\n\
    Scores are kept in OUTPUT.scores.jsonl, or in the file that --scores names, so a second study computes none of them\n\
    again. Exit code 1: a file can't be read, or no mention has a return, so that there is nothing to study.")]
pub struct Study {
    #[command(flatten)]
    reading: Reading,
    /// Where the report goes: a page of HTML that needs nothing else
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the findings go as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where scores are kept [default: OUTPUT.scores.jsonl]
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Returns to study [default: abnormal; raw where the benchmark has no bars]
    #[arg(long, value_name = "KIND")]
    returns: Option<Returns>,
    /// Fewest events that a horizon needs
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..))]
    minimum_events: u32,
    /// Fewest days with events that a horizon needs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..))]
    minimum_days: u32,
    /// Number of permutations
    #[arg(long, value_name = "N", default_value_t = 4999, value_parser = clap::value_parser!(u32).range(999..=1_000_000))]
    permutations: u32,
    /// Seed of the permutations
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Replace outputs that are there
    #[arg(long)]
    overwrite: bool,
}

/// What `--returns` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Returns {
    /// Less what the market model expects from the benchmark
    Abnormal,
    /// As they are
    Raw,
}

impl Study {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let outputs: Vec<_> = [&self.output, &self.json].into_iter().filter_map(|path| path.as_deref()).collect();
        let scores = self.scores.clone().or_else(|| outputs.first().map(|path| output::scores_beside(path)));
        output::check(&outputs, scores.as_deref(), &self.reading.files(), self.overwrite)?;
        let joined = batch::joined(&self.reading, config, scores, &shutdown).await?;
        let settings = Settings { calendars: joined.calendars.clone(), ..self.settings(joined.has_benchmark) };
        let Joined { rows, facts, .. } = joined;
        let studying = tokio::task::spawn_blocking(move || {
            let findings = study(&rows, &settings);
            let raw = rows.iter().filter(|row| row.returns.iter().any(Option::is_some)).count();
            (findings, raw)
        });
        let studied = shutdown.run_until_cancelled(studying).await;
        let (findings, raw) = studied.context("interrupted; nothing was written")?.context("the study panicked")?;
        self.write(&findings, facts)?;
        // A standard output that nobody reads is no failure.
        let _ = write!(std::io::stdout().lock(), "{}", text::table(&findings));
        if let Some(path) = &self.output {
            eprintln!("report: {}", path.display());
        }
        refuse_nothing(&findings, raw)
    }

    fn settings(&self, has_benchmark: bool) -> Settings {
        let outcome = match self.returns {
            Some(Returns::Raw) => Outcome::Raw,
            Some(Returns::Abnormal) => Outcome::Abnormal,
            None if has_benchmark => Outcome::Abnormal,
            None => Outcome::Raw,
        };
        Settings {
            outcome,
            minimum_events: self.minimum_events as usize,
            minimum_days: self.minimum_days as usize,
            permutations: self.permutations as usize,
            seed: self.seed,
            ..Settings::default()
        }
    }

    fn write(&self, findings: &Findings, facts: Vec<String>) -> anyhow::Result<()> {
        if let Some(path) = &self.output {
            let source = Source { title: "News and returns".to_owned(), facts };
            output::write(path, |to| Ok(to.write_all(html::page(findings, &source).as_bytes())?))?;
        }
        if let Some(path) = &self.json {
            output::write(path, |to| {
                serde_json::to_writer_pretty(&mut *to, findings)?;
                Ok(writeln!(to)?)
            })?;
        }
        Ok(())
    }
}

/// Fails if there is nothing to study: that is a fault of the input, not a finding. `raw` is the number of rows with a
/// return of any kind.
fn refuse_nothing(findings: &Findings, raw: usize) -> anyhow::Result<()> {
    if findings.horizons.iter().any(|horizon| horizon.n > 0) {
        return Ok(());
    }
    if raw > 0 && findings.settings.outcome == Outcome::Abnormal && findings.events > 0 {
        bail!(
            "no event has an abnormal return: the market model needs bars of the benchmark and the symbol in the sessions \
             before; --returns raw studies returns that are not adjusted"
        );
    }
    let most = findings
        .left_out
        .first()
        .map_or_else(String::new, |left| format!("; {} of {} mentions: {}", left.rows, findings.rows, left.words));
    bail!(
        "no mention has a return{most}; check that news and bars are of the same time and symbols, and --alias NEWS=TAPE \
         where they are named differently"
    )
}
