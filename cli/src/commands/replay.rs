//! `tapewire replay`: recorded news and bars through the same pipeline.

use super::duration;
use crate::config::Config;
use crate::roles::{self, Role};
use crate::{account, ending, preflight, report};
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapewire_bus::Producer;
use tapewire_core::Symbol;
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::{self, ReplayOptions, Summary};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_sentiment::Queue;

/// Sends recorded news (JSON lines) and bars (CSV, any width) through the topics, the worker, the joiner and the tables,
/// and ends with a summary of the rows.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire replay --news news.jsonl --bars bars.csv\n  \
    tapewire replay --news news.jsonl --bars hourly.csv --bar-width 1h --benchmark SPX --alias GOOG=GOOGL --run may-2025\n\n\
    A line of news:     {\"id\": \"a1\", \"title\": \"...\", \"source\": \"Wire\", \"published_at\": \"2025-05-12T19:43:00Z\", \"symbols\": [\"EXMP\"]}\n\
    A line of bars:     symbol,start,open,high,low,close,volume with start in UTC\n\n\
    A line that can't be read is kept as a dead letter with file, line and reason, and the replay continues.")]
pub struct Replay {
    /// News, one JSON object a line
    #[arg(long, value_name = "FILE")]
    news: PathBuf,
    /// Bars, CSV with a header
    #[arg(long, value_name = "FILE")]
    bars: PathBuf,
    /// Name of the run in topics and tables [default: derived from the files' content]
    #[arg(long)]
    run: Option<String>,
    /// Time from publication until an article counts as known: 1s, 500ms, or a number of seconds
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = duration::parse)]
    delay: Duration,
    /// Width of the bars: 1m, 1h, or a number of seconds [default: the most frequent step between bars]
    #[arg(long, value_name = "DURATION", value_parser = duration::whole_seconds)]
    bar_width: Option<Duration>,
    /// Symbol in the news = symbol on the tape; may be given more than once
    #[arg(long, value_name = "NEWS=TAPE", value_parser = alias)]
    alias: Vec<(Symbol, Symbol)>,
    /// Benchmark of the market model [default: prices.benchmark]
    #[arg(long)]
    benchmark: Option<Symbol>,
    /// Splits and dividends, CSV: symbol,ex_date,kind,from,to,amount; the bars have to be as printed then, not adjusted
    #[arg(long, value_name = "FILE")]
    actions: Option<PathBuf>,
    /// Only send; the roles sentiment and join run in other processes
    #[arg(long)]
    send_only: bool,
}

fn alias(text: &str) -> Result<(Symbol, Symbol), String> {
    let (news, tape) = text.split_once('=').ok_or("write it as NEWS=TAPE")?;
    let symbol = |text: &str| Symbol::new(text).map_err(|error| error.to_string());
    Ok((symbol(news)?, symbol(tape)?))
}

impl Replay {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        for file in [&self.news, &self.bars] {
            readable(file)?;
        }
        let options = self.options(&config);
        config.join.benchmark = options.benchmark.clone();
        let interrupted = "interrupted before anything was sent";
        let checked = async {
            preflight::servers(&config, true).await?;
            if self.send_only { Ok(None) } else { roles::prepare(&[Role::Sentiment, Role::Join], &config).await }
        };
        let queue = shutdown.run_until_cancelled(checked).await.context(interrupted)??;
        let working = shutdown.child_token();
        let roles = (!self.send_only).then(|| {
            let (config, queue, working) = (config.clone(), queue.clone(), working.clone());
            let roles = [Role::Sentiment, Role::Join];
            tokio::spawn(async move {
                roles::run(&roles, &config, queue, Clock::wall(), Readiness::default(), working).await
            })
        });
        // A role that fails cancels `working`, and is the cause of the error here.
        let sent = self.send_and_wait(&config, queue.as_ref(), options, &working).await.inspect_err(ending::because);
        working.cancel();
        if let Some(roles) = roles {
            roles.await.context("a role panicked")??;
        }
        let sent = sent?;
        report::print(&config, &sent.run).await?;
        account::check(&config, &sent).await
    }

    async fn send_and_wait(
        &self,
        config: &Config,
        queue: Option<&Queue>,
        options: ReplayOptions,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Summary> {
        let producer = Producer::new(&config.kafka)?;
        let bar = progress_bar();
        let sending = replay::replay(&self.news, &self.bars, &options, producer, Clock::wall(), |progress| {
            bar.set_message(format!("sent {} of {} KiB", progress.done / 1024, progress.total / 1024));
        });
        let sent = match shutdown.run_until_cancelled(sending).await {
            Some(sent) => sent?,
            None => anyhow::bail!(
                "interrupted while sending; run the same command again: records that were sent already are replaced by the same"
            ),
        };
        warn_without_benchmark(&sent, &options.benchmark);
        let say = |backlog| bar.set_message(format!("left to do: {backlog}"));
        report::wait_until_drained(config, queue, shutdown, say).await?;
        bar.finish_and_clear();
        println!(
            "sent {} articles ({} mentions) and {} bars; {} lines could not be read",
            sent.articles, sent.mentions, sent.bars, sent.dead_letters
        );
        Ok(sent)
    }

    fn options(&self, config: &Config) -> ReplayOptions {
        ReplayOptions {
            run: self.run.clone(),
            delay: self.delay,
            width: self.bar_width,
            actions: self.actions.clone(),
            aliases: self.alias.iter().cloned().collect(),
            benchmark: self.benchmark.clone().unwrap_or_else(|| config.prices.benchmark.clone()),
        }
    }
}

/// Fails as reading the file would, before anything is started.
fn readable(path: &Path) -> Result<(), IngestError> {
    let probe = |mut file: std::fs::File| std::io::Read::read(&mut file, &mut [0]);
    let read = std::fs::File::open(path).and_then(probe);
    read.map(drop).map_err(|source| IngestError::File { path: path.to_owned(), source })
}

fn warn_without_benchmark(sent: &Summary, benchmark: &Symbol) {
    if sent.bars > 0 && !sent.sent.bars.keys().any(|(symbol, _)| symbol == benchmark) {
        eprintln!(
            "tapewire: the bars have none of the benchmark {benchmark}: ar_*, alpha and beta will be NULL; name another with \
             --benchmark, or put its bars into the file"
        );
    }
}

/// A line of progress on a terminal; nothing in a pipe.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
