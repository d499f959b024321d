//! The price feed: bars, trades and halts from the websocket, holes filled over REST.
//!
//! | module | holds |
//! |---|---|
//! | `reader` | the task that only reads, so that the provider never finds us slow |
//! | `gap` | minute bars over REST for the time nobody listened |
//! | `progress` | up to which minute the tape is complete; pure |
//!
//! On every connection the order is: subscribe, then fill the gap up to now over REST, then go
//! through what the websocket has brought meanwhile. So no minute lies between the two, and a bar
//! that comes both ways is the same bar by its key. The watermark moves when all that has
//! been acknowledged; if the reader had to drop frames, the gap is filled again first.

mod gap;
mod progress;
mod reader;

use crate::IngestError;
use crate::backoff::Backoff;
use crate::providers::Reject;
use crate::providers::massive::parse::{Event, Frame};
use crate::providers::massive::{MassiveConfig, MassiveError, RestClient, Session};
use crate::state::StateFile;
use crate::writer::Writer;
use jiff::{SignedDuration, Timestamp};
use progress::Progress;
use reader::Reader;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tapewire_bus::{Clock, DeadLetters, Producer, Readiness, Shutdown};
use tapewire_core::exchange::Calendar;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Run, Symbol};
use tokio::time::MissedTickBehavior;

/// Name of the role, for readiness and dead letters.
const STAGE: &str = "price-feed";

/// How long the benchmark's bar may be missing within a session, in market time and on the wall,
/// whichever is longer: then the feed has stopped silently.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(5));

/// A connection that held for so long was a good one: the next failure is a first one.
const HELD: SignedDuration = SignedDuration::from_mins(1);

/// What to subscribe to. Times are by the bus's clock.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceFeedConfig {
    /// Tickers whose minute bars are wanted.
    #[schemars(with = "Vec<String>")]
    pub symbols: Vec<Symbol>,
    /// What stands for the market; subscribed to in any case. It has to trade every minute: its bar
    /// is the sign that a minute's bars are coming in.
    #[schemars(with = "String")]
    pub benchmark: Symbol,
    /// Whether to take every trade too.
    pub trades: bool,
    /// Whether to take halts (limit up / limit down) too.
    pub halts: bool,
    /// How much history a symbol needs when it is first seen: the joiner's baselines.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub warmup: Duration,
    /// How long after a minute's end its bars are taken to be here, once the benchmark's is. On a
    /// delayed plan a little over 15 minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub grace: Duration,
    /// Frames that may wait between reader and Kafka before some are dropped and fetched again.
    pub buffered_frames: usize,
}

impl Default for PriceFeedConfig {
    fn default() -> Self {
        Self {
            symbols: Vec::new(),
            benchmark: Symbol::new("SPY").expect("SPY is a ticker"),
            trades: false,
            halts: false,
            warmup: Duration::from_secs(30 * 24 * 3600),
            grace: Duration::from_secs(5),
            buffered_frames: 4096,
        }
    }
}

impl PriceFeedConfig {
    /// All symbols, the benchmark first, each once.
    fn all_symbols(&self) -> Vec<Symbol> {
        let mut all = vec![self.benchmark.clone()];
        for symbol in &self.symbols {
            if !all.contains(symbol) {
                all.push(symbol.clone());
            }
        }
        all
    }

    /// Channels to subscribe to.
    fn channels(&self) -> Vec<String> {
        let kinds = [("AM", true), ("T", self.trades), ("LULD", self.halts)];
        let wanted = kinds.into_iter().filter(|(_, wanted)| *wanted);
        wanted.flat_map(|(kind, _)| self.all_symbols().into_iter().map(move |s| format!("{kind}.{s}"))).collect()
    }

    fn check(&self) -> Result<(), IngestError> {
        match self.all_symbols().iter().find(|symbol| symbol.asset_class() != AssetClass::Equity) {
            Some(symbol) => Err(IngestError::Config(format!(
                "prices: {symbol} is not on the stocks feed; use a fund that follows it, such as SPY for an index"
            ))),
            None if self.buffered_frames == 0 => {
                Err(IngestError::Config("prices: buffered_frames must not be 0".into()))
            }
            None => Ok(()),
        }
    }
}

/// Follows Massive's stocks feed.
pub struct PriceFeed {
    config: PriceFeedConfig,
    massive: MassiveConfig,
    client: RestClient,
    clock: Clock,
    writer: Writer,
    dead_letters: DeadLetters,
    progress: Progress,
    state: StateFile<Progress>,
    readiness: Readiness,
    backoff: Backoff,
    /// End of the benchmark's last bar, or the moment up to which REST has been asked.
    seen_to: Timestamp,
}

impl PriceFeed {
    /// A feed that goes on where the note in `state_folder` says, or warms up if there is none.
    ///
    /// # Errors
    /// [`IngestError::Config`], [`IngestError::State`], or [`MassiveError::Url`].
    pub fn new(
        config: PriceFeedConfig,
        massive: &MassiveConfig,
        state_folder: &Path,
        producer: Producer,
        clock: Clock,
        readiness: Readiness,
    ) -> Result<Self, IngestError> {
        config.check()?;
        let state = StateFile::new(state_folder, "prices.json")?;
        Ok(Self {
            client: RestClient::new(massive, clock.clone())?,
            massive: massive.clone(),
            writer: Writer::new(producer.clone(), Run::live(), Some(config.benchmark.clone())),
            dead_letters: DeadLetters::new(producer, clock.clone(), STAGE),
            progress: state.load()?.unwrap_or_default(),
            state,
            readiness,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            seen_to: Timestamp::MIN,
            clock,
            config,
        })
    }

    /// Follows the feed until shutdown. Being cut short by it is as a crash: the gap is filled
    /// on the next start.
    ///
    /// # Errors
    /// Only what trying again can't heal; outages are waited out.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), IngestError> {
        loop {
            self.readiness.waiting(STAGE, "connecting");
            let began = self.clock.now();
            let Some(ended) = shutdown.run_until_cancelled(self.connection()).await else { return Ok(()) };
            let error = match ended {
                Ok(never) => match never {},
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            metrics::counter!("tapewire_price_feed_reconnects_total").increment(1);
            if self.clock.now().duration_since(began) > HELD {
                self.backoff.reset();
            }
            let wait = self.backoff.next_wait();
            tracing::warn!(%error, wait_s = wait.as_secs_f64(), "the price feed broke; connecting again and filling the gap");
            self.readiness.waiting(STAGE, error.to_string());
            if shutdown.run_until_cancelled(self.clock.sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// One connection, until it breaks.
    async fn connection(&mut self) -> Result<Infallible, IngestError> {
        let session = Session::open(&self.massive, &self.config.channels(), self.clock.clone()).await?;
        let mut reader = Reader::start(session, self.config.buffered_frames);
        self.fill_gap().await?;
        let mut looks = tokio::time::interval(self.between_looks());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = looks.tick() => self.look_around(&mut reader).await?,
                frame = reader.frames.recv() => match frame {
                    Some(frame) => self.write(frame).await?,
                    None => return Err(reader.why_it_ended().await.into()),
                },
            }
        }
    }

    /// On the wall: a second of market time, but no busier than twenty times a second.
    fn between_looks(&self) -> Duration {
        self.clock.on_the_wall(Duration::from_secs(1)).max(Duration::from_millis(50))
    }

    /// Moves the watermark if a minute is complete.
    async fn look_around(&mut self, reader: &mut Reader) -> Result<(), IngestError> {
        let now = self.clock.now();
        self.check_for_stall(now)?;
        let Some(complete_to) = self.progress.next(now, self.config.grace, self.seen_to, self.patience()) else {
            return Ok(());
        };
        // What came before this moment has to go out before the promise.
        for _ in 0..reader.frames.len() {
            let Ok(frame) = reader.frames.try_recv() else { break };
            self.write(frame).await?;
        }
        if reader.dropped_any() {
            self.fill_gap().await?;
        }
        self.writer.promise_tape(complete_to).await?;
        self.progress.reached(complete_to, self.config.all_symbols());
        self.state.save(&self.progress).await?;
        metrics::gauge!("tapewire_tape_watermark_timestamp_seconds").set(complete_to.as_second() as f64);
        self.readiness.ready(STAGE);
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.config.grace + PATIENCE.0.max(PATIENCE.1.mul_f64(self.clock.speed()))
    }

    fn check_for_stall(&self, now: Timestamp) -> Result<(), IngestError> {
        let Some(session) = Calendar::xnys().containing(now) else { return Ok(()) };
        let silent = now.duration_since(self.seen_to.max(session.open));
        let stalled = silent > SignedDuration::try_from(self.patience()).unwrap_or(SignedDuration::MAX);
        if stalled { Err(IngestError::Stalled { minutes: silent.as_mins() }) } else { Ok(()) }
    }

    /// Writes what a frame holds.
    async fn write(&mut self, frame: Frame) -> Result<(), IngestError> {
        for event in frame.events {
            match event {
                Event::Bar(bar) => {
                    if bar.symbol == self.config.benchmark {
                        self.seen_to = self.seen_to.max(bar.end());
                    }
                    metrics::counter!("tapewire_bars_total", "way" => "websocket").increment(1);
                    self.writer.bar(bar).await?;
                }
                Event::Trade(trade) => self.writer.trade(trade).await?,
                Event::Halt(halt) => self.writer.halt(halt).await?,
                Event::PriceBand | Event::Status(_) => {}
            }
        }
        self.bury(frame.rejects, "massive websocket").await
    }

    async fn bury(&self, rejects: Vec<Reject>, origin: &str) -> Result<(), IngestError> {
        for reject in rejects {
            self.dead_letters.bury(origin, &reject.reason, &reject.bytes).await?;
        }
        Ok(())
    }
}

impl From<reader::Ended> for IngestError {
    fn from(ended: reader::Ended) -> Self {
        Self::Massive(ended.0.unwrap_or_else(|| MassiveError::Closed("the reading task was stopped".into())))
    }
}
