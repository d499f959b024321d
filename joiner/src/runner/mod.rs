//! Runs the join between Kafka and ClickHouse: reads, steps, writes, commits, in this order.

mod batch;
mod partition_task;
mod spans;

use crate::JoinerError;
use crate::join::{JoinConfig, JoinEvent, JoinTopic, MentionKey, Partition};
use batch::Batch;
use futures_util::future::BoxFuture;
use partition_task::PartitionTask;
use spans::Spans;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_bus::consumer::Assigned;
use tapewire_bus::{Consumer, DeadLetters, KafkaConfig, Producer, Received, Topic, Unreadable};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{ActionRecord, HaltRecord, Mention, Run, SentimentRecord, TapeRecord, TradeRecord};
use tapewire_runtime::traces::Moment;
use tapewire_runtime::{Clock, Readiness, Shutdown, chain};
use tapewire_store::rows::{ActionRow, BarRow, HaltRow, MentionRow, TradeRow};
use tapewire_store::{ClickHouseConfig, Writer};

/// Consumer group of the joiner.
pub const GROUP: &str = "tapewire-joiner";
/// The topics it reads. All must have the same number of partitions.
pub const TOPICS: [Topic; 5] = Topic::SIDE_BY_SIDE;

/// A batch is written when it has this number of rows.
const MAX_BATCH_ROWS: usize = 50_000;
/// A batch is written when its first record was read this long ago.
const MAX_BATCH_AGE: Duration = Duration::from_millis(100);
/// How often finished rows are evicted. Each time the broker is asked for the ends of `halts` and `actions`.
const EVICTION_INTERVAL: Duration = Duration::from_secs(15);
/// The same while a replay that has ended is in memory, which may be replayed again at any moment.
const ENDED_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until shutdown, then writes and commits what it has read.
///
/// # Errors
/// The first error that a retry can't fix. Nothing is lost: the next start reads what was not committed.
pub fn run<'a>(
    kafka: &'a KafkaConfig,
    clickhouse: &'a ClickHouseConfig,
    config: &'a JoinConfig,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), JoinerError>> {
    Box::pin(async move {
        config.validate()?;
        let consumer = Consumer::new(kafka, GROUP, &TOPICS, Partition::start_offset)?;
        let dead_letters = DeadLetters::new(Producer::new(kafka)?, clock.clone(), "joiner");
        let writer = Writer::new(clickhouse, shutdown.clone());
        readiness.waiting("join", "waiting for its partitions");
        let mut runner = Runner {
            consumer,
            dead_letters,
            writer,
            config: Arc::new(config.clone()),
            clock,
            readiness,
            partitions: BTreeMap::new(),
            batch: Batch::default(),
            batch_started: None,
            last_eviction: Instant::now(),
            has_ended: false,
            pending_latency: HashSet::new(),
            spans: Spans::default(),
        };
        runner.run(shutdown).await
    })
}

struct Runner {
    consumer: Consumer,
    dead_letters: DeadLetters,
    writer: Writer,
    config: Arc<JoinConfig>,
    clock: Clock,
    readiness: Readiness,
    partitions: BTreeMap<i32, PartitionTask>,
    batch: Batch,
    /// When the oldest record that is not committed was read.
    batch_started: Option<Instant>,
    last_eviction: Instant,
    /// Whether a replay has ended on one of the partitions and was not evicted.
    has_ended: bool,
    /// Mentions of the live run whose first row is in the batch, for the wire-to-row latency.
    pending_latency: HashSet<MentionKey>,
    /// Mentions that are traced, until their first row is acknowledged.
    spans: Spans,
}

impl Runner {
    async fn run(&mut self, shutdown: Shutdown) -> Result<(), JoinerError> {
        loop {
            let due = self.due().map(tokio::time::Instant::from_std);
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    // The next start evicts it.
                    self.has_ended = false;
                    self.flush().await?;
                    return Ok(());
                }
                () = async { tokio::time::sleep_until(due.expect("guarded by the condition")).await }, if due.is_some() => {
                    self.flush().await?;
                    continue;
                }
                event = self.consumer.next() => event?,
            };
            match event {
                tapewire_bus::Event::Assigned(assigned) => self.assigned(&assigned),
                tapewire_bus::Event::Revoked => self.reset(),
                tapewire_bus::Event::Record(record) => self.handle(&record).await?,
            }
            if self.batch.rows() >= MAX_BATCH_ROWS {
                self.flush().await?;
            }
        }
    }

    /// When to write the batch, or to evict a replay that has ended.
    fn due(&self) -> Option<Instant> {
        let batch = self.batch_started.map(|at| at + MAX_BATCH_AGE);
        let ended = self.has_ended.then(|| self.last_eviction + ENDED_INTERVAL);
        batch.into_iter().chain(ended).min()
    }

    /// Drops what is not committed: whoever owns the partitions next reads those records again.
    fn reset(&mut self) {
        self.partitions.clear();
        self.batch = Batch::default();
        self.batch_started = None;
        self.has_ended = false;
        self.pending_latency.clear();
        self.spans.revoked();
        self.readiness.waiting("join", "its partitions were revoked; waiting for new ones");
    }

    fn assigned(&mut self, assigned: &[Assigned]) {
        self.reset();
        for number in assigned.iter().map(|a| a.partition) {
            let resume = || PartitionTask::resume(number, Arc::clone(&self.config), assigned);
            self.partitions.entry(number).or_insert_with(resume);
        }
        self.readiness.ready("join");
        tracing::info!(partitions = self.partitions.len(), "partitions were assigned; joining from their last commits");
    }

    async fn handle(&mut self, record: &Received) -> Result<(), JoinerError> {
        self.batch_started.get_or_insert_with(Instant::now);
        let is_new = self.partitions.get(&record.partition).is_some_and(|partition| !partition.is_committed(record));
        let event = match self.decode(record, is_new) {
            Ok(event) => event,
            Err(reason) => {
                // A record that was committed before is among the dead letters already.
                if is_new {
                    self.dead_letters.publish_record(record, &reason).await?;
                    record.unreadable(spans::OPERATION);
                }
                None
            }
        };
        if let Some(partition) = self.partitions.get_mut(&record.partition) {
            partition.step(record, event)?.into_iter().for_each(|impact| self.batch.put(impact));
            self.has_ended |= partition.has_ended();
        }
        Ok(())
    }

    /// Decodes a record and, if it is new, adds its facts to the batch. Returns the join's event, if it has one.
    fn decode(&mut self, record: &Received, is_new: bool) -> Result<Option<(Run, JoinEvent)>, String> {
        let unreadable = |error: Unreadable| error.to_string();
        match record.topic {
            Topic::Sentiment => {
                let SentimentRecord { run, body, .. } = record.decode().map_err(unreadable)?;
                Ok(Some(self.sentiment(run, body, record, is_new)))
            }
            Topic::Bars => {
                let TapeRecord { run, body, .. } = record.decode().map_err(unreadable)?;
                Ok(Some(self.tape(run, body, record.position(), is_new)?))
            }
            Topic::Halts => {
                let HaltRecord { run, body: halt, .. } = record.decode().map_err(unreadable)?;
                if is_new {
                    self.batch.halts.push(HaltRow::new(&run, &halt));
                }
                Ok(Some((run, JoinEvent::Halt { offset: record.position(), halt })))
            }
            Topic::Actions => {
                let ActionRecord { run, body: action, .. } = record.decode().map_err(unreadable)?;
                if let Some(fault) = action.fault() {
                    return Err(format!("not a corporate action: {fault}"));
                }
                if is_new {
                    self.batch.actions.push(ActionRow::new(&run, &action));
                }
                Ok(Some((run, JoinEvent::Action { offset: record.position(), action })))
            }
            Topic::Trades => {
                let TradeRecord { run, body, .. } = record.decode_print().map_err(unreadable)?;
                if is_new {
                    self.batch.trades.extend(body.into_trade().map(|trade| TradeRow::new(&run, trade)));
                }
                Ok(None)
            }
            Topic::News | Topic::Instruments | Topic::DeadLetter => Err("the joiner does not read this topic".into()),
        }
    }

    fn sentiment(&mut self, run: Run, body: Scored, record: &Received, is_new: bool) -> (Run, JoinEvent) {
        let offset = record.position();
        match body {
            Scored::Mention(mention) => {
                if is_new {
                    self.start_latency(&run, &mention);
                    self.spans.add(record, &run, &mention);
                    self.batch.mentions.push(MentionRow::new(&run, &mention, offset));
                }
                (run, JoinEvent::Mention { offset, mention })
            }
            Scored::Watermark(watermark) => (run, JoinEvent::NewsWatermark { offset, watermark }),
        }
    }

    fn tape(&mut self, run: Run, body: Tape, offset: u64, is_new: bool) -> Result<(Run, JoinEvent), String> {
        if let Tape::Bar(bar) | Tape::BenchmarkBar(bar) = &body
            && let Some(fault) = bar.fault()
        {
            return Err(format!("not a bar: {fault}"));
        }
        let event = match body {
            Tape::Bar(bar) => {
                if is_new {
                    self.batch.bars.push(BarRow::new(&run, &bar));
                }
                JoinEvent::Bar { offset, bar }
            }
            Tape::BenchmarkBar(bar) => JoinEvent::Bar { offset, bar },
            Tape::Watermark(watermark) => JoinEvent::TapeWatermark { offset, watermark },
        };
        Ok((run, event))
    }

    fn start_latency(&mut self, run: &Run, mention: &Mention) {
        if run.is_live() {
            self.pending_latency.insert(MentionKey::from(mention));
        }
    }

    /// Writes the batch, evicts, then commits the records that the batch came from.
    async fn flush(&mut self) -> Result<(), JoinerError> {
        if self.batch_started.take().is_none() && !self.has_ended {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let sent_at = Moment::now();
        batch.write(&self.writer).await.inspect_err(|_| self.spans.failed())?;
        let partitions = &self.partitions;
        self.spans.written(&batch, sent_at, |number, run| {
            partitions.get(&number).is_some_and(|task| task.holds_rows_back(run))
        });
        self.record_latency(&batch);
        let outside: u64 = self.partitions.values_mut().map(PartitionTask::take_outside_bars).sum();
        metrics::counter!("tapewire_bars_outside_sessions_total").increment(outside);
        self.evict_finished().await;
        let commits: Vec<_> = self.partitions.values_mut().flat_map(PartitionTask::commits).collect();
        if let Err(error) = self.consumer.commit(&commits).await {
            tracing::warn!(
                error = chain(&error),
                "a batch was written but its offsets could not be committed; its records are read again and give the same rows"
            );
        }
        Ok(())
    }

    /// Evicts finished rows once every halt and action up to the tape's watermark has been read. The feed waits
    /// until they are acknowledged before it sends the watermark, so the broker has them now.
    async fn evict_finished(&mut self) {
        let interval = if self.has_ended { ENDED_INTERVAL } else { EVICTION_INTERVAL };
        if self.last_eviction.elapsed() < interval {
            return;
        }
        let next = |topic| self.partitions.values().map(|task| task.next(topic)).collect::<Vec<_>>();
        let (halts, actions) = (next(JoinTopic::Halts), next(JoinTopic::Actions));
        let unread = match self.consumer.unread(Topic::Halts, &halts).await {
            Ok(halts) => self.consumer.unread(Topic::Actions, &actions).await.map(|actions| halts + actions),
            Err(error) => Err(error),
        };
        // Now, because the broker's answer may have taken longer than the interval.
        self.last_eviction = Instant::now();
        match unread {
            Ok(0) => {
                self.partitions.values_mut().for_each(PartitionTask::evict);
                self.has_ended = false;
            }
            Ok(unread) => {
                tracing::debug!(
                    unread,
                    "halts or actions are still to be read; finished rows stay in memory until then"
                );
            }
            Err(error) => tracing::warn!(
                error = chain(&error),
                wait_s = interval.as_secs(),
                "the broker did not say how many halts and actions are unread, so finished rows stay in memory; asking again. \
                 If this lasts, memory grows: check the broker"
            ),
        }
    }

    /// Records the latency from wire to row: from the receipt of an article until its first row is in ClickHouse.
    fn record_latency(&mut self, batch: &Batch) {
        let now = self.clock.now();
        for impact in batch.impacts().filter(|impact| impact.run.is_live()) {
            if self.pending_latency.remove(&MentionKey::from(&*impact.mention)) {
                let market = now.duration_since(impact.mention.received_at).as_secs_f64();
                metrics::histogram!("tapewire_wire_to_row_seconds").record(market / self.clock.speed());
            }
        }
        self.pending_latency.clear();
    }
}
