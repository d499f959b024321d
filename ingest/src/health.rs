//! Whether a source works, and what is said when it does not.
//!
//! Downstream waits for every source. One that is down for longer than its idle timeout therefore says on its topic
//! that it is idle, and is not waited for until it works again.

use crate::IngestError;
use crate::providers::ProviderError;
use crate::writer::WatermarkStream;
use jiff::{SignedDuration, Timestamp};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tapewire_bus::Producer;
use tapewire_runtime::{Clock, Readiness, chain};
use tokio_tungstenite::tungstenite;

/// Whether the provider answers and rejects what it is asked for: it has moved, or no longer has it. Of a source that has
/// worked before, that may pass, and must not end the others.
pub(crate) fn is_rejected(error: &IngestError) -> bool {
    match error {
        IngestError::Provider(ProviderError::BadRequest { .. }) => true,
        IngestError::Provider(ProviderError::Websocket { source, .. }) => {
            matches!(&**source, tungstenite::Error::Http(_))
        }
        _ => false,
    }
}

/// The health of one source. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct SourceHealth(Arc<Shared>);

struct Shared {
    stream: WatermarkStream,
    /// Name in readiness: `news-poller/NAME`.
    role: String,
    idle_timeout: SignedDuration,
    producer: Producer,
    clock: Clock,
    readiness: Readiness,
    state: Mutex<State>,
}

/// A source that is no longer followed is neither ready nor waited for.
impl Drop for Shared {
    fn drop(&mut self) {
        self.readiness.remove(&self.role);
        self.show_idle(false);
    }
}

impl Shared {
    fn show_idle(&self, idle: bool) {
        let WatermarkStream { source, kind, .. } = &self.stream;
        let labels = [("source", source.clone()), ("kind", (*kind).to_owned())];
        metrics::gauge!("tapewire_source_idle", &labels).set(f64::from(u8::from(idle)));
    }
}

#[derive(Default)]
struct State {
    /// When the first of the failures since the last success was.
    failing_since: Option<Timestamp>,
    /// When the request failed first that is being repeated.
    unanswered_since: Option<Timestamp>,
    idle: bool,
    /// It has been failing for longer than the idle timeout, and has not worked since.
    failed: bool,
    /// The last watermark of this process.
    watermark: Option<Timestamp>,
}

impl SourceHealth {
    /// `idle_timeout` is in market time.
    pub fn new(
        stream: WatermarkStream,
        stage: &str,
        idle_timeout: Duration,
        producer: Producer,
        clock: Clock,
        readiness: Readiness,
    ) -> Self {
        let role = format!("{stage}/{}", stream.source);
        let idle_timeout = SignedDuration::try_from(idle_timeout).unwrap_or(SignedDuration::MAX);
        let health =
            Self(Arc::new(Shared { stream, role, idle_timeout, producer, clock, readiness, state: Mutex::default() }));
        health.0.show_idle(false);
        health
    }

    /// It has not worked yet, or not since it was started again.
    pub fn waiting(&self, reason: &str) {
        if !self.state().idle {
            self.0.readiness.waiting(&self.0.role, reason);
        }
    }

    /// It failed, and begins again. Once it has been failing for longer than the idle timeout, every partition is told,
    /// again after each further failure: a reader that was restarted has forgotten it.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn failed(&self, error: &(dyn Error + Sync)) -> Result<(), IngestError> {
        self.fails(error, |state| &mut state.failing_since).await
    }

    /// As [`SourceHealth::failed`], of one request of many that is repeated by itself. It counts as failing until it is
    /// answered, [`SourceHealth::answered`]: reading a long list may take longer than the idle timeout.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn request_failed(&self, error: &(dyn Error + Sync)) -> Result<(), IngestError> {
        self.fails(error, |state| &mut state.unanswered_since).await
    }

    /// A request was answered, so the next one that fails is the first again. Failures of whole polls and connections stay
    /// counted until a watermark is sent: of a list that is begun again and again, the first page may be answered each time.
    pub fn answered(&self) {
        self.state().unanswered_since = None;
    }

    async fn fails(
        &self,
        error: &(dyn Error + Sync),
        first: fn(&mut State) -> &mut Option<Timestamp>,
    ) -> Result<(), IngestError> {
        let reason = chain(error);
        let now = self.0.clock.now();
        let (idle_since, went_idle, watermark) = {
            let mut state = self.state();
            let since = *first(&mut state).get_or_insert(now);
            let is_idle = now.duration_since(since) > self.0.idle_timeout;
            let went_idle = is_idle && !state.failed;
            state.idle |= is_idle;
            state.failed |= is_idle;
            (state.idle.then_some(since), went_idle, state.watermark)
        };
        let Some(since) = idle_since else {
            self.0.readiness.waiting(&self.0.role, reason);
            return Ok(());
        };
        self.0.readiness.waiting(&self.0.role, format!("idle, failing since {since}: {reason}"));
        if went_idle {
            let WatermarkStream { source, kind, .. } = &self.0.stream;
            tracing::warn!(
                source, kind, %since, error = reason,
                "the source has been failing for longer than its idle timeout: the others no longer wait for it; \
                 nothing is lost, what it missed is fetched when it works again"
            );
            self.0.show_idle(true);
            let labels = [("source", source.clone()), ("kind", (*kind).to_owned())];
            metrics::counter!("tapewire_source_outages_total", &labels).increment(1);
        }
        // An idle watermark says nothing about completeness; its time only must not be later than what was complete.
        self.0.stream.emit_idle(&self.0.producer, watermark.unwrap_or(Timestamp::UNIX_EPOCH)).await
    }

    /// A watermark was sent: it works.
    pub fn emitted(&self, watermark: Timestamp) {
        let was_idle = {
            let mut state = self.state();
            (state.failing_since, state.unanswered_since) = (None, None);
            state.watermark = Some(watermark);
            state.idle = false;
            std::mem::take(&mut state.failed)
        };
        if was_idle {
            let WatermarkStream { source, kind, .. } = &self.0.stream;
            tracing::info!(source, kind, %watermark, "the source works again, and the others wait for it again");
            self.0.show_idle(false);
        }
        self.0.readiness.ready(&self.0.role);
    }

    /// It works, and had nothing new to vouch for.
    pub fn works(&self) {
        {
            let mut state = self.state();
            (state.failing_since, state.unanswered_since) = (None, None);
        }
        self.0.readiness.ready(&self.0.role);
    }

    /// It is not polled, because the source that it stands in for works: every partition is told that it is idle.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn emit_standing_by(&self) -> Result<(), IngestError> {
        let (failed, watermark) = {
            let mut state = self.state();
            (state.failing_since, state.unanswered_since, state.idle) = (None, None, true);
            (std::mem::take(&mut state.failed), state.watermark)
        };
        if failed {
            self.0.show_idle(false);
        }
        self.0.readiness.ready(&self.0.role);
        self.0.stream.emit_idle(&self.0.producer, watermark.unwrap_or(Timestamp::UNIX_EPOCH)).await
    }

    /// Whether it has been failing for longer than the idle timeout, and has not worked since.
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// The last watermark of this process.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.state().watermark
    }

    /// Whether every partition has been told that it is idle: then the next watermark is due even if it says nothing
    /// else.
    pub fn is_idle(&self) -> bool {
        self.state().idle
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no holder of this lock can panic")
    }
}
