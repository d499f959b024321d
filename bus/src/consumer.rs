//! Receiving records. Only the caller commits, and each commit may carry metadata that says where the next owner of the
//! partition starts to read. Records in Avro are handed on as JSON.

mod fetched;
mod pending_schema;
mod received;

pub use fetched::Fetched;
pub use received::{Received, Unreadable};

use crate::avro::Decoder;
use crate::broker_log::{self, Logged, is_broker_unreachable};
use crate::error::is_fatal;
use crate::{BusError, KafkaConfig, Topic, Topics, cut_off};
use fetched::copied;
use pending_schema::PendingSchema;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tapewire_runtime::Backoff;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Computes the offset at which to start reading a partition, from the offset and the metadata of the group's last
/// commit. The metadata of the roles `join` and `bars` is a checkpoint with an earlier offset; all other stages start
/// at the committed offset.
pub type StartAt = fn(committed: i64, metadata: &str) -> i64;

/// Longest wait for the broker to say where a partition ends. A healthy broker answers sooner; without an answer the
/// caller asks again later.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for one answer about committed offsets.
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(5);
/// After this time without an answer, the broker is not asked again.
const COMMITTED_DEADLINE: Duration = Duration::from_secs(10);

/// Longest wait for a consumer to leave its group. A consumer that can't reach the broker is left to a thread of its
/// own, and the group removes the member after its time-out.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One partition of this consumer, and what the group last committed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// The next offset, as the last commit has it; `None` without a commit.
    pub committed: Option<i64>,
    /// The metadata of the last commit; empty if there was none.
    pub metadata: String,
}

/// What a consumer receives, in order: an assignment comes before the first record of its partitions.
#[derive(Debug)]
pub enum Event {
    /// The partitions of this consumer from now on; they replace all that it had.
    Assigned(Vec<Assigned>),
    /// All partitions were revoked. Records that were not committed will be read again, by this or another consumer.
    Revoked,
    /// The next record of one of the consumer's partitions.
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
    /// `None` once the [`Consumer`] is being dropped.
    inner: Option<Arc<StreamConsumer<Logged<Rebalances>>>>,
    closing: Arc<AtomicBool>,
    client_events: mpsc::UnboundedReceiver<ClientEvent>,
    pending_assignment: Option<PendingAssignment>,
    start_at: StartAt,
    /// Records that were received and not yet returned.
    stashed: VecDeque<Received>,
    decoder: Arc<Decoder>,
    /// The schema that the first of the stashed records waits for.
    pending_schema: Option<PendingSchema>,
    /// Whether fetching records from the broker is paused.
    paused: bool,
    topics: Topics,
    group: String,
    brokers: String,
}

/// A rebalance, or the end of the client.
enum ClientEvent {
    /// The group assigns these partitions to this member. The member starts to read them when it knows their committed
    /// offsets.
    PartitionsAssigned(TopicPartitionList),
    /// The member has no partitions any more.
    PartitionsRevoked,
    /// The broker answers other clients, but never again this one.
    CutOff,
}

/// Assigned partitions, while the broker is asked what is committed there. A thread of its own asks: in the rebalance
/// callback the question would block the task that waits for records, and with it the runtime.
struct PendingAssignment {
    partitions: TopicPartitionList,
    committed: JoinHandle<Result<TopicPartitionList, KafkaError>>,
    abandoned: Arc<AtomicBool>,
}

impl PendingAssignment {
    fn begin(consumer: Arc<StreamConsumer<Logged<Rebalances>>>, partitions: TopicPartitionList) -> Self {
        let abandoned = Arc::new(AtomicBool::new(false));
        let (asked, given_up) = (partitions.clone(), Arc::clone(&abandoned));
        let committed = tokio::task::spawn_blocking(move || committed(&consumer, &asked, &given_up));
        Self { partitions, committed, abandoned }
    }
}

impl Drop for PendingAssignment {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

/// Asks what is committed for partitions, again and again until the deadline.
///
/// # Errors
/// The broker did not answer. A start without the answer would read from the beginning and do everything twice.
fn committed(
    consumer: &StreamConsumer<Logged<Rebalances>>,
    partitions: &TopicPartitionList,
    abandoned: &AtomicBool,
) -> Result<TopicPartitionList, KafkaError> {
    let deadline = Instant::now() + COMMITTED_DEADLINE;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        match consumer.committed_offsets(partitions.clone(), COMMITTED_TIMEOUT) {
            Ok(committed) => return Ok(committed),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) if abandoned.load(Ordering::Acquire) => return Err(KafkaError::Canceled),
            Err(error) => {
                broker_log::say(&format!("kafka did not say which offsets are committed ({error}); asking again"));
                std::thread::sleep(backoff.next_wait());
            }
        }
    }
}

struct Rebalances {
    client_events: mpsc::UnboundedSender<ClientEvent>,
    /// Whether the consumer is being dropped. Partitions that it is assigned after that are not read.
    closing: Arc<AtomicBool>,
}

impl ConsumerContext for Logged<Rebalances> {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let is_assigned = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let client_event = if is_assigned && !self.0.closing.load(Ordering::Acquire) {
            ClientEvent::PartitionsAssigned(partitions.clone())
        } else {
            warn_if_not_unassigned(consumer.unassign());
            ClientEvent::PartitionsRevoked
        };
        // The receiver is gone only when the consumer is being dropped.
        let _ = self.0.client_events.send(client_event);
    }
}

fn warn_if_not_unassigned(unassigned: Result<(), KafkaError>) {
    if let Err(error) = unassigned {
        tracing::warn!(%error, "giving partitions back failed; the group waits for up to 10 s (session.timeout.ms) before it gives them to others");
    }
}

impl Consumer {
    /// Joins `group` (the installation's prefix is put before it) for `topics`.
    ///
    /// # Errors
    /// [`BusError::Config`]; [`BusError::Registry`] if the settings of the schema registry can't be used.
    pub fn new(config: &KafkaConfig, group: &str, topics: &[Topic], start_at: StartAt) -> Result<Self, BusError> {
        let decoder = Arc::new(Decoder::new(config)?);
        let (sender, client_events) = mpsc::unbounded_channel();
        let names = Topics::new(config);
        let group = format!("{}{group}", config.prefix);
        let closing = Arc::new(AtomicBool::new(false));
        let context = Logged(Rebalances { client_events: sender.clone(), closing: Arc::clone(&closing) });
        let inner: StreamConsumer<Logged<Rebalances>> = config
            .client()
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "10000")
            .set("max.poll.interval.ms", "600000")
            // Limits what is fetched ahead, so that it can't fill the memory while the sink is slow.
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.wait.max.ms", "50")
            .create_with_context(context)
            .map_err(|error| BusError::Config(error.into()))?;
        let wanted: Vec<String> = topics.iter().map(|&topic| names.name(topic)).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        inner.subscribe(&wanted).map_err(|error| BusError::Config(error.into()))?;
        let inner = Arc::new(inner);
        if let Some(&topic) = topics.first() {
            let tell = move |_: &StreamConsumer<Logged<Rebalances>>| drop(sender.send(ClientEvent::CutOff));
            cut_off::watch(&inner, |client: &StreamConsumer<Logged<Rebalances>>| client.client(), config, topic, tell);
        }
        Ok(Self {
            inner: Some(inner),
            closing,
            client_events,
            pending_assignment: None,
            start_at,
            stashed: VecDeque::new(),
            decoder,
            pending_schema: None,
            paused: false,
            topics: names,
            group,
            brokers: config.brokers.clone(),
        })
    }

    /// The next assignment or record. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`BusError::CutOff`] and [`BusError::Receive`] when this client can't go on: it has lost the broker for good, a
    /// fatal error, no answer about what is committed on assigned partitions (a new consumer will succeed once the
    /// broker answers), or partitions that it can't take. [`BusError::Registry`] if a schema can't be had by waiting.
    /// Other outages are waited out, also those of the schema registry.
    pub async fn next(&mut self) -> Result<Event, BusError> {
        self.pause(self.pending_schema.is_some())?;
        self.event(true).await
    }

    /// Waits for a rebalance and takes no records. A reader that can't take more records calls it to remain a member of
    /// its group: a consumer that is not polled for `max.poll.interval.ms` is removed. Cancel-safe; [`Consumer::next`]
    /// continues with the record after the last that it returned.
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub async fn rebalanced(&mut self) -> Result<Event, BusError> {
        self.pause(true)?;
        self.event(false).await
    }

    fn pause(&mut self, paused: bool) -> Result<(), BusError> {
        if self.paused == paused {
            return Ok(());
        }
        let consumer = self.inner();
        let change = |partitions: TopicPartitionList| {
            if paused { consumer.pause(&partitions) } else { consumer.resume(&partitions) }
        };
        consumer.assignment().and_then(change).map_err(|error| BusError::Receive(error.into()))?;
        self.paused = paused;
        Ok(())
    }

    async fn event(&mut self, with_records: bool) -> Result<Event, BusError> {
        loop {
            if let Ok(client_event) = self.client_events.try_recv() {
                if let Some(event) = self.handle(client_event)? {
                    return Ok(event);
                }
                continue;
            }
            if with_records && let Some(record) = self.next_stashed()? {
                return Ok(Event::Record(record));
            }
            let inner = self.inner.as_ref().expect("only dropping takes it");
            tokio::select! {
                biased;
                client_event = self.client_events.recv() => {
                    let client_event = client_event.ok_or(BusError::Receive(KafkaError::Canceled.into()))?;
                    if let Some(event) = self.handle(client_event)? {
                        return Ok(event);
                    }
                }
                committed = committed_answer(&mut self.pending_assignment), if self.pending_assignment.is_some() => {
                    return self.start_reading(committed);
                }
                schema = PendingSchema::answer(&mut self.pending_schema), if self.pending_schema.is_some() => {
                    if let (Err(reason), Some(record)) = (schema?, self.stashed.front_mut()) {
                        record.refuse(reason);
                    }
                }
                received = inner.recv() => match received {
                    Ok(message) => {
                        let Some(topic) = self.topics.find(message.topic()) else { continue };
                        // The next turn of the loop returns it, after it has looked for an assignment that arrived
                        // meanwhile.
                        self.stashed.push_back(copied(topic, &message, &self.group));
                    }
                    Err(error) => self.survive(error)?,
                },
            }
        }
    }

    /// Goes on after an error of the client, if it can.
    fn survive(&self, error: KafkaError) -> Result<(), BusError> {
        // The library's log has reported this already.
        if is_broker_unreachable(&error) {
            return Ok(());
        }
        if is_fatal(&error) {
            return Err(BusError::Receive(error.into()));
        }
        // The library recovers from it by itself.
        broker_log::say(&format!("kafka has a problem with group {}; waiting: {error}", self.group));
        Ok(())
    }

    /// The first of the stashed records. If the schema of its writer is not known yet, begins to fetch it, and returns
    /// none: records are returned in order.
    fn next_stashed(&mut self) -> Result<Option<Received>, BusError> {
        let Some(record) = self.stashed.front_mut().filter(|_| self.pending_schema.is_none()) else { return Ok(None) };
        let Some(id) = record.unpack(&self.decoder) else { return Ok(self.stashed.pop_front()) };
        self.pending_schema = Some(PendingSchema::begin(Arc::clone(&self.decoder), record.topic, id));
        // The registry may be away for hours, and records would fill the memory.
        self.pause(true)?;
        Ok(None)
    }

    fn inner(&self) -> &Arc<StreamConsumer<Logged<Rebalances>>> {
        self.inner.as_ref().expect("only dropping takes it")
    }

    fn handle(&mut self, client_event: ClientEvent) -> Result<Option<Event>, BusError> {
        // Records that were fetched before a rebalance are fetched again after it.
        self.stashed.clear();
        self.pending_schema = None;
        self.pending_assignment = None;
        match client_event {
            ClientEvent::PartitionsAssigned(partitions) => {
                self.pending_assignment = Some(PendingAssignment::begin(Arc::clone(self.inner()), partitions));
                Ok(None)
            }
            ClientEvent::PartitionsRevoked => Ok(Some(Event::Revoked)),
            ClientEvent::CutOff => Err(BusError::CutOff { brokers: self.brokers.clone() }),
        }
    }

    /// Starts to read the assigned partitions, each from the offset that [`StartAt`] gives.
    fn start_reading(&mut self, committed: Result<TopicPartitionList, KafkaError>) -> Result<Event, BusError> {
        let mut partitions =
            self.pending_assignment.take().map(|pending| pending.partitions.clone()).unwrap_or_default();
        let committed = committed
            .inspect_err(|_| warn_if_not_unassigned(self.inner().unassign()))
            .map_err(|error| BusError::Receive(error.into()))?;
        let mut assigned = Vec::new();
        for element in committed.elements() {
            let Some(topic) = self.topics.find(element.topic()) else { continue };
            let position = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let metadata = element.metadata().to_owned();
            let start = position.map_or(Offset::Beginning, |offset| Offset::Offset((self.start_at)(offset, &metadata)));
            // From the last commit, the roles `join` and `bars` would go on without the state that they rebuild.
            partitions
                .set_partition_offset(element.topic(), element.partition(), start)
                .inspect_err(|_| warn_if_not_unassigned(self.inner().unassign()))
                .map_err(|error| BusError::Receive(error.into()))?;
            assigned.push(Assigned { topic, partition: element.partition(), committed: position, metadata });
        }
        // A consumer that went on without its partitions would read nothing, and nobody would notice.
        self.inner()
            .assign(&partitions)
            .inspect_err(|_| warn_if_not_unassigned(self.inner().unassign()))
            .map_err(|error| BusError::Receive(error.into()))?;
        self.paused = false;
        Ok(Event::Assigned(assigned))
    }

    /// The number of records of `topic` that are still to be read, in all given partitions together. `next` has each
    /// partition and the next offset to read there.
    ///
    /// # Errors
    /// [`BusError::EndUnknown`]: the broker did not answer in time.
    pub async fn unread(&self, topic: Topic, next: &[(i32, i64)]) -> Result<u64, BusError> {
        let (consumer, name, next) = (Arc::clone(self.inner()), self.topics.name(topic), next.to_vec());
        let count = move || {
            let mut unread = 0;
            for (partition, next) in next {
                let (low, high) = consumer
                    .fetch_watermarks(&name, partition, UNREAD_TIMEOUT)
                    .map_err(|source| BusError::EndUnknown { topic: name.clone(), source: source.into() })?;
                // Records that retention has removed do not count.
                unread += u64::try_from(high - next.max(low)).unwrap_or(0);
            }
            Ok(unread)
        };
        tokio::task::spawn_blocking(count).await.expect("counting does not panic")
    }

    /// Commits positions and their metadata, and waits until the broker has them.
    ///
    /// # Errors
    /// [`BusError::Commit`]. After a rebalance the broker refuses commits for partitions that this consumer no longer has.
    /// Nothing is lost then: the new owner reads from the last commit.
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
        let consumer = Arc::clone(self.inner());
        tokio::task::spawn_blocking(move || consumer.commit(&list, CommitMode::Sync))
            .await
            .expect("committing does not panic")
            .map_err(|source| BusError::Commit { group: self.group.clone(), source: source.into() })
    }
}

impl Drop for Consumer {
    /// Leaves the group, so that the other members need not wait for a time-out. The wait for this is limited.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        let Some(inner) = self.inner.take() else { return };
        let is_assigned = |event: &ClientEvent| matches!(event, ClientEvent::PartitionsAssigned(_));
        let rebalances =
            std::iter::from_fn(|| self.client_events.try_recv().ok()).filter(|it| !matches!(it, ClientEvent::CutOff));
        let last = rebalances.last();
        if last.as_ref().map_or(self.pending_assignment.is_some(), is_assigned) {
            // The group waits for this answer before it removes the member.
            warn_if_not_unassigned(inner.unassign());
        }
        self.pending_assignment = None;
        close_in_time(inner);
    }
}

/// Drops a member of a group, which leaves the group. The wait for this is limited to [`CLOSE_TIMEOUT`].
pub(crate) fn close_in_time(member: impl Send + 'static) {
    let (done, closed) = std::sync::mpsc::channel::<()>();
    let close = move || {
        drop(member);
        drop(done);
    };
    if std::thread::Builder::new().name("consumer-close".into()).spawn(close).is_ok() {
        // An error means that the thread has dropped its end, so the consumer is closed.
        let _ = closed.recv_timeout(CLOSE_TIMEOUT);
    }
}

/// Waits for the answer about committed offsets. Cancel-safe.
async fn committed_answer(pending: &mut Option<PendingAssignment>) -> Result<TopicPartitionList, KafkaError> {
    match pending {
        Some(pending) => (&mut pending.committed).await.unwrap_or(Err(KafkaError::Canceled)),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
