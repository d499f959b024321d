//! The command line: one file for each subcommand.

mod backfill;
mod bars;
mod config;
mod dead_letter;
mod demo;
mod doctor;
mod duration;
mod instruments;
mod join;
mod migrate;
pub mod reading;
mod replay;
mod run;
mod score;
mod serve;
mod simulate;
mod study;

use crate::config::{Config, Preset};
use crate::{ending, logging};
use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use tapewire_runtime::{Shutdown, Traces};
use tracing_subscriber::filter::LevelFilter;

/// Joins the news wire to the price tape.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  tapewire score \"Example Corp raises its outlook\"     what the model says about a text\n  \
                  tapewire demo                                         a simulated market, end to end\n  \
                  tapewire run --set sentiment.engine.precision=f32     every role in one process\n\n\
                  Settings are read from the preset, tapewire.toml, the environment, then --set; the last one wins.\n\
                  A setting's variable is TAPEWIRE_ and its path in upper case: sentiment.engine.precision is\n\
                  TAPEWIRE_SENTIMENT_ENGINE_PRECISION. An unknown variable with this prefix is an error.\n\
                  `tapewire config` prints the settings in effect, `tapewire config --example` all there are.\n\n\
                  Secrets are read from files that settings name, or from TAPEWIRE_KAFKA_SASL_PASSWORD,\n\
                  TAPEWIRE_CLICKHOUSE_PASSWORD and TAPEWIRE_MASSIVE_API_KEY.\n\
                  TAPEWIRE_LOG is the log's filter: off, error, warn, info, debug, trace, or info,tapewire_joiner=debug.\n\
                  TAPEWIRE_MODELS_DIR is the folder of the shipped model. HF_HOME, HF_TOKEN, HF_ENDPOINT and\n\
                  HF_HUB_OFFLINE are for models of the hub.\n\n\
                  Exit codes: 0 done, 1 failed, 2 usage or settings, 3 a dependency is unreachable or a disk is full,\n\
                  141 nobody reads the results any more, as after `| head`."
)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Args)]
struct Common {
    /// Settings file [default: tapewire.toml if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Settings for a purpose; the settings file overrides them
    #[arg(long, global = true, value_enum, value_name = "PRESET")]
    preset: Option<Preset>,
    /// A setting, which overrides file and environment; may be given more than once
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Log lines as JSON
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// A simulated market through the whole pipeline; ends with a table and where to look
    Demo(demo::Demo),
    /// Run all roles in this process, or some of them
    Run(run::Run),
    /// Send recorded news and bars through the pipeline and report what became of every article
    Replay(replay::Replay),
    /// Fetch news and bars of past days from the configured sources, as a run of their own
    Backfill(backfill::Backfill),
    /// Whether scores of news order the returns that follow: a table and a report from files, without servers
    Study(study::Study),
    /// Join files of news and bars to rows of what the price did next, without servers
    Join(join::Join),
    /// Make bars of files of trades
    Bars(bars::Bars),
    /// Score texts, or the rows of files: text, CSV, JSON lines, Parquet
    Score(score::Score),
    /// Serve the model over HTTP: /predict, /v1/score
    Serve(serve::Serve),
    /// Serve a simulated market on the provider's own protocol
    Simulate(simulate::Simulate),
    /// Get the list of all tickers and their companies
    Instruments(instruments::Instruments),
    /// List what could not be read, show it, and send it again after a fix
    DeadLetter(dead_letter::DeadLetter),
    /// Check settings, keys, sources, clock, Kafka, ClickHouse and disks: a line each, with the remedy
    Doctor(doctor::Doctor),
    /// Print the settings in effect and where each is from, or an example with all of them
    Config(config::Config),
    /// Create or upgrade the topics and tables; safe to run twice and by two at once
    Migrate(migrate::Migrate),
}

impl Command {
    /// Whether articles begin or continue their way through the stages in this command's process.
    fn handles_articles(&self) -> bool {
        matches!(self, Self::Demo(_) | Self::Run(_) | Self::Replay(_) | Self::Backfill(_) | Self::DeadLetter(_))
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Command::Config(command) = &arguments.command
        && command.example()?
    {
        return Ok(());
    }
    let common = &arguments.common;
    let loaded = Config::load(common.preset, common.config.as_deref(), &common.set);
    if let Command::Doctor(command) = arguments.command {
        // What the libraries log of servers that are down is in the report, in words.
        logging::start(common.log_json, LevelFilter::OFF)?;
        ending::watch()?;
        return on_runtime(command.run(loaded, common.config.as_deref(), ending::shutdown()));
    }
    let loaded = loaded?;
    if let Command::Config(command) = arguments.command {
        return command.run(&loaded);
    }
    let config = Config::with_secrets(loaded)?;
    let service = matches!(arguments.command, Command::Run(_) | Command::Serve(_) | Command::Simulate(_));
    // Services log what they do. Commands that a person waits for print results, and log only warnings and errors.
    logging::start(arguments.common.log_json, if service { LevelFilter::INFO } else { LevelFilter::WARN })?;
    ending::watch()?;
    // Outside the runtime: the client that sends spans blocks.
    let traces = if arguments.command.handles_articles() { Traces::start(&config.traces)? } else { None };
    let outcome = on_runtime(run_command(arguments.command, config, ending::shutdown()));
    if let Some(traces) = traces {
        let _waiting = ending::wait_guard("the receiver of traces");
        traces.stop();
    }
    outcome
}

async fn run_command(command: Command, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    match command {
        Command::Demo(command) => command.run(config, shutdown).await,
        Command::Run(command) => command.run(config, shutdown).await,
        Command::Replay(command) => command.run(config, shutdown).await,
        Command::Backfill(command) => command.run(config, shutdown).await,
        Command::Study(command) => command.run(config, shutdown).await,
        Command::Join(command) => command.run(config, shutdown).await,
        Command::Bars(command) => command.run(config, shutdown).await,
        Command::Score(command) => command.run(config, shutdown).await,
        Command::Serve(command) => command.run(config, shutdown).await,
        Command::Simulate(command) => command.run(config, shutdown).await,
        Command::Instruments(command) => match shutdown.run_until_cancelled(command.run(&config)).await {
            Some(done) => done,
            None => bail!("interrupted; nothing was written"),
        },
        Command::DeadLetter(command) => match shutdown.run_until_cancelled(command.run(&config)).await {
            Some(done) => done,
            None => bail!("interrupted; a replay goes on with what is not noted yet when it is run again"),
        },
        Command::Migrate(command) => match shutdown.run_until_cancelled(command.run(&config)).await {
            Some(done) => done,
            None => bail!("interrupted; run `tapewire migrate` again, it continues where it was"),
        },
        // These two have run above: `config` needs no secrets, and `doctor` runs even if they can't be read.
        Command::Config(_) | Command::Doctor(_) => Ok(()),
    }
}

/// Runs a command to its end.
fn on_runtime(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start the async runtime")?;
    let outcome = runtime.block_on(command);
    // Does not wait: the runtime's threads may be in a call that does not return soon.
    runtime.shutdown_background();
    outcome
}
