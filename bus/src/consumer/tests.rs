//! Consumers of a broker that refuses to say which offsets are committed, or that can't take their partitions.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use super::*;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey;

/// A cluster that assigns partitions and refuses requests for committed offsets.
fn refusing_offset_requests() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, KafkaConfig) {
    let cluster = MockCluster::new(1).unwrap();
    let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
    cluster.create_topic(&Topics::new(&config).name(Topic::Halts), 2, 1).unwrap();
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 10_000];
    cluster.request_errors(RDKafkaApiKey::OffsetFetch, &refusals);
    (cluster, config)
}

/// The task that waits for records also watches for shutdown, so it must not block while the broker is asked.
#[tokio::test]
async fn waiting_for_committed_offsets_does_not_block_other_tasks() {
    let (_cluster, config) = refusing_offset_requests();
    let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    let mut longest = Duration::ZERO;
    let ticking = async {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    };
    let end_of_test = tokio::time::sleep(Duration::from_secs(8));
    tokio::select! {
        () = ticking => {}
        _ = consumer.next() => panic!("it returned, but the broker never says what is committed"),
        () = end_of_test => {}
    }
    assert!(longest < Duration::from_secs(2), "another task waited for {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_never_says_what_is_committed_ends_the_wait_and_the_consumer_can_be_dropped() {
    let (cluster, config) = refusing_offset_requests();
    let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    let limit = COMMITTED_DEADLINE + Duration::from_secs(30);
    let next = tokio::time::timeout(limit, consumer.next()).await.expect("it gives up");
    assert!(matches!(next, Err(BusError::Receive(_))), "{next:?}");
    let dropped = tokio::task::spawn_blocking(move || drop(consumer));
    tokio::time::timeout(Duration::from_secs(30), dropped).await.expect("it closes").unwrap();
    // A consumer that is dropped closes at once: before it has partitions, while it asks, and after.
    for wait_ms in [0, 50, 400, 1_500, 3_500] {
        let mut consumer = Consumer::new(&config, "droppers", &[Topic::Halts], |committed, _| committed).unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), consumer.next()).await;
        let began = Instant::now();
        drop(consumer);
        assert!(began.elapsed() < CLOSE_TIMEOUT + Duration::from_secs(1), "{wait_ms} ms: {:?}", began.elapsed());
    }
    // Once the broker answers, another consumer gets the partitions.
    cluster.clear_request_errors(RDKafkaApiKey::OffsetFetch);
    let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    let next = tokio::time::timeout(Duration::from_secs(60), consumer.next()).await.expect("partitions come");
    assert!(matches!(next, Ok(Event::Assigned(partitions)) if partitions.len() == 2));
}

#[tokio::test]
async fn partitions_that_cannot_be_taken_are_an_error_and_no_assignment() {
    let cluster = MockCluster::new(1).unwrap();
    let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
    let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    // The client refuses a list that has a partition twice.
    let mut partitions = TopicPartitionList::new();
    for _ in 0..2 {
        partitions.add_partition(&Topics::new(&config).name(Topic::Halts), 0);
    }
    let committed = tokio::task::spawn_blocking(|| Err(KafkaError::Canceled));
    consumer.pending_assignment = Some(PendingAssignment { partitions, committed, abandoned: Arc::default() });
    let taken = consumer.start_reading(Ok(TopicPartitionList::new()));
    assert!(matches!(taken, Err(BusError::Receive(_))), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_records_are_handed_on_in_order_and_what_is_not_taken_is_next() {
    const RECORDS: i64 = 50;
    const AVRO: i64 = 30;
    let payload = |offset: i64| if offset == AVRO { b"\0avro".to_vec() } else { offset.to_string().into_bytes() };
    let cluster = MockCluster::new(1).unwrap();
    let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
    cluster.create_topic(&Topics::new(&config).name(Topic::Halts), 1, 1).unwrap();
    let producer = crate::Producer::new(&config).unwrap();
    for offset in 0..RECORDS {
        let sent = producer.enqueue_to(Topic::Halts, 0, "key", &payload(offset)).await.unwrap();
        assert_eq!(sent.acknowledged().await.unwrap(), offset);
    }
    let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    assert_eq!(consumer.take_fetched(10, |_| true).unwrap(), 0, "it has no partitions yet");
    let limit = Duration::from_secs(60);
    let assigned = tokio::time::timeout(limit, consumer.next()).await.expect("partitions come").unwrap();
    assert!(matches!(assigned, Event::Assigned(_)), "{assigned:?}");
    let (mut seen, mut left) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + limit;
    while (seen.len() as i64) < RECORDS {
        assert!(Instant::now() < deadline, "of {RECORDS} records {} came", seen.len());
        let mut is_left = seen.len() as i64 == AVRO;
        let taken = consumer.take_fetched(7, |record| {
            assert_eq!((record.topic, record.partition), (Topic::Halts, 0));
            assert_ne!(record.offset, AVRO, "it is handed on as JSON or not at all");
            if record.offset % 10 == 3 {
                is_left = true;
                return false;
            }
            seen.push((record.offset, record.payload.to_vec()));
            true
        });
        let taken = taken.unwrap();
        assert!(taken <= 7);
        if is_left {
            let next = tokio::time::timeout(limit, consumer.next()).await.expect("it is the next").unwrap();
            let Event::Record(record) = next else { panic!("{next:?}") };
            left.push(record.offset);
            seen.push((record.offset, record.bytes().to_vec()));
        } else if taken == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(seen, (0..RECORDS).map(|offset| (offset, payload(offset))).collect::<Vec<_>>());
    assert_eq!(left, [3, 13, 23, AVRO, 33, 43]);
}
