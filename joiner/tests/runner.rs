//! The joiner between real servers: `TAPEWIRE_KAFKA_BROKERS` and `TAPEWIRE_CLICKHOUSE_URL` name them
//! (`make stack` starts both).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;
use std::time::Duration;
use tapewire_bus::{KafkaConfig, Producer, Topic, Topics, lag::lag};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Halt, HaltRecord, Run, SentimentRecord, Symbol, TapeRecord, Watermark};
use tapewire_joiner::join::JoinConfig;
use tapewire_joiner::runner;
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_store::{ClickHouseConfig, migrate};

/// Empty topics of one partition and an empty database, or `None` and a line of output if a variable is not set.
async fn installation(name: &str) -> Option<(KafkaConfig, ClickHouseConfig)> {
    let (kafka, clickhouse) = (tapewire_testkit::kafka(name, 1).await?, tapewire_testkit::clickhouse(name)?);
    migrate(&clickhouse).await.unwrap();
    Some((kafka, clickhouse))
}

fn at(second: i64) -> Timestamp {
    // From 10:00 in New York, within a session.
    "2024-07-01T14:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn mention() -> Vec<u8> {
    let mention = tapewire_testkit::mention("AAA", at(0));
    SentimentRecord::new(Run::live(), Scored::Mention(mention)).encode()
}

fn bar(start: Timestamp) -> Vec<u8> {
    let bar = tapewire_testkit::bar("AAA", start, 10.0);
    TapeRecord::new(Run::live(), Tape::Bar(bar)).encode()
}

/// The halt's reason is text that does not compress, so that one fetch does not bring many halts.
fn halt(symbol: &str, at: Timestamp) -> Vec<u8> {
    let reason = format!("{:?}", sha2::Sha512::digest(at.to_string()));
    let halt = Halt { symbol: Symbol::new(symbol).unwrap(), at, halted: true, reason, received_at: at };
    HaltRecord::new(Run::live(), halt).encode()
}

/// News and tape have long passed the mention's last horizon, but its halt, which comes after many others, has not been
/// read: the row must not be evicted before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_not_evicted_before_its_halt_was_read() {
    let Some((kafka, clickhouse)) = installation("late_halt").await else { return };
    let producer = Producer::new(&kafka).unwrap();
    for second in 0..200_000 {
        // Not awaited: one partition keeps the order, so these are acknowledged before the last one, which is awaited.
        drop(producer.enqueue(Topic::Halts, "BBB", &halt("BBB", at(second))).await.unwrap());
    }
    producer.send(Topic::Halts, "AAA", &halt("AAA", at(120))).await.unwrap();
    producer.send(Topic::Sentiment, "AAA", &mention()).await.unwrap();
    for minute in 0..10 {
        producer.send(Topic::Bars, "AAA", &bar(at(60 * minute))).await.unwrap();
    }
    let watermark = Watermark::new(0, 1, at(30 * 24 * 3600));
    let news = SentimentRecord::new(Run::live(), Scored::Watermark(watermark.clone())).encode();
    producer.send(Topic::Sentiment, "watermark", &news).await.unwrap();
    let tape = TapeRecord::new(Run::live(), Tape::Watermark(watermark)).encode();
    producer.send(Topic::Bars, "watermark", &tape).await.unwrap();

    let shutdown = Shutdown::new();
    let joining = tokio::spawn({
        let (kafka, clickhouse, shutdown) = (kafka.clone(), clickhouse.clone(), shutdown.clone());
        let config = JoinConfig { benchmark: Symbol::new("MKT").unwrap(), ..JoinConfig::default() };
        async move { runner::run(&kafka, &clickhouse, &config, Clock::wall(), Readiness::default(), shutdown).await }
    });
    while lag(&kafka, runner::GROUP, &[Topic::Sentiment, Topic::Bars, Topic::Halts]).await.unwrap() > 0 {
        assert!(!joining.is_finished(), "{:?}", joining.await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shutdown.cancel();
    joining.await.unwrap().unwrap();

    let client = clickhouse.client();
    let query = "SELECT status, flag_halted FROM impact FINAL";
    let rows = client.query(query).fetch_all::<(String, bool)>().await.unwrap();
    assert_eq!(rows, [("final".to_owned(), true)]);
    client.query(&format!("DROP DATABASE `{}`", clickhouse.database)).execute().await.unwrap();
    Topics::new(&kafka).delete().await.unwrap();
}
