#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use super::export::Observed;
use super::*;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::Mutex;

/// Keeps the spans that ended.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    /// The only span with this name.
    fn span(&self, name: &str) -> SpanData {
        let found: Vec<SpanData> = self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found.into_iter().next().unwrap()
    }
}

fn tracer(ratio: f64) -> (SdkTracer, Kept) {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).with_sampler(sampler(ratio)).build();
    (provider.tracer(NAME), kept)
}

fn begin(tracer: &SdkTracer, parent: Parent<'_>, name: &str) -> Span {
    Span::begin_with(Some(tracer), parent, SpanKind::Internal, None, || name.to_owned())
}

fn carried(headers: &[(String, String)]) -> Option<TraceContext> {
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    TraceContext::from_headers(find(TraceContext::HEADER)?, find(TraceContext::STATE_HEADER))
}

#[test]
fn a_trace_goes_on_in_the_record_that_carries_it() {
    let (tracer, kept) = tracer(1.0);
    let poll = begin(&tracer, Parent::New, "poll");
    let send = begin(&tracer, Parent::Span(&poll), "send");
    let headers = send.headers();
    assert_eq!(headers.len(), 1, "there is no tracestate: {headers:?}");
    let context = carried(&headers).unwrap();
    send.done();
    poll.done();
    begin(&tracer, Parent::Record(&context), "score").done();
    let [poll, send, score] = ["poll", "send", "score"].map(|name| kept.span(name));
    assert_eq!(poll.parent_span_id, SpanId::INVALID);
    assert_eq!(send.parent_span_id, poll.span_context.span_id());
    assert_eq!(score.parent_span_id, send.span_context.span_id());
    assert!(score.parent_span_is_remote && !send.parent_span_is_remote);
    let traces = [&poll, &send, &score].map(|span| span.span_context.trace_id());
    assert_eq!(traces, [traces[0]; 3]);
}

#[test]
fn a_trace_is_sampled_or_not_where_it_begins() {
    let (none, kept) = tracer(0.0);
    let root = begin(&none, Parent::New, "root");
    let child = begin(&none, Parent::Span(&root), "child");
    assert!(!root.is_recording() && !child.is_recording());
    assert!(root.headers().is_empty() && child.headers().is_empty());
    // A record of a trace that was sampled elsewhere.
    let (all, _) = tracer(1.0);
    let context = carried(&begin(&all, Parent::New, "elsewhere").headers()).unwrap();
    begin(&none, Parent::Record(&context), "goes on").done();
    kept.span("goes on");
    // Without one, whatever the share is.
    assert!(!begin(&all, Parent::None, "none").is_recording());
    let (half, kept) = tracer(0.5);
    (0..200).for_each(|_| begin(&half, Parent::New, "one of many").done());
    let sampled = kept.0.lock().unwrap().len();
    assert!((1..200).contains(&sampled), "{sampled} of 200");
}

#[test]
fn a_process_without_a_receiver_makes_nothing() {
    let never = || -> String { panic!("a name was made") };
    let mut span = Span::begin_with(None, Parent::New, SpanKind::Internal, None, never);
    span.describe(|| -> [(&'static str, Value); 1] { panic!("attributes were made") });
    assert!(span.headers().is_empty() && !span.is_recording());
    span.done();
    assert!(Traces::start(&TracesConfig::default()).unwrap().is_none());
    assert!(!is_on());
}

#[test]
fn a_span_says_how_it_ended() {
    let (tracer, kept) = tracer(1.0);
    begin(&tracer, Parent::New, "done").done();
    drop(begin(&tracer, Parent::New, "dropped"));
    let mut failed = begin(&tracer, Parent::New, "failed");
    failed.fail("kafka did not acknowledge the record");
    failed.done();
    assert_eq!(kept.span("done").status, Status::Unset);
    assert!(matches!(kept.span("dropped").status, Status::Error { description } if description.contains("stopped")));
    assert_eq!(kept.span("failed").status, Status::error("kafka did not acknowledge the record"));
}

#[test]
fn a_span_has_its_times_attributes_and_events() {
    let (tracer, kept) = tracer(1.0);
    let times: Vec<Moment> = (0..3).map(|_| Moment::now()).collect();
    let mut span =
        Span::begin_with(Some(&tracer), Parent::New, SpanKind::Consumer, Some(times[0]), || "timed".to_owned());
    span.describe(|| [("number", 7_i64.into()), ("texts", texts(["AAPL", "MSFT"]))]);
    span.event("half", times[1]);
    span.done_at(times[2]);
    let span = kept.span("timed");
    assert!(span.start_time <= span.events[0].timestamp && span.events[0].timestamp <= span.end_time);
    assert_eq!((span.span_kind, &*span.events[0].name), (SpanKind::Consumer, "half"));
    let value = |key: &str| span.attributes.iter().find(|it| it.key.as_str() == key).unwrap().value.clone();
    assert_eq!((value("number"), value("texts").to_string()), (7_i64.into(), r#"["AAPL","MSFT"]"#.to_owned()));
    assert!(Moment::of(std::time::Instant::now()) <= Moment::now());
}

#[test]
fn headers_that_are_not_valid_or_not_sampled_carry_no_trace() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let context = TraceContext::from_headers(parent, Some("rojo=00f067aa0ba902b7")).unwrap();
    let (tracer, _) = tracer(1.0);
    let headers = begin(&tracer, Parent::Record(&context), "goes on").headers();
    assert!(headers[0].1.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && headers[0].1.ends_with("-01"));
    assert_eq!(headers[1], ("tracestate".to_owned(), "rojo=00f067aa0ba902b7".to_owned()));
    for other in [
        "",
        "\u{e4}",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert_eq!(TraceContext::from_headers(other, None), None, "{other}");
    }
}

#[test]
fn settings_that_can_not_be_used_are_refused_without_their_secrets() {
    let config = |json: &str| serde_json::from_str::<TracesConfig>(json).map_err(|error| error.to_string());
    let good = config(r#"{"otlp_endpoint": "http://127.0.0.1:4318", "sample_ratio": 0.25}"#).unwrap();
    assert_eq!((good.otlp_endpoint.as_deref(), good.sample_ratio), (Some("http://127.0.0.1:4318"), 0.25));
    assert_eq!(config("{}").unwrap(), TracesConfig::default());
    for (json, part) in [
        (r#"{"otlp_endpoint": "127.0.0.1:4318"}"#, "http://127.0.0.1:4318"),
        (r#"{"otlp_endpoint": "grpc://127.0.0.1:4317"}"#, "http://127.0.0.1:4318"),
        (r#"{"otlp_endpoint": "http://host/?key=1"}"#, "no address of a receiver"),
        (r#"{"otlp_endpoint": "https://user:s3cret@host"}"#, "otlp_headers_file"),
        (r#"{"sample_ratio": 1.5}"#, "from 0 to 1"),
        (r#"{"sample_ratio": -0.1}"#, "from 0 to 1"),
    ] {
        let error = config(json).unwrap_err();
        assert!(error.contains(part) && !error.contains("s3cret"), "{json}: {error}");
    }
    for (endpoint, url) in [
        ("http://host:4318", "http://host:4318/v1/traces"),
        ("http://host:4318/", "http://host:4318/v1/traces"),
        ("https://host/otlp", "https://host/otlp/v1/traces"),
        ("https://host/otlp/v1/traces", "https://host/otlp/v1/traces"),
    ] {
        assert_eq!(config::traces_url(endpoint), url);
    }
}

#[test]
fn headers_are_read_as_other_programs_read_them_and_are_never_printed() {
    let headers = OtlpHeaders::new("Authorization=Basic%20czNjcmV0, x-scope=a=b\nx-more = 1,\n");
    let parsed = headers.parsed().unwrap();
    let mut found: Vec<(&str, &str)> = parsed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("authorization", "Basic czNjcmV0"), ("x-more", "1"), ("x-scope", "a=b")]);
    assert!(!format!("{headers:?}").contains("czNjcmV0"));
    for wrong in ["s3cret", "a=1,b c=s3cret", "a=1,b=s3cret%0A", "a=1,b=%FFs3cret", "a=1,b="] {
        let error = OtlpHeaders::new(wrong).parsed().unwrap_err().to_string();
        assert!(error.contains("otlp_headers_file") && !error.contains("s3cret"), "{wrong}: {error}");
    }
}

#[test]
fn a_receiver_that_is_down_is_said_once() {
    let outcomes = Outcomes::new("http://127.0.0.1:4318");
    assert!(outcomes.failed("no answer"));
    assert!(!outcomes.failed("no answer"));
    outcomes.stopped(false, LONGEST_STOP);
    assert!(!outcomes.failed("no answer"));
    // One that fails every now and then is not worth a line each time.
    outcomes.taken(1);
    assert!(!outcomes.failed("no answer"));
    let ended = Outcomes::new("http://127.0.0.1:4318");
    ended.stopped(true, LONGEST_STOP);
    assert!(ended.failed("the first outage"));
}

#[tokio::test]
async fn what_became_of_each_batch_is_noted() {
    #[derive(Debug)]
    struct Refusing;
    impl SpanExporter for Refusing {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("503".into()))
        }
    }
    let outcomes = Arc::new(Outcomes::new("http://127.0.0.1:4318"));
    let refused = Observed { inner: Refusing, outcomes: Arc::clone(&outcomes) };
    assert!(refused.export(Vec::new()).await.is_err());
    assert!(!outcomes.failed("503"), "it is known");
}
