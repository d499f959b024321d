//! Traces of articles through every stage, with real Kafka and ClickHouse: what a receiver of OTLP is sent, and that
//! nothing depends on it.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "traces/receiver.rs"]
mod receiver;
mod support;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use receiver::{Receiver, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::provider::Provider;
use support::{Installation, Process, succeeded, wait_until};
use tapewire_core::record::News;
use tapewire_core::{Article, NewsRecord, Run};

/// A process has to end within this time.
const LIMIT: Duration = Duration::from_secs(10);
/// Number of articles of the replays. Every second one is about two companies.
const ARTICLES: usize = 20;
/// What the log says of a receiver that is down.
const WARNING: &str = "the receiver of traces does not take spans; only traces are lost";
/// Kinds of spans, as in the protocol.
const INTERNAL: i32 = 1;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

/// Files of a small replay: articles, and a day of minute bars of their companies and the benchmark.
fn market(folder: &Path) -> (PathBuf, PathBuf) {
    let (news, bars) = (folder.join("news.jsonl"), folder.join("bars.csv"));
    let at = |minute: usize| format!("2025-06-02T{:02}:{:02}:00Z", 13 + (30 + minute) / 60, (30 + minute) % 60);
    let article = |n: usize| {
        let symbols = [r#""AAA""#, r#""AAA","BBB""#][n % 2];
        format!(
            r#"{{"id":"a{n}","title":"Profit doubled in quarter {n}","published_at":"{}","symbols":[{symbols}]}}"#,
            at(n)
        )
    };
    std::fs::write(&news, (0..ARTICLES).map(article).collect::<Vec<_>>().join("\n")).unwrap();
    let mut csv = "symbol,start,open,high,low,close,volume\n".to_owned();
    for symbol in ["AAA", "BBB", "SPY"] {
        csv.extend((0..390).map(|minute| format!("{symbol},{},10,11,9,10.5,100\n", at(minute))));
    }
    std::fs::write(&bars, csv).unwrap();
    (news, bars)
}

fn replay(place: &Installation, run: &str) -> Command {
    let (news, bars) = market(place.folder.path());
    let mut command = place.tapewire();
    command.arg("replay").arg("--news").arg(news).arg("--bars").arg(bars).args(["--run", run]).stdin(Stdio::null());
    command
}

fn of_name<'a>(spans: &'a [Seen], name: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The only span with this name.
fn only<'a>(spans: &'a [Seen], name: &str) -> &'a Seen {
    let found = of_name(spans, name);
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

/// The spans of each trace.
fn by_trace(spans: Vec<Seen>) -> BTreeMap<String, Vec<Seen>> {
    let mut traces: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace.clone()).or_default().push(span);
    }
    traces
}

/// Whether every stage has sent its spans of this trace, and the model was asked.
fn is_whole(trace: &[Seen]) -> bool {
    let count = |name: &str| of_name(trace, name).len();
    let scored = of_name(trace, "score news");
    let mentions = scored.iter().flat_map(|span| span.attribute("tapewire.symbols").split(','));
    count("archive news") == 1
        && count("score news") == 1
        && count("inference") == 1
        && count("send sentiment") == mentions.count()
        && count("join sentiment") == count("send sentiment")
}

/// Asserts what holds from the record on topic `news` on, in any trace of an article.
fn assert_stages(place: &Installation, trace: &[Seen], parent: &Seen) {
    let (prefix, sent) = (format!("{}-", place.database()), parent);
    for (name, group) in [("score news", "tapewire-sentiment"), ("archive news", "tapewire-archive")] {
        let span = only(trace, name);
        assert_eq!((&span.parent, span.kind), (&sent.id, CONSUMER), "{trace:#?}");
        assert_eq!(span.attribute("messaging.consumer.group.name"), format!("{prefix}{group}"));
        assert_eq!(span.attribute("messaging.operation.type"), "process");
        assert_same(span, sent, &["messaging.destination.name", "messaging.destination.partition.id"]);
        assert_same(span, sent, &["messaging.kafka.offset", "tapewire.article.id", "tapewire.symbols"]);
    }
    let scored = only(trace, "score news");
    let (queue, inference) = (only(trace, "queue"), only(trace, "inference"));
    assert_eq!([&queue.parent, &inference.parent], [&scored.id; 2]);
    assert!(scored.start <= queue.start && queue.start <= queue.end, "{trace:#?}");
    assert!(queue.end == inference.start && inference.start <= inference.end, "{trace:#?}");
    assert!(inference.end <= scored.end, "{trace:#?}");
    let mentions = of_name(trace, "send sentiment");
    let symbols: BTreeSet<&str> = mentions.iter().map(|span| span.attribute("tapewire.symbol")).collect();
    assert_eq!(symbols, sent.attribute("tapewire.symbols").split(',').collect(), "{trace:#?}");
    for sent in mentions {
        assert_eq!((&sent.parent, sent.kind), (&scored.id, PRODUCER), "{trace:#?}");
        let of_symbol = |span: &&Seen| span.attribute("tapewire.symbol") == sent.attribute("tapewire.symbol");
        let joined: Vec<&Seen> = of_name(trace, "join sentiment").into_iter().filter(of_symbol).collect();
        assert_eq!(joined.len(), 1, "{trace:#?}");
        let joined = joined[0];
        assert_eq!((&joined.parent, joined.kind), (&sent.id, CONSUMER), "{trace:#?}");
        assert_eq!(joined.attribute("messaging.destination.name"), format!("{prefix}sentiment"));
        assert_eq!(joined.attribute("messaging.consumer.group.name"), format!("{prefix}tapewire-joiner"));
        assert_eq!(joined.attribute("tapewire.row"), "written");
        assert_same(joined, sent, &["messaging.destination.partition.id", "messaging.kafka.offset"]);
        let (event, at) = &joined.events[0];
        assert!(event == "insert" && joined.start <= *at && *at <= joined.end, "{joined:?}");
    }
    for span in trace.iter().filter(|span| !["queue", "inference"].contains(&span.name.as_str())) {
        assert_same(span, sent, &["tapewire.run", "tapewire.provider", "tapewire.article.id"]);
    }
    for span in trace {
        assert_eq!(span.error, None, "{span:?}");
        assert!(span.start <= span.end, "{span:?}");
        assert_eq!(span.resource.get("service.name").map(String::as_str), Some("tapewire"));
    }
}

fn assert_same(one: &Seen, other: &Seen, keys: &[&str]) {
    for key in keys {
        assert!(!one.attribute(key).is_empty(), "{key} is missing: {one:?}");
        assert_eq!(one.attribute(key), other.attribute(key), "{key}: {one:?} {other:?}");
    }
}

/// For each run, how many articles or mentions on a topic have the header of a trace, and how many do not.
fn headers(place: &Installation, topic: &str) -> BTreeMap<String, [usize; 2]> {
    let topic = format!("{}-{topic}", place.database());
    let consumer: BaseConsumer = kafka().set("group.id", format!("{topic}-headers")).create().unwrap();
    let mut partitions = TopicPartitionList::new();
    let mut records = 0;
    for partition in 0..3 {
        partitions.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        let (low, high) = consumer.fetch_watermarks(&topic, partition, Duration::from_secs(30)).unwrap();
        records += high - low;
    }
    consumer.assign(&partitions).unwrap();
    let mut found: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for _ in 0..records {
        let message = consumer.poll(Duration::from_secs(30)).expect("records arrive").unwrap();
        let record: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let has_header = message.headers().is_some_and(|all| all.iter().any(|header| header.key == "traceparent"));
        if record["body"].get("watermark").is_some() {
            assert!(!has_header, "a watermark belongs to no article: {record}");
        } else {
            found.entry(record["run"].as_str().unwrap().to_owned()).or_default()[usize::from(!has_header)] += 1;
        }
    }
    found
}

fn kafka() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::var("TAPEWIRE_KAFKA_BROKERS").unwrap());
    config
}

/// Sends an article as a program does that is not ours.
fn send(place: &Installation, id: &str, traceparent: Option<&str>) {
    let symbols = vec![tapewire_testkit::symbol("AAPL")];
    let published_at = tapewire_testkit::at("2025-06-02T14:00:00Z");
    // No two texts are the same, because the score of a second one would be cached.
    let article = tapewire_testkit::article(&format!("Profit doubled in report {id}"), published_at);
    let article = Article { id: id.into(), symbols, ..article };
    let (topic, key) = (format!("{}-news", place.database()), article.key());
    let payload = NewsRecord::new(Run::live(), News::Article(article)).encode();
    let mut record = BaseRecord::to(&topic).key(&key).payload(&payload);
    if let Some(value) = traceparent {
        record = record.headers(OwnedHeaders::new().insert(Header { key: "traceparent", value: Some(value) }));
    }
    let producer: BaseProducer = kafka().create().unwrap();
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[test]
fn an_article_has_one_trace_from_its_poll_to_its_rows() {
    let Some(mut place) = Installation::new("traces") else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "30", &["simulator.articles_per_hour=200"]);
    let receiver = Receiver::start();
    place.set("TAPEWIRE_TRACES_OTLP_ENDPOINT", &receiver.url);
    place.set("TAPEWIRE_TRACES_OTLP_HEADERS", "x-scope=a%20desk");
    place.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    let mut news = place.tapewire();
    provider.with(news.args(["run", "--role", "news"]));
    // This process uses the wall clock, by which the simulated day is far in the past.
    for setting in ["news.lookback=24000h", "news.every=1s"] {
        news.args(["--set", setting]);
    }
    let log = std::fs::File::create(place.folder.path().join("news.log")).unwrap();
    let news: Process = news.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
    let others = ["sentiment", "join"].map(|role| place.role(role));

    let has_companies = |span: &Seen| span.name == "send news" && !span.attribute("tapewire.symbols").is_empty();
    let is_polled = |trace: &[Seen]| of_name(trace, "poll massive").len() == 1 && trace.iter().any(has_companies);
    let whole = || by_trace(receiver.spans()).into_values().find(|trace| is_whole(trace) && is_polled(trace));
    wait_until("an article has all its spans", || whole().is_some());
    let trace = whole().unwrap();
    let (poll, sent) = (only(&trace, "poll massive"), only(&trace, "send news"));
    assert_eq!((poll.parent.as_str(), poll.kind, poll.attribute("tapewire.source")), ("", INTERNAL, "massive"));
    assert_eq!((&sent.parent, sent.kind), (&poll.id, PRODUCER));
    assert!(poll.start <= sent.start && sent.end <= poll.end, "{trace:#?}");
    let (event, answered) = &poll.events[0];
    assert!(event == "answered" && poll.start <= *answered && *answered <= sent.start, "{trace:#?}");
    let topic = format!("{}-news", place.database());
    for (key, value) in [
        ("messaging.system", "kafka"),
        ("messaging.operation.name", "send"),
        ("messaging.destination.name", topic.as_str()),
        ("tapewire.run", "live"),
        ("tapewire.provider", "massive"),
    ] {
        assert_eq!(sent.attribute(key), value, "{sent:?}");
    }
    let id = sent.attribute("tapewire.article.id");
    assert_eq!(sent.attribute("messaging.kafka.message.key"), format!("massive/{id}"));
    assert_stages(&place, &trace, sent);

    // It is the trace of this article, and has none of its text.
    let title = || place.query(&format!("SELECT title FROM articles FINAL WHERE article_id = '{id}'"));
    wait_until("the article is stored", || !title().is_empty());
    let everything = format!("{trace:?}");
    assert!(everything.contains(id) && !everything.contains(&title()), "{} is in {everything}", title());
    let (line, headers) = receiver.requests().remove(0);
    assert!(line.starts_with("POST /v1/traces ") && headers.contains("x-scope: a desk\r\n"), "{line} {headers}");
    news.stop();
    others.into_iter().for_each(Process::stop);
}

#[test]
fn a_replay_is_traced_by_the_share_that_is_sampled_and_without_a_trace_no_header_is_written() {
    let Some(mut place) = Installation::new("sampled") else { return };
    let receiver = Receiver::start();
    place.set("TAPEWIRE_TRACES_OTLP_ENDPOINT", &receiver.url);
    succeeded(replay(&place, "all").output().unwrap());
    let traces = by_trace(receiver.spans());
    assert_eq!(traces.len(), ARTICLES);
    let mut articles = BTreeSet::new();
    for trace in traces.values() {
        assert!(is_whole(trace), "{trace:#?}");
        let sent = only(trace, "send news");
        assert_eq!((sent.parent.as_str(), sent.attribute("tapewire.run")), ("", "all"));
        assert_stages(&place, trace, sent);
        articles.insert(sent.attribute("tapewire.article.id"));
    }
    assert_eq!(articles.len(), ARTICLES);

    let before = receiver.requests().len();
    let mut none = replay(&place, "none");
    succeeded(none.args(["--set", "traces.sample_ratio=0"]).output().unwrap());
    let mut off = replay(&place, "off");
    succeeded(off.env_remove("TAPEWIRE_TRACES_OTLP_ENDPOINT").output().unwrap());
    assert_eq!(receiver.requests().len(), before, "{:#?}", receiver.spans().last());
    let mentions = ARTICLES + ARTICLES / 2;
    for (topic, records) in [("news", ARTICLES), ("sentiment", mentions)] {
        let with_and_without = [("all", [records, 0]), ("none", [0, records]), ("off", [0, records])];
        let expected: BTreeMap<_, _> = with_and_without.map(|(run, counts)| (run.to_owned(), counts)).into();
        assert_eq!(headers(&place, topic), expected, "{topic}");
    }
}

#[test]
fn a_trace_that_another_producer_has_begun_goes_on_and_a_stage_begins_none() {
    let Some(mut place) = Installation::new("outside") else { return };
    let receiver = Receiver::start();
    place.set("TAPEWIRE_TRACES_OTLP_ENDPOINT", &receiver.url);
    // The share counts only where a trace begins.
    place.set("TAPEWIRE_TRACES_SAMPLE_RATIO", "0");
    let roles = ["sentiment", "join"].map(|role| place.role(role));
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    send(&place, "sampled", Some(&format!("00-{trace}-{span}-01")));
    send(&place, "not-sampled", Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
    send(&place, "not-valid", Some("what is this"));
    send(&place, "without", None);
    wait_until("all are joined", || place.count("SELECT uniqExact(article_id) FROM impact") == 4);
    wait_until("all are stored", || place.count("SELECT uniqExact(article_id) FROM articles") == 4);
    roles.into_iter().for_each(Process::stop);

    let spans = receiver.spans();
    assert!(is_whole(&spans), "{spans:#?}");
    for seen in &spans {
        assert_eq!(seen.trace, trace, "{seen:?}");
    }
    for name in ["score news", "archive news"] {
        assert_eq!(only(&spans, name).parent, span);
        assert_eq!(only(&spans, name).attribute("tapewire.article.id"), "sampled");
    }
    assert_eq!(only(&spans, "join sentiment").parent, only(&spans, "send sentiment").id);
}

#[test]
fn headers_that_can_not_be_used_are_refused_without_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder.path()).args(["run", "--set", "traces.otlp_endpoint=http://127.0.0.1:4318"]);
    let output = command.env("TAPEWIRE_TRACES_OTLP_HEADERS", "authorization: s3cret").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("traces.otlp_headers_file") && !said.contains("s3cret"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn a_receiver_that_is_down_changes_no_row_and_delays_no_end() {
    let Some(plain) = Installation::new("plain") else { return };
    succeeded(replay(&plain, "market").output().unwrap());
    let rows = plain.content();
    // One port is closed; on the other, connections are accepted and never answered.
    let closed = format!("http://127.0.0.1:{}", support::provider::free_port());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for (name, url) in [("closed", &closed), ("silent", &silent.0)] {
        let mut place = Installation::new(name).unwrap();
        place.set("TAPEWIRE_TRACES_OTLP_ENDPOINT", url);
        let output = replay(&place, "market").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        succeeded(output);
        assert!(place.content() == rows, "{name}: the rows differ");
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains(WARNING)).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("WARN") && warnings[0].contains(url.as_str()), "{log}");

        let log = place.folder.path().join("sentiment.log");
        let (mut role, joiner) = (place.role("sentiment"), place.role("join"));
        // It waits until the roles have done everything.
        succeeded(replay(&place, "again").arg("--send-only").output().unwrap());
        let asked = Instant::now();
        role.signal("-TERM");
        wait_until("the role ends", || !role.is_running());
        assert!(asked.elapsed() < LIMIT, "{name}: {:?}", asked.elapsed());
        assert!(role.ended().unwrap().success(), "{}", std::fs::read_to_string(&log).unwrap());
        joiner.stop();
    }
}
