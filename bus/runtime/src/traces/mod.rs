//! Traces: what each stage does with one article, as spans of one trace.
//!
//! A process that was started with a receiver ([`Traces::start`]) sends its spans there by OpenTelemetry's protocol,
//! OTLP over HTTP. In every other process no function here does anything. Headers of records carry a trace from one
//! stage to the next. Whether an article has a trace is decided where the trace begins: a stage that finds none in a
//! record begins none.
//!
//! Spans have neither an article's text nor that of an error, which may quote it: a span says what failed, the log says
//! why. Their times are those of the wall clock (UTC), also where [`Clock`](crate::Clock) runs faster.

mod config;
mod context;
mod export;
mod span;

pub use config::{OtlpHeaders, TracesConfig};
pub use context::TraceContext;
pub use opentelemetry::Value;
pub use opentelemetry::trace::SpanKind;
pub use span::{Moment, Parent, Span, texts};

use crate::RuntimeError;
use export::Outcomes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The name of our spans' library, and of the service where OTEL_SERVICE_NAME gives no other.
const NAME: &str = "tapewire";
/// Longest wait for the last spans to be sent. A process has 10 seconds to end, of which roles may take 5.
const LONGEST_STOP: Duration = Duration::from_secs(2);

/// Makes the spans of this process; empty while there are none.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Whether this process makes spans.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// Sends the spans of this process, on a thread of its own. Spans that wait are limited in number; those beyond are
/// lost.
pub struct Traces {
    provider: SdkTracerProvider,
    outcomes: Arc<Outcomes>,
}

impl Traces {
    /// From now on this process makes spans and sends them to the receiver that the settings name. Without one there
    /// are no spans, and nothing is returned.
    ///
    /// # Errors
    /// [`RuntimeError::TracesSetting`]; [`RuntimeError::Traces`] if the client can't be made, or spans are sent
    /// already.
    ///
    /// # Panics
    /// In a Tokio runtime: the client, which blocks, is made here.
    pub fn start(config: &TracesConfig) -> Result<Option<Self>, RuntimeError> {
        let Some(receiver) = &config.otlp_endpoint else { return Ok(None) };
        let again = || RuntimeError::Traces("this process sends traces already".into());
        if is_on() {
            return Err(again());
        }
        let outcomes = Arc::new(Outcomes::new(receiver));
        let exporter = export::exporter(receiver, config.otlp_headers.as_ref(), Arc::clone(&outcomes))?;
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(export::batches()).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler(config.sample_ratio))
            .with_resource(resource())
            .build();
        TRACER.set(provider.tracer(NAME)).map_err(|_| again())?;
        tracing::info!(receiver, sample_ratio = config.sample_ratio, "traces are sent to this receiver");
        Ok(Some(Self { provider, outcomes }))
    }

    /// Sends the spans that have ended, for at most 2 seconds. Spans that end later are lost.
    pub fn stop(self) {
        let stopped = self.provider.shutdown_with_timeout(LONGEST_STOP);
        self.outcomes.stopped(stopped.is_ok(), LONGEST_STOP);
    }
}

/// Samples this share of the traces that begin here. A span of a trace that began elsewhere is sampled if its trace is.
fn sampler(ratio: f64) -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)))
}

/// Who sends the spans: OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME override what we say.
fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name(NAME)
        .with_attributes([KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))])
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name).build(),
        _ => resource.build(),
    }
}

#[cfg(test)]
mod tests;
