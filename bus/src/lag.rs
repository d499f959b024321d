//! How far a group is behind.

use crate::{BusError, KafkaConfig, Topic, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Records of `topics` that `group` has not committed yet.
///
/// # Errors
/// [`BusError::Unreachable`] or [`BusError::NoTopic`].
pub async fn lag(config: &KafkaConfig, group: &str, topics: &[Topic]) -> Result<u64, BusError> {
    let (config, group, topics) = (config.clone(), group.to_owned(), topics.to_vec());
    tokio::task::spawn_blocking(move || lag_blocking(&config, &group, &topics))
        .await
        .expect("asking for lag does not panic")
}

fn lag_blocking(config: &KafkaConfig, group: &str, topics: &[Topic]) -> Result<u64, BusError> {
    let unreachable = |source| BusError::Unreachable { brokers: config.brokers.clone(), source };
    let names = Topics::new(config);
    let client: BaseConsumer = config
        .client()
        .set("group.id", format!("{}{group}", config.prefix))
        .set("enable.auto.commit", "false")
        .create()
        .map_err(BusError::Config)?;
    let mut behind = 0;
    for &topic in topics {
        let name = names.name(topic);
        let metadata = client.fetch_metadata(Some(&name), TIMEOUT).map_err(unreachable)?;
        let count = metadata.topics().first().map_or(0, |t| t.partitions().len());
        if count == 0 {
            return Err(BusError::NoTopic(name));
        }
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&name, 0, i32::try_from(count).expect("few partitions") - 1);
        let committed = client.committed_offsets(asked, TIMEOUT).map_err(unreachable)?;
        for element in committed.elements() {
            let (low, high) = client.fetch_watermarks(&name, element.partition(), TIMEOUT).map_err(unreachable)?;
            let position = match element.offset() {
                Offset::Offset(offset) => offset.max(low),
                _ => low,
            };
            behind += u64::try_from(high - position).unwrap_or(0);
        }
    }
    Ok(behind)
}
