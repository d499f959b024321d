//! Waiting until everything sent has become rows, and saying what it came to.

use crate::config::Config;
use crate::exit;
use anyhow::bail;
use std::time::{Duration, Instant};
use tapewire_bus::Topic;
use tapewire_bus::lag::lag;
use tapewire_core::Run;
use tapewire_joiner::runner;
use tapewire_runtime::Shutdown;
use tapewire_sentiment::worker;
use tapewire_store::summary;

/// Longest time without any progress before waiting is called off.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is still on its way, stage by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Articles and watermarks not scored yet.
    pub to_score: u64,
    /// Mentions, bars, halts and trades not joined yet.
    pub to_join: u64,
    /// Articles and dead letters not archived yet.
    pub to_archive: u64,
}

impl Backlog {
    /// Asks Kafka how far each group is.
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

/// Waits until nothing is on its way: a stage commits only what the next one has acknowledged, so an
/// empty backlog means that every record sent before is a row.
pub async fn drained(config: &Config, shutdown: &Shutdown, mut progress: impl FnMut(Backlog)) -> anyhow::Result<()> {
    let mut last: Option<Backlog> = None;
    let mut moved = Instant::now();
    loop {
        // The stages are asked one after the other; what the first hands on meanwhile, the second still shows.
        match Backlog::ask(config).await {
            Ok(backlog) => {
                progress(backlog);
                if backlog.is_empty() {
                    return Ok(());
                }
                if last.replace(backlog) != Some(backlog) {
                    moved = Instant::now();
                }
            }
            // The stages outlast a broker that restarts, so does whoever waits for them.
            Err(error) if exit::code(&error) == exit::UNREACHABLE && moved.elapsed() <= PATIENCE => {
                tracing::warn!("{}; still waiting", exit::text(&error));
            }
            Err(error) => return Err(error),
        }
        if moved.elapsed() > PATIENCE {
            bail!("no progress for {} s, still on its way: {last:?}; are all roles running?", PATIENCE.as_secs());
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_millis(200))).await.is_none() {
            bail!("interrupted, still on its way: {last:?}; the roles go on with it when they run again");
        }
    }
}

/// Prints how many articles, mentions and bars a run has, and how its joined rows ended.
pub async fn print(config: &Config, run: &Run) -> anyhow::Result<()> {
    let counts = summary::counts(&config.clickhouse, run).await?;
    println!("run {run}, database {}", config.clickhouse.database);
    println!("  {:<12}{:>9}", "articles", counts.articles);
    println!("  {:<12}{:>9}  of which scored {}", "mentions", counts.mentions, counts.scored);
    println!("  {:<12}{:>9}  of {} symbols", "bars", counts.bars, counts.symbols);
    println!("  {:<12}{:>9}", "joined rows", counts.impacts);
    for ending in summary::endings(&config.clickhouse, run).await? {
        let what =
            if ending.reason.is_empty() { ending.status } else { format!("{}: {}", ending.status, ending.reason) };
        println!("    {what:<26}{:>6}", ending.rows);
    }
    Ok(())
}
