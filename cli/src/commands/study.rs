//! `tapewire study`: whether scores of news order the returns that follow, from files, a run, or joined rows.

mod choices;
mod empty;
mod unmatched;

use super::reading::{Reading, progress_bar, set_markets};
use crate::batch::again::{self, Again};
use crate::batch::output::{self, Beside};
use crate::batch::stored::{self, Stored};
use crate::batch::{self, Joined};
use crate::config::Config;
use crate::exit::UsageError;
use anyhow::Context as _;
use choices::Choices;
use clap::{Args, ValueEnum};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tapewire_core::exchange::Calendars;
use tapewire_core::{Impact, Symbol};
use tapewire_ingest::replay::Rejected;
use tapewire_joiner::join::SessionCloses;
use tapewire_joiner::join::config::PossibleSplits;
use tapewire_runtime::Shutdown;
use tapewire_study::filters;
use tapewire_study::html::{self, Source};
use tapewire_study::panels::{self, Shift, Shifted};
use tapewire_study::{DailyReturns, Findings, Outcome, Row, Settings, study_with, text};

/// Says whether scores of news order the returns that follow: a table, a sentence, and with --output a report.
///
/// It reads news and bars, scores and joins them, without servers; or takes the joined rows of a run in ClickHouse (--run),
/// or of a file (--impact). Each number is explained in docs/study.md.
#[derive(Args)]
#[command(mut_arg("news", |arg| arg.required(false)), mut_arg("bars", |arg| arg.required(false)))]
#[command(mut_arg("run", |arg| arg.help("Without --news: a run in ClickHouse, such as `live`, whose rows are studied")))]
#[command(after_help = "Examples:\n  tapewire study --news news.jsonl --bars bars.csv\n  \
    tapewire study --news news-*.jsonl.gz --bars bars-*.parquet --benchmark SPY -o report.html --json findings.json\n  \
    tapewire study --news news.jsonl --bars bars.csv --benchmark none      returns that are not adjusted for the market\n  \
    tapewire study --run live -o report.html                               a run in ClickHouse\n  \
    tapewire study --impact impact.parquet --split-by session              rows of `tapewire join`, or your own\n  \
    tapewire study --impact impact.parquet --bars bars.csv -o report.html  with what moved before the news\n  \
    tapewire study --run live --symbols AAPL,MSFT --session pre,post --label positive,negative --horizons 5m,60m\n  \
    tapewire study --news news.jsonl --bars daily.csv --days 20            days after the entry\n\n\
    What counts: the first telling of a story about a company in 72 hours, and of events of a company whose outcomes overlap\n\
    the earlier. A horizon with fewer than --minimum-events events, or from fewer than --minimum-days days, has \"not enough\n\
    data\" in the place of numbers. An order is found at a horizon only if its rank correlation holds\n\
    after correction for every test in the tables, and is stronger than that of scores shuffled within days.\n\n\
    Scores are kept in OUTPUT.scores.jsonl, or in the file that --scores names, so a second study computes none of them\n\
    again. Exit code 1: a file can't be read, or no mention has a return, so that there is nothing to study.")]
pub struct Study {
    #[command(flatten)]
    reading: Reading,
    /// Joined rows: Parquet, CSV or JSON, with columns of `tapewire join`. They need article_id, symbol, available_at, entry_at,
    /// score, and a return such as ret_5m or ar_5m
    #[arg(long, value_name = "FILE", conflicts_with_all = ["news", "run"])]
    impact: Option<PathBuf>,
    #[command(flatten)]
    choices: Choices,
    #[command(flatten)]
    results: Results,
}

/// Where results go, and how much data they need.
#[derive(Args)]
#[command(next_help_heading = "Results")]
struct Results {
    /// Where the report goes: a page of HTML that needs nothing else
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the findings go as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where scores are kept [default: OUTPUT.scores.jsonl]
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Where rows of the files go that can't be read, with the reasons [default: OUTPUT.rejected.jsonl]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Returns to study [default: abnormal; raw where no mention has an abnormal return, as without bars of the benchmark]
    #[arg(long, value_name = "KIND")]
    returns: Option<Returns>,
    /// Fewest events that a horizon needs
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..))]
    minimum_events: u32,
    /// Fewest days with events that a horizon needs; where returns overlap from day to day, fewest pairs of days
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..))]
    minimum_days: u32,
    /// Number of permutations
    #[arg(long, value_name = "N", default_value_t = 4999, value_parser = clap::value_parser!(u32).range(999..=1_000_000))]
    permutations: u32,
    /// Number of replicates of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1999, value_parser = clap::value_parser!(u32).range(999..=100_000))]
    bootstraps: u32,
    /// Seed of the permutations and the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Replace the outputs and the file of rejected rows if they exist
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

/// The rows of a study, and what belongs to them.
struct Input {
    rows: Vec<Row>,
    /// If they were joined here: the rows with their prices, and the rows joined again for other moments.
    joined: (Vec<Impact>, Vec<Shifted>),
    facts: Vec<String>,
    /// Rows of the files that can't be used, or not all of them.
    rejected: Vec<Rejected>,
    /// Whether some row has an abnormal return.
    has_abnormal: bool,
    /// The benchmark of the join, if it is known.
    benchmark: Option<Symbol>,
    /// The market of each symbol.
    calendars: Calendars,
    /// Closes of all sessions, and the benchmark, if days are studied.
    closes: Option<(SessionCloses, Option<Symbol>)>,
}

impl Input {
    /// Rows that were joined before.
    fn of_stored(
        stored: Stored,
        again: Again,
        closes: Option<(SessionCloses, Option<Symbol>)>,
        calendars: Calendars,
    ) -> Self {
        let has_abnormal = has_any_abnormal(&stored.rows);
        Self {
            rows: stored.rows,
            joined: (again.rows, again.shifted),
            facts: stored.facts.into_iter().chain(again.facts).collect(),
            rejected: Vec::new(),
            has_abnormal,
            benchmark: None,
            calendars,
            closes,
        }
    }
}

impl Study {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let results = &self.results;
        let outputs: Vec<_> = [&results.output, &results.json].into_iter().filter_map(|path| path.as_deref()).collect();
        let beside = Beside::new(outputs.first().copied(), results.scores.as_ref(), results.rejected.as_ref());
        let inputs: Vec<PathBuf> = self.reading.files().into_iter().chain(self.impact.clone()).collect();
        let reads_files = !self.reading.inputs().news.is_empty();
        self.check_sources(reads_files)?;
        // Choices that can't be used are refused before anything is read.
        self.settings(true)?;
        let beside = if reads_files { beside } else { Beside::default() };
        let outputs: Vec<_> = outputs.into_iter().chain(beside.rejected.as_deref()).collect();
        output::check(&outputs, beside.scores.as_deref(), &inputs, results.overwrite)?;
        let input = self.input(config, beside.scores.clone(), &shutdown).await?;
        let settings = Settings { calendars: input.calendars.clone(), ..self.settings(input.has_abnormal)? };
        if let Some((flag, column)) = settings.filters.filter_without_data(&input.rows) {
            return Err(UsageError(format!("{flag}: no row has a value of {column}")).into());
        }
        let unmatched = unmatched::check(&settings.filters, &input.rows)?;
        let Input { rows, joined, mut facts, closes, rejected, benchmark, .. } = input;
        let second_days = closes.as_ref().and_then(|(closes, _)| second_days_note(closes));
        facts.extend(unmatched.into_iter().chain(second_days).map(batch::printed));
        facts.extend(flag_facts(&rows));
        let bar = progress_bar();
        bar.set_message("computing the statistics");
        let is_raw = self.results.returns == Some(Returns::Raw);
        let studying = tokio::task::spawn_blocking(move || {
            let daily = closes.map(|(closes, benchmark)| {
                daily(&closes, benchmark.filter(|_| !is_raw).as_ref(), &rows, settings.filters.possible_splits)
            });
            let joined = panels::Joined { rows: &joined.0, shifted: &joined.1 };
            let findings = study_with(&rows, &settings, daily.as_ref(), joined);
            let raw = rows.iter().filter(|row| row.returns.iter().any(Option::is_some)).count();
            (findings, raw, empty::only_benchmark(&rows, &settings, benchmark.as_ref()))
        });
        let studied = shutdown.run_until_cancelled(studying).await;
        bar.finish_and_clear();
        let (findings, raw, only_benchmark) =
            studied.context("interrupted; nothing was written")?.context("the study panicked")?;
        self.write(&findings, facts)?;
        beside.write_rejected(&rejected)?;
        // A standard output that nobody reads is no failure.
        let _ = write!(std::io::stdout().lock(), "{}", text::table(&findings));
        if let Some(path) = &self.results.output {
            eprintln!("report: {}", path.display());
        }
        empty::refuse(&findings, raw, only_benchmark.as_ref())
    }

    /// Refuses flags that name no rows, or rows of two kinds.
    fn check_sources(&self, reads_files: bool) -> Result<(), UsageError> {
        let wrong = |problem: String| Err(UsageError(problem));
        let has_bars = !self.reading.inputs().bars.is_empty();
        if reads_files {
            return match has_bars {
                true => Ok(()),
                false => wrong("--news needs --bars, the prices after it".into()),
            };
        }
        let of_file = match (&self.impact, self.reading.run()) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => {
                return wrong("name what to study: --news and --bars, --run NAME, or --impact FILE".into());
            }
        };
        let days = self.choices.days() > 0;
        let name = if of_file { "--impact" } else { "--run" };
        match (of_file, days, has_bars) {
            (true, true, false) => return wrong("--days with --impact needs the prices: --bars FILES".into()),
            (false, _, true) => return wrong("--bars has no effect with --run, which has bars of its own".into()),
            _ => {}
        }
        if let Some(flag) = self.reading.given(of_file && has_bars) {
            return wrong(format!("{flag} has no effect with {name}: the rows are joined already"));
        }
        if of_file && has_bars && !days && !self.shows_panels() {
            return wrong("--bars with --impact is for --days, --output and --json".into());
        }
        let has_prices = days || self.shows_panels() && (has_bars || !of_file);
        if self.reading.has_benchmark() && !has_prices {
            return wrong(format!(
                "--benchmark has no effect with {name} unless --days{} is given: the rows are joined already",
                if of_file { ", or --bars with --output or --json," } else { ", --output or --json" }
            ));
        }
        if self.results.scores.is_some() {
            return wrong(format!("--scores has no effect with {name}: the rows have scores"));
        }
        if self.results.rejected.is_some() {
            return wrong(format!("--rejected has no effect with {name}: no files are read"));
        }
        Ok(())
    }

    async fn input(&self, mut config: Config, scores: Option<PathBuf>, shutdown: &Shutdown) -> anyhow::Result<Input> {
        let run = self.reading.run().filter(|_| self.reading.inputs().news.is_empty());
        if self.impact.is_some() || run.is_some() {
            let options = self.reading.options(&config)?;
            set_markets(&mut config, &options);
        }
        match (&self.impact, run) {
            (Some(path), _) => self.input_of_rows(path, &config, shutdown).await,
            (None, Some(run)) => self.input_of_run(run, &config, shutdown).await,
            (None, None) => self.input_of_files(config, scores, shutdown).await,
        }
    }

    /// The joined rows of a file.
    async fn input_of_rows(&self, path: &Path, config: &Config, shutdown: &Shutdown) -> anyhow::Result<Input> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || stored::of_file(&path));
        let read = shutdown.run_until_cancelled(read).await.context("interrupted; nothing was written")?;
        let stored = read.context("reading the rows panicked")??;
        let (closes, calendars) = match self.choices.days() > 0 {
            true => {
                let (closes, benchmark, calendars) = stored::closes_of_files(&self.reading, config, shutdown).await?;
                (Some((closes, benchmark)), Some(calendars))
            }
            false => (None, None),
        };
        let mut again = match self.shows_panels() && !self.reading.inputs().bars.is_empty() {
            true => again::of_files(&self.reading, config, &stored.rows, shutdown).await?,
            false => Again::default(),
        };
        // The bars of files may show that a symbol is traded at all hours.
        let calendars = calendars.or(again.calendars.take()).unwrap_or_else(|| config.join.calendars.clone());
        Ok(Input::of_stored(stored, again, closes, calendars))
    }

    /// The joined rows of a run in ClickHouse.
    async fn input_of_run(&self, run: &str, config: &Config, shutdown: &Shutdown) -> anyhow::Result<Input> {
        let stored = stored::of_run(config, run, shutdown).await?;
        let closes = if self.choices.days() > 0 {
            let benchmark = self.reading.options(config)?.benchmark;
            let closes = stored::closes_of_run(config, run, benchmark.as_ref(), &stored.rows, shutdown).await?;
            Some((closes, benchmark))
        } else {
            None
        };
        let again = match self.shows_panels() {
            true => again::of_run(config, run, &stored.rows, shutdown).await?,
            false => Again::default(),
        };
        let benchmark = self.reading.options(config)?.benchmark;
        Ok(Input { benchmark, ..Input::of_stored(stored, again, closes, config.join.calendars.clone()) })
    }

    /// Files of news and bars, scored and joined.
    async fn input_of_files(
        &self,
        config: Config,
        scores: Option<PathBuf>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Input> {
        let shifts: &[Shift] = if self.shows_panels() { &Shift::ALL } else { &[] };
        let with_closes = self.choices.days() > 0;
        let Joined { rows: impacts, shifted, benchmark, closes, calendars, has_benchmark, mut facts, rejected } =
            batch::joined(&self.reading, config, scores, with_closes, shifts, shutdown).await?;
        let rows: Vec<Row> = impacts.iter().map(Row::from).collect();
        let has_abnormal = has_any_abnormal(&rows);
        if has_benchmark && !has_abnormal && self.results.returns.is_none() {
            let note = "returns from the entry are studied as they are, not adjusted for the market";
            facts.push(batch::printed(note.to_owned()));
        }
        let closes = closes.map(|closes| (closes, benchmark.clone()));
        let joined = (impacts, shifted);
        Ok(Input { rows, joined, facts, rejected, has_abnormal, benchmark, calendars, closes })
    }

    /// Whether panels are shown: only then mentions are joined for other moments.
    fn shows_panels(&self) -> bool {
        self.results.output.is_some() || self.results.json.is_some()
    }

    fn settings(&self, has_abnormal: bool) -> Result<Settings, UsageError> {
        let results = &self.results;
        let outcome = match results.returns {
            Some(Returns::Raw) => Outcome::Raw,
            Some(Returns::Abnormal) => Outcome::Abnormal,
            None if has_abnormal => Outcome::Abnormal,
            None => Outcome::Raw,
        };
        self.choices.settings(Settings {
            outcome,
            minimum_events: results.minimum_events as usize,
            minimum_days: results.minimum_days as usize,
            permutations: results.permutations as usize,
            bootstraps: results.bootstraps as usize,
            seed: results.seed,
            ..Settings::default()
        })
    }

    fn write(&self, findings: &Findings, facts: Vec<String>) -> anyhow::Result<()> {
        if let Some(path) = &self.results.output {
            let source = Source { title: "News and returns".to_owned(), facts };
            output::write(path, |to| Ok(to.write_all(html::page(findings, &source).as_bytes())?))?;
        }
        if let Some(path) = &self.results.json {
            output::write(path, |to| {
                serde_json::to_writer_pretty(&mut *to, findings)?;
                Ok(writeln!(to)?)
            })?;
        }
        Ok(())
    }
}

/// What a person should know of sessions that have several daily bars.
fn second_days_note(closes: &SessionCloses) -> Option<String> {
    let count = closes.second_days();
    (count > 0).then(|| {
        format!(
            "{count} daily bars are of sessions that have another one with another start; of each session the one that \
             was received last counts"
        )
    })
}

/// The returns of each day of the companies in `rows`. Without a benchmark, or if it is of no company's market, they are
/// compared with a company's own mean, so no market is left out.
fn daily(
    closes: &SessionCloses,
    benchmark: Option<&Symbol>,
    rows: &[Row],
    possible_splits: filters::PossibleSplits,
) -> DailyReturns {
    let small = match possible_splits {
        filters::PossibleSplits::LeaveOut => PossibleSplits::Null,
        filters::PossibleSplits::Keep => PossibleSplits::Keep,
    };
    let mut symbols: HashSet<&Symbol> = rows.iter().filter_map(|row| row.symbol.as_ref()).collect();
    let benchmark = benchmark.filter(|benchmark| !closes.returns(benchmark, None, PossibleSplits::Keep).0.is_empty());
    // Days of another market are not those of the benchmark.
    let shares_days = |symbol: &Symbol, benchmark: &Symbol| closes.market(benchmark) == closes.market(symbol);
    let benchmark = benchmark.filter(|benchmark| symbols.iter().any(|symbol| shares_days(symbol, benchmark)));
    let of_other_markets: HashSet<Symbol> = symbols
        .iter()
        .filter(|symbol| benchmark.is_some_and(|benchmark| !shares_days(symbol, benchmark)))
        .map(|symbol| (*symbol).clone())
        .collect();
    symbols.retain(|symbol| !of_other_markets.contains(*symbol));
    let mut possible_splits = 0;
    let mut counted = |(returns, small): (_, usize)| {
        possible_splits += small;
        returns
    };
    let is_own = benchmark.is_some_and(|benchmark| symbols.contains(benchmark));
    let returns = |symbol: &Symbol| (symbol.clone(), counted(closes.returns(symbol, benchmark, small)));
    let by_symbol = symbols.into_iter().map(returns).collect();
    let benchmark = benchmark.map(|benchmark| closes.returns(benchmark, None, small));
    // The benchmark may be a company of the study, too.
    let benchmark = benchmark.map(|(returns, small)| {
        possible_splits += if is_own { 0 } else { small };
        returns
    });
    DailyReturns { by_symbol, benchmark, of_other_markets, possible_splits }
}

/// How many mentions with an entry have prices that the join flags as old or incomplete. They count.
fn flag_facts(rows: &[Row]) -> Vec<String> {
    let of = |flag: &str, words: &str, has: fn(&Row) -> bool| {
        let count = rows.iter().filter(|row| row.entry_at.is_some() && has(row)).count();
        (count > 0).then(|| format!("mentions with {flag} ({words}), which count: {count}"))
    };
    let stale = of("flag_stale", "a price was too old, so its horizon has no outcome", |row| row.flags.stale);
    let gap = of("flag_gap", "a missing bar moved a price, or many bars are missing", |row| row.flags.gap);
    stale.into_iter().chain(gap).collect()
}

fn has_any_abnormal(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.abnormal.iter().any(Option::is_some))
}
