//! The price feed against a source whose answers a test computes: slow ones, and refusals.

use super::watermark;
use crate::common::{Kafka, symbol, time, until};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tapewire_core::Bar;
use tapewire_core::record::Tape;
use tapewire_ingest::IngestError;
use tapewire_ingest::feed::{PriceFeed, PricesConfig};
use tapewire_ingest::providers::{
    BarsRequest, Cursor, Frame, Page, PriceConnection, PriceSource, ProviderError, Subscription,
};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tokio::task::JoinHandle;

const NAME: &str = "desk";

/// A Wednesday, after the open.
const ORIGIN: &str = "2025-06-04T15:00:00Z";

/// What a request for bars brings, by its number, and how long it takes in market time.
type Answer = fn(usize) -> (Duration, Result<Page<Bar>, ProviderError>);

#[derive(Clone)]
struct Scripted {
    answer: Answer,
    clock: Clock,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// A connection that is up and brings nothing.
struct Quiet;

#[async_trait]
impl PriceConnection for Quiet {
    fn origin(&self) -> &str {
        "quiet"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        std::future::pending().await
    }
}

#[async_trait]
impl PriceSource for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    fn check(&self, _: &Subscription) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn connect(&self, _: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Quiet))
    }

    async fn bars_page(&self, _: &BarsRequest, _: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let (takes, page) = (self.answer)(self.requests.fetch_add(1, Ordering::Relaxed));
        self.clock.sleep(takes).await;
        page
    }
}

fn page(next: Option<&str>) -> Result<Page<Bar>, ProviderError> {
    let next = next.map(|next| Cursor(next.to_owned()));
    Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: "/bars".into(), next })
}

fn limited() -> Result<Page<Bar>, ProviderError> {
    Err(ProviderError::RateLimited { provider: NAME.into(), path: "/bars".into(), retry_after: None })
}

fn gone() -> Result<Page<Bar>, ProviderError> {
    let (provider, path, message) = (NAME.into(), "/bars".into(), "gone".into());
    Err(ProviderError::BadRequest { provider, path, status: 410, message })
}

/// A running feed of the benchmark, and its source.
struct Running {
    task: JoinHandle<Result<(), IngestError>>,
    source: Scripted,
    shutdown: Shutdown,
}

impl Running {
    fn start(kafka: &Kafka, state: &Path, speed: f64, answer: Answer) -> Self {
        let (clock, shutdown) = (Clock::accelerated(time(ORIGIN), speed), Shutdown::new());
        let source = Scripted { answer, clock: clock.clone(), requests: Arc::default(), connections: Arc::default() };
        let config = PricesConfig { sources: vec![NAME.into()], ..PricesConfig::default() }.of(NAME);
        assert_eq!(config.reference, Some(symbol("SPY")));
        let (stream, producer, shared) =
            (WatermarkStream::prices(0, 1, NAME), kafka.producer.clone(), Arc::new(source.clone()));
        let feed = PriceFeed::new(config, shared, stream, state, producer, clock, Readiness::default()).unwrap();
        Self { task: tokio::spawn(feed.run(shutdown.clone())), source, shutdown }
    }

    fn connections(&self) -> usize {
        self.source.connections.load(Ordering::Relaxed)
    }

    async fn until_a_watermark_or(&self, kafka: &Kafka, other: impl Fn(&Self) -> bool) {
        let is_over = || self.task.is_finished() || other(self);
        until(async || is_over() || watermark(&kafka.tape().await).is_some()).await;
    }

    async fn stop(self) -> Result<(), IngestError> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

/// A source of many symbols takes longer to fill 30 days than the reference symbol may be silent.
#[tokio::test]
async fn a_long_fill_within_a_session_does_not_count_as_silence() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    // Faster, the feed would wait longer than five minutes for the reference symbol.
    let running = Running::start(&kafka, state.path(), 60.0, |_| (Duration::from_secs(6 * 60), page(None)));
    running.until_a_watermark_or(&kafka, |running| running.connections() > 1).await;
    assert_eq!(running.connections(), 1);
    // What the fill has, and nothing of what it has not.
    let complete_to = watermark(&kafka.tape().await).unwrap();
    assert!(complete_to >= time(ORIGIN) && complete_to < time("2025-06-04T15:05:00Z"), "{complete_to}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn failures_with_answers_between_them_do_not_make_a_feed_idle() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    // The idle timeout of five minutes is half a second.
    let running = Running::start(&kafka, state.path(), 600.0, |request| match request {
        0 | 2 => (Duration::ZERO, limited()),
        1 => (Duration::from_secs(6 * 60), page(Some("2"))),
        _ => (Duration::ZERO, page(None)),
    });
    running.until_a_watermark_or(&kafka, |_| false).await;
    let tape = kafka.tape().await;
    assert!(tape.iter().all(|(_, body)| !matches!(body, Tape::Watermark(watermark) if watermark.idle)), "{tape:?}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_feed_that_is_rejected_ends_the_others_only_if_it_has_never_worked() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let running = Running::start(&kafka, state.path(), 600.0, |_| (Duration::ZERO, gone()));
    running.until_a_watermark_or(&kafka, |running| running.connections() > 1).await;
    let error = running.stop().await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("410"), "{error}");

    let running = Running::start(&kafka, state.path(), 600.0, |_| (Duration::ZERO, page(None)));
    running.until_a_watermark_or(&kafka, |_| false).await;
    until(async || state.path().join("prices-desk.json").exists()).await;
    running.stop().await.unwrap();

    // After a restart only the state file knows that it has worked.
    let running = Running::start(&kafka, state.path(), 600.0, |request| match request {
        0..3 => (Duration::ZERO, gone()),
        _ => (Duration::ZERO, page(None)),
    });
    until(async || running.task.is_finished() || running.connections() > 3).await;
    running.stop().await.unwrap();
}
