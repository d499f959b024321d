//! Sources that refuse to be polled, or fail now and then while a long list is read.

use super::{NAME, ORIGIN, article, page};
use crate::common::{Kafka, time, until};
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_core::Article;
use tapewire_ingest::IngestError;
use tapewire_ingest::poller::{NewsConfig, NewsPoller, NewsPollerConfig};
use tapewire_ingest::providers::{ApiKey, NewsRequest, NewsSource, Page, ProviderError, ProvidersConfig};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tokio::task::JoinHandle;

/// So that the idle timeout of five minutes is half a second.
const SPEED: f64 = 600.0;

/// What a request brings, by its number.
type Answer = fn(usize) -> Result<Page<Article>, ProviderError>;

/// A source whose page 2 takes longer than the idle timeout.
struct Scripted {
    answer: Answer,
    clock: Clock,
    requests: Arc<AtomicUsize>,
    /// How many requests each page takes, of which only the last may fail.
    requests_a_page: u64,
}

#[async_trait]
impl NewsSource for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        if matches!(request, NewsRequest::Next(cursor) if cursor.0 == "slow") {
            self.clock.sleep(Duration::from_secs(6 * 60)).await;
        }
        (self.answer)(self.requests.fetch_add(1, Ordering::Relaxed))
    }

    fn requests(&self) -> Option<u64> {
        Some(self.requests.load(Ordering::Relaxed) as u64 * self.requests_a_page)
    }
}

fn limited() -> ProviderError {
    ProviderError::RateLimited { provider: NAME.into(), path: "/news".into(), retry_after: None }
}

fn gone() -> ProviderError {
    ProviderError::BadRequest { provider: NAME.into(), path: "/news".into(), status: 410, message: "gone".into() }
}

/// A running poller, and how many requests it has made.
struct Running {
    task: JoinHandle<Result<(), IngestError>>,
    requests: Arc<AtomicUsize>,
    shutdown: Shutdown,
}

impl Running {
    fn start(kafka: &Kafka, state: &Path, answer: Answer) -> Self {
        Self::with(kafka, state, answer, 1)
    }

    fn with(kafka: &Kafka, state: &Path, answer: Answer, requests_a_page: u64) -> Self {
        let (clock, shutdown) = (Clock::accelerated(time(ORIGIN), SPEED), Shutdown::new());
        let requests = Arc::new(AtomicUsize::new(0));
        let source =
            Arc::new(Scripted { answer, clock: clock.clone(), requests: Arc::clone(&requests), requests_a_page });
        let (stream, producer) = (WatermarkStream::news(0, 1, NAME), kafka.producer.clone());
        let config = NewsPollerConfig::default();
        let poller = NewsPoller::new(config, source, stream, state, producer, clock, Readiness::default()).unwrap();
        Self { task: tokio::spawn(poller.run(shutdown.clone())), requests, shutdown }
    }

    async fn until_asked(&self, times: usize) {
        until(async || self.task.is_finished() || self.requests.load(Ordering::Relaxed) >= times).await;
    }

    async fn stop(self) -> Result<(), IngestError> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

#[tokio::test]
async fn a_source_that_has_moved_ends_the_others_only_if_it_has_never_worked() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let running = Running::start(&kafka, state.path(), |_| Err(gone()));
    running.until_asked(2).await;
    let error = running.stop().await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("410"), "{error}");

    let running = Running::start(&kafka, state.path(), |_| Ok(page(vec![article("first", -60)], None)));
    running.until_asked(2).await;
    running.stop().await.unwrap();

    // After a restart only the state file knows that it has worked.
    let running = Running::start(&kafka, state.path(), |request| match request {
        0..3 => Err(gone()),
        _ => Ok(page(vec![article("second", -30)], None)),
    });
    running.until_asked(5).await;
    running.stop().await.unwrap();
    let ids: Vec<String> = kafka.articles().await.into_iter().map(|article| article.id).collect();
    assert_eq!(ids, ["first", "second"]);
}

#[tokio::test]
async fn failures_with_answers_between_them_do_not_make_a_source_idle() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let running = Running::start(&kafka, state.path(), |request| match request {
        0 | 3 => Err(limited()),
        1 => Ok(page(vec![article("a", -90)], Some("slow".into()))),
        2 => Ok(page(vec![article("b", -60)], Some("last".into()))),
        _ => Ok(page(vec![article("c", -30)], None)),
    });
    until(async || running.task.is_finished() || !kafka.news_watermarks().await.is_empty()).await;
    assert!(kafka.news_watermarks().await.iter().all(|(_, watermark)| !watermark.idle));
    running.stop().await.unwrap();
}

/// As of 500 companies, whose lists take minutes to read: a round that is limited at times is under way all the while.
#[tokio::test]
async fn failures_of_a_long_page_with_answers_between_them_do_not_make_a_source_idle() {
    for (requests_a_page, is_idle) in [(100, false), (1, true)] {
        let (kafka, state) = (Kafka::mocked(), tempfile::tempdir().unwrap());
        let answer: Answer = |request| match request {
            0..20 => Err(limited()),
            _ => Ok(page(vec![article("a", -90)], None)),
        };
        let running = Running::with(&kafka, state.path(), answer, requests_a_page);
        until(async || running.task.is_finished() || !kafka.news_watermarks().await.is_empty()).await;
        let first = kafka.news_watermarks().await.remove(0).1;
        assert_eq!(first.idle, is_idle, "{requests_a_page} requests for a page");
        running.stop().await.unwrap();
    }
}

/// Otherwise the others would wait for it for ever.
#[tokio::test]
async fn a_source_that_only_ever_answers_its_first_page_becomes_idle() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    // The provider forgets each cursor at once.
    let running = Running::start(&kafka, state.path(), |request| match request % 2 {
        0 => Ok(page(vec![article("a", -90)], Some("next".into()))),
        _ => Err(gone()),
    });
    until(async || running.task.is_finished() || !kafka.news_watermarks().await.is_empty()).await;
    assert!(kafka.news_watermarks().await.iter().all(|(_, watermark)| watermark.idle));
    running.stop().await.unwrap();
}

/// The status and the number of requests of two lists.
type Lists = Arc<Mutex<[(StatusCode, usize); 2]>>;

async fn answer(State((lists, index)): State<(Lists, usize)>) -> Response {
    let mut lists = lists.lock().unwrap();
    let (status, requests) = &mut lists[index];
    *requests += 1;
    (*status, "[]").into_response()
}

#[tokio::test]
async fn a_refused_key_of_a_source_that_stands_in_does_not_end_the_others() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let lists: Lists = Arc::new(Mutex::new([(StatusCode::OK, 0), (StatusCode::UNAUTHORIZED, 0)]));
    let mut providers = ProvidersConfig::default();
    for (index, name) in ["first", "second"].into_iter().enumerate() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        providers.set(name, "request_url", format!("http://{}/news", listener.local_addr().unwrap()));
        providers.set(name, "key_in", "bearer");
        providers.entry(name).kind = Some("json".into());
        providers.entry(name).api_key = ApiKey::new("the-key");
        let app = Router::new().route("/news", get(answer)).with_state((Arc::clone(&lists), index));
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
    let config: NewsConfig =
        toml::from_str("sources = ['first', 'second']\n[override.second]\nfallback_for = 'first'").unwrap();
    let (clock, shutdown) = (Clock::accelerated(time(ORIGIN), SPEED), Shutdown::new());
    let (path, producer, stop) = (state.path().to_owned(), kafka.producer.clone(), shutdown.clone());
    let running = tokio::spawn(async move {
        tapewire_ingest::poller::run(&config, &providers, &path, producer, clock, Readiness::default(), stop).await
    });
    let requests = |index: usize| lists.lock().unwrap()[index].1;
    until(async || running.is_finished() || requests(0) > 2).await;
    assert_eq!(requests(1), 0, "the first works");

    lists.lock().unwrap()[0].0 = StatusCode::INTERNAL_SERVER_ERROR;
    until(async || running.is_finished() || requests(1) > 2).await;
    assert!(!running.is_finished(), "{:?}", running.await);
    lists.lock().unwrap()[0].0 = StatusCode::OK;
    let before = requests(0);
    until(async || running.is_finished() || requests(0) > before + 2).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
