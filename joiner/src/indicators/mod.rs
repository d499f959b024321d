//! Computes indicators between Kafka and ClickHouse: reads bars, steps, writes rows, commits, in this order. Watermarks
//! on the same topic say how far each price source has been followed; they are written to table `source_progress`.
//!
//! There is no checkpoint but the offset. A row holds what the next one is computed from, and the rows of everything that is
//! committed are in the table, so a series is [restored](Series::restored) from its newest rows when its first bar arrives.
//! A rewind would have to reach back as far as the thinnest symbol's last bars, which may be months.
//!
//! A record that can't be read is left to the join, which reads the same topic and sends it to the dead letters.

mod row;

use crate::JoinerError;
use futures_util::future::BoxFuture;
use row::{point, row};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tapewire_bus::{Commit, Consumer, Filled, KafkaConfig, Received, Topic};
use tapewire_core::exchange::Calendars;
use tapewire_core::record::Tape;
use tapewire_core::{Bar, Run, Symbol, TapeRecord};
use tapewire_indicators::{MAX_BARS_LATE, Put, RESTORED_POINTS, Series};
use tapewire_runtime::{Readiness, Shutdown, chain};
use tapewire_store::indicators::{IndicatorRow, newest};
use tapewire_store::sources::{SourceKind, SourceRow};
use tapewire_store::{ClickHouseConfig, Writer};

/// Consumer group of this role.
pub const GROUP: &str = "tapewire-indicators";
/// The topics it reads.
pub const TOPICS: [Topic; 1] = [Topic::Bars];

const LARGEST_BATCH: usize = 5_000;
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// Series in memory, about 50 kB each. If there are more, all are dropped, and read again when their next bar arrives.
const MOST_SERIES: usize = 20_000;
/// Rows of a series are first looked for in this time, in microseconds, before its bar; if there are too few, without a
/// limit.
const USUALLY_WITHIN_US: i64 = 10 * 86_400 * 1_000_000;

type Key = (Run, u32, Symbol);

/// Runs until shutdown, then writes and commits what it has read.
///
/// # Errors
/// Errors that trying again can't fix. Bars that were not committed are read again at the next start.
pub fn run<'a>(
    kafka: &'a KafkaConfig,
    clickhouse: &'a ClickHouseConfig,
    calendars: &'a Calendars,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), JoinerError>> {
    Box::pin(async move {
        let mut consumer = Consumer::new(kafka, GROUP, &TOPICS, |committed, _| committed)?;
        let writer = Writer::new(clickhouse, shutdown.clone());
        let mut stage =
            Stage { clickhouse: clickhouse.clone(), calendars: calendars.clone(), writer, series: BTreeMap::new() };
        readiness.waiting("indicators", "waiting for its partitions");
        let mut batch = Vec::new();
        loop {
            let filled = consumer.fill(&mut batch, LARGEST_BATCH, LONGEST_WAIT, &shutdown).await?;
            if let Filled::Changed { assigned } = filled {
                // Another process may have written rows of these partitions, so the series in memory may be out of date.
                batch.clear();
                stage.series.clear();
                match assigned {
                    true => readiness.ready("indicators"),
                    false => readiness.waiting("indicators", "its partitions were revoked; waiting for new ones"),
                }
                continue;
            }
            let commits = if batch.is_empty() { Vec::new() } else { stage.write(&batch).await? };
            batch.clear();
            if !commits.is_empty()
                && let Err(error) = consumer.commit(&commits).await
            {
                tracing::warn!(
                    error = chain(&error),
                    "could not commit a batch of bars; nothing is lost, it is read again and gives the same rows"
                );
            }
            if matches!(filled, Filled::Stopping) {
                return Ok(());
            }
        }
    })
}

struct Stage {
    clickhouse: ClickHouseConfig,
    calendars: Calendars,
    writer: Writer,
    series: BTreeMap<Key, Series>,
}

impl Stage {
    /// Writes the rows that some records change. Returns what may be committed after that.
    async fn write(&mut self, records: &[Received]) -> Result<Vec<Commit>, JoinerError> {
        let (mut bars, mut ended, mut next) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        let mut sources = BTreeMap::new();
        for record in records {
            next.insert(record.partition, record.offset + 1);
            match record.decode() {
                Ok(TapeRecord { run, body: Tape::Bar(bar), .. }) if bar.fault().is_none() => {
                    bars.push(((run, bar.width_s, bar.symbol.clone()), bar, record.position()));
                }
                Ok(TapeRecord { run, body: Tape::Watermark(watermark), .. }) if watermark.is_end_of_stream() => {
                    ended.insert(run);
                }
                // A source sends the same watermark to every partition; that of the first is enough.
                Ok(TapeRecord { run, body: Tape::Watermark(watermark), .. }) if record.partition == 0 => {
                    let row = SourceRow::new(&run, SourceKind::Prices, &watermark, record.position());
                    sources.extend(row.map(|row| ((row.run.clone(), row.source.clone()), row)));
                }
                _ => {}
            }
        }
        self.restore(&bars).await?;
        let rows = self.step(&bars);
        self.writer.insert("indicators", &rows).await?;
        self.writer.insert("source_progress", &sources.into_values().collect::<Vec<_>>()).await?;
        self.series.retain(|(run, ..), _| !ended.contains(run));
        if self.series.len() > MOST_SERIES {
            self.series.clear();
        }
        let commit = |(partition, next)| Commit { topic: Topic::Bars, partition, next, metadata: String::new() };
        Ok(next.into_iter().map(commit).collect())
    }

    /// Restores from the table the series of these bars that are not in memory.
    async fn restore(&mut self, bars: &[(Key, Bar, u64)]) -> Result<(), JoinerError> {
        let mut unknown: BTreeMap<(Run, u32), BTreeSet<Symbol>> = BTreeMap::new();
        let mut first = i64::MAX;
        for (key, bar, _) in bars.iter().filter(|(key, ..)| !self.series.contains_key(key)) {
            let (run, width_s, symbol) = key.clone();
            unknown.entry((run, width_s)).or_default().insert(symbol);
            first = first.min(bar.start.as_microsecond());
        }
        for ((run, width_s), symbols) in unknown {
            let recent = self.read(&run, width_s, &symbols, Some(first.saturating_sub(USUALLY_WITHIN_US))).await?;
            let is_whole =
                |symbol: &Symbol| recent.get(symbol.as_str()).is_some_and(|rows| rows.len() == RESTORED_POINTS);
            let thin = symbols.iter().filter(|symbol| !is_whole(symbol)).cloned().collect();
            let mut found = recent;
            found.extend(self.read(&run, width_s, &thin, None).await?);
            for symbol in symbols {
                let rows = found.remove(symbol.as_str()).unwrap_or_default();
                let calendar = self.calendars.of(&symbol).calendar();
                let series = Series::restored(calendar, width_s, rows.iter().filter_map(point));
                self.series.insert((run.clone(), width_s, symbol), series);
            }
        }
        Ok(())
    }

    async fn read(
        &self,
        run: &Run,
        width_s: u32,
        symbols: &BTreeSet<Symbol>,
        since: Option<i64>,
    ) -> Result<BTreeMap<String, Vec<IndicatorRow>>, JoinerError> {
        let mut found: BTreeMap<String, Vec<IndicatorRow>> = BTreeMap::new();
        let symbols: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        for chunk in symbols.chunks(1_000) {
            for row in newest(&self.clickhouse, run.as_str(), width_s, chunk, since, RESTORED_POINTS).await? {
                found.entry(row.symbol.clone()).or_default().push(row);
            }
        }
        Ok(found)
    }

    /// Puts bars into their series and returns all rows that change.
    fn step(&mut self, bars: &[(Key, Bar, u64)]) -> Vec<IndicatorRow> {
        let (mut changed, mut outside, mut late, mut doubled) = (BTreeSet::new(), 0, 0, 0);
        for (key, bar, position) in bars {
            let series = self.series.get_mut(key).expect("series of all bars were restored");
            match series.put(bar, *position) {
                Put::Taken => drop(changed.insert(key)),
                Put::SameSession => {
                    changed.insert(key);
                    doubled += 1;
                }
                // After a batch that was written and not committed.
                Put::Known => {}
                Put::Outside => outside += 1,
                Put::Late => late += 1,
            }
        }
        for (reason, bars) in [("outside_session", outside), ("late", late), ("same_session", doubled)] {
            metrics::counter!("tapewire_indicator_bars_left_out_total", "reason" => reason).increment(bars);
        }
        if late > 0 {
            tracing::warn!(
                bars = late,
                "bars came, or were corrected, after more than {MAX_BARS_LATE} later ones of their symbol; they are stored, and no indicator uses them"
            );
        }
        if doubled > 0 {
            tracing::warn!(
                bars = doubled,
                "daily bars came for sessions that have one with another start; they are stored, and of each session \
                 the one that was received last has indicators; let one source send them"
            );
        }
        let mut rows = Vec::new();
        for key in changed {
            let series = self.series.get_mut(key).expect("it has just been changed");
            rows.extend(series.take_changed().iter().map(|point| row(key, point)));
        }
        rows
    }
}
