//! Receiving records. Only the caller commits, and each commit may carry metadata that says where the next owner of the
//! partition starts to read.

use crate::{BusError, KafkaConfig, Topic, Topics};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tapewire_runtime::Backoff;
use tokio::sync::mpsc;

/// Gives the offset at which a partition starts from the offset and the metadata of the group's last commit. The joiner's
/// metadata is a checkpoint with an earlier offset; all other stages start at the committed offset.
pub type StartAt = fn(committed: i64, metadata: &str) -> i64;

/// Longer than a healthy broker takes; a caller that can't know asks again later.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for one answer about committed offsets, and for the answer with all its retries. They are read on the
/// task that waits for records, which can do nothing else meanwhile, not even stop.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(5);
const COMMITTED_DEADLINE: Duration = Duration::from_secs(10);

/// A record as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// Position in the partition.
    pub offset: i64,
    /// The payload; empty for a tombstone.
    pub payload: Vec<u8>,
}

impl Received {
    /// [`Received::offset`] without a sign: Kafka's offsets are signed and never negative.
    pub fn position(&self) -> u64 {
        u64::try_from(self.offset).expect("offsets of records are not negative")
    }

    /// Where it came from, for errors and dead letters.
    pub fn origin(&self) -> String {
        format!("topic {}, partition {}, offset {}", self.topic.base_name(), self.partition, self.offset)
    }
}

/// One partition of this consumer, and what the group last committed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// Next offset by the last commit, if there was one.
    pub committed: Option<i64>,
    /// The metadata of the last commit; empty if there was none.
    pub metadata: String,
}

/// What a consumer sees, in order: an assignment is before the first record of its partitions.
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours now, replacing all we had.
    Assigned(Vec<Assigned>),
    /// All partitions were taken away; what was not committed will be read again, here or elsewhere.
    Revoked,
    /// The next record of one of our partitions.
    Record(Received),
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// The next offset to read.
    pub next: i64,
    /// Metadata for the next start (at most a few kilobytes); see [`StartAt`].
    pub metadata: String,
}

/// A member of a consumer group that commits only by [`Consumer::commit`].
///
/// Partitions are assigned by range, so topics with equally many partitions are co-partitioned.
pub struct Consumer {
    inner: Arc<StreamConsumer<Context>>,
    closing: Arc<AtomicBool>,
    rebalances: mpsc::UnboundedReceiver<Result<Event, KafkaError>>,
    stashed: Option<Received>,
    topics: Topics,
    group: String,
}

struct Context {
    rebalances: mpsc::UnboundedSender<Result<Event, KafkaError>>,
    topics: Topics,
    start_at: StartAt,
    /// The consumer is being dropped: whatever partitions it is still given, nobody will read them.
    closing: Arc<AtomicBool>,
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let event = if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, partitions).map(Event::Assigned).inspect_err(|_| give_back(consumer))
        } else {
            give_back(consumer);
            Ok(Event::Revoked)
        };
        // The receiver is gone only when the consumer is being dropped.
        let _ = self.rebalances.send(event);
    }
}

impl Context {
    /// Takes the partitions, each from where the metadata of its last commit says.
    ///
    /// # Errors
    /// The broker did not say what is committed. Starting without knowing it would read from the beginning and do
    /// everything twice.
    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &mut TopicPartitionList,
    ) -> Result<Vec<Assigned>, KafkaError> {
        let committed = self.committed(consumer, partitions)?;
        let mut assigned = Vec::new();
        for element in committed.elements() {
            let Some(topic) = self.topics.find(element.topic()) else { continue };
            let position = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let metadata = element.metadata().to_owned();
            let start = position.map_or(Offset::Beginning, |offset| Offset::Offset((self.start_at)(offset, &metadata)));
            if let Err(error) = partitions.set_partition_offset(element.topic(), element.partition(), start) {
                tracing::warn!(%error, topic = element.topic(), "can't set the start; reading from the last commit");
            }
            assigned.push(Assigned { topic, partition: element.partition(), committed: position, metadata });
        }
        if let Err(error) = consumer.assign(partitions) {
            tracing::error!(%error, "kafka did not let this member take its partitions; restart it");
        }
        Ok(assigned)
    }

    fn committed(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> Result<TopicPartitionList, KafkaError> {
        let deadline = Instant::now() + COMMITTED_DEADLINE;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            if self.closing.load(Ordering::Acquire) {
                return Err(KafkaError::Canceled);
            }
            match consumer.committed_offsets(partitions.clone(), COMMITTED_TIMEOUT) {
                Ok(committed) => return Ok(committed),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "kafka did not say which offsets are committed; asking again");
                    std::thread::sleep(backoff.next_wait());
                }
            }
        }
    }
}

fn give_back(consumer: &BaseConsumer<Context>) {
    if let Err(error) = consumer.unassign() {
        tracing::warn!(%error, "giving partitions back failed; the group will time this member out");
    }
}

impl Consumer {
    /// Joins `group` (the installation's prefix is put before it) for `topics`.
    ///
    /// # Errors
    /// [`BusError::Config`].
    pub fn new(config: &KafkaConfig, group: &str, topics: &[Topic], start_at: StartAt) -> Result<Self, BusError> {
        let (sender, rebalances) = mpsc::unbounded_channel();
        let names = Topics::new(config);
        let group = format!("{}{group}", config.prefix);
        let closing = Arc::new(AtomicBool::new(false));
        let context = Context { rebalances: sender, topics: names.clone(), start_at, closing: Arc::clone(&closing) };
        let inner: StreamConsumer<Context> = config
            .client()
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "10000")
            .set("max.poll.interval.ms", "600000")
            // A slow sink must not fill the memory with what was fetched ahead.
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.wait.max.ms", "50")
            .create_with_context(context)
            .map_err(BusError::Config)?;
        let wanted: Vec<String> = topics.iter().map(|&topic| names.name(topic)).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        inner.subscribe(&wanted).map_err(BusError::Config)?;
        Ok(Self { inner: Arc::new(inner), closing, rebalances, stashed: None, topics: names, group })
    }

    /// The next assignment or record. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`BusError::Receive`] when this client can't go on: a fatal error, or a broker that gave it partitions and does
    /// not say what is committed there (another consumer will succeed once it does). Other outages are waited out.
    pub async fn next(&mut self) -> Result<Event, BusError> {
        loop {
            if let Ok(event) = self.rebalances.try_recv() {
                // What was fetched before a rebalance is fetched again after it.
                self.stashed = None;
                return event.map_err(BusError::Receive);
            }
            if let Some(record) = self.stashed.take() {
                return Ok(Event::Record(record));
            }
            tokio::select! {
                biased;
                event = self.rebalances.recv() => match event {
                    Some(event) => return event.map_err(BusError::Receive),
                    None => return Err(BusError::Receive(KafkaError::Canceled)),
                },
                received = self.inner.recv() => match received {
                    Ok(message) => {
                        let Some(topic) = self.topics.find(message.topic()) else { continue };
                        // Handed out by the next turn of the loop: an assignment may have arrived with it.
                        self.stashed = Some(Received {
                            topic,
                            partition: message.partition(),
                            offset: message.offset(),
                            payload: message.payload().unwrap_or_default().to_vec(),
                        });
                    }
                    Err(error) if waits_out(&error) => tracing::warn!(%error, group = self.group, "kafka is not answering; waiting"),
                    Err(error) => return Err(BusError::Receive(error)),
                },
            }
        }
    }

    /// How many records of `topic` the broker has now at or after these next offsets, partition by partition.
    ///
    /// # Errors
    /// [`BusError::Unread`]: the broker did not say in time.
    pub async fn unread(&self, topic: Topic, next: &[(i32, i64)]) -> Result<u64, BusError> {
        let (consumer, name, next) = (Arc::clone(&self.inner), self.topics.name(topic), next.to_vec());
        let count = move || {
            let mut unread = 0;
            for (partition, next) in next {
                let (low, high) = consumer
                    .fetch_watermarks(&name, partition, UNREAD_TIMEOUT)
                    .map_err(|source| BusError::Unread { topic: name.clone(), source })?;
                // Records that retention has removed are not read any more.
                unread += u64::try_from(high - next.max(low)).unwrap_or(0);
            }
            Ok(unread)
        };
        tokio::task::spawn_blocking(count).await.expect("counting does not panic")
    }

    /// Commits positions and their notes, and waits until the broker has them.
    ///
    /// # Errors
    /// [`BusError::Commit`]. After a rebalance the broker refuses commits for what is no longer
    /// ours; that is no loss: the new owner reads from the last commit.
    pub async fn commit(&self, positions: &[Commit]) -> Result<(), BusError> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for position in positions {
            let mut element = list.add_partition(&self.topics.name(position.topic), position.partition);
            element.set_offset(Offset::Offset(position.next)).expect("an offset read from kafka is a valid offset");
            element.set_metadata(&position.metadata);
        }
        let consumer = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || consumer.commit(&list, CommitMode::Sync))
            .await
            .expect("committing does not panic")
            .map_err(|source| BusError::Commit { group: self.group.clone(), source })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
    }
}

/// Whether librdkafka heals this by itself.
fn waits_out(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(error, KafkaError::MessageConsumptionFatal(_))
        && !matches!(
            error.rdkafka_error_code(),
            Some(
                Code::Fatal
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::SaslAuthenticationFailed
            )
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaApiKey;

    /// A cluster that gives partitions away and does not say what is committed there.
    fn silent_about_offsets() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, KafkaConfig) {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
        cluster.create_topic(&Topics::new(&config).name(Topic::Halts), 2, 1).unwrap();
        let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 10_000];
        cluster.request_errors(RDKafkaApiKey::OffsetFetch, &refusals);
        (cluster, config)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_broker_that_never_says_what_is_committed_ends_the_wait_and_the_consumer_can_be_dropped() {
        let (cluster, config) = silent_about_offsets();
        let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
        let limit = COMMITTED_DEADLINE + Duration::from_secs(30);
        let next = tokio::time::timeout(limit, consumer.next()).await.expect("it gives up");
        assert!(matches!(next, Err(BusError::Receive(_))), "{next:?}");
        let dropped = tokio::task::spawn_blocking(move || drop(consumer));
        tokio::time::timeout(Duration::from_secs(30), dropped).await.expect("it closes").unwrap();
        // Once the broker says it, another consumer gets its partitions.
        cluster.clear_request_errors(RDKafkaApiKey::OffsetFetch);
        let mut consumer = Consumer::new(&config, "readers", &[Topic::Halts], |committed, _| committed).unwrap();
        let next = tokio::time::timeout(Duration::from_secs(60), consumer.next()).await.expect("partitions come");
        assert!(matches!(next, Ok(Event::Assigned(partitions)) if partitions.len() == 2));
    }
}
