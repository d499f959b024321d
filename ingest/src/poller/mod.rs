//! The news poller: every 20 seconds asks a source what is new and puts it on topic `news`.
//!
//! The guarantee: an article the provider shows within `late_window` of its publication is on the
//! topic at least once, wherever the process is killed, because the watermark moves only after the
//! broker has acknowledged what lies before it. An article that is seen again is sent again only if
//! it was edited, or after a crash between the acknowledgement and the writing of the state file.
//!
//! Looking back over the whole window at each poll would cost hundreds of times as much as what is new. So a poll looks
//! back over `overlap`, every second one twice as far, every fourth four times: what is late by a minute is found soon,
//! what is late by a day within hours ([`NewsPollerConfig::look_back`]).
//!
//! A source may stand in for another: then it is polled only while that one fails. It begins where that one ended.
//!
//! Each source has a poller, a state file `news-NAME.json` and a watermark stream of its own.

mod budget;
mod config;
mod fallback;
mod known_rejects;
mod latest;
mod progress;
mod traces;

pub(crate) use config::check_sources;
pub use config::{NewsConfig, NewsOverride, NewsPollerConfig};

use crate::IngestError;
use crate::health::{SourceHealth, is_rejected};
use crate::providers::{NewsRequest, NewsSource, Page, PageGuard, ProviderError, ProvidersConfig, Reject};
use crate::state::StateFile;
use crate::supervise::supervise;
use crate::writer::{WatermarkStream, Writer};
use budget::Budget;
use fallback::{Healths, Primary};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use known_rejects::KnownRejects;
use latest::latest;
use progress::PollProgress;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::{Article, Run};
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown, chain};
use tokio::sync::watch;
use traces::{Asked, ask};

/// Name of the role, for readiness and dead letters.
pub(crate) const STAGE: &str = "news-poller";
/// The shortest time between two polls of a source that says when something was published.
const BETWEEN_POLLS: Duration = Duration::from_secs(1);

/// What one poll brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// Articles sent: new ones and edits.
    pub sent: usize,
    /// Of these, new ones that the provider showed later than `overlap` after their publication.
    pub late: usize,
    /// Pages read.
    pub pages: usize,
    /// Items sent to the topic `dead-letter`.
    pub rejected: usize,
}

/// Polls every configured news source until shutdown.
///
/// ```no_run
/// use tapewire_bus::{KafkaConfig, Producer};
/// use tapewire_runtime::{Clock, Readiness, Shutdown};
/// use tapewire_ingest::poller::{self, NewsConfig};
/// use tapewire_ingest::providers::{ApiKey, ProvidersConfig, registry};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut providers = ProvidersConfig::default();
/// providers.entry(registry::DEFAULT).api_key = ApiKey::new("my-key");
/// let producer = Producer::new(&KafkaConfig::default())?;
/// let state = std::path::Path::new("state");
/// let (clock, readiness, shutdown) = (Clock::wall(), Readiness::default(), Shutdown::new());
/// poller::run(&NewsConfig::default(), &providers, state, producer, clock, readiness, shutdown).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first error of any source that a retry can't help against. Outages are waited out.
pub async fn run(
    config: &NewsConfig,
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

/// As [`run`], with settings that may change: a source whose settings change goes on where its state file says, the others
/// go on undisturbed. Whoever sends settings has to check them first, [`NewsConfig::check_sources`].
///
/// # Errors
/// As [`run`].
pub fn run_reconfigurable<'a>(
    configs: watch::Receiver<NewsConfig>,
    providers: &'a ProvidersConfig,
    state_folder: &'a Path,
    producer: Producer,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), IngestError>> {
    Box::pin(async move {
        configs.borrow().check()?;
        let wanted = |config: &NewsConfig| {
            let count = u32::try_from(config.sources.len()).expect("a list of names is short");
            let streams = (0..count).zip(&config.sources);
            let settings = |(index, name): (u32, &String)| {
                let primary = config.primary_of(name).map(str::to_owned);
                (name.clone(), (config.of(name), WatermarkStream::news(index, count, name), primary))
            };
            streams.map(settings).collect()
        };
        let healths = Healths::default();
        let start = |name: &str,
                     (config, stream, primary): (NewsPollerConfig, WatermarkStream, Option<String>),
                     stop: Shutdown| {
            let source = config.source(name, providers, &clock)?;
            let (producer, clock, readiness) = (producer.clone(), clock.clone(), readiness.clone());
            let mut poller = NewsPoller::new(config, source, stream, state_folder, producer, clock, readiness)?;
            healths.insert(name, poller.health.clone());
            poller.primary = primary.map(|name| Primary { name, healths: healths.clone() });
            Ok(poller.run(stop).boxed())
        };
        supervise(configs, wanted, start, shutdown).await
    })
}

/// Polls one news source.
pub struct NewsPoller {
    config: NewsPollerConfig,
    source: Arc<dyn NewsSource>,
    stream: WatermarkStream,
    writer: Writer,
    dead_letters: DeadLetters,
    clock: Clock,
    progress: PollProgress,
    /// Number of polls begun since the start.
    polls: u64,
    state: StateFile<PollProgress>,
    /// Whether the progress is ahead of the state file, because the disk was full.
    unsaved: bool,
    health: SourceHealth,
    known_rejects: KnownRejects,
    /// A poll that failed between two pages.
    unfinished: Option<Unfinished>,
    emitted: Option<Timestamp>,
    /// How many requests are allowed, if they are limited by the day.
    budget: Option<Budget>,
    /// The source that this one stands in for.
    primary: Option<Primary>,
    /// While the primary has failed: how far it had been followed.
    takeover_from: Option<Timestamp>,
}

/// What a source answers to one request.
type Answer = Result<Page<Article>, ProviderError>;

/// How long to wait before the next poll.
enum Wait {
    /// All of this time: the source has failed, or its requests are counted.
    All(Duration),
    /// This time, or until the source says that something was published.
    AtMost(Duration),
}

/// How far a poll has come. Kept after a failure, because a poll of many pages under a tight rate limit would never end
/// if it began again with its first page.
struct Unfinished {
    began: Timestamp,
    request: NewsRequest,
    pages: PageGuard,
    rejected: HashSet<Vec<u8>>,
}

impl NewsPoller {
    /// A poller that continues where the state file in `state_folder` says, or without one begins `lookback` ago.
    ///
    /// # Errors
    /// [`IngestError::State`]; [`ProviderError::Setting`] if the source lacks a setting.
    pub fn new(
        config: NewsPollerConfig,
        source: Arc<dyn NewsSource>,
        stream: WatermarkStream,
        state_folder: &Path,
        producer: Producer,
        clock: Clock,
        readiness: Readiness,
    ) -> Result<Self, IngestError> {
        source.check()?;
        let file = format!("news-{}.json", stream.source);
        let state = match stream.index {
            0 => StateFile::taking_over(state_folder, &file, "news.json")?,
            _ => StateFile::new(state_folder, &file)?,
        };
        let health =
            SourceHealth::new(stream.clone(), STAGE, config.idle_timeout, producer.clone(), clock.clone(), readiness);
        let budget = match config.requests_a_day.or(source.requests_a_day()) {
            None | Some(0) => None,
            Some(per_day) => {
                Some(Budget::new(&stream.source, per_day, source.requests_a_page(), state_folder, clock.now())?)
            }
        };
        Ok(Self {
            budget,
            primary: None,
            takeover_from: None,
            dead_letters: DeadLetters::new(producer.clone(), clock.clone(), STAGE).of_run(&Run::live()),
            progress: state.load()?.unwrap_or_default(),
            polls: 0,
            writer: Writer::new(producer, Run::live(), None),
            config,
            source,
            stream,
            clock,
            state,
            unsaved: false,
            health,
            known_rejects: KnownRejects::default(),
            unfinished: None,
            emitted: None,
        })
    }

    /// Polls until shutdown. Shutdown in the middle of a poll is as harmless as a crash there.
    ///
    /// # Errors
    /// The first error that a retry can't help against. Outages are waited out.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), IngestError> {
        let polling = async {
            self.health.waiting("the first poll is not complete");
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
            loop {
                match self.stand_by_if_primary_works().await? {
                    true => self.clock.sleep(self.config.every).await,
                    false => match self.poll_or_wait(&mut backoff).await? {
                        Wait::AtMost(wait) => tokio::select! {
                            () = self.clock.sleep(wait) => {}
                            () = self.published() => {}
                        },
                        Wait::All(wait) => self.clock.sleep(wait).await,
                    },
                }
            }
        };
        shutdown.run_until_cancelled(polling).await.unwrap_or(Ok(()))
    }

    /// Waits until the source says that something was published, and at least [`BETWEEN_POLLS`].
    async fn published(&self) {
        self.clock.sleep(BETWEEN_POLLS).await;
        self.source.published().await;
    }

    /// Polls once, and returns how long to wait before the next poll.
    async fn poll_or_wait(&mut self, backoff: &mut Backoff) -> Result<Wait, IngestError> {
        let began = self.clock.now();
        let source = self.source_label();
        match self.poll().await {
            Ok(polled) => {
                backoff.reset();
                tracing::debug!(source, polled.sent, polled.pages, polled.rejected, "polled");
                let took = self.clock.now().duration_since(began).try_into().unwrap_or(Duration::ZERO);
                let wait = self.config.every.saturating_sub(took);
                Ok(match &self.budget {
                    Some(budget) => Wait::All(wait.max(budget.until_poll(self.clock.now()))),
                    None => Wait::AtMost(wait),
                })
            }
            Err(error) if error.is_retryable() || self.must_not_stop_others(&error) => {
                metrics::counter!("tapewire_news_poll_failures_total", "source" => source.clone()).increment(1);
                let wait = backoff.next_wait_at_least(error.retry_after());
                log_failure(&source, &error, wait);
                match error.is_of_provider() {
                    // The poll goes on with the page that failed.
                    true if self.unfinished.is_some() => self.health.request_failed(&error).await?,
                    true => self.health.failed(&error).await?,
                    false => self.health.waiting(&chain(&error)),
                }
                Ok(Wait::All(wait))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an error that a retry may not cure must not stop the other sources. A source that has answered before,
    /// perhaps in an earlier process, may have moved for a while. One that stands in for another is asked for the first
    /// time when that one fails: then a refusal would make the outage of one source that of all.
    fn must_not_stop_others(&self, error: &IngestError) -> bool {
        let has_answered = self.emitted.is_some() || self.progress.has_followed();
        (has_answered && is_rejected(error)) || (self.primary.is_some() && error.is_of_provider())
    }

    /// One poll: every page from the watermark less the overlap, then the watermark on every
    /// partition of `news`. After a failure it goes on with the page that failed.
    ///
    /// # Errors
    /// Any [`IngestError`]; what was acknowledged before it stays in the state file.
    pub async fn poll(&mut self) -> Result<Polled, IngestError> {
        let mut polled = Polled::default();
        loop {
            let mut at = self.unfinished.take().unwrap_or_else(|| self.begin());
            let requests = self.source.requests();
            let (asked, answer) = match self.page(&at.request).await {
                Ok(asked) => asked,
                Err(error) => {
                    self.unfinished = Some(at);
                    return Err(error);
                }
            };
            let page = match answer {
                Ok(page) => page.without_large_records(),
                // The provider has forgotten the cursor: the next poll begins with its first page.
                Err(ProviderError::BadRequest { provider, path, message, .. })
                    if matches!(at.request, NewsRequest::Next(_)) =>
                {
                    let reason = format!("next page: {message}");
                    return Err(ProviderError::Unreadable { provider, path, reason }.into());
                }
                Err(error) => {
                    // A page may take many requests. If one before the failed one was answered, this failure is the first
                    // again, unless the page has to begin again.
                    let made = self.source.requests().zip(requests).map_or(0, |(after, before)| after - before);
                    if made > 1 && !matches!(error, ProviderError::Unreadable { .. }) {
                        self.health.answered();
                    }
                    self.unfinished = Some(at);
                    return Err(error.into());
                }
            };
            self.health.answered();
            polled.pages += 1;
            // Before the watermark moves: after that no poll would see them again.
            polled.rejected += self.publish_rejects(&page).await?;
            self.send(&page.items, at.began, asked, &mut polled).await?;
            let next = at.pages.next(&self.stream.source, &page, |article| (article.id.clone(), article.revision))?;
            at.rejected.extend(page.rejects.into_iter().map(|reject| reject.bytes));
            let Some(next) = next else {
                self.known_rejects.extend(at.rejected);
                self.emit_watermark(at.began).await?;
                return Ok(polled);
            };
            self.unfinished = Some(Unfinished { request: NewsRequest::Next(next), ..at });
        }
    }

    /// Asks for a page, as soon as the budget allows it.
    async fn page(&mut self, request: &NewsRequest) -> Result<(Asked, Answer), IngestError> {
        let Some(budget) = &mut self.budget else { return Ok(ask(&*self.source, request).await) };
        let expected = self.source.requests_a_page();
        let wait = budget.until_request(expected, self.clock.now());
        if !wait.is_zero() {
            let (source, wait_s) = (&self.stream.source, wait.as_secs());
            tracing::info!(source, wait_s, "no request is left in the daily budget for now; the next page waits");
            self.clock.sleep(wait).await;
        }
        // Before the request: a crash must not make it one that was not counted.
        budget.spend(f64::from(expected), self.clock.now()).await?;
        let before = self.source.requests();
        let answered = ask(&*self.source, request).await;
        if let (Some(before), Some(after)) = (before, self.source.requests()) {
            let made = after.saturating_sub(before) as f64;
            budget.correct(made - f64::from(expected), self.clock.now()).await?;
        }
        Ok(answered)
    }

    fn begin(&mut self) -> Unfinished {
        let began = self.clock.now();
        let overlap = SignedDuration::try_from(self.config.overlap).unwrap_or(SignedDuration::MAX);
        let takeover = self.takeover_from.map(|from| from.saturating_sub(overlap).unwrap_or(Timestamp::MIN));
        // Poll 0 looks back as far as late articles are looked for.
        let number = if self.source.is_read_whole() { 0 } else { self.polls };
        let since = self.progress.query_from(began, number, &self.config).max(takeover.unwrap_or(Timestamp::MIN));
        let request = NewsRequest::Since(since);
        self.polls += 1;
        Unfinished { began, request, pages: PageGuard::default(), rejected: HashSet::new() }
    }

    /// Sends new articles, waits for the acknowledgements, and only then notes them.
    async fn send(
        &mut self,
        articles: &[Article],
        began: Timestamp,
        asked: Asked,
        polled: &mut Polled,
    ) -> Result<(), IngestError> {
        let articles = &latest(articles);
        let mut sent = 0;
        for article in articles.iter().filter(|article| self.progress.is_new(article)) {
            let withdrawn = self.progress.withdrawn(article);
            let span = asked.trace(&self.stream.source, article);
            self.writer.article_within(Article { withdrawn, ..article.clone() }, span).await?;
            sent += 1;
        }
        self.writer.flush().await?;
        metrics::counter!("tapewire_articles_total", "source" => self.source_label()).increment(sent as u64);
        polled.sent += sent;
        let late = articles.iter().filter(|article| self.progress.is_late(article, &self.config));
        let late = late.map(|article| &article.id).collect::<HashSet<_>>().len();
        self.report_late(late);
        polled.late += late;
        self.unsaved |= self.progress.acknowledge(articles, began, &self.config);
        if self.unsaved {
            self.unsaved = !self.state.save_if_room(&self.progress).await?;
        }
        Ok(())
    }

    fn report_late(&self, late: usize) {
        if late == 0 {
            return;
        }
        let source = self.source_label();
        let (overlap_s, late_window_s) = (self.config.overlap.as_secs(), self.config.late_window.as_secs());
        tracing::info!(
            source,
            late,
            overlap_s,
            late_window_s,
            "the provider showed articles later than the overlap after their publication; they are sent and count as late"
        );
        metrics::counter!("tapewire_late_articles_total", "source" => source).increment(late as u64);
    }

    async fn publish_rejects(&self, page: &Page<Article>) -> Result<usize, IngestError> {
        let origin = format!("{} {}", self.stream.source, page.origin);
        let new = page.rejects.iter().filter(|reject| !self.known_rejects.contains(&reject.bytes));
        let mut published = 0;
        for Reject { reason, bytes } in new {
            self.dead_letters.publish(&origin, reason, bytes).await?;
            published += 1;
        }
        Ok(published)
    }

    /// Says on every partition how far the source has been followed.
    async fn emit_watermark(&mut self, began: Timestamp) -> Result<(), IngestError> {
        let wire_delay = SignedDuration::try_from(self.config.wire_delay).unwrap_or(SignedDuration::MAX);
        let at = began.saturating_sub(wire_delay).unwrap_or(Timestamp::MIN).max(self.emitted.unwrap_or(Timestamp::MIN));
        if self.emitted == Some(at) && !self.health.is_idle() {
            self.health.works();
            return Ok(());
        }
        self.writer.emit_news_watermark(&self.stream, at).await?;
        self.emitted = Some(at);
        self.health.emitted(at);
        let gauge = metrics::gauge!("tapewire_news_watermark_timestamp_seconds", "source" => self.source_label());
        gauge.set(at.as_second() as f64);
        Ok(())
    }

    fn source_label(&self) -> String {
        self.stream.source.clone()
    }
}

/// Logs why a poll has failed that is tried again.
fn log_failure(source: &str, error: &IngestError, wait: Duration) {
    let (said, wait_s) = (chain(error), wait.as_secs_f64());
    if matches!(error, IngestError::DiskFull { .. }) {
        tracing::error!(
            source,
            error = said,
            wait_s,
            "the source is not polled while its requests can't be counted; nothing is lost, trying again"
        );
    } else if error.is_retryable() {
        tracing::warn!(source, error = said, wait_s, "polling the news failed; nothing is lost, retrying");
    } else {
        tracing::error!(
            source,
            error = said,
            wait_s,
            "the provider refuses to be polled; other sources go on, and this one is tried again; check its address, its \
             key and what your plan includes"
        );
    }
}
