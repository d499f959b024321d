//! Sending spans, and what is said if they are not taken.

use super::config::{OtlpHeaders, traces_url};
use crate::RuntimeError;
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfig, BatchConfigBuilder, OTEL_BSP_MAX_QUEUE_SIZE, SpanData, SpanExporter};
use reqwest::{Url, redirect};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the receiver.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most spans that may wait to be sent, of about a kilobyte each. A stage ends those of a batch of records at once.
const WAITING: usize = 16_384;
/// Shortest time from one warning about an outage to the next.
const QUIET: Duration = Duration::from_secs(600);

/// The exporter that posts spans to `receiver`.
///
/// # Errors
/// [`RuntimeError::TracesSetting`], [`RuntimeError::Traces`].
pub(super) fn exporter(
    receiver: &str,
    headers: Option<&OtlpHeaders>,
    outcomes: Arc<Outcomes>,
) -> Result<Observed<opentelemetry_otlp::SpanExporter>, RuntimeError> {
    let headers = headers.map_or(Ok(HashMap::new()), OtlpHeaders::parsed)?;
    let failed = |error: &dyn std::error::Error| RuntimeError::Traces(crate::chain(error));
    let inner = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_url(receiver))
        .with_timeout(TIMEOUT)
        .with_headers(headers)
        .with_http_client(client(receiver).map_err(|error| failed(&error))?)
        .build()
        .map_err(|error| failed(&error))?;
    Ok(Observed { inner, outcomes })
}

fn client(receiver: &str) -> Result<reqwest::blocking::Client, reqwest::Error> {
    // A redirected request would carry the headers elsewhere.
    let client = reqwest::blocking::Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none());
    // A proxy of the environment can't reach this machine's own addresses.
    let client = if is_loopback(receiver) { client.no_proxy() } else { client };
    client.build()
}

fn is_loopback(receiver: &str) -> bool {
    let url = Url::parse(receiver).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// How spans are collected before they are sent. The variables OTEL_BSP_... of the SDK override it.
pub(super) fn batches() -> BatchConfig {
    let batches = BatchConfigBuilder::default();
    match std::env::var_os(OTEL_BSP_MAX_QUEUE_SIZE) {
        Some(_) => batches.build(),
        None => batches.with_max_queue_size(WAITING).build(),
    }
}

/// An exporter whose outcomes are noted. The SDK itself logs nothing.
#[derive(Debug)]
pub(super) struct Observed<Exporter> {
    pub(super) inner: Exporter,
    pub(super) outcomes: Arc<Outcomes>,
}

impl<Exporter: SpanExporter> SpanExporter for Observed<Exporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.inner.export(batch).await;
        match &outcome {
            Ok(()) => self.outcomes.taken(spans),
            Err(error) => {
                self.outcomes.failed(&error.to_string());
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// What became of the spans that were sent. A receiver that is down costs one line of the log, not one for every batch.
#[derive(Debug)]
pub(super) struct Outcomes {
    receiver: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_failing: bool,
    /// Whether the log has said that it is failing.
    was_said: bool,
    warned_at: Option<Instant>,
}

impl Outcomes {
    pub(super) fn new(receiver: &str) -> Self {
        Self { receiver: receiver.to_owned(), state: Mutex::default() }
    }

    /// The receiver has taken a batch.
    pub(super) fn taken(&self, spans: usize) {
        metrics::counter!("tapewire_spans_exported_total").increment(spans as u64);
        let mut state = self.state();
        state.is_failing = false;
        if std::mem::take(&mut state.was_said) {
            tracing::info!(receiver = self.receiver, "the receiver of traces takes spans again");
        }
    }

    /// The receiver has not taken a batch. Returns whether the log says so.
    pub(super) fn failed(&self, error: &str) -> bool {
        let mut state = self.state();
        let is_known = std::mem::replace(&mut state.is_failing, true);
        if is_known || state.warned_at.is_some_and(|at| at.elapsed() < QUIET) {
            return false;
        }
        state.was_said = true;
        state.warned_at = Some(Instant::now());
        tracing::warn!(
            receiver = self.receiver,
            error,
            "the receiver of traces does not take spans; only traces are lost, and this is not said again until it \
             takes some. Check that it runs, and traces.otlp_endpoint"
        );
        true
    }

    /// Notes at the end of the process whether the last spans were sent within `limit`.
    pub(super) fn stopped(&self, in_time: bool, limit: Duration) {
        if !in_time {
            self.failed(&format!("the last spans were not taken within {} s", limit.as_secs()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
