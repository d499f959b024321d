//! The sentiment worker: articles in, one mention for each company out.
//!
//! A batch is decoded, scored and sent. Only when every mention of it is acknowledged are its watermarks forwarded and
//! its offsets committed. If a worker is killed before that, its successor sends the same mentions again, and the
//! joiner recognises them. While a batch is scored the next one is collected; its scoring begins when the first is
//! committed.

pub mod config;
pub mod mentions;
mod traces;

pub use config::WorkerConfig;

use crate::companies::Companies;
use crate::queue::{Answer, Request};
use crate::{Queue, ScoreError, SentimentError, TextScore};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::future::{Fuse, FusedFuture as _, try_join_all};
use jiff::Timestamp;
use mentions::Question;
use std::collections::BTreeMap;
use tapewire_bus::traces::about_mention;
use tapewire_bus::{BusError, Commit, Consumer, DeadLetters, Delivery, Event, KafkaConfig, Producer, Received, Topic};
use tapewire_core::record::{News, Scored as Body};
use tapewire_core::{NewsRecord, Run, Sentiment, SentimentRecord, Unscored, Watermark, Watermarks};
use tapewire_runtime::traces::Span;
use tapewire_runtime::{Clock, Readiness, Shutdown, chain};
use tokio::time::Instant;
use traces::Traced;

/// Consumer group of the workers.
pub const GROUP: &str = "tapewire-sentiment";

/// Name of the role, for readiness and dead letters.
const STAGE: &str = "sentiment-worker";

/// Scores articles until shutdown.
///
/// # Errors
/// Errors that waiting can't fix. Articles that were not committed are scored again at the next start.
pub fn run<'a>(
    queue: Queue,
    kafka: &'a KafkaConfig,
    config: &'a WorkerConfig,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), SentimentError>> {
    Box::pin(async move {
        let producer = Producer::new(kafka)?;
        let mut collector = Collector {
            consumer: Consumer::new(kafka, GROUP, &[Topic::News], |committed, _| committed)?,
            letters: DeadLetters::new(producer.clone(), clock.clone(), STAGE),
            companies: config.companies()?,
            has_said_nameless: false,
            config: config.clone(),
            readiness,
            streams: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            batch: Batch::default(),
            in_scoring: BTreeMap::new(),
        };
        let scorer = Scorer {
            news_partitions: u32::try_from(producer.partitions(Topic::News).await?).expect("a count is not negative"),
            device: config.engine.device.to_string(),
            producer,
            queue,
            clock,
        };
        collector.readiness.waiting(STAGE, "waiting for its partitions");
        let scoring = Fuse::terminated();
        tokio::pin!(scoring);
        loop {
            if scoring.is_terminated() {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                if collector.is_due() {
                    scoring.set(scorer.process(collector.take_batch()).fuse());
                }
            }
            let is_idle = scoring.is_terminated();
            tokio::select! {
                biased;
                done = &mut scoring => {
                    done?;
                    collector.commit().await;
                }
                () = shutdown.cancelled(), if is_idle => {}
                () = tokio::time::sleep_until(collector.batch.due), if is_idle && !collector.batch.next.is_empty() => {}
                event = collector.event() => collector.on_event(event?).await?,
            }
        }
    })
}

/// Makes batches of records, and commits them when they are scored.
struct Collector {
    consumer: Consumer,
    letters: DeadLetters,
    companies: Companies,
    /// Whether it has been logged that a symbol has no known name.
    has_said_nameless: bool,
    config: WorkerConfig,
    readiness: Readiness,
    /// The watermark of each source on a partition of `news`, for each run.
    streams: BTreeMap<(Run, i32), Watermarks>,
    /// The last watermark that was forwarded for each partition. A source that is new, or back from being idle, can
    /// lower the minimum of the streams, but a forwarded watermark is never taken back.
    forwarded: BTreeMap<(Run, i32), Timestamp>,
    batch: Batch,
    /// The next offsets after the batch that is being scored, without those of partitions that were taken away in the
    /// meantime: their new owner commits them.
    in_scoring: BTreeMap<i32, i64>,
}

/// Scores batches and sends the mentions.
struct Scorer {
    producer: Producer,
    queue: Queue,
    clock: Clock,
    news_partitions: u32,
    device: String,
}

/// Records to be scored together.
struct Batch {
    /// When the batch is scored even if it is not full: some time after its first record.
    due: Instant,
    questions: Vec<Question>,
    /// The spans of the articles that are traced.
    traced: Traced,
    /// Approximate number of tokens of the questions.
    tokens: usize,
    /// How far each partition is complete once the questions are answered. The latest watermark includes the ones
    /// before it.
    complete: BTreeMap<(Run, i32), Timestamp>,
    /// The next offset to read of each partition.
    next: BTreeMap<i32, i64>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            due: Instant::now(),
            questions: Vec::new(),
            traced: Traced::default(),
            tokens: 0,
            complete: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }
}

impl Collector {
    fn is_full(&self) -> bool {
        self.batch.tokens >= self.config.batch_tokens.get()
    }

    fn is_due(&self) -> bool {
        self.is_full() || !self.batch.next.is_empty() && self.batch.due <= Instant::now()
    }

    /// The next record or rebalance; while the next batch is full, only a rebalance. The consumer has to be polled even
    /// then, because scoring a batch can take longer than the group waits for a member.
    async fn event(&mut self) -> Result<Event, BusError> {
        if self.is_full() { self.consumer.rebalanced().await } else { self.consumer.next().await }
    }

    /// The batch, to be scored and then committed.
    fn take_batch(&mut self) -> Batch {
        let batch = std::mem::take(&mut self.batch);
        self.in_scoring.clone_from(&batch.next);
        batch
    }

    async fn on_event(&mut self, event: Event) -> Result<(), SentimentError> {
        match event {
            Event::Record(record) => self.add(&record).await?,
            Event::Assigned(partitions) => {
                self.drop_uncommitted();
                self.readiness.ready(STAGE);
                tracing::info!(
                    partitions = partitions.len(),
                    "partitions were assigned; scoring from their last commits"
                );
            }
            Event::Revoked => {
                self.drop_uncommitted();
                self.readiness.waiting(STAGE, "its partitions were taken away");
            }
        }
        Ok(())
    }

    /// Drops the records that were collected or are not committed yet: the next owner of the partitions reads them
    /// again.
    fn drop_uncommitted(&mut self) {
        self.streams.clear();
        self.forwarded.clear();
        self.batch = Batch::default();
        self.in_scoring.clear();
    }

    async fn add(&mut self, record: &Received) -> Result<(), SentimentError> {
        let batch = &mut self.batch;
        if batch.next.is_empty() {
            batch.due = Instant::now() + self.config.longest_wait;
        }
        match record.decode() {
            Ok(NewsRecord { run, body: News::Article(article), .. }) => {
                let questions = mentions::questions(&run, &article, &self.companies);
                if let Some(symbol) = questions.iter().find_map(Question::nameless)
                    && !std::mem::replace(&mut self.has_said_nameless, true)
                {
                    tracing::info!(
                        %symbol,
                        "no name of this symbol is known, so texts about it are scored as a whole unless they mark the \
                         ticker as one; sentiment.companies names a file with names; other symbols without a name are \
                         not logged"
                    );
                }
                batch.tokens += questions.iter().filter_map(Question::request).map(Request::tokens).sum::<usize>();
                batch.traced.add(record, &run, &article, batch.questions.len(), questions.len());
                batch.questions.extend(questions);
            }
            Ok(NewsRecord { run, body: News::Watermark(watermark), .. }) => {
                let of_partition = (run, record.partition);
                let streams = self.streams.entry(of_partition.clone()).or_default();
                streams.observe(&watermark);
                let minimum = streams.minimum();
                if let Some(minimum) =
                    minimum.filter(|minimum| self.forwarded.get(&of_partition).is_none_or(|last| last < minimum))
                {
                    self.forwarded.insert(of_partition.clone(), minimum);
                    batch.complete.insert(of_partition, minimum);
                }
            }
            Err(error) => {
                self.letters.publish_record(record, &error.to_string()).await?;
                record.unreadable(traces::OPERATION);
            }
        }
        batch.next.insert(record.partition, record.offset + 1);
        Ok(())
    }

    /// Commits the batch that has been scored.
    async fn commit(&mut self) {
        let commit = |(partition, next)| Commit { topic: Topic::News, partition, next, metadata: String::new() };
        let commits: Vec<Commit> = std::mem::take(&mut self.in_scoring).into_iter().map(commit).collect();
        if let Err(error) = self.consumer.commit(&commits).await {
            tracing::warn!(
                error = chain(&error),
                "a batch was scored but its offsets could not be committed; it is scored again and gives the same mentions"
            );
        }
    }
}

impl Scorer {
    /// Scores a batch and sends its mentions, then how far its partitions are complete.
    async fn process(&self, batch: Batch) -> Result<(), SentimentError> {
        self.score_and_send(batch.questions, batch.traced).await?;
        try_join_all(batch.complete.into_iter().map(|((run, partition), at)| self.forward(run, partition, at))).await?;
        Ok(())
    }

    async fn score_and_send(&self, questions: Vec<Question>, mut traced: Traced) -> Result<(), SentimentError> {
        let answers = self.score(&questions).await;
        traced.scored(&answers);
        let now = self.clock.now();
        let mut deliveries: Vec<Delivery> = Vec::new();
        for (at, (question, answer)) in questions.into_iter().zip(answers).enumerate() {
            let key = question.key();
            let sentiment = self.sentiment(&question, answer.map(|answer| answer.score))?;
            let (run, mention) = question.answered(sentiment, now);
            let record = SentimentRecord::new(run, Body::Mention(mention));
            let describe = |span: &mut Span| {
                if let Body::Mention(mention) = &record.body {
                    about_mention(span, &record.run, mention);
                }
            };
            let (payload, parent) = (record.encode(), traced.of(at));
            deliveries.push(self.producer.enqueue_traced(Topic::Sentiment, &key, &payload, parent, describe).await?);
        }
        metrics::counter!("tapewire_mentions_sent_total").increment(deliveries.len() as u64);
        let sent = try_join_all(deliveries.into_iter().map(Delivery::acknowledged)).await;
        traced.sent(sent.is_ok());
        sent?;
        Ok(())
    }

    /// The score as it is published. If the model gave no score, the log and the metrics say why.
    ///
    /// # Errors
    /// [`SentimentError::Device`]: another GPU or a restart can score what this GPU could not.
    fn sentiment(
        &self,
        question: &Question,
        score: Option<Result<TextScore, ScoreError>>,
    ) -> Result<Result<Sentiment, Unscored>, SentimentError> {
        match score {
            Some(Ok(scored)) => return Ok(Ok(self.queue.engine().sentiment(scored))),
            Some(Err(ScoreError::Device(reason))) => {
                return Err(SentimentError::Device { device: self.device.clone(), reason });
            }
            Some(Err(ScoreError::NoTokens)) => {
                metrics::counter!("tapewire_mentions_unscored_total", "reason" => Unscored::EmptyText.as_str())
                    .increment(1);
                return Ok(Err(Unscored::EmptyText));
            }
            Some(Err(error)) => {
                tracing::warn!(article = question.article_id(), %error, "a text has no score; its mention says so");
            }
            None => {}
        }
        let reason = question.reason_unscored();
        metrics::counter!("tapewire_mentions_unscored_total", "reason" => reason.as_str()).increment(1);
        Ok(Err(reason))
    }

    /// The model's answer to each question; `None` where there is no text to ask about.
    async fn score(&self, questions: &[Question]) -> Vec<Option<Answer>> {
        let started = Instant::now();
        let requests = questions.iter().filter_map(Question::request).cloned().collect();
        let mut answers = self.queue.answer_all(requests).await.into_iter();
        if !questions.is_empty() {
            metrics::histogram!("tapewire_scoring_seconds").record(started.elapsed().as_secs_f64());
        }
        questions.iter().map(|question| question.request().and_then(|_| answers.next())).collect()
    }

    /// Tells every partition of `sentiment` how far one partition of `news` is complete.
    async fn forward(&self, run: Run, partition: i32, at: Timestamp) -> Result<(), SentimentError> {
        let index = u32::try_from(partition).expect("partitions are not negative");
        let word = Watermark::new(index, self.news_partitions, at);
        let record = SentimentRecord::new(run, Body::Watermark(word)).encode();
        Ok(self.producer.broadcast(Topic::Sentiment, "watermark", &record).await?)
    }
}
