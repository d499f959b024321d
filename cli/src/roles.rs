//! The roles of a running installation. Each is restarted after an error that may go away by itself.

use crate::config::Config;
use crate::subscriptions::Subscriptions;
use crate::{ending, preflight};
use anyhow::Context as _;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tapewire_alerts::WatchedSources;
use tapewire_bus::{BusError, Lease, Producer};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::providers::finding::CompanyFinder;
use tapewire_ingest::{feed, fold, instruments, poller};
use tapewire_joiner::{indicators, runner};
use tapewire_models::Source;
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown};
use tapewire_sentiment::companies::finding::Finder;
use tapewire_sentiment::{Engine, Queue, companies, worker};
use tapewire_store::sources::SourceKind;
use tokio::task::JoinSet;

/// One part of the pipeline; any number of processes may run each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Polls every news source, and publishes the lists of instruments (one process works, others stand by)
    News,
    /// Follows every price source (one process works, others stand by)
    Prices,
    /// Makes bars of trades, where a price source has `fold_trades`
    Bars,
    /// Computes technical indicators of bars and writes them to ClickHouse
    Indicators,
    /// Scores articles
    Sentiment,
    /// Joins sentiment and prices and writes everything to ClickHouse
    Join,
    /// Sends alerts of returns, sentiment and sources to a webhook and Slack (one process works, others stand by)
    Alerts,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] =
        [Self::News, Self::Prices, Self::Bars, Self::Indicators, Self::Sentiment, Self::Join, Self::Alerts];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::News => "news",
            Self::Prices => "prices",
            Self::Bars => "bars",
            Self::Indicators => "indicators",
            Self::Alerts => "alerts",
            Self::Sentiment => "sentiment",
            Self::Join => "join",
        })
    }
}

/// What every role is started with.
#[derive(Clone)]
struct RoleContext {
    config: Arc<Config>,
    subscriptions: Subscriptions,
    /// What the role `alerts` watches.
    watched: WatchedSources,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
    queue: Option<Queue>,
}

/// How long roles may take at shutdown to finish what they have begun.
const GRACE: Duration = Duration::from_secs(5);

/// What has to be ready before any of these roles starts: the model, where one of them needs it.
///
/// # Errors
/// The model can't be found or loaded.
pub async fn prepare(roles: &[Role], config: &Config) -> anyhow::Result<Option<Queue>> {
    if roles.contains(&Role::Sentiment) { Ok(Some(load_model(config).await?)) } else { Ok(None) }
}

/// Sends what is to be scored and joined while the roles for it work, which are stopped afterwards. `send` gets the queue of
/// the model, and ends early when its shutdown says so. With `elsewhere` the roles run in other processes.
///
/// # Errors
/// Servers that do not answer, a model that can't be loaded, the first error of a role or of `send`.
pub async fn score_and_join_while<Sent>(
    config: &Config,
    elsewhere: bool,
    shutdown: &Shutdown,
    send: impl AsyncFnOnce(Option<&Queue>, &Shutdown) -> anyhow::Result<Sent>,
) -> anyhow::Result<Sent> {
    const ROLES: [Role; 2] = [Role::Sentiment, Role::Join];
    let checked = async {
        preflight::servers(config, true).await?;
        if elsewhere { Ok(None) } else { prepare(&ROLES, config).await }
    };
    let queue = shutdown.run_until_cancelled(checked).await.context("interrupted before anything was sent")??;
    let working = shutdown.child_token();
    let roles = (!elsewhere).then(|| {
        let (config, queue, working) = (config.clone(), queue.clone(), working.clone());
        tokio::spawn(async move { run(&ROLES, &config, queue, Clock::wall(), Readiness::default(), working).await })
    });
    // A role that fails cancels `working`, and is the cause of the error here.
    let sent = send(queue.as_ref(), &working).await.inspect_err(ending::set_cause);
    working.cancel();
    if let Some(roles) = roles {
        roles.await.context("a role panicked")??;
    }
    sent
}

/// Runs roles until shutdown. The first error that a restart can't fix stops all roles and the process, because a
/// process with only some of its roles running would look healthy from outside. What a role has not finished after
/// [`GRACE`], it does again at the next start.
pub async fn run(
    roles: &[Role],
    config: &Config,
    queue: Option<Queue>,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.learn_markets()?;
    let follows = roles.iter().any(|role| matches!(role, Role::News | Role::Prices | Role::Alerts));
    let subscriptions =
        if follows { Subscriptions::followed(&config, roles, &shutdown)? } else { Subscriptions::fixed(&config) };
    let watched = watched(&subscriptions, &clock, &shutdown);
    let config = Arc::new(config);
    let context = RoleContext { config, subscriptions, watched, clock, readiness, shutdown: shutdown.clone(), queue };
    let mut running = JoinSet::new();
    let mut waits = BTreeMap::new();
    for &role in roles {
        let task = running.spawn(keep_running(role, context.clone()));
        waits.insert(task.id(), ending::wait_guard(format!("role {role}")));
    }
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::pin!(overdue);
    let mut outcome = Ok(());
    loop {
        let ended = tokio::select! {
            ended = running.join_next_with_id() => ended,
            () = &mut overdue => {
                tracing::warn!(
                    roles = running.len(),
                    after_s = GRACE.as_secs(),
                    "not all roles have stopped in time; what they have not committed is done again at the next start"
                );
                break;
            }
        };
        let Some(ended) = ended else { break };
        let result = match ended {
            Ok((id, result)) => {
                waits.remove(&id);
                result
            }
            Err(error) => Err(error).context("a role panicked"),
        };
        if let Err(error) = result
            && outcome.is_ok()
        {
            ending::set_cause(&error);
            outcome = Err(error);
        }
        // Also after a role has returned without an error, which no role does before shutdown.
        shutdown.cancel();
    }
    running.detach_all();
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
        let began = std::time::Instant::now();
        let ran = match role {
            Role::News | Role::Prices | Role::Alerts => run_alone(role, context.clone()).await,
            _ => run_role(role, context.clone()).await,
        };
        let error = match ran {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if crate::exit::code(&error) != crate::exit::UNREACHABLE {
            return Err(error.context(format!("role {role}")));
        }
        // It had worked; another failure months later is a first one.
        if began.elapsed() > Duration::from_secs(60) {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        let (wait_s, error) = (wait.as_secs_f64(), crate::exit::text(&error));
        tracing::warn!(%role, error, wait_s, "the role failed; nothing is lost, it is started again");
        if context.shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(());
        }
    }
}

/// Runs a role whenever this process has its lease, so that of several processes one works and the others stand by.
async fn run_alone(role: Role, context: RoleContext) -> anyhow::Result<()> {
    let name = role.to_string();
    let active = metrics::gauge!("tapewire_role_active", "role" => name.clone());
    let RoleContext { shutdown, readiness, .. } = context.clone();
    let mut lease = Lease::new(&context.config.kafka, &name)?;
    loop {
        active.set(0.0);
        readiness.waiting(&name, "waiting for kafka to say which process has this role");
        let stand_by = || {
            tracing::info!(%role, "another process has this role; this one stands by");
            readiness.standing_by(&name);
        };
        let Some(acquired) = shutdown.run_until_cancelled(lease.acquired(stand_by)).await else { return Ok(()) };
        acquired?;
        active.set(1.0);
        // From now on the role itself says whether it is ready, or each of its sources does.
        readiness.remove(&name);
        let working = shutdown.child_token();
        let running = run_role(role, RoleContext { shutdown: working.clone(), ..context.clone() });
        tokio::pin!(running);
        let lost = tokio::select! {
            ran = &mut running => return ran,
            lost = lost(role, &mut lease) => lost,
        };
        if lost.is_ok() {
            tracing::warn!(
                %role,
                "another process has this role now, or no broker was reached for a minute; this one stops the role and \
                 stands by; the process that has the role sends what was not sent"
            );
        }
        working.cancel();
        running.await?;
        lost?;
    }
}

/// Waits until this process has to stop a role. Without a broker nobody else can get the role, and soon it is no use to
/// follow sources whose records can't be sent; but alerts need no broker, and report that sources stand still.
async fn lost(role: Role, lease: &mut Lease) -> Result<(), BusError> {
    match role {
        Role::Alerts => lease.taken().await,
        _ => lease.lost().await,
    }
}

/// The sources that have to make progress. One that stands in for another makes none while that one works.
fn expected_to_progress(subscriptions: &Subscriptions) -> Vec<(SourceKind, String)> {
    let (news, prices) = (subscriptions.news.borrow().clone(), subscriptions.prices.borrow().clone());
    let followed = news.sources.iter().filter(|name| news.primary_of(name).is_none());
    let followed = followed.map(|name| (SourceKind::News, name.clone()));
    followed.chain(prices.sources.into_iter().map(|name| (SourceKind::Prices, name))).collect()
}

/// The sources that have to make progress, kept up to date until shutdown, also while another process has the role
/// `alerts`.
fn watched(subscriptions: &Subscriptions, clock: &Clock, shutdown: &Shutdown) -> WatchedSources {
    let watched = WatchedSources::default();
    watched.watch(expected_to_progress(subscriptions), clock.now());
    let (kept, mut followed, clock, shutdown) =
        (watched.clone(), subscriptions.clone(), clock.clone(), shutdown.clone());
    tokio::spawn(async move {
        loop {
            let changed = tokio::select! {
                changed = followed.news.changed() => changed,
                changed = followed.prices.changed() => changed,
                () = shutdown.cancelled() => return,
            };
            if changed.is_err() {
                // The subscriptions are those of the settings, and never change.
                return;
            }
            kept.watch(expected_to_progress(&followed), clock.now());
        }
    });
    watched
}

/// The providers, with a finder of companies for articles of which they name none.
pub fn finding_companies(config: &Config) -> anyhow::Result<ProvidersConfig> {
    let finder = Finder::new(config.sentiment.companies()?);
    Ok(config.providers.clone().finding(CompanyFinder::new(move |article| finder.of_article(article))))
}

async fn run_role(role: Role, context: RoleContext) -> anyhow::Result<()> {
    let RoleContext { config, subscriptions, watched, clock, readiness, shutdown, queue } = context;
    match role {
        Role::News => {
            let (news, providers, state) = (subscriptions.news, &finding_companies(&config)?, &config.state_dir);
            let producer = Producer::new(&config.kafka)?;
            let (lists, built_in) = (&config.instruments, companies::built_in()?);
            tokio::try_join!(
                poller::run_reconfigurable(
                    news,
                    providers,
                    state,
                    producer.clone(),
                    clock.clone(),
                    readiness,
                    shutdown.clone()
                ),
                instruments::run(lists, providers, built_in, state, producer, clock, shutdown),
            )?;
            Ok(())
        }
        Role::Prices => {
            let (prices, providers, state) = (subscriptions.prices, &config.providers, &config.state_dir);
            let producer = Producer::new(&config.kafka)?;
            Ok(feed::run_reconfigurable(prices, providers, state, producer, clock, readiness, shutdown).await?)
        }
        Role::Bars => Ok(fold::run(&config.kafka, &config.bars, clock, readiness, shutdown).await?),
        Role::Indicators => {
            let calendars = &config.join.calendars;
            Ok(indicators::run(&config.kafka, &config.clickhouse, calendars, readiness, shutdown).await?)
        }
        Role::Alerts => {
            let (alerts, clickhouse) = (&config.alerts, &config.clickhouse);
            Ok(tapewire_alerts::run(alerts, clickhouse, watched, clock, readiness, shutdown).await?)
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
