//! What is on a topic.

use crate::servers::unique;
use std::time::Duration;
use tapewire_bus::{Consumer, Event, KafkaConfig, Received, Topic, lag::lag};

/// Longest wait for the next record. A broker that was killed a moment ago needs a part of it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The next `count` records of a consumer.
///
/// # Panics
/// If the consumer fails, or nothing happens for a minute.
pub async fn next_records(consumer: &mut Consumer, count: usize) -> Vec<Received> {
    let mut records = Vec::new();
    while records.len() < count {
        let event = tokio::time::timeout(LONGEST_WAIT, consumer.next()).await.expect("records arrive");
        if let Event::Record(record) = event.expect("the consumer works") {
            records.push(record);
        }
    }
    records
}

/// All records that are on a topic now, those of each partition in their order.
///
/// # Panics
/// If the topic can't be read.
pub async fn all_records(config: &KafkaConfig, topic: Topic) -> Vec<Received> {
    // A group that has committed nothing lags by all records.
    let group = unique("reader");
    let count = lag(config, &group, &[topic]).await.expect("the broker says how many records there are");
    let mut consumer =
        Consumer::new(config, &group, &[topic], |committed, _| committed).expect("the topic can be read");
    next_records(&mut consumer, count.try_into().expect("few records")).await
}
