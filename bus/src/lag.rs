//! The lag of a consumer group: how many records it has not committed yet.

use crate::broker_log::Logged;
use crate::{BusError, KafkaConfig, Topic, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};
use tapewire_runtime::Backoff;

/// Longest wait for one answer. After this time a failed request is not repeated.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The number of records of `topics` that `group` has not committed yet.
///
/// # Errors
/// [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Config`] or [`BusError::NoTopic`].
pub async fn lag(config: &KafkaConfig, group: &str, topics: &[Topic]) -> Result<u64, BusError> {
    let (config, group, topics) = (config.clone(), group.to_owned(), topics.to_vec());
    tokio::task::spawn_blocking(move || lag_blocking(&config, &group, &topics))
        .await
        .expect("asking for lag does not panic")
}

fn lag_blocking(config: &KafkaConfig, group: &str, topics: &[Topic]) -> Result<u64, BusError> {
    let unreachable = |source: KafkaError| config.unreachable(source);
    let names = Topics::new(config);
    let client: BaseConsumer<Logged> = config
        .client()
        .set("group.id", format!("{}{group}", config.prefix))
        .set("enable.auto.commit", "false")
        .create_with_context(Logged(()))
        .map_err(|error| BusError::Config(error.into()))?;
    let mut lag = 0;
    for &topic in topics {
        let name = names.name(topic);
        let metadata = client.fetch_metadata(Some(&name), TIMEOUT).map_err(unreachable)?;
        let count = metadata.topics().first().map_or(0, |t| t.partitions().len());
        if count == 0 {
            return Err(BusError::NoTopic(name));
        }
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&name, 0, i32::try_from(count).expect("few partitions") - 1);
        let committed = with_retry(|| client.committed_offsets(asked.clone(), TIMEOUT)).map_err(unreachable)?;
        for element in committed.elements() {
            let watermarks = || client.fetch_watermarks(&name, element.partition(), TIMEOUT);
            let (low, high) = with_retry(watermarks).map_err(unreachable)?;
            let position = match element.offset() {
                Offset::Offset(offset) => offset.max(low),
                _ => low,
            };
            lag += u64::try_from(high - position).unwrap_or(0);
        }
    }
    Ok(lag)
}

/// Asks until there is an answer. A broker that has just started, or has just become responsible for a group or a
/// partition, can't answer at once.
fn with_retry<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    use RDKafkaErrorCode::{
        CoordinatorLoadInProgress, CoordinatorNotAvailable, LeaderNotAvailable, NotCoordinator, NotLeaderForPartition,
    };
    let deadline = Instant::now() + TIMEOUT;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        let answer = ask();
        let Err(KafkaError::MetadataFetch(code)) = &answer else { return answer };
        let is_transient = matches!(
            code,
            CoordinatorLoadInProgress
                | CoordinatorNotAvailable
                | LeaderNotAvailable
                | NotCoordinator
                | NotLeaderForPartition
        );
        if !is_transient || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(backoff.next_wait());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    #[tokio::test]
    async fn a_broker_that_does_not_know_the_group_yet_is_asked_again() {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
        cluster.create_topic(&Topics::new(&config).name(Topic::Halts), 2, 1).unwrap();
        let not_yet = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
        cluster.request_errors(RDKafkaApiKey::OffsetFetch, &[not_yet; 3]);
        assert_eq!(lag(&config, "readers", &[Topic::Halts]).await.unwrap(), 0);
        cluster.request_errors(
            RDKafkaApiKey::OffsetFetch,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED],
        );
        let refused = lag(&config, "readers", &[Topic::Halts]).await.unwrap_err();
        assert!(matches!(refused, BusError::Refused { .. }) && !refused.is_retryable(), "{refused}");
    }
}
