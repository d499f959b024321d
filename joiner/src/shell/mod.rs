//! The join between Kafka and ClickHouse: reads, steps, writes, commits, in this order.
//!
//! | module | holds |
//! |---|---|
//! | [`share`] | one partition number of all topics: the join's part of it, and positions |
//! | [`batch`] | rows waiting to be written |

mod batch;
mod share;

use crate::JoinerError;
use crate::join::{Event, JoinConfig, Partition};
use batch::Batch;
use share::Share;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_bus::consumer::Assigned;
use tapewire_bus::{Clock, Consumer, DeadLetters, KafkaConfig, Producer, Readiness, Received, Shutdown, Topic};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{HaltRecord, Mention, Run, SentimentRecord, TapeRecord, TradeRecord};
use tapewire_store::rows::{BarRow, HaltRow, MentionRow, TradeRow};
use tapewire_store::{ClickHouseConfig, Writer};

/// Consumer group of the joiner.
pub const GROUP: &str = "tapewire-joiner";
/// Topics it reads side by side; they must have equally many partitions.
pub const TOPICS: [Topic; 4] = [Topic::Sentiment, Topic::Bars, Topic::Trades, Topic::Halts];

/// A batch is written when it has so many rows,
const LARGEST_BATCH: usize = 50_000;
/// or when its first record has waited so long.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Rows that are finished are let go so often: it costs a question to the broker.
const FORGET_EVERY: Duration = Duration::from_secs(15);

/// Runs until shutdown, then writes and commits what it holds.
///
/// # Errors
/// What waiting can't mend. Nothing uncommitted is lost: the next start reads it again.
pub async fn run(
    kafka: &KafkaConfig,
    clickhouse: &ClickHouseConfig,
    config: &JoinConfig,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> Result<(), JoinerError> {
    config.validate()?;
    let consumer = Consumer::new(kafka, GROUP, &TOPICS, Partition::start)?;
    let letters = DeadLetters::new(Producer::new(kafka)?, clock.clone(), "joiner");
    let writer = Writer::new(clickhouse, shutdown.clone());
    readiness.waiting("join", "waiting for its partitions");
    let mut shell = Shell {
        consumer,
        letters,
        writer,
        config: Arc::new(config.clone()),
        clock,
        readiness,
        shares: BTreeMap::new(),
        batch: Batch::default(),
        oldest: None,
        forgot: Instant::now(),
        seen: HashSet::new(),
    };
    shell.run(shutdown).await
}

struct Shell {
    consumer: Consumer,
    letters: DeadLetters,
    writer: Writer,
    config: Arc<JoinConfig>,
    clock: Clock,
    readiness: Readiness,
    shares: BTreeMap<i32, Share>,
    batch: Batch,
    /// When the oldest record that is not committed was read.
    oldest: Option<Instant>,
    /// When finished rows were last let go.
    forgot: Instant,
    /// Live mentions whose first row is in the batch, for the wire-to-row latency.
    seen: HashSet<(String, Option<String>)>,
}

impl Shell {
    async fn run(&mut self, shutdown: Shutdown) -> Result<(), JoinerError> {
        use tapewire_bus::Event as Bus;
        loop {
            let due = self.oldest.map(|since| tokio::time::Instant::from_std(since + LONGEST_WAIT));
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => {
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
                Bus::Assigned(assigned) => self.assigned(&assigned),
                Bus::Revoked => self.let_go(),
                Bus::Record(record) => self.take(&record).await?,
            }
            if self.batch.rows() >= LARGEST_BATCH {
                self.flush().await?;
            }
        }
    }

    /// Rows not committed belong to whoever owns the partitions next: they are read again there.
    fn let_go(&mut self) {
        self.shares.clear();
        self.batch = Batch::default();
        self.oldest = None;
        self.seen.clear();
        self.readiness.waiting("join", "its partitions were taken away");
    }

    fn assigned(&mut self, assigned: &[Assigned]) {
        self.let_go();
        for number in assigned.iter().map(|a| a.partition) {
            self.shares.entry(number).or_insert_with(|| Share::resume(number, Arc::clone(&self.config), assigned));
        }
        self.readiness.ready("join");
        tracing::info!(partitions = self.shares.len(), "joining");
    }

    async fn take(&mut self, record: &Received) -> Result<(), JoinerError> {
        self.oldest.get_or_insert_with(Instant::now);
        let new = self.shares.get(&record.partition).is_some_and(|share| !share.is_known(record));
        let event = match self.read(record, new) {
            Ok(event) => event,
            Err(reason) => {
                // What was committed before is buried already.
                if new {
                    self.letters.bury(&record.origin(), &reason, &record.payload).await?;
                }
                None
            }
        };
        if let Some(share) = self.shares.get_mut(&record.partition) {
            share.step(record, event)?.into_iter().for_each(|impact| self.batch.put(impact));
        }
        Ok(())
    }

    /// Decodes a record; if it is new its facts go into the batch. What the join is to take in, if anything.
    fn read(&mut self, record: &Received, new: bool) -> Result<Option<(Run, Event)>, String> {
        let seq = record.seq();
        let words = |error: tapewire_core::CodecError| error.to_string();
        match record.topic {
            Topic::Sentiment => {
                let SentimentRecord { run, body, .. } = SentimentRecord::decode(&record.payload).map_err(words)?;
                Ok(Some(match body {
                    Scored::Mention(mention) => {
                        if new {
                            self.saw(&run, &mention);
                            self.batch.mentions.push(MentionRow::new(&run, &mention, seq));
                        }
                        (run, Event::Mention { seq, mention })
                    }
                    Scored::Watermark(watermark) => (run, Event::NewsWatermark { seq, watermark }),
                }))
            }
            Topic::Bars => {
                let TapeRecord { run, body, .. } = TapeRecord::decode(&record.payload).map_err(words)?;
                if let Tape::Bar(bar) | Tape::BenchmarkBar(bar) = &body
                    && let Some(fault) = bar.fault()
                {
                    return Err(format!("not a bar: {fault}"));
                }
                Ok(Some(match body {
                    Tape::Bar(bar) => {
                        if new {
                            self.batch.bars.push(BarRow::new(&run, &bar));
                        }
                        (run, Event::Bar { seq, bar })
                    }
                    Tape::BenchmarkBar(bar) => (run, Event::Bar { seq, bar }),
                    Tape::Watermark(watermark) => (run, Event::TapeWatermark { seq, watermark }),
                }))
            }
            Topic::Halts => {
                let HaltRecord { run, body: halt, .. } = HaltRecord::decode(&record.payload).map_err(words)?;
                if new {
                    self.batch.halts.push(HaltRow::new(&run, &halt));
                }
                Ok(Some((run, Event::Halt { seq, halt })))
            }
            Topic::Trades => {
                let TradeRecord { run, body: trade, .. } = TradeRecord::decode(&record.payload).map_err(words)?;
                if new {
                    self.batch.trades.push(TradeRow::new(&run, trade));
                }
                Ok(None)
            }
            Topic::News | Topic::DeadLetter => Err("the joiner does not read this topic".into()),
        }
    }

    fn saw(&mut self, run: &Run, mention: &Mention) {
        if run.is_live() {
            let symbol = mention.symbol.as_ref().map(|s| s.as_str().to_owned());
            self.seen.insert((mention.article_id.clone(), symbol));
        }
    }

    /// Writes the batch, then commits what it came from.
    async fn flush(&mut self) -> Result<(), JoinerError> {
        if self.oldest.take().is_none() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        batch.write(&self.writer).await?;
        self.measure(&batch);
        self.forget_finished().await;
        let commits: Vec<_> = self.shares.values_mut().flat_map(Share::commits).collect();
        if let Err(error) = self.consumer.commit(&commits).await {
            tracing::warn!(%error, "this batch will be read again and gives the same rows");
        }
        Ok(())
    }

    /// Lets finished rows go once every halt is known that the tape's watermark vouches for: the feed
    /// has it acknowledged before it says the watermark, so it is among the records there are now.
    async fn forget_finished(&mut self) {
        if self.forgot.elapsed() < FORGET_EVERY {
            return;
        }
        self.forgot = Instant::now();
        let next: Vec<(i32, i64)> = self.shares.values().map(Share::next_halt).collect();
        match self.consumer.unread(Topic::Halts, &next).await {
            Ok(0) => self.shares.values_mut().for_each(Share::forget),
            Ok(halts) => tracing::debug!(halts, "still to be read; nothing is forgotten before"),
            Err(error) => tracing::warn!(%error, "nothing is forgotten until it does"),
        }
    }

    /// Wire to row: from the moment we had the article to the moment its first row is in ClickHouse.
    fn measure(&mut self, batch: &Batch) {
        let now = self.clock.now();
        for impact in batch.impacts() {
            let symbol = impact.mention.symbol.as_ref().map(|s| s.as_str().to_owned());
            if self.seen.remove(&(impact.mention.article_id.clone(), symbol)) {
                let market = now.duration_since(impact.mention.received_at).as_secs_f64();
                metrics::histogram!("tapewire_wire_to_row_seconds").record(market / self.clock.speed());
            }
        }
        self.seen.clear();
    }
}
