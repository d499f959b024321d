//! A receiver of OTLP over HTTP, which keeps the spans that it is sent.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A span as it was received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Ids in hexadecimal digits. `parent` is empty where the trace begins.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    /// As in the protocol: 1 internal, 4 producer, 5 consumer.
    pub kind: i32,
    /// Values as texts.
    pub attributes: BTreeMap<String, String>,
    /// Names and times.
    pub events: Vec<(String, u64)>,
    /// The message of an error.
    pub error: Option<String>,
    /// Nanoseconds since 1970 UTC.
    pub start: u64,
    pub end: u64,
    /// Attributes of the process.
    pub resource: BTreeMap<String, String>,
}

impl Seen {
    /// An attribute; empty without it.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

/// A request: its headers, in lower case, and what it has.
#[derive(Debug, Clone)]
struct Request {
    line: String,
    headers: String,
    spans: Vec<Seen>,
}

/// The receiver. It runs until the test ends.
pub struct Receiver {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        let address = tapewire_testkit::receive(answer, move |tapewire_testkit::Request { line, headers, body }| {
            let spans = spans(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
            kept.lock().unwrap().push(Request { line, headers, spans });
        });
        Self { url: format!("http://{address}"), requests }
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().iter().flat_map(|request| request.spans.clone()).collect()
    }

    /// First line and headers of each request so far.
    pub fn requests(&self) -> Vec<(String, String)> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| (request.line.clone(), request.headers.clone())).collect()
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut found = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            let error = span.status.filter(|status| status.code == StatusCode::Error as i32);
            found.push(Seen {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                attributes: attributes(&span.attributes),
                events: span.events.into_iter().map(|event| (event.name, event.time_unix_nano)).collect(),
                error: error.map(|status| status.message),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                resource: resource.clone(),
            });
        }
    }
    found
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), attribute.value.as_ref().map_or_else(String::new, text)))
        .collect()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => array.values.iter().map(text).collect::<Vec<_>>().join(","),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
