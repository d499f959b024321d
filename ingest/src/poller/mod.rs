//! The news poller: every 20 seconds asks what is new and puts it on topic `news`.
//!
//! | module | holds |
//! |---|---|
//! | `cursor` | how far we are, and what we have sent already; pure |
//!
//! The guarantee: an article the provider shows within `overlap` of its publication is on the
//! topic at least once, whatever dies when, because the watermark moves only after the broker has
//! acknowledged what lies before it. An edit is sent again with another revision; the same
//! article seen twice is not, except after a crash between acknowledgement and note.

mod cursor;

use crate::IngestError;
use crate::backoff::Backoff;
use crate::providers::Reject;
use crate::providers::massive::parse::Items;
use crate::providers::massive::{MassiveConfig, MassiveError, RestClient};
use crate::state::StateFile;
use crate::writer::Writer;
use cursor::Cursor;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use tapewire_bus::{Clock, DeadLetters, Producer, Readiness, Shutdown};
use tapewire_core::{Article, Run};

/// Name of the role, for readiness and dead letters.
const STAGE: &str = "news-poller";

/// When to ask, and how far back. All times are by the bus's clock.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewsPollerConfig {
    /// From one poll to the next.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub every: Duration,
    /// How far before the watermark each poll begins: what the provider shows later than that
    /// after its publication is not seen.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub overlap: Duration,
    /// How far back the very first poll begins.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub lookback: Duration,
    /// How long the provider takes to show an article as a rule: providers put seconds to a minute
    /// between publication and their interface. The watermark promises completeness up to the poll
    /// less this; what comes later still is sent, and counts as late.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub wire_delay: Duration,
    /// Articles a page, at most 1000.
    pub page_size: u32,
}

impl Default for NewsPollerConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(20),
            overlap: Duration::from_secs(600),
            lookback: Duration::from_secs(24 * 3600),
            wire_delay: Duration::from_secs(60),
            page_size: 1000,
        }
    }
}

/// What one poll brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// Articles sent: new ones and edits.
    pub sent: usize,
    /// Pages read.
    pub pages: usize,
    /// Items put to the dead letters.
    pub rejected: usize,
}

/// Polls Massive's news.
pub struct NewsPoller {
    config: NewsPollerConfig,
    client: RestClient,
    writer: Writer,
    dead_letters: DeadLetters,
    clock: Clock,
    cursor: Cursor,
    state: StateFile<Cursor>,
    /// Unreadable items of the last poll: the overlap shows them again and again.
    rejected: HashSet<Vec<u8>>,
    /// A poll that failed between two pages.
    unfinished: Option<Unfinished>,
    promised: Option<Timestamp>,
}

/// Where a poll is. Kept over a failure: started anew, a poll of many pages under a tight rate
/// limit would never end.
struct Unfinished {
    began: Timestamp,
    page: Url,
    first: bool,
    rejected: HashSet<Vec<u8>>,
}

impl NewsPoller {
    /// A poller that goes on where the note in `state_folder` says, or looks back if there is none.
    ///
    /// # Errors
    /// [`IngestError::Config`], [`IngestError::State`], or [`MassiveError::Url`].
    pub fn new(
        config: NewsPollerConfig,
        massive: &MassiveConfig,
        state_folder: &Path,
        producer: Producer,
        clock: Clock,
    ) -> Result<Self, IngestError> {
        if !(1..=1000).contains(&config.page_size) || config.every.is_zero() {
            return Err(IngestError::Config(
                "news: page_size must be within 1 and 1000, every must not be zero".into(),
            ));
        }
        let state = StateFile::new(state_folder, "news.json")?;
        Ok(Self {
            client: RestClient::new(massive, clock.clone())?,
            dead_letters: DeadLetters::new(producer.clone(), clock.clone(), STAGE),
            cursor: state.load()?.unwrap_or_default(),
            config,
            writer: Writer::new(producer, Run::live(), None),
            clock,
            state,
            rejected: HashSet::new(),
            unfinished: None,
            promised: None,
        })
    }

    /// Polls until shutdown. A poll cut short by it is as one cut short by a crash: harmless.
    ///
    /// # Errors
    /// Only what trying again can't heal; outages are waited out.
    pub async fn run(mut self, readiness: Readiness, shutdown: Shutdown) -> Result<(), IngestError> {
        readiness.waiting(STAGE, "the first poll is not complete");
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            let began = self.clock.now();
            let wait = match shutdown.run_until_cancelled(self.poll()).await {
                None => return Ok(()),
                Some(Ok(polled)) => {
                    backoff.reset();
                    readiness.ready(STAGE);
                    tracing::debug!(polled.sent, polled.pages, polled.rejected, "polled");
                    let took = self.clock.now().duration_since(began).try_into().unwrap_or(Duration::ZERO);
                    self.config.every.saturating_sub(took)
                }
                Some(Err(error)) if error.is_retryable() => {
                    metrics::counter!("tapewire_news_poll_failures_total").increment(1);
                    tracing::warn!(%error, "polling failed; nothing is lost, trying again");
                    readiness.waiting(STAGE, error.to_string());
                    let asked = if let IngestError::Massive(error) = &error { error.retry_after() } else { None };
                    asked.unwrap_or_default().max(backoff.next_wait())
                }
                Some(Err(error)) => return Err(error),
            };
            if shutdown.run_until_cancelled(self.clock.sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// One poll: every page from the watermark less the overlap, then the promise on every
    /// partition of `news`. After a failure it goes on with the page that failed.
    ///
    /// # Errors
    /// Any [`IngestError`]; what was acknowledged before it stays noted.
    pub async fn poll(&mut self) -> Result<Polled, IngestError> {
        let mut polled = Polled::default();
        loop {
            let mut at = self.unfinished.take().unwrap_or_else(|| self.begin());
            let page = match self.client.news(&at.page).await {
                Ok(page) => page,
                // The provider forgets cursors: begin anew.
                Err(MassiveError::BadRequest { path, message, .. }) if !at.first => {
                    return Err(MassiveError::Unreadable { path, reason: format!("next page: {message}") }.into());
                }
                Err(error) => {
                    self.unfinished = Some(at);
                    return Err(error.into());
                }
            };
            polled.pages += 1;
            // Before the watermark moves: after it nobody would look at them again.
            polled.rejected += self.bury(&page.rejects, at.page.path()).await?;
            polled.sent += self.take(&page, at.began).await?;
            at.rejected.extend(page.rejects.into_iter().map(|reject| reject.bytes));
            let Some(next) = page.next_url else {
                self.rejected = at.rejected;
                self.promise(at.began).await?;
                return Ok(polled);
            };
            let next = self.client.next_page(&next)?;
            if next == at.page {
                let reason = "the next page is the same page".into();
                return Err(MassiveError::Unreadable { path: next.path().to_owned(), reason }.into());
            }
            self.unfinished = Some(Unfinished { page: next, first: false, ..at });
        }
    }

    fn begin(&self) -> Unfinished {
        let began = self.clock.now();
        let page = self.client.news_url(self.cursor.query_from(began, &self.config), self.config.page_size);
        Unfinished { began, page, first: true, rejected: HashSet::new() }
    }

    /// Sends a page's new articles, waits for the acknowledgements, and only then notes them.
    async fn take(&mut self, page: &Items<Article>, began: Timestamp) -> Result<usize, IngestError> {
        let mut sent = HashSet::new();
        for article in &page.items {
            // A page may hold the same article twice.
            if self.cursor.is_new(article) && sent.insert((article.id.as_str(), article.revision)) {
                self.writer.article(article.clone()).await?;
            }
        }
        self.writer.settle().await?;
        metrics::counter!("tapewire_articles_total").increment(sent.len() as u64);
        if self.cursor.acknowledge(&page.items, began, &self.config) {
            self.state.save(&self.cursor).await?;
        }
        Ok(sent.len())
    }

    async fn bury(&self, rejects: &[Reject], path: &str) -> Result<usize, IngestError> {
        let mut buried = 0;
        for reject in rejects.iter().filter(|reject| !self.rejected.contains(&reject.bytes)) {
            self.dead_letters.bury(&format!("massive {path}"), &reject.reason, &reject.bytes).await?;
            buried += 1;
        }
        Ok(buried)
    }

    /// Says on every partition how far the wire has been followed.
    async fn promise(&mut self, began: Timestamp) -> Result<(), IngestError> {
        let wire_delay = SignedDuration::try_from(self.config.wire_delay).unwrap_or(SignedDuration::MAX);
        let at = began.saturating_sub(wire_delay).unwrap_or(Timestamp::MIN);
        if self.promised.is_none_or(|promised| promised < at) {
            self.writer.promise_news(at).await?;
            self.promised = Some(at);
            metrics::gauge!("tapewire_news_watermark_timestamp_seconds").set(at.as_second() as f64);
        }
        Ok(())
    }
}
