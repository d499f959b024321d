//! Waiting until everything that was sent has been written as rows, and the printed summary of a run.

use crate::config::Config;
use crate::exit;
use crate::output::outln;
use anyhow::{anyhow, bail};
use std::fmt;
use std::time::{Duration, Instant};
use tapewire_bus::Topic;
use tapewire_bus::lag::lag;
use tapewire_core::Run;
use tapewire_joiner::runner;
use tapewire_runtime::Shutdown;
use tapewire_sentiment::{Queue, worker};
use tapewire_store::summary;

/// Waiting ends with an error after this long without any progress.
const STALL_TIMEOUT: Duration = Duration::from_secs(300);

/// Number of records that each stage still has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Articles and watermarks that the sentiment worker has not read.
    pub to_score: u64,
    /// Mentions, bars, trades, halts, splits and dividends that the joiner has not read.
    pub to_join: u64,
    /// Articles, instruments and dead letters that the archive has not read.
    pub to_archive: u64,
}

impl Backlog {
    /// Asks Kafka for the lag of each consumer group.
    pub async fn ask(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            to_score: lag(&config.kafka, worker::GROUP, &[Topic::News]).await?,
            to_join: lag(&config.kafka, runner::GROUP, &runner::TOPICS).await?,
            to_archive: lag(&config.kafka, tapewire_archive::GROUP, &tapewire_archive::TOPICS).await?,
        })
    }

    fn is_empty(self) -> bool {
        self == Self { to_score: 0, to_join: 0, to_archive: 0 }
    }
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to_score, to_join, to_archive } = self;
        write!(f, "{to_score} to score, {to_join} to join, {to_archive} to archive")
    }
}

/// Waits until the backlog is empty. A stage commits only what Kafka or ClickHouse has acknowledged, so by then every
/// record that was sent before the call has become a row. `queue` is this process's queue, if it scores: what it
/// computes counts as progress, because a long text takes minutes.
pub async fn wait_until_drained(
    config: &Config,
    queue: Option<&Queue>,
    shutdown: &Shutdown,
    mut progress: impl FnMut(Backlog),
) -> anyhow::Result<()> {
    let mut last: Option<Backlog> = None;
    let mut computed = 0;
    let mut moved = Instant::now();
    loop {
        // In the order of the stages, so that a record that moves on in the meantime is still counted, at the next
        // stage.
        let Some(asked) = shutdown.run_until_cancelled(Backlog::ask(config)).await else {
            return Err(interrupted(last));
        };
        match asked {
            Ok(backlog) => {
                progress(backlog);
                if backlog.is_empty() {
                    return Ok(());
                }
                let now_computed = queue.map_or(0, Queue::computed_windows);
                if last.replace(backlog) != Some(backlog) || now_computed != computed {
                    moved = Instant::now();
                }
                computed = now_computed;
            }
            // The stages survive a restart of the broker, so this wait has to survive it, too.
            Err(error) if exit::code(&error) == exit::UNREACHABLE && moved.elapsed() <= STALL_TIMEOUT => {
                tracing::warn!(error = exit::text(&error), "Kafka did not say how many records are left; asking again");
            }
            Err(error) => return Err(error),
        }
        if moved.elapsed() > STALL_TIMEOUT {
            bail!("no progress for {} s; {}; are all roles running?", STALL_TIMEOUT.as_secs(), left(last));
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_millis(200))).await.is_none() {
            return Err(interrupted(last));
        }
    }
}

fn interrupted(last: Option<Backlog>) -> anyhow::Error {
    anyhow!("interrupted; {}; the roles continue with it when they run again", left(last))
}

fn left(backlog: Option<Backlog>) -> String {
    backlog.map_or_else(|| "what is left to do is not known".to_owned(), |backlog| format!("left to do: {backlog}"))
}

/// Prints how many articles, mentions and bars a run has, and its joined rows by status and reason.
pub async fn print(config: &Config, run: &Run) -> anyhow::Result<()> {
    let counts = summary::counts(&config.clickhouse, run).await?;
    outln!("run {run}, database {}", config.clickhouse.database)?;
    outln!("  {:<12}{:>9}", "articles", counts.articles)?;
    outln!("  {:<12}{:>9}  of which scored {}", "mentions", counts.mentions, counts.scored)?;
    outln!("  {:<12}{:>9}  of {} symbols", "bars", counts.bars, counts.symbols)?;
    outln!("  {:<12}{:>9}", "joined rows", counts.impacts)?;
    for row in summary::status_counts(&config.clickhouse, run).await? {
        let what = if row.reason.is_empty() { row.status } else { format!("{}: {}", row.status, row.reason) };
        outln!("    {what:<26}{:>6}", row.rows)?;
    }
    if counts.dead_letters > 0 {
        outln!("  {:<12}{:>9}  could not be read, see the table dead_letters", "dead letters", counts.dead_letters)?;
    }
    Ok(())
}
