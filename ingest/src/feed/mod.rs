//! The price feed: bars, trades and halts from a live connection, gaps filled over REST; splits and dividends beside it.
//!
//! On every connection the order is: subscribe, then fill the gap up to now over REST, then process the frames that the
//! connection has received meanwhile. So no minute is missed between the two, and a bar that is received both ways has
//! the same key and counts once. The watermark moves when all of this has been acknowledged; if the reader had to drop
//! frames, the gap is filled again first. Reading is a task of its own, so that the provider never has to wait for us.
//!
//! Of a source that folds its trades no live bars are taken (`folding.rs`): the stage [`crate::fold`] makes them, and gets
//! watermarks and gaps on the topic `trades`.
//!
//! Each source has a feed, a state file `prices-NAME.json` and a watermark stream of its own.

mod actions;
mod ahead;
mod config;
mod folding;
mod gap;
mod reader;
mod tracker;

pub use config::{PriceFeedConfig, PricesConfig, PricesOverride};

use crate::IngestError;
use crate::health::{SourceHealth, is_rejected};
use crate::providers::{Frame, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Reject};
use crate::state::StateFile;
use crate::supervise::supervise;
use crate::writer::{WatermarkStream, Writer};
use actions::ActionsFollower;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use reader::Reader;
use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::{Bar, Run};
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown, chain};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tracker::TapeTracker;

/// Name of the role, for readiness and dead letters.
pub(crate) const STAGE: &str = "price-feed";

/// How long the reference symbol's bar may be missing within a session before the feed counts as stopped, in market
/// time and in wall time. The longer of the two applies.
const STALL_TIMEOUT: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(5));

/// Longest wait for splits and dividends before bars are fetched without them, on the wall clock.
const WAIT_FOR_ACTIONS: Duration = Duration::from_secs(60);

/// After a connection that lasted this long, the next failure counts as the first one.
const STABLE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Follows every configured price source until shutdown.
///
/// ```no_run
/// use tapewire_bus::{KafkaConfig, Producer};
/// use tapewire_runtime::{Clock, Readiness, Shutdown};
/// use tapewire_ingest::feed::{self, PricesConfig};
/// use tapewire_ingest::providers::{ApiKey, ProvidersConfig, registry};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut providers = ProvidersConfig::default();
/// providers.entry(registry::DEFAULT).api_key = ApiKey::new("my-key");
/// let producer = Producer::new(&KafkaConfig::default())?;
/// let state = std::path::Path::new("state");
/// let (clock, readiness, shutdown) = (Clock::wall(), Readiness::default(), Shutdown::new());
/// feed::run(&PricesConfig::default(), &providers, state, producer, clock, readiness, shutdown).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first error of any source that a retry can't cure. Outages are waited out.
pub async fn run(
    config: &PricesConfig,
    providers: &ProvidersConfig,
    state_folder: &Path,
    producer: Producer,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> Result<(), IngestError> {
    let (_sender, configs) = watch::channel(config.clone());
    run_reconfigurable(configs, providers, state_folder, producer, clock, readiness, shutdown).await
}

/// As [`run`], with settings that may change: a source whose symbols change is connected again and fetches what it missed,
/// the others go on. Whoever sends settings has to check them first, [`PricesConfig::check_sources`].
///
/// # Errors
/// As [`run`].
pub fn run_reconfigurable<'a>(
    configs: watch::Receiver<PricesConfig>,
    providers: &'a ProvidersConfig,
    state_folder: &'a Path,
    producer: Producer,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), IngestError>> {
    Box::pin(async move {
        configs.borrow().check()?;
        let wanted = |config: &PricesConfig| {
            let count = u32::try_from(config.sources.len()).expect("a list of names is short");
            let streams = (0..count).zip(&config.sources);
            streams
                .map(|(index, name)| (name.clone(), (config.of(name), WatermarkStream::prices(index, count, name))))
                .collect()
        };
        let start = |name: &str, (config, stream): (PriceFeedConfig, WatermarkStream), stop: Shutdown| {
            let source = providers.price_source(name, &clock)?;
            let (producer, clock, readiness) = (producer.clone(), clock.clone(), readiness.clone());
            let feed = PriceFeed::new(config, source, stream, state_folder, producer, clock, readiness)?;
            Ok(feed.run(stop).boxed())
        };
        supervise(configs, wanted, start, shutdown).await
    })
}

/// The watermark that the state file has; one that is ahead of the clock is taken back.
fn loaded(state: &StateFile<TapeTracker>, clock: &Clock, warmup: Duration) -> Result<TapeTracker, IngestError> {
    let mut tracker = state.load()?.unwrap_or_default();
    let now = clock.now();
    if let Some(complete_to) = tracker.take_back(now) {
        let file = state.path().display();
        tracing::error!(
            %file, %complete_to, %now, warmup_s = warmup.as_secs(),
            "the state file says that prices are complete up to a time that has not come: the clock is wrong now, or was when \
             the file was written. The feed goes on from now and fetches the time of prices.warmup before; bars that are \
             missing before that can be sent by tapewire backfill. Check the machine's clock"
        );
    }
    Ok(tracker)
}

/// Follows one price source.
pub struct PriceFeed {
    config: PriceFeedConfig,
    source: Arc<dyn PriceSource>,
    stream: WatermarkStream,
    clock: Clock,
    writer: Writer,
    dead_letters: DeadLetters,
    tracker: TapeTracker,
    state: StateFile<TapeTracker>,
    health: SourceHealth,
    backoff: Backoff,
    /// The reader of splits and dividends, until the feed runs.
    actions: Option<ActionsFollower>,
    /// End of the reference symbol's last bar, time of its last trade, or the moment up to which REST has been asked.
    seen_to: Timestamp,
    /// When the last gap had been filled. Frames that were received meanwhile had to wait, however long that took.
    filled_at: Timestamp,
    /// For each gap in the trades, the end of the last bar that it reaches into, until that has been fetched.
    refill_at: BTreeSet<Timestamp>,
}

impl PriceFeed {
    /// A feed that continues where the state file in `state_folder` says, or that begins `warmup` ago if there is no
    /// state file.
    ///
    /// # Errors
    /// [`IngestError::State`]; [`ProviderError::Unsupported`] if the source does not have what it is asked for.
    pub fn new(
        config: PriceFeedConfig,
        source: Arc<dyn PriceSource>,
        stream: WatermarkStream,
        state_folder: &Path,
        producer: Producer,
        clock: Clock,
        readiness: Readiness,
    ) -> Result<Self, IngestError> {
        source.check(&config.subscription())?;
        let config = PriceFeedConfig { grace: config.grace.max(source.shows_within()), ..config };
        let stream = stream.with_folds(config.fold_trades);
        let file = format!("prices-{}.json", stream.source);
        let state = match stream.index {
            0 => StateFile::taking_over(state_folder, &file, "prices.json")?,
            _ => StateFile::new(state_folder, &file)?,
        };
        let new_writer = || Writer::new(producer.clone(), Run::live(), config.benchmarks());
        let dead_letters = DeadLetters::new(producer.clone(), clock.clone(), STAGE).of_run(&Run::live());
        let actions_state = StateFile::new(state_folder, &format!("actions-{}.json", stream.source))?;
        let actions = ActionsFollower {
            config: config.clone(),
            source: Arc::clone(&source),
            clock: clock.clone(),
            writer: new_writer(),
            dead_letters: dead_letters.clone(),
            sent: actions_state.load()?.unwrap_or_default(),
            state: actions_state,
            unconfirmed: HashSet::new(),
        };
        let health =
            SourceHealth::new(stream.clone(), STAGE, config.idle_timeout, producer.clone(), clock.clone(), readiness);
        Ok(Self {
            writer: new_writer(),
            dead_letters,
            actions: Some(actions),
            tracker: loaded(&state, &clock, config.warmup)?,
            source,
            stream,
            state,
            health,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            seen_to: Timestamp::MIN,
            filled_at: Timestamp::MIN,
            refill_at: BTreeSet::new(),
            clock,
            config,
        })
    }

    /// Follows the source until shutdown. The next start fills the gap, as after a crash.
    ///
    /// # Errors
    /// The first error that a retry can't cure. Outages are waited out.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), IngestError> {
        let actions = self.actions.take().expect("a feed runs once");
        let following = async {
            let settled = Notify::new();
            let mut actions = pin!(actions.follow(self.missing_since(), &settled));
            self.health.waiting("fetching splits and dividends");
            // Splits and dividends are sent before the bars, so that the join knows them.
            tokio::select! {
                never = &mut actions => match never {},
                () = settled.notified() => {}
                () = tokio::time::sleep(WAIT_FOR_ACTIONS) => {}
            }
            tokio::select! {
                never = &mut actions => match never {},
                result = self.follow() => result,
            }
        };
        shutdown.run_until_cancelled(following).await.unwrap_or(Ok(()))
    }

    /// Connects again and again.
    async fn follow(&mut self) -> Result<(), IngestError> {
        loop {
            self.connect_and_wait().await?;
        }
    }

    /// The time from which bars will be fetched at the first connection.
    fn missing_since(&self) -> Timestamp {
        let (now, corrects_within) = (self.clock.now(), self.source.corrects_within());
        let of = |symbol| self.tracker.missing_from(symbol, now, self.config.warmup, corrects_within);
        self.config.symbols.iter().map(of).min().unwrap_or(now)
    }

    /// One connection until it breaks, and the wait before the next.
    async fn connect_and_wait(&mut self) -> Result<(), IngestError> {
        self.health.waiting("connecting");
        let began = self.clock.now();
        let error = match self.connection().await {
            Ok(never) => match never {},
            Err(error) if error.is_retryable() || self.has_moved(&error) => error,
            Err(error) => return Err(error),
        };
        let source = self.stream.source.clone();
        metrics::counter!("tapewire_price_feed_reconnects_total", "source" => source.clone()).increment(1);
        if self.clock.now().duration_since(began) > STABLE_AFTER {
            self.backoff.reset();
        }
        let wait = self.backoff.next_wait_at_least(error.retry_after());
        let (said, wait_s) = (chain(&error), wait.as_secs_f64());
        if error.is_retryable() {
            tracing::warn!(
                source,
                error = said,
                wait_s,
                "the price feed broke; it connects again and fetches what it missed"
            );
        } else {
            tracing::error!(
                source,
                error = said,
                wait_s,
                "the provider rejects what the price feed asks for; other sources go on, and this one is tried again; check \
                 its symbols and its address in the settings"
            );
        }
        if error.is_of_provider() {
            self.health.failed(&error).await?;
        } else {
            self.health.waiting(&chain(&error));
        }
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// Whether a source that has worked before, perhaps in an earlier process, rejects what it is asked for.
    fn has_moved(&self, error: &IngestError) -> bool {
        self.tracker.complete_to().is_some() && is_rejected(error)
    }

    /// One connection, until it breaks.
    async fn connection(&mut self) -> Result<Infallible, IngestError> {
        let connection = self.source.connect(&self.config.subscription()).await?;
        let mut reader = Reader::start(connection, self.source.name(), self.config.buffered_frames);
        if self.config.fold_trades {
            self.trades_are_missing().await?;
        }
        self.fill_gap(&mut reader).await?;
        let mut ticker = tokio::time::interval(self.tick_interval());
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticker.tick() => self.on_tick(&mut reader).await?,
                frame = reader.frames.recv() => match frame {
                    Some(frame) => self.write(frame, &reader.origin).await?,
                    None => return Err(self.exit_error(&mut reader).await),
                },
            }
        }
    }

    async fn exit_error(&self, reader: &mut Reader) -> IngestError {
        let stopped = || ProviderError::Closed {
            provider: self.stream.source.clone(),
            reason: "the reading task was stopped".into(),
        };
        reader.exit_reason().await.0.unwrap_or_else(stopped).into()
    }

    /// The wall time between two ticks: a second of market time, but at least 50 ms.
    fn tick_interval(&self) -> Duration {
        self.clock.wall_time_of(Duration::from_secs(1)).max(Duration::from_millis(50))
    }

    /// Moves the watermark if a minute is complete.
    async fn on_tick(&mut self, reader: &mut Reader) -> Result<(), IngestError> {
        let now = self.clock.now();
        // Frames that were received before this moment have to be sent before the watermark, and show what the feed brings.
        for _ in 0..reader.frames.len() {
            let Ok(frame) = reader.frames.try_recv() else { break };
            self.write(frame, &reader.origin).await?;
        }
        self.check_for_stall(now)?;
        let calendar = |reference| self.config.calendars.of(reference).calendar();
        let seen_to = self.config.reference.as_ref().map(|reference| (self.seen_to, calendar(reference)));
        let next = self.tracker.next(now, self.config.grace, seen_to, self.stall_timeout());
        // After an idle time the last watermark is sent again, to tell readers that the source is back.
        let last = self.tracker.complete_to().filter(|_| self.health.is_idle());
        let Some(complete_to) = next.or(last) else { return Ok(()) };
        if reader.dropped_any() {
            if self.config.fold_trades {
                self.trades_are_missing().await?;
            } else {
                self.fill_gap(reader).await?;
            }
        }
        self.refill(complete_to, reader).await?;
        self.writer.emit_tape_watermark(&self.stream, complete_to).await?;
        self.tracker.emitted(complete_to, self.config.symbols.clone());
        // Where the disk is full, the state of the next minute is saved with this one.
        self.state.save_if_room(&self.tracker).await?;
        let source = self.stream.source.clone();
        metrics::gauge!("tapewire_tape_watermark_timestamp_seconds", "source" => source)
            .set(complete_to.as_second() as f64);
        self.health.emitted(complete_to);
        Ok(())
    }

    fn stall_timeout(&self) -> Duration {
        self.config.grace + STALL_TIMEOUT.0.max(STALL_TIMEOUT.1.mul_f64(self.clock.speed()))
    }

    fn check_for_stall(&self, now: Timestamp) -> Result<(), IngestError> {
        let Some(reference) = &self.config.reference else { return Ok(()) };
        let calendar = self.config.calendars.of(reference).calendar();
        let Some(session) = calendar.containing(now).filter(|session| session.lunch_break_end_at(now).is_none()) else {
            return Ok(());
        };
        let resumed = session.lunch_break.map(|(_, until)| until).filter(|until| *until <= now);
        let heard_at = self.seen_to.max(self.filled_at);
        let silent = now.duration_since(heard_at.max(resumed.unwrap_or(session.open)));
        if silent <= SignedDuration::try_from(self.stall_timeout()).unwrap_or(SignedDuration::MAX) {
            return Ok(());
        }
        Err(IngestError::Stalled {
            provider: self.stream.source.clone(),
            reference: reference.to_string(),
            minutes: silent.as_mins(),
        })
    }

    /// Sends the records of a frame.
    async fn write(&mut self, frame: Frame, origin: &str) -> Result<(), IngestError> {
        let mut rejects = frame.rejects;
        for event in frame.events {
            match event {
                // The stage that makes bars of the trades has them.
                MarketEvent::Bar(_) if self.config.fold_trades => {}
                MarketEvent::Bar(bar) => match ahead::bar(bar) {
                    Ok(bar) => self.write_bar(bar).await?,
                    Err(reject) => rejects.push(reject),
                },
                MarketEvent::Trade(trade) => match ahead::trade(trade) {
                    Ok(trade) if self.config.fold_trades => self.fold_trade(trade).await?,
                    Ok(trade) => self.writer.trade(trade).await?,
                    Err(reject) => rejects.push(reject),
                },
                MarketEvent::Halt(halt) => self.writer.halt(halt).await?,
            }
        }
        self.publish_rejects(rejects, origin).await
    }

    async fn write_bar(&mut self, bar: Bar) -> Result<(), IngestError> {
        if self.config.reference.as_ref() == Some(&bar.symbol) {
            self.seen_to = self.seen_to.max(bar.end());
        }
        self.count_bars("websocket", 1);
        self.writer.bar(bar).await
    }

    fn count_bars(&self, way: &'static str, count: usize) {
        let labels = [("source", self.stream.source.clone()), ("way", way.to_owned())];
        metrics::counter!("tapewire_bars_total", &labels).increment(count as u64);
    }

    async fn publish_rejects(&self, rejects: Vec<Reject>, origin: &str) -> Result<(), IngestError> {
        for Reject { reason, bytes } in rejects {
            self.dead_letters.publish(origin, &reason, &bytes).await?;
        }
        Ok(())
    }
}
