//! A trace goes from one stage to the next in the headers of a record: `TAPEWIRE_KAFKA_BROKERS` names a broker.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;
use tapewire_bus::{KafkaConfig, Producer, Topic, Topics};
use tapewire_runtime::traces::{Parent, Span, SpanKind};
use tapewire_runtime::{Traces, TracesConfig};
use tapewire_testkit::all_records;

const OUTSIDE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The id of the trace of a span; empty without one.
fn trace(span: &Span) -> String {
    span.headers().first().map(|(_, traceparent)| traceparent[3..35].to_owned()).unwrap_or_default()
}

async fn send_outside(config: &KafkaConfig, headers: &[(&str, &[u8])]) {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let headers = headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
    let topic = Topics::new(config).name(Topic::News);
    let record = FutureRecord::to(&topic).key("k").payload("{}").headers(headers);
    producer.send(record, Duration::from_secs(30)).await.map_err(|(error, _)| error).unwrap();
}

async fn headers_carry_traces() {
    let Some(config) = tapewire_testkit::kafka("headers", 1).await else { return };
    let producer = Producer::new(&config).unwrap();
    let root = Span::begin(Parent::New, SpanKind::Internal, || "root".to_owned());
    for parent in [Parent::Span(&root), Parent::None, Parent::New] {
        let sent = producer.enqueue_traced(Topic::News, "k", b"{}", parent, |_| ()).await.unwrap();
        sent.acknowledged().await.unwrap();
    }
    producer.send(Topic::News, "k", b"{}").await.unwrap();
    let outside: &[u8] = OUTSIDE.as_bytes();
    send_outside(&config, &[("other", b"1"), ("traceparent", b"first"), ("traceparent", outside)]).await;
    send_outside(&config, &[("traceparent", outside), ("tracestate", b"rojo=1")]).await;
    send_outside(&config, &[("traceparent", b"\xff\xfe")]).await;
    send_outside(&config, &[("tracestate", b"rojo=1")]).await;

    let found = all_records(&config, Topic::News).await;
    let spans: Vec<Span> = found.iter().map(|record| record.span("score")).collect();
    let traces: Vec<String> = spans.iter().map(trace).collect();
    assert_eq!((traces[0].len(), &traces[0]), (32, &trace(&root)));
    assert!(traces[2].len() == 32 && traces[2] != traces[0], "{traces:?}");
    assert_eq!(traces[4..6], ["0af7651916cd43dd8448eb211c80319c"; 2], "of two headers the last counts");
    assert_eq!(spans[5].headers()[1], ("tracestate".to_owned(), "rojo=1".to_owned()));
    for without in [1, 3, 6, 7] {
        assert!(found[without].trace.is_none() && !spans[without].is_recording(), "{:?}", found[without]);
        assert!(found[without].read_at().is_none());
    }
    Topics::new(&config).delete().await.unwrap();
}

#[test]
fn a_record_says_which_trace_it_belongs_to() {
    // Nobody answers there, which changes nothing here.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    let config = TracesConfig { otlp_endpoint: Some(endpoint), ..TracesConfig::default() };
    let traces = Traces::start(&config).unwrap();
    assert!(traces.is_some());
    assert!(Traces::start(&config).is_err(), "a second one would make spans that nobody sends");
    tokio::runtime::Runtime::new().unwrap().block_on(headers_carry_traces());
}
