//! The roles of a running installation, each restarted when what stopped it may heal.

use crate::config::Config;
use anyhow::Context as _;
use clap::ValueEnum;
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::Producer;
use tapewire_ingest::{feed, poller};
use tapewire_joiner::runner;
use tapewire_models::Source;
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown};
use tapewire_sentiment::{Engine, Queue, worker};
use tokio::task::JoinSet;

/// One part of the pipeline; any number of processes may run each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Polls every news source (one member only: more would ask each provider twice)
    News,
    /// Follows every price source (one member only)
    Prices,
    /// Scores articles
    Sentiment,
    /// Joins sentiment and prices and writes everything to ClickHouse
    Join,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::News, Self::Prices, Self::Sentiment, Self::Join];
}

/// What every role is started with.
#[derive(Clone)]
struct RoleContext {
    config: Arc<Config>,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
    queue: Option<Queue>,
}

/// Runs roles until shutdown. The first error that a restart can't heal stops all of them: a process
/// of which only a part works would look healthy from outside.
pub async fn run(
    roles: &[Role],
    config: &Config,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let queue = if roles.contains(&Role::Sentiment) { Some(load_model(config).await?) } else { None };
    let context = RoleContext { config: Arc::new(config.clone()), clock, readiness, shutdown: shutdown.clone(), queue };
    let mut running = JoinSet::new();
    for &role in roles {
        running.spawn(keep_running(role, context.clone()));
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = ended.context("a role panicked").and_then(|result| result);
        if ended.is_err() && outcome.is_ok() {
            outcome = ended;
        }
        // Also when a role returned by itself: none does before shutdown.
        shutdown.cancel();
    }
    outcome
}

/// Loads the model that the settings name.
pub async fn load_engine(config: &Config) -> anyhow::Result<Engine> {
    let (model, settings) = (config.model.clone(), config.sentiment.engine.clone());
    // Reading and packing weights takes a second or more of computing.
    let engine = tokio::task::spawn_blocking(move || -> anyhow::Result<Engine> {
        let files = model.parse::<Source>()?.resolve()?;
        Ok(Engine::load(&files, &settings)?)
    });
    engine.await.context("loading the model panicked")?
}

/// Loads the model and starts the queue in front of it.
pub async fn load_model(config: &Config) -> anyhow::Result<Queue> {
    let engine = load_engine(config).await?;
    Ok(Queue::new(Arc::new(engine), &config.sentiment.queue)?)
}

async fn keep_running(role: Role, context: RoleContext) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let error = match run_role(role, context.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if crate::exit::code(&error) != crate::exit::UNREACHABLE {
            return Err(error.context(format!("role {role:?}")));
        }
        let wait = backoff.next_wait();
        let (wait_s, error) = (wait.as_secs_f64(), crate::exit::text(&error));
        tracing::warn!(?role, error, wait_s, "the role failed; nothing is lost, it is started again");
        if context.shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(());
        }
    }
}

async fn run_role(role: Role, context: RoleContext) -> anyhow::Result<()> {
    let RoleContext { config, clock, readiness, shutdown, queue } = context;
    match role {
        Role::News => {
            let (news, providers, state) = (&config.news, &config.providers, &config.state_dir);
            let producer = Producer::new(&config.kafka)?;
            Ok(poller::run(news, providers, state, producer, clock, readiness, shutdown).await?)
        }
        Role::Prices => {
            let (prices, providers, state) = (&config.prices, &config.providers, &config.state_dir);
            let producer = Producer::new(&config.kafka)?;
            Ok(feed::run(prices, providers, state, producer, clock, readiness, shutdown).await?)
        }
        Role::Sentiment => {
            let queue = queue.context("the model is loaded before the role starts")?;
            Ok(worker::run(queue, &config.kafka, &config.sentiment, clock, readiness, shutdown).await?)
        }
        Role::Join => {
            let join = runner::run(
                &config.kafka,
                &config.clickhouse,
                &config.join,
                clock.clone(),
                readiness,
                shutdown.clone(),
            );
            let archive = tapewire_archive::run(&config.kafka, &config.clickhouse, clock, shutdown);
            let (join, archive) = (async { anyhow::Ok(join.await?) }, async { anyhow::Ok(archive.await?) });
            tokio::try_join!(join, archive)?;
            Ok(())
        }
    }
}
