//! Sending records. A send is complete when the brokers have acknowledged the record. Callers give records as JSON.

use crate::avro::Encoder;
use crate::broker_log::Logged;
use crate::partitioner::partition_of;
use crate::{BusError, KafkaConfig, Topic, Topics, cut_off, traces};
use futures_util::future::try_join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_runtime::traces::{Parent, Span};

/// The status of a span whose record the brokers do not have, as far as is known.
const NOT_ACKNOWLEDGED: &str = "kafka did not acknowledge the record";

/// An idempotent producer that waits for all replicas. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<FutureProducer<Logged>>,
    brokers: Arc<str>,
    topics: Topics,
    partitions: Arc<Mutex<HashMap<Topic, i32>>>,
    /// What turns records into Avro; `None` where they are sent as JSON.
    encoder: Option<Arc<Encoder>>,
}

/// A record that was queued. [`Delivery::acknowledged`] returns its offset once the brokers have acknowledged it.
#[must_use = "a record whose delivery nobody awaits may be lost unseen"]
pub struct Delivery {
    future: DeliveryFuture,
    topic: String,
    brokers: Arc<str>,
    /// The spans of sending the record, and of what it is sent for.
    span: Span,
    within: Span,
}

impl Delivery {
    /// Ends `span`, which the record is sent in, when the record is acknowledged.
    pub fn within(self, span: Span) -> Self {
        Self { within: span, ..self }
    }

    /// Waits for the acknowledgement, and returns the record's offset in its partition.
    ///
    /// # Errors
    /// [`BusError::Send`]; [`BusError::CutOff`] if it is not known whether the brokers have the record, because its producer
    /// can't reach them any more.
    pub async fn acknowledged(mut self) -> Result<i64, BusError> {
        let (mut span, mut within) = (std::mem::take(&mut self.span), std::mem::take(&mut self.within));
        let offset = self.outcome().await;
        match &offset {
            Ok(offset) => span.describe(|| [("messaging.kafka.offset", (*offset).into())]),
            Err(_) => [&mut span, &mut within].into_iter().for_each(|span| span.fail(NOT_ACKNOWLEDGED)),
        }
        span.done();
        within.done();
        offset
    }

    async fn outcome(self) -> Result<i64, BusError> {
        match self.future.await {
            Ok(Ok(delivery)) => Ok(delivery.offset),
            // [`cut_off`] has purged it, or nobody holds the producer any more.
            Ok(Err((
                KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight),
                _,
            ))) => Err(BusError::CutOff { brokers: self.brokers.to_string() }),
            Ok(Err((source, _))) => Err(BusError::Send { topic: self.topic, source: source.into() }),
            Err(_) => Err(BusError::Send { topic: self.topic, source: KafkaError::Canceled.into() }),
        }
    }
}

impl Producer {
    /// A producer for the installation that `config` describes. Does not connect yet.
    ///
    /// # Errors
    /// [`BusError::Config`]; [`BusError::Registry`] if the settings of the schema registry can't be used.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        let encoder = Encoder::new(config)?.map(Arc::new);
        let inner: FutureProducer<Logged> = config
            .client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            // A send is retried forever: it is better that a stage waits than that a record is lost.
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "262144")
            .create_with_context(Logged(()))
            .map_err(|error| BusError::Config(error.into()))?;
        let inner = Arc::new(inner);
        // Otherwise a caller would wait for ever for a record that a client which was cut off never sends. Any topic will
        // do: the watcher asks for its metadata.
        let purge = |client: &FutureProducer<Logged>| client.purge(PurgeConfig::default().queue().inflight());
        cut_off::watch(&inner, |client: &FutureProducer<Logged>| client.client(), config, Topic::News, purge);
        Ok(Self {
            inner,
            brokers: config.brokers.as_str().into(),
            topics: Topics::new(config),
            partitions: Arc::default(),
            encoder,
        })
    }

    /// Number of partitions of a topic, which is asked for once and cached.
    ///
    /// # Errors
    /// [`BusError::NoTopic`], [`BusError::Unreachable`] or [`BusError::Refused`].
    pub async fn partitions(&self, topic: Topic) -> Result<i32, BusError> {
        if let Some(count) = self.known_partitions(topic) {
            return Ok(count);
        }
        let name = self.topics.name(topic);
        let client = Arc::clone(&self.inner);
        let asked = name.clone();
        let metadata =
            tokio::task::spawn_blocking(move || client.client().fetch_metadata(Some(&asked), Duration::from_secs(15)))
                .await
                .expect("fetching metadata does not panic")
                .map_err(|source| self.topics.unreachable(source))?;
        let count = metadata.topics().iter().find(|t| t.name() == name).map_or(0, |t| t.partitions().len());
        if count == 0 {
            return Err(BusError::NoTopic(name));
        }
        let count = i32::try_from(count).expect("a topic has few partitions");
        self.remembered().insert(topic, count);
        Ok(count)
    }

    /// Queues a record for the partition that its key belongs to. Await the [`Delivery`] before moving any offset or
    /// watermark past the input that the record came from.
    ///
    /// # Errors
    /// [`BusError::NoTopic`], [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Send`]; where records are
    /// sent as Avro, [`BusError::Registry`] and [`BusError::NotInSchema`].
    pub async fn enqueue(&self, topic: Topic, key: &str, payload: &[u8]) -> Result<Delivery, BusError> {
        let partition = partition_of(key.as_bytes(), self.partitions(topic).await?);
        self.enqueue_to(topic, partition, key, payload).await
    }

    /// As [`Producer::enqueue`], in a trace: the record's headers say which one. `describe` adds to the span of sending
    /// the record what it is about.
    ///
    /// # Errors
    /// As [`Producer::enqueue`].
    pub async fn enqueue_traced(
        &self,
        topic: Topic,
        key: &str,
        payload: &[u8],
        parent: Parent<'_>,
        describe: impl FnOnce(&mut Span),
    ) -> Result<Delivery, BusError> {
        let partition = partition_of(key.as_bytes(), self.partitions(topic).await?);
        let payload = self.encoded(topic, payload).await?;
        let mut span = traces::send(parent, topic, &self.topics.name(topic), partition, key);
        describe(&mut span);
        self.queue(topic, partition, key, &payload, span).await
    }

    /// Sends a record to the partition that its key belongs to, and waits for the acknowledgement.
    ///
    /// # Errors
    /// As [`Producer::enqueue`].
    pub async fn send(&self, topic: Topic, key: &str, payload: &[u8]) -> Result<(), BusError> {
        self.enqueue(topic, key, payload).await?.acknowledged().await.map(drop)
    }

    /// Sends a record without a key to the first partition of a topic that is not one of [`Topic`].
    pub(crate) async fn send_to_first(&self, name: &str, payload: &[u8]) -> Result<(), BusError> {
        let record = FutureRecord::<(), _>::to(name).payload(payload).partition(0);
        let sent = self.inner.send_result(record).map_err(|(source, _)| source);
        let failed = |source: KafkaError| BusError::Send { topic: name.to_owned(), source: source.into() };
        self.delivery(sent.map_err(failed)?, name.to_owned(), Span::none()).acknowledged().await.map(drop)
    }

    /// Sends a record to every partition of a topic, and waits for all acknowledgements.
    ///
    /// # Errors
    /// As [`Producer::enqueue`].
    pub async fn broadcast(&self, topic: Topic, key: &str, payload: &[u8]) -> Result<(), BusError> {
        let deliveries = self.enqueue_broadcast(topic, key, payload, false).await?;
        try_join_all(deliveries.into_iter().map(Delivery::acknowledged)).await.map(drop)
    }

    /// Queues a record for every partition except the one that its key belongs to.
    ///
    /// # Errors
    /// As [`Producer::enqueue`].
    pub async fn enqueue_to_others(&self, topic: Topic, key: &str, payload: &[u8]) -> Result<Vec<Delivery>, BusError> {
        self.enqueue_broadcast(topic, key, payload, true).await
    }

    async fn enqueue_broadcast(
        &self,
        topic: Topic,
        key: &str,
        payload: &[u8],
        skip_own: bool,
    ) -> Result<Vec<Delivery>, BusError> {
        let count = self.partitions(topic).await?;
        let own = partition_of(key.as_bytes(), count);
        let payload = self.encoded(topic, payload).await?;
        let mut deliveries = Vec::new();
        for partition in (0..count).filter(|&partition| !(skip_own && partition == own)) {
            deliveries.push(self.queue(topic, partition, key, &payload, Span::none()).await?);
        }
        Ok(deliveries)
    }

    /// Queues a record for a partition, whatever its key: for a stage that writes to the output partition with the same
    /// number as its input partition.
    ///
    /// # Errors
    /// [`BusError::Send`]; where records are sent as Avro, [`BusError::Registry`] and [`BusError::NotInSchema`].
    pub async fn enqueue_to(
        &self,
        topic: Topic,
        partition: i32,
        key: &str,
        payload: &[u8],
    ) -> Result<Delivery, BusError> {
        let payload = self.encoded(topic, payload).await?;
        self.queue(topic, partition, key, &payload, Span::none()).await
    }

    /// What is sent for a record, which is given as JSON.
    async fn encoded<'a>(&self, topic: Topic, payload: &'a [u8]) -> Result<Cow<'a, [u8]>, BusError> {
        match &self.encoder {
            Some(encoder) => encoder.encode(topic, payload).await,
            None => Ok(Cow::Borrowed(payload)),
        }
    }

    /// Queues a payload as it is on the topic, in this span.
    async fn queue(
        &self,
        topic: Topic,
        partition: i32,
        key: &str,
        payload: &[u8],
        mut span: Span,
    ) -> Result<Delivery, BusError> {
        let name = self.topics.name(topic);
        let mut record = FutureRecord::to(&name).key(key).payload(payload).partition(partition);
        record.headers = traces::headers(&span);
        loop {
            match self.inner.send_result(record) {
                Ok(future) => return Ok(self.delivery(future, name, span)),
                // Back-pressure: the local queue drains as the broker acknowledges.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((source, _)) => {
                    span.fail(NOT_ACKNOWLEDGED);
                    return Err(BusError::Send { topic: name.clone(), source: source.into() });
                }
            }
        }
    }

    /// Waits until everything queued is acknowledged or `timeout` has passed.
    ///
    /// # Errors
    /// [`BusError::Unreachable`] if something is still queued then.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BusError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || inner.flush(timeout))
            .await
            .expect("flushing does not panic")
            .map_err(|source| self.topics.unreachable(source))
    }

    fn delivery(&self, future: DeliveryFuture, topic: String, span: Span) -> Delivery {
        Delivery { future, topic, brokers: Arc::clone(&self.brokers), span, within: Span::none() }
    }

    fn known_partitions(&self, topic: Topic) -> Option<i32> {
        self.remembered().get(&topic).copied()
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<Topic, i32>> {
        self.partitions.lock().expect("no holder of this lock can panic")
    }
}
