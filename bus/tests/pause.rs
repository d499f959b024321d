//! A reader that can't take more records remains a member of its group. `TAPEWIRE_KAFKA_BROKERS` names the broker.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;
use tapewire_bus::{Consumer, Event, Producer, Topic, Topics};

const RECORDS: usize = 200;

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("the consumer answers within 30 seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_reader_sees_rebalances_and_neither_loses_nor_doubles_a_record() {
    let Some(config) = tapewire_testkit::kafka("pause", 2).await else { return };
    let producer = Producer::new(&config).unwrap();
    for number in 0..RECORDS {
        producer.send(Topic::Halts, &format!("key{}", number % 7), number.to_string().as_bytes()).await.unwrap();
    }
    let member = || Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
    let mut consumer = member();
    let mut read = Vec::new();
    while read.len() < RECORDS {
        // After each record the reader is full for a moment; meanwhile further records may have been received.
        let nothing = tokio::time::timeout(Duration::from_millis(5), consumer.rebalanced()).await;
        assert!(matches!(nothing, Err(_) | Ok(Ok(Event::Assigned(_)))), "{nothing:?}");
        if let Event::Record(record) = within(consumer.next()).await.unwrap() {
            read.push(String::from_utf8(record.payload).unwrap().parse::<usize>().unwrap());
        }
    }
    read.sort_unstable();
    assert_eq!(read, (0..RECORDS).collect::<Vec<_>>());

    // Another member joins while the reader is full: the reader is told, and gives up a partition.
    let mut other = member();
    let joined = tokio::spawn(async move {
        loop {
            if let Event::Assigned(partitions) = within(other.next()).await.unwrap() {
                return partitions.len();
            }
        }
    });
    assert!(matches!(within(consumer.rebalanced()).await.unwrap(), Event::Revoked));
    let Event::Assigned(partitions) = within(consumer.rebalanced()).await.unwrap() else { panic!("it was revoked") };
    assert_eq!((partitions.len(), joined.await.unwrap()), (1, 1));
    drop(consumer);
    Topics::new(&config).delete().await.unwrap();
}
