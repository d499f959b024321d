//! Alerts from a real ClickHouse to a local receiver.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_alerts::{AlertError, Alerts, AlertsConfig, WatchedSources};
use tapewire_core::{Probabilities, Run, Sentiment, Watermark};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_store::alerts::sent_alerts;
use tapewire_store::rows::MentionRow;
use tapewire_store::sources::{SourceKind, SourceRow};
use tapewire_store::{ClickHouseConfig, Writer, drop_database, migrate};
use tapewire_testkit::{at, clickhouse, mention};
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

const NOW: &str = "2025-06-04T15:00:00Z";

/// A server that keeps what is posted to it, by the path's name, and refuses everything while `refuses`. To the path
/// `picky` it refuses anomalies, always. Each answer takes it this long.
#[derive(Clone, Default)]
struct Receiver {
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    refuses: Arc<Mutex<bool>>,
    answers_after: Duration,
}

impl Receiver {
    async fn start(&self) -> String {
        async fn take(
            State(receiver): State<Receiver>,
            Path(name): Path<String>,
            axum::Json(body): axum::Json<Value>,
        ) -> StatusCode {
            if *receiver.refuses.lock().unwrap() {
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            if name == "picky" && body["kind"] == "anomaly" {
                return StatusCode::BAD_REQUEST;
            }
            receiver.taken.lock().unwrap().push((name, body));
            tokio::time::sleep(receiver.answers_after).await;
            StatusCode::NO_CONTENT
        }
        let app = Router::new().route("/{name}", post(take)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}

/// Keeps what is logged, a line for each event, with all fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// A log of what this thread logs until the guards are dropped.
    ///
    /// While a program has one dispatcher only, tracing asks the thread that reaches a line of code first whether anybody
    /// listens there, and keeps the answer for all threads: a test on another thread could silence the line. With two
    /// dispatchers it asks these.
    fn of_this_thread() -> (Self, impl Sized) {
        let log = Self::default();
        let second = Dispatch::new(Self::default());
        let listening = tracing::subscriber::set_default(log.clone());
        (log, (listening, second))
    }

    /// The lines with this text.
    fn with(&self, text: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| write!(line, "{field}={value:?} ").unwrap());
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn now() -> Timestamp {
    at(NOW)
}

/// Headlines of ACME whose scores are about 0 for 20 days, and in the last hour three that are bad, one of them told
/// twice; of QUIET the same without the last hour; of NEW only the last hour.
async fn write_mentions(writer: &Writer) {
    let row = |ticker: &str, title: String, at: Timestamp, positive: f64, negative: f64| {
        let mut mention = mention(ticker, at);
        mention.article_id = format!("{ticker} {title} {at}");
        mention.title = title;
        let probabilities = Probabilities { positive, neutral: 1.0 - positive - negative, negative };
        mention.sentiment = Ok(Sentiment { probabilities, model: "m".into(), model_revision: "r".into(), windows: 1 });
        MentionRow::new(&Run::live(), &mention, 1)
    };
    let mut rows = Vec::new();
    for number in 0..40_i64 {
        let at = now() - SignedDuration::from_hours(10 + 12 * number);
        let (good, bad) = if number % 2 == 0 { (0.3, 0.2) } else { (0.2, 0.3) };
        rows.extend(["ACME", "QUIET"].map(|ticker| row(ticker, format!("story {number}"), at, good, bad)));
    }
    let minutes = |ago: i64| now() - SignedDuration::from_mins(ago);
    for (number, title) in
        ["Acme warns", "Acme loses its chief", "Acme recalls cars", "Acme warns"].into_iter().enumerate()
    {
        rows.push(row("ACME", title.into(), minutes(40 - number as i64), 0.01, if number == 2 { 0.98 } else { 0.9 }));
        rows.push(row("NEW", title.into(), minutes(40 - number as i64), 0.01, 0.9));
    }
    writer.insert("mentions", &rows).await.unwrap();
}

async fn write_bars(config: &ClickHouseConfig) {
    let row = |symbol: &str, minutes_ago: i64, z: f64| {
        let start = (now() - SignedDuration::from_mins(minutes_ago)).as_microsecond();
        format!(
            "('live', '{symbol}', 60, fromUnixTimestamp64Micro({start}), 1, 98.5, {}, {z}, {})",
            z / 500.0,
            z.abs() > 3.0
        )
    };
    let rows = [row("ACME", 5, -7.25), row("ACME", 6, -6.5), row("CALM", 5, 4.0), row("OLD", 90, 12.0)].join(", ");
    let sql = format!(
        "INSERT INTO indicators (run, symbol, width_s, start, version, close, log_return, robust_z_60, is_anomaly) VALUES {rows}"
    );
    config.client().query(&sql).execute().await.unwrap();
}

async fn write_sources(writer: &Writer) {
    let row = |kind, source: &str, at: Timestamp, position| {
        let watermark = Watermark { source: source.into(), ..Watermark::new(0, 1, at) };
        SourceRow::new(&Run::live(), kind, &watermark, position).unwrap()
    };
    let later = now() + SignedDuration::from_hours(1);
    let rows = [
        row(SourceKind::News, "wire", now() - SignedDuration::from_hours(2), 7),
        row(SourceKind::Prices, "feed", now() - SignedDuration::from_hours(2), 7),
        row(SourceKind::Prices, "feed", later, 8),
    ];
    writer.insert("source_progress", &rows).await.unwrap();
}

fn settings(address: &str) -> AlertsConfig {
    AlertsConfig {
        // A source is stale if it did not move since the process started.
        stale_after: Duration::from_micros(1),
        webhook_url: Some(format!("{address}/webhook")),
        slack_url: Some(format!("{address}/slack")),
        ..AlertsConfig::default()
    }
}

/// The sources of [`write_sources`].
fn watched() -> WatchedSources {
    let watched = WatchedSources::default();
    watched.watch([(SourceKind::News, "wire".to_owned()), (SourceKind::Prices, "feed".to_owned())], now());
    watched
}

fn alerts(config: &ClickHouseConfig, address: &str) -> Alerts {
    let clock = Clock::accelerated(now(), 1.0);
    Alerts::new(&settings(address), config, watched(), clock, Shutdown::new()).unwrap()
}

/// A database with an anomaly, a sentiment shock and a stale source.
async fn filled(name: &str) -> Option<ClickHouseConfig> {
    let config = clickhouse(name)?;
    migrate(&config).await.unwrap();
    let writer = Writer::new(&config, Shutdown::new());
    write_mentions(&writer).await;
    write_bars(&config).await;
    write_sources(&writer).await;
    Some(config)
}

fn named(taken: &[(String, Value)], name: &str) -> Vec<Value> {
    taken.iter().filter(|(to, _)| to == name).map(|(_, body)| body.clone()).collect()
}

#[tokio::test]
async fn each_kind_of_alert_reaches_every_target_once_also_after_a_refusal_and_a_restart() {
    let Some(config) = filled("alerts").await else { return };

    let receiver = Receiver::default();
    let address = receiver.start().await;
    *receiver.refuses.lock().unwrap() = true;
    let mut first = alerts(&config, &address);
    assert_eq!(first.run_once().await.unwrap(), 3, "the table has what no webhook took");
    assert_eq!(first.run_once().await.unwrap(), 0);
    *receiver.refuses.lock().unwrap() = false;
    assert_eq!(first.run_once().await.unwrap(), 6);

    let taken = receiver.take();
    let (webhook, slack) = (named(&taken, "webhook"), named(&taken, "slack"));
    let subjects: BTreeSet<(&str, &str)> =
        webhook.iter().map(|body| (body["kind"].as_str().unwrap(), body["subject"].as_str().unwrap())).collect();
    let expected = [("anomaly", "ACME"), ("sentiment_shock", "ACME"), ("stale_source", "news/wire")];
    assert_eq!(subjects, BTreeSet::from(expected));
    let anomaly = webhook.iter().find(|body| body["kind"] == "anomaly").unwrap();
    assert_eq!(anomaly["at"], "2025-06-04T14:55:00Z", "of two, the latest");
    assert_eq!(anomaly["value"], -7.25);
    let shock = webhook.iter().find(|body| body["kind"] == "sentiment_shock").unwrap();
    let text = shock["text"].as_str().unwrap();
    assert!(text.contains("of 3 headlines is -0.92, usually +0.00") && text.ends_with("Acme recalls cars"), "{text}");
    // (-0.9166… - 0) over 0.1012…, the sample deviation of 40 scores of ±0.1, over the root of 3.
    assert!((shock["value"].as_f64().unwrap() - -15.677_412_1).abs() < 1e-6, "{shock}");
    let texts: BTreeSet<&str> = webhook.iter().map(|body| body["text"].as_str().unwrap()).collect();
    assert_eq!(slack.len(), 3);
    assert!(
        slack
            .iter()
            .all(|body| *body == json!({"text": body["text"]}) && texts.contains(body["text"].as_str().unwrap()))
    );

    assert_eq!(first.run_once().await.unwrap(), 0);
    assert_eq!(alerts(&config, &address).run_once().await.unwrap(), 0, "a restarted process knows what was sent");
    assert_eq!(receiver.take(), []);
    assert_eq!(sent_alerts(&config, now() - SignedDuration::from_hours(1)).await.unwrap().len(), 9);
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn what_another_process_has_sent_is_not_sent_again() {
    let Some(config) = clickhouse("alerts_two") else { return };
    migrate(&config).await.unwrap();
    let receiver = Receiver::default();
    let address = receiver.start().await;
    let writer = Writer::new(&config, Shutdown::new());
    let mut paused = alerts(&config, &address);
    write_sources(&writer).await;
    assert_eq!(paused.run_once().await.unwrap(), 3, "the stale source; then it stands still");
    write_mentions(&writer).await;
    write_bars(&config).await;
    assert_eq!(alerts(&config, &address).run_once().await.unwrap(), 6, "the anomaly and the shock");
    // Longer than it may rely on what it has read.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(paused.run_once().await.unwrap(), 0);
    assert_eq!(receiver.take().len(), 6);
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn what_is_being_sent_at_shutdown_is_in_the_table_and_nothing_more_is_sent() {
    let Some(config) = filled("alerts_shutdown").await else { return };
    let receiver = Receiver { answers_after: Duration::from_millis(500), ..Receiver::default() };
    let settings = settings(&receiver.start().await);
    let (clock, shutdown) = (Clock::accelerated(now(), 1.0), Shutdown::new());
    let running = tapewire_alerts::run(&settings, &config, watched(), clock, Readiness::default(), shutdown.clone());
    let stopping = async {
        while receiver.taken.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shutdown.cancel();
    };
    tokio::join!(running, stopping).0.unwrap();
    let rows = sent_alerts(&config, now() - SignedDuration::from_hours(1)).await.unwrap();
    let taken = receiver.take();
    assert_eq!(taken.len(), 1, "{taken:?}");
    let written: Vec<&str> = rows.iter().filter(|row| row.target == taken[0].0).map(|row| row.kind.as_str()).collect();
    assert_eq!(written, [taken[0].1["kind"].as_str().unwrap()]);
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn a_source_is_watched_from_when_it_is_followed_until_it_is_not() {
    let Some(config) = clickhouse("alerts_watched") else { return };
    migrate(&config).await.unwrap();
    let stale_after = Duration::from_secs(600);
    let settings = AlertsConfig { stale_after, ..AlertsConfig::default() };
    // An hour of this clock is a second.
    let clock = Clock::accelerated(now(), 3600.0);
    let watched = WatchedSources::default();
    let mut alerts = Alerts::new(&settings, &config, watched.clone(), clock.clone(), Shutdown::new()).unwrap();
    let source = |name: &str| (SourceKind::News, name.to_owned());
    watched.watch([source("former")], clock.now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    watched.watch([source("former"), source("later")], clock.now());
    alerts.run_once().await.unwrap();
    let subjects = async || {
        let rows = sent_alerts(&config, now() - SignedDuration::from_hours(1)).await.unwrap();
        rows.into_iter().map(|row| row.subject).collect::<BTreeSet<_>>()
    };
    assert_eq!(subjects().await, BTreeSet::from(["news/former".to_owned()]), "the other one has ten minutes");
    tokio::time::sleep(Duration::from_secs(1)).await;
    watched.watch([source("later")], clock.now());
    alerts.run_once().await.unwrap();
    assert_eq!(subjects().await, BTreeSet::from(["news/former".to_owned(), "news/later".to_owned()]));
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn an_alert_that_is_not_taken_is_named_in_the_log_without_its_headline() {
    let Some(config) = clickhouse("alerts_log") else { return };
    migrate(&config).await.unwrap();
    write_mentions(&Writer::new(&config, Shutdown::new())).await;
    let receiver = Receiver::default();
    let address = receiver.start().await;
    *receiver.refuses.lock().unwrap() = true;
    let (log, logging) = Log::of_this_thread();
    alerts(&config, &address).run_once().await.unwrap();
    drop(logging);
    let lines = log.with("a webhook did not accept an alert");
    assert_eq!(lines.len(), 2, "one for each target: {lines:?}");
    for line in lines {
        assert!(line.contains("kind=\"sentiment_shock\"") && line.contains("subject=\"ACME\""), "{line}");
        assert!(!line.contains("Acme"), "{line}");
    }
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn an_alert_that_a_target_always_refuses_keeps_no_other_back() {
    let Some(config) = filled("alerts_refused").await else { return };
    let receiver = Receiver::default();
    let address = receiver.start().await;
    let mut alerts = alerts(&config, &format!("{address}/picky?of="));
    assert_eq!(
        alerts.run_once().await.unwrap(),
        3 + 2 + 3,
        "the table, the webhook and Slack, whose messages have no kind"
    );
    let taken = receiver.take();
    let kinds: BTreeSet<&str> = taken.iter().filter_map(|(_, body)| body["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["sentiment_shock", "stale_source"]));
    assert_eq!(alerts.run_once().await.unwrap(), 0, "it is refused again");
    drop_database(&config).await.unwrap();
}

#[tokio::test]
async fn an_outage_is_asked_about_once_a_second_of_the_wall_at_most_however_fast_the_market_is() {
    let (log, logging) = Log::of_this_thread();
    let nowhere = ClickHouseConfig { url: "http://127.0.0.1:1".into(), ..ClickHouseConfig::default() };
    let (clock, shutdown) = (Clock::accelerated(now(), 10_000.0), Shutdown::new());
    let (settings, readiness) = (AlertsConfig::default(), Readiness::default());
    let running =
        tapewire_alerts::run(&settings, &nowhere, WatchedSources::default(), clock, readiness, shutdown.clone());
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        shutdown.cancel();
    };
    tokio::join!(running, stopping).0.unwrap();
    drop(logging);
    let lines = log.with("could not look for alerts");
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("wait_s=1.0")), "{lines:?}");
}

#[test]
fn an_address_that_cannot_be_used_is_refused_and_never_printed() {
    for (url, expected) in [("hooks.example/secret", "relative URL"), ("ftp://hooks.example/secret", "ftp:")] {
        let settings = AlertsConfig { slack_url: Some(url.into()), ..AlertsConfig::default() };
        let clickhouse = ClickHouseConfig::default();
        let watched = WatchedSources::default();
        let refused = Alerts::new(&settings, &clickhouse, watched, Clock::wall(), Shutdown::new());
        let error = refused.err().unwrap();
        assert!(matches!(error, AlertError::Address { .. }) && !error.is_retryable());
        let text = error.to_string();
        assert!(text.contains("slack") && text.contains(expected) && !text.contains("secret"), "{text}");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
