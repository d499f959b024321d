//! The stage that makes bars of trades: it reads the topic `trades` and writes the topic `bars`.
//!
//! It folds the trades of the sources with `prices.fold_trades`; the feed marks these trades. Partitions are independent:
//! the bars and watermarks of partition 3 of `trades` go to partition 3 of `bars`, and a benchmark's trades are on every
//! partition. A watermark is forwarded when the bars that it completes are acknowledged, so for the join the source is the
//! same stream as one that sends bars.
//!
//! A commit carries from where the topic has to be read again to have the trades of all bars that may still change
//! ([`Partition`]); bars that were emitted twice are equal.

use crate::IngestError;
use crate::replay::bar_width;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_bars::{FoldRules, Partition, Widths};
use tapewire_bus::consumer::Assigned;
use tapewire_bus::{Commit, Consumer, DeadLetters, Delivery, Event, KafkaConfig, Producer, Received, Topic};
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::record::{Print, Tape};
use tapewire_core::{PrintRef, Run, TapeRecord, TradeRecord};
use tapewire_runtime::{Clock, Readiness, Shutdown, chain};

/// Consumer group of this stage.
pub const GROUP: &str = "tapewire-bars";

/// Name of the role, for readiness and dead letters.
const STAGE: &str = "bars";

/// Records are committed this long after the first of them was read, or when there are this many.
const COMMIT_AFTER: Duration = Duration::from_millis(500);
const MAX_UNCOMMITTED: u64 = 500_000;

/// Records that are taken one after the other before shutdown and the next commit are looked at.
const AT_ONCE: usize = 1_000;

/// Most bars that may be unacknowledged at once; then all are waited for.
const IN_FLIGHT: usize = 10_000;

/// How trades become bars, where a price source has `fold_trades`.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BarsConfig {
    /// Widths of the bars: 1s, 1m, 5m and others that divide a day. The join takes a price from the finest bar that
    /// has one. After a change there are no bars for 20 minutes, because not all trades of wider bars are known. Bars
    /// are by the clock of UTC, so those that would hold trades of a session and of after hours, such as bars of an
    /// hour of a share, are not made; bars of coins and currencies have every width.
    #[schemars(example = ["1s", "1m", "5m"])]
    pub widths: Vec<String>,
    /// From the join's settings: which widths a symbol has depends on the sessions of its market.
    #[serde(skip)]
    pub calendars: Calendars,
    /// How long after a bar is complete a late trade, a correction or a cancellation still changes it. The trades of
    /// that period are kept in memory, and are read again from Kafka after a restart.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub lateness: Duration,
}

impl Default for BarsConfig {
    fn default() -> Self {
        Self { widths: vec!["1m".into()], calendars: Calendars::default(), lateness: Duration::from_secs(300) }
    }
}

impl BarsConfig {
    /// The rules for the fold.
    ///
    /// # Errors
    /// [`IngestError::Config`].
    pub fn rules(&self) -> Result<FoldRules, IngestError> {
        let seconds = |text: &String| {
            let width = bar_width(text).and_then(|width| u32::try_from(width.as_secs()).ok());
            width.ok_or_else(|| {
                IngestError::Config(format!("bars.widths: `{text}` is not a width; write 1s, 1m, 5m or 1h"))
            })
        };
        let seconds = self.widths.iter().map(seconds).collect::<Result<Vec<_>, _>>()?;
        let widths = Widths::new(&seconds).map_err(|error| IngestError::Config(format!("bars.widths: {error}")))?;
        let lateness = SignedDuration::try_from(self.lateness).unwrap_or(SignedDuration::MAX);
        Ok(FoldRules { widths, calendars: Arc::new(self.calendars.clone()), lateness })
    }
}

/// Makes bars until shutdown, then commits what it has read.
///
/// # Errors
/// [`IngestError::Config`]; the first error that a retry can't fix. Nothing is lost: the next start reads what was not
/// committed.
pub fn run<'a>(
    kafka: &'a KafkaConfig,
    config: &'a BarsConfig,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), IngestError>> {
    Box::pin(async move {
        let rules = config.rules()?;
        if let Some(widths) = rules.widths.by_market(Market::NewYork).1 {
            tracing::warn!(
                seconds = ?widths.seconds(),
                "bars of these widths in `bars.widths` are made of coins and currencies only: of a share they would hold \
                 trades from before the open or after the close"
            );
        }
        let producer = Producer::new(kafka)?;
        let mut stage = Stage {
            consumer: Consumer::new(kafka, GROUP, &[Topic::Trades], Partition::start_offset)?,
            dead_letters: DeadLetters::new(producer.clone(), clock, STAGE),
            producer,
            rules,
            readiness,
            partitions: BTreeMap::new(),
            in_flight: Vec::new(),
            uncommitted: 0,
            first_at: None,
        };
        stage.readiness.waiting(STAGE, "waiting for its partitions");
        stage.run(shutdown).await
    })
}

struct Stage {
    consumer: Consumer,
    producer: Producer,
    dead_letters: DeadLetters,
    rules: FoldRules,
    readiness: Readiness,
    partitions: BTreeMap<i32, Partition>,
    in_flight: Vec<Delivery>,
    uncommitted: u64,
    /// When the oldest record that is not committed was read.
    first_at: Option<Instant>,
}

impl Stage {
    async fn run(&mut self, shutdown: Shutdown) -> Result<(), IngestError> {
        loop {
            let due = self.first_at.map(|at| tokio::time::Instant::from_std(at + COMMIT_AFTER));
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.commit().await,
                () = async { tokio::time::sleep_until(due.expect("guarded by the condition")).await }, if due.is_some() => {
                    self.commit().await?;
                    continue;
                }
                event = self.consumer.next() => event?,
            };
            self.take(event).await?;
            // Records that are here already need no waiting, which costs more than a trade.
            let mut left = AT_ONCE;
            while left > 0 {
                left -= self.take_trades(left)?;
                let Some(event) = self.consumer.next().now_or_never() else { break };
                self.take(event?).await?;
                left = left.saturating_sub(1);
            }
            if self.uncommitted >= MAX_UNCOMMITTED {
                self.commit().await?;
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), IngestError> {
        match event {
            Event::Assigned(assigned) => self.assigned(&assigned),
            Event::Revoked => self.reset(),
            Event::Record(record) => self.handle(&record).await?,
        }
        Ok(())
    }

    /// Takes trades that have been fetched already, at most `most` and up to the first record that is something else.
    /// Returns how many.
    fn take_trades(&mut self, most: usize) -> Result<usize, IngestError> {
        let partitions = &mut self.partitions;
        let trades = self.consumer.take_fetched(most, |record| {
            let Some(partition) = partitions.get_mut(&record.partition) else { return false };
            let print = PrintRef::read(record.payload);
            print.is_some_and(|print| partition.step_trade(record.position(), &print).is_ok())
        })?;
        if trades > 0 {
            self.uncommitted += trades as u64;
            self.first_at.get_or_insert_with(Instant::now);
        }
        Ok(trades)
    }

    /// Drops what is not committed: whoever owns the partitions next reads those records again.
    fn reset(&mut self) {
        self.partitions.clear();
        self.in_flight.clear();
        (self.uncommitted, self.first_at) = (0, None);
        self.readiness.waiting(STAGE, "its partitions were taken away; waiting for new ones");
    }

    fn assigned(&mut self, assigned: &[Assigned]) {
        self.reset();
        for Assigned { partition, committed, metadata, .. } in assigned {
            let committed = committed.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
            self.partitions.insert(*partition, Partition::resume(self.rules.clone(), committed, metadata));
        }
        self.readiness.ready(STAGE);
        tracing::info!(
            partitions = self.partitions.len(),
            "partitions were assigned; making bars of the trades after the last commits"
        );
    }

    async fn handle(&mut self, record: &Received) -> Result<(), IngestError> {
        let Some(partition) = self.partitions.get_mut(&record.partition) else { return Ok(()) };
        let read = match record.decode_print() {
            Ok(TradeRecord { run, body, .. }) => Some((run, body)),
            Err(error) => {
                if !partition.is_committed(record.position()) {
                    self.dead_letters.publish_record(record, &error.to_string()).await?;
                }
                None
            }
        };
        // Only watermarks complete bars.
        let run = match &read {
            Some((run, Print::Watermark(_))) => Some(run.clone()),
            _ => None,
        };
        let out = partition.step(record.position(), read);
        self.uncommitted += 1;
        self.first_at.get_or_insert_with(Instant::now);
        match run {
            Some(run) => self.send(record.partition, &run, out).await,
            None => Ok(()),
        }
    }

    /// Sends bars, and after they are acknowledged the watermark that completes them.
    async fn send(&mut self, partition: i32, run: &Run, out: Vec<Tape>) -> Result<(), IngestError> {
        let mut bars = 0;
        for tape in out {
            let key = match &tape {
                Tape::Bar(bar) | Tape::BenchmarkBar(bar) => bar.symbol.as_str().to_owned(),
                Tape::Watermark(_) => {
                    self.flush().await?;
                    crate::writer::WATERMARK.to_owned()
                }
            };
            bars += u64::from(matches!(tape, Tape::Bar(_)));
            let record = TapeRecord::new(run.clone(), tape).encode();
            self.in_flight.push(self.producer.enqueue_to(Topic::Bars, partition, &key, &record).await?);
            if self.in_flight.len() >= IN_FLIGHT {
                self.flush().await?;
            }
        }
        metrics::counter!("tapewire_folded_bars_total").increment(bars);
        Ok(())
    }

    /// Waits until everything that was sent is acknowledged.
    async fn flush(&mut self) -> Result<(), IngestError> {
        for delivery in self.in_flight.drain(..) {
            delivery.acknowledged().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), IngestError> {
        if self.first_at.take().is_none() {
            return Ok(());
        }
        self.uncommitted = 0;
        self.flush().await?;
        let late: u64 = self.partitions.values_mut().map(Partition::take_late).sum();
        metrics::counter!("tapewire_late_trades_total").increment(late);
        metrics::gauge!("tapewire_trades_in_memory")
            .set(self.partitions.values().map(Partition::len).sum::<usize>() as f64);
        let commit = |(&partition, state): (&i32, &mut Partition)| {
            let (next, metadata) = state.commit();
            let next = i64::try_from(next).expect("offsets come from Kafka, where they are signed");
            Commit { topic: Topic::Trades, partition, next, metadata }
        };
        let commits: Vec<Commit> = self.partitions.iter_mut().map(commit).collect();
        if let Err(error) = self.consumer.commit(&commits).await {
            tracing::warn!(
                error = chain(&error),
                "bars were sent but the offsets of their trades could not be committed; they are read again and give the same bars"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_texts_and_a_wrong_one_is_named() {
        let rules = |widths: &str| {
            let config: BarsConfig = toml::from_str(&format!("widths = {widths}")).unwrap();
            config.rules()
        };
        assert_eq!(rules("['5m', '1s', '1m']").unwrap().widths.seconds(), [1, 60, 300]);
        assert_eq!(BarsConfig::default().rules().unwrap().widths.seconds(), [60]);
        for (widths, word) in [("['soon']", "`soon`"), ("['7s']", "does not divide"), ("[]", "no width")] {
            let error = rules(widths).unwrap_err().to_string();
            assert!(error.contains("bars.widths") && error.contains(word), "{error}");
        }
    }
}
