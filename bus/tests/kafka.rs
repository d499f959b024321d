//! The bus against a real broker: `TAPEWIRE_KAFKA_BROKERS` names it (`make stack` starts one).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;
use tapewire_bus::binding::{self, BoundDatabase, bind, bound_database};
use tapewire_bus::{BusError, Commit, Consumer, DeadLetters, Event, KafkaConfig, Producer, Topic, Topics, lag::lag};
use tapewire_core::DeadLetter;
use tapewire_runtime::Clock;
use tapewire_testkit::{all_records, next_records};

/// Empty topics on the real broker; `None`, with a printed line, if there is no broker.
async fn installation(name: &str) -> Option<KafkaConfig> {
    let config = tapewire_testkit::kafka(name, 3).await?;
    Topics::new(&config).ensure().await.expect("creating topics twice is safe");
    Some(config)
}

async fn assignment(consumer: &mut Consumer) -> Vec<tapewire_bus::consumer::Assigned> {
    loop {
        match tokio::time::timeout(Duration::from_secs(30), consumer.next()).await.expect("partitions come").unwrap() {
            Event::Assigned(assigned) => return assigned,
            Event::Revoked => {}
            Event::Record(record) => panic!("a record before its assignment: {record:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_consumer_starts_where_its_metadata_says() {
    let Some(config) = installation("metadata").await else { return };
    let producer = Producer::new(&config).unwrap();
    for i in 0..10 {
        producer.send(Topic::Bars, "AAPL", format!("{i}").as_bytes()).await.unwrap();
    }
    let rewind: tapewire_bus::StartAt = |committed, metadata| metadata.parse().unwrap_or(committed);

    let mut consumer = Consumer::new(&config, "joiner", &[Topic::Bars], rewind).unwrap();
    let first = assignment(&mut consumer).await;
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|partition| partition.committed.is_none()));
    let found = next_records(&mut consumer, 10).await;
    assert_eq!(lag(&config, "joiner", &[Topic::Bars]).await.unwrap(), 10);
    let partition = found[0].partition;
    let commit = Commit { topic: Topic::Bars, partition, next: 8, metadata: "5".into() };
    consumer.commit(&[commit]).await.unwrap();
    assert_eq!(lag(&config, "joiner", &[Topic::Bars]).await.unwrap(), 2);
    drop(consumer);

    let mut consumer = Consumer::new(&config, "joiner", &[Topic::Bars], rewind).unwrap();
    let again = assignment(&mut consumer).await;
    let ours = again.iter().find(|a| a.partition == partition).unwrap();
    assert_eq!((ours.committed, ours.metadata.as_str()), (Some(8), "5"));
    let found = next_records(&mut consumer, 5).await;
    assert_eq!(found.iter().map(|r| r.offset).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_unread_is_counted_at_the_broker() {
    let Some(config) = installation("unread").await else { return };
    let producer = Producer::new(&config).unwrap();
    let mut consumer = Consumer::new(&config, "joiner", &[Topic::Halts], |committed, _| committed).unwrap();
    assignment(&mut consumer).await;
    let start = [(0, 0), (1, 0), (2, 0)];
    assert_eq!(consumer.unread(Topic::Halts, &start).await.unwrap(), 0);
    producer.broadcast(Topic::Halts, "AAPL", b"halted").await.unwrap();
    assert_eq!(consumer.unread(Topic::Halts, &start).await.unwrap(), 3);
    assert_eq!(consumer.unread(Topic::Halts, &[(0, 1), (1, 0), (2, 1)]).await.unwrap(), 1);
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_reaches_every_partition_and_the_others_are_all_but_the_keys_own() {
    let Some(config) = installation("broadcast").await else { return };
    let producer = Producer::new(&config).unwrap();
    producer.broadcast(Topic::News, "watermark", b"all").await.unwrap();
    producer.send(Topic::News, "SPY", b"home").await.unwrap();
    for delivery in producer.enqueue_to_others(Topic::News, "SPY", b"others").await.unwrap() {
        delivery.acknowledged().await.unwrap();
    }
    let found = all_records(&config, Topic::News).await;
    let partitions = |payload: &[u8]| {
        let mut of: Vec<i32> = found.iter().filter(|r| r.payload == payload).map(|r| r.partition).collect();
        of.sort_unstable();
        of
    };
    assert_eq!(partitions(b"all"), [0, 1, 2]);
    let mut both = partitions(b"others");
    assert_eq!(both.len(), 2);
    both.extend(partitions(b"home"));
    both.sort_unstable();
    assert_eq!(both, [0, 1, 2]);
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_every_byte() {
    let Some(config) = installation("dead").await else { return };
    let producer = Producer::new(&config).unwrap();
    let letters = DeadLetters::new(producer, Clock::wall(), "test-stage");
    let bytes = [0xff, 0x00, b'{', 0xc3];
    letters.publish("file bars.csv, line 3", "not UTF-8", &bytes).await.unwrap();
    let found = all_records(&config, Topic::DeadLetter).await;
    let letter: DeadLetter = serde_json::from_slice(&found[0].payload).unwrap();
    assert_eq!((letter.stage.as_str(), letter.origin.as_str()), ("test-stage", "file bars.csv, line 3"));
    assert_eq!(letter.reason, "not UTF-8");
    assert_eq!(letter.bytes, "/wB7ww==");
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let Some(config) = installation("missing").await else { return };
    let elsewhere = KafkaConfig { prefix: format!("{}none-", config.prefix), ..config.clone() };
    let error = Producer::new(&elsewhere).unwrap().partitions(Topic::News).await.unwrap_err();
    assert!(error.to_string().contains("none-news"), "{error}");
    assert!(error.to_string().contains("tapewire migrate"), "{error}");
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_database_is_refused_until_it_takes_the_topics() {
    let Some(config) = installation("bound").await else { return };
    let database = |id: &str| BoundDatabase { id: id.into(), name: format!("database {id}") };
    assert_eq!(bound_database(&config).await.unwrap(), None);
    binding::check(&config, &database("b")).await.expect("topics without a recorded database are accepted");
    bind(&config, &database("a"), false).await.unwrap();
    bind(&config, &database("a"), false).await.expect("the same again");
    let refused = bind(&config, &database("b"), false).await.unwrap_err().to_string();
    for part in [&config.prefix, "database a", "database b", "kafka.prefix", "--take-topics"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(bound_database(&config).await.unwrap(), Some(database("a")));
    bind(&config, &database("b"), true).await.unwrap();
    binding::check(&config, &database("b")).await.unwrap();
    assert!(matches!(binding::check(&config, &database("a")).await, Err(BusError::OtherDatabase { .. })));
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_missing_are_named() {
    let Some(config) = installation("check").await else { return };
    Topics::new(&config).check().await.unwrap();
    let other = KafkaConfig { prefix: format!("{}none-", config.prefix), ..config.clone() };
    let missing = Topics::new(&other).check().await.unwrap_err();
    assert!(matches!(&missing, BusError::NoTopic(name) if name.ends_with("none-news")), "{missing}");
    Topics::new(&config).delete().await.unwrap();
}
