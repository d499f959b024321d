//! Articles, instruments and dead letters, from their topics to their tables, and how far each news source has been followed.
//!
//! The archive is separate from the join: it has a consumer group of its own and does not wait for prices.

use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use tapewire_bus::traces::about_article;
use tapewire_bus::{Commit, Consumer, DeadLetters, Filled, KafkaConfig, Producer, Received, Topic};
use tapewire_core::record::News;
use tapewire_core::{DeadLetter, InstrumentRecord, NewsRecord};
use tapewire_runtime::traces::{Moment, Span};
use tapewire_runtime::{Clock, Shutdown, chain};
use tapewire_store::rows::{ArticleRow, DeadLetterRow, InstrumentRow};
use tapewire_store::sources::{SourceKind, SourceRow};
use tapewire_store::{ClickHouseConfig, Writer};

pub mod error;

pub use error::ArchiveError;

/// Consumer group of the archive.
pub const GROUP: &str = "tapewire-archive";
/// Topics it reads.
pub const TOPICS: [Topic; 3] = [Topic::News, Topic::Instruments, Topic::DeadLetter];

/// What the archive does with an article, in the names of spans.
const OPERATION: &str = "archive";

const LARGEST_BATCH: usize = 5_000;
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Runs until shutdown.
///
/// # Errors
/// Errors that trying again can't fix. Records that were not committed are read again at the next start.
pub fn run<'a>(
    kafka: &'a KafkaConfig,
    clickhouse: &'a ClickHouseConfig,
    clock: Clock,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), ArchiveError>> {
    Box::pin(async move {
        let mut consumer = Consumer::new(kafka, GROUP, &TOPICS, |committed, _| committed)?;
        let letters = DeadLetters::new(Producer::new(kafka)?, clock, "archive");
        let writer = Writer::new(clickhouse, shutdown.clone());
        let mut batch = Vec::new();
        loop {
            let stopping = match consumer.fill(&mut batch, LARGEST_BATCH, LONGEST_WAIT, &shutdown).await? {
                Filled::Ready => false,
                Filled::Changed { .. } => {
                    batch.clear();
                    continue;
                }
                Filled::Stopping => true,
            };
            for records in by_partition(std::mem::take(&mut batch)).into_values() {
                let commit = write(&writer, &letters, &records).await?;
                if let Err(error) = consumer.commit(&[commit]).await {
                    tracing::warn!(
                        error = chain(&error),
                        "the archive could not commit a batch; nothing is lost, it is read again and gives the same rows"
                    );
                }
            }
            if stopping {
                return Ok(());
            }
        }
    })
}

fn by_partition(batch: Vec<Received>) -> BTreeMap<(Topic, i32), Vec<Received>> {
    let mut parts: BTreeMap<(Topic, i32), Vec<Received>> = BTreeMap::new();
    for record in batch {
        parts.entry((record.topic, record.partition)).or_default().push(record);
    }
    parts
}

/// Writes the records of one partition. Returns what may be committed after that.
async fn write(writer: &Writer, letters: &DeadLetters, records: &[Received]) -> Result<Commit, ArchiveError> {
    let last = &records[records.len() - 1];
    match last.topic {
        Topic::News => {
            let (articles, sources, spans) = decode_news(letters, records).await?;
            let begun_at = Moment::now();
            let inserted = writer.insert("articles", &articles).await;
            end(spans, begun_at, inserted.is_ok());
            inserted?;
            writer.insert("source_progress", &sources).await?;
        }
        Topic::Instruments => writer.insert("instruments", &decode_instruments(letters, records).await?).await?,
        _ => writer.insert("dead_letters", &decode_dead_letters(records)).await?,
    }
    Ok(Commit { topic: last.topic, partition: last.partition, next: last.offset + 1, metadata: String::new() })
}

/// Articles, the latest watermark of each source, and the spans of articles that are traced. A source sends the same
/// watermark to every partition; that of the first is enough.
async fn decode_news(
    letters: &DeadLetters,
    records: &[Received],
) -> Result<(Vec<ArticleRow>, Vec<SourceRow>, Vec<Span>), ArchiveError> {
    let (mut rows, mut sources, mut spans) = (Vec::new(), BTreeMap::new(), Vec::new());
    for record in records {
        match record.decode() {
            Ok(NewsRecord { run, body: News::Article(article), .. }) => {
                let mut span = record.span(OPERATION);
                about_article(&mut span, &run, &article);
                spans.extend(span.is_recording().then_some(span));
                rows.push(ArticleRow::new(&run, article, record.position()));
            }
            Ok(NewsRecord { run, body: News::Watermark(watermark), .. }) if record.partition == 0 => {
                let row = SourceRow::new(&run, SourceKind::News, &watermark, record.position());
                sources.extend(row.map(|row| ((row.run.clone(), row.source.clone()), row)));
            }
            Ok(NewsRecord { body: News::Watermark(_), .. }) => {}
            // The worker reads the same record and reports it, too: each stage that can't read a record sends a dead
            // letter.
            Err(error) => {
                letters.publish_record(record, &error.to_string()).await?;
                record.unreadable(OPERATION);
            }
        }
    }
    Ok((rows, sources.into_values().collect(), spans))
}

/// Ends the spans of articles whose insert began then: ClickHouse has acknowledged their rows, or has not.
fn end(spans: Vec<Span>, begun_at: Moment, acknowledged: bool) {
    for mut span in spans {
        span.event("insert", begun_at);
        if !acknowledged {
            span.fail("clickhouse did not acknowledge the rows");
        }
        span.done();
    }
}

async fn decode_instruments(letters: &DeadLetters, records: &[Received]) -> Result<Vec<InstrumentRow>, ArchiveError> {
    let mut rows = Vec::new();
    for record in records {
        match record.decode() {
            Ok(InstrumentRecord { body, .. }) => rows.push(InstrumentRow::new(body)),
            Err(error) => letters.publish_record(record, &error.to_string()).await?,
        }
    }
    Ok(rows)
}

/// A record of the dead-letter topic that can't be read becomes a row with its bytes, not another dead letter.
fn decode_dead_letters(records: &[Received]) -> Vec<DeadLetterRow> {
    let row = |record: &Received| {
        let letter = serde_json::from_slice::<DeadLetter>(&record.payload);
        DeadLetterRow::from_topic(record.partition, record.offset, letter, &record.payload)
    };
    records.iter().map(row).collect()
}
