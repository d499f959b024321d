//! One span.

use super::context::{self, TraceContext};
use super::{SpanKind, TRACER, Value};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, Status, Tracer as _};
use opentelemetry::{Array, Context, KeyValue, StringValue};
use opentelemetry_sdk::trace::SdkTracer;
use std::time::{Instant, SystemTime};

/// The status of a span that ended before what it describes was done.
const INTERRUPTED: &str = "the stage stopped before this was done; what is not committed is done again";

/// What a stage does with one record, from its beginning to its end; or none, where nothing is traced, which costs
/// nothing.
///
/// It ends when it is dropped. Unless it was [`done`](Span::done) or has [failed](Span::fail) by then, its status is
/// the error that it was interrupted.
#[must_use = "a span that is dropped has ended"]
#[derive(Default)]
pub struct Span(Option<Box<Recording>>);

struct Recording {
    span: opentelemetry_sdk::trace::Span,
    has_outcome: bool,
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.has_outcome {
            self.span.set_status(Status::error(INTERRUPTED));
        }
        metrics::counter!("tapewire_spans_total").increment(1);
    }
}

/// Where a span begins.
#[derive(Clone, Copy)]
pub enum Parent<'a> {
    /// Nowhere: nothing is traced.
    None,
    /// It begins a trace, if it is one of the share that is sampled.
    New,
    /// In a span of this process.
    Span(&'a Span),
    /// In the span that a record was sent in.
    Record(&'a TraceContext),
}

/// A time for a span, by the wall clock (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(SystemTime);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self(opentelemetry::time::now())
    }

    /// When this was.
    pub fn of(instant: Instant) -> Self {
        Self(opentelemetry::time::now() - instant.elapsed())
    }
}

impl Span {
    /// No span.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Begins a span now. `name` is called only where this process makes spans.
    pub fn begin(parent: Parent<'_>, kind: SpanKind, name: impl FnOnce() -> String) -> Self {
        Self::begin_with(TRACER.get(), parent, kind, None, name)
    }

    /// Begins a span at a moment that has passed.
    pub fn begin_at(parent: Parent<'_>, kind: SpanKind, at: Moment, name: impl FnOnce() -> String) -> Self {
        Self::begin_with(TRACER.get(), parent, kind, Some(at), name)
    }

    pub(super) fn begin_with(
        tracer: Option<&SdkTracer>,
        parent: Parent<'_>,
        kind: SpanKind,
        at: Option<Moment>,
        name: impl FnOnce() -> String,
    ) -> Self {
        let Some(tracer) = tracer else { return Self::none() };
        let context = match parent {
            Parent::None => return Self::none(),
            Parent::New => Context::new(),
            Parent::Span(span) => match span.place() {
                Some(place) => context::parent(place.clone()),
                None => return Self::none(),
            },
            Parent::Record(carried) => carried.as_parent(),
        };
        let builder = SpanBuilder::from_name(name()).with_kind(kind);
        let builder = match at {
            Some(Moment(at)) => builder.with_start_time(at),
            None => builder,
        };
        let span = tracer.build_with_context(builder, &context);
        if span.is_recording() { Self(Some(Box::new(Recording { span, has_outcome: false }))) } else { Self::none() }
    }

    /// Whether there is a span: this process makes spans, and the trace is sampled.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Adds attributes, which are made only if there is a span.
    pub fn describe<Attributes>(&mut self, attributes: impl FnOnce() -> Attributes)
    where
        Attributes: IntoIterator<Item = (&'static str, Value)>,
    {
        if let Some(recording) = &mut self.0 {
            recording.span.set_attributes(attributes().into_iter().map(|(key, value)| KeyValue::new(key, value)));
        }
    }

    /// Notes that something happened at a moment within the span.
    pub fn event(&mut self, name: &'static str, at: Moment) {
        if let Some(recording) = &mut self.0 {
            recording.span.add_event_with_timestamp(name, at.0, Vec::new());
        }
    }

    /// Gives the span the status of an error. `what` says what failed; why it did is in the log.
    pub fn fail(&mut self, what: &'static str) {
        if let Some(recording) = &mut self.0 {
            recording.span.set_status(Status::error(what));
            recording.has_outcome = true;
        }
    }

    /// Ends the span: what it describes is done.
    pub fn done(mut self) {
        if let Some(recording) = &mut self.0 {
            recording.has_outcome = true;
        }
    }

    /// As [`Span::done`], at a moment that has passed.
    pub fn done_at(mut self, at: Moment) {
        if let Some(recording) = &mut self.0 {
            recording.has_outcome = true;
            recording.span.end_with_timestamp(at.0);
        }
    }

    /// The headers of a record that is sent in this span: names and values. Empty without a span.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.place().map(context::headers).unwrap_or_default()
    }

    fn place(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|recording| recording.span.span_context())
    }
}

/// Several texts as the value of one attribute.
pub fn texts<Text: Into<String>>(texts: impl IntoIterator<Item = Text>) -> Value {
    let texts = texts.into_iter().map(|text| StringValue::from(text.into()));
    Value::Array(Array::String(texts.collect()))
}
