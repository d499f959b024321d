//! The place in a trace that a record has, as its headers say it (W3C Trace Context,
//! <https://www.w3.org/TR/trace-context/>).

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// Which span a record was sent in, and whether its trace is sampled: only those that are exist here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext(SpanContext);

impl TraceContext {
    /// The header that every record of a trace has.
    pub const HEADER: &'static str = "traceparent";
    /// A header of other systems' data, which goes with the trace.
    pub const STATE_HEADER: &'static str = "tracestate";

    /// What these headers of a record say; `None` if they are not valid, or the trace is not sampled.
    pub fn from_headers(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let headers = Headers { traceparent, tracestate };
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let place = context.span().span_context().clone();
        (place.is_valid() && place.is_sampled()).then_some(Self(place))
    }

    /// For spans whose parent this is.
    pub(super) fn as_parent(&self) -> Context {
        parent(self.0.clone())
    }
}

/// A context in which spans begin as children of the span at this place.
pub(super) fn parent(place: SpanContext) -> Context {
    Context::new().with_remote_span_context(place)
}

/// The headers of a record that is sent in the span at this place.
pub(super) fn headers(place: &SpanContext) -> Vec<(String, String)> {
    let mut written = Written(Vec::new());
    TraceContextPropagator::new().inject_context(&parent(place.clone()), &mut written);
    written.0
}

struct Headers<'a> {
    traceparent: &'a str,
    tracestate: Option<&'a str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TraceContext::HEADER => Some(self.traceparent),
            TraceContext::STATE_HEADER => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TraceContext::HEADER, TraceContext::STATE_HEADER]
    }
}

struct Written(Vec<(String, String)>);

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` says nothing.
        if !value.is_empty() {
            self.0.push((key.to_owned(), value));
        }
    }
}
