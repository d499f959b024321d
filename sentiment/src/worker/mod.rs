//! The sentiment worker: articles in, one mention for each company out.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`WorkerConfig`] |
//! | [`mentions`] | from an article to its mentions; pure |
//!
//! A batch is decoded, scored, sent, and only when every mention of it is acknowledged are its
//! watermarks forwarded and its offsets committed. A worker killed anywhere before that leaves the
//! batch to its successor, which sends the same mentions again; the joiner knows them.

pub mod config;
pub mod mentions;

pub use config::WorkerConfig;

use crate::companies::Companies;
use crate::queue::Request;
use crate::{Queue, ScoreError, Scored, SentimentError};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use mentions::Question;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tapewire_bus::{
    Clock, Commit, Consumer, DeadLetters, Delivery, Event, KafkaConfig, Producer, Readiness, Received, Shutdown, Topic,
};
use tapewire_core::record::{News, Scored as Body};
use tapewire_core::{NewsRecord, Run, Sentiment, SentimentRecord, Unscored, Watermark, Watermarks};

/// Consumer group of the workers.
pub const GROUP: &str = "tapewire-sentiment";

/// Name of the role, for readiness and dead letters.
const STAGE: &str = "sentiment-worker";

/// Scores articles until shutdown.
///
/// # Errors
/// What waiting can't mend; what was not committed is scored again.
pub async fn run(
    queue: Queue,
    kafka: &KafkaConfig,
    config: &WorkerConfig,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> Result<(), SentimentError> {
    let producer = Producer::new(kafka)?;
    let mut worker = Worker {
        news_partitions: u32::try_from(producer.partitions(Topic::News).await?).expect("a count is not negative"),
        consumer: Consumer::new(kafka, GROUP, &[Topic::News], |committed, _| committed)?,
        letters: DeadLetters::new(producer.clone(), clock.clone(), STAGE),
        companies: Companies::load(config.companies.as_deref())?,
        config: config.clone(),
        producer,
        queue,
        clock,
        readiness,
        streams: BTreeMap::new(),
    };
    worker.readiness.waiting(STAGE, "waiting for its partitions");
    while !shutdown.is_cancelled() {
        let batch = worker.collect(&shutdown).await?;
        worker.process(batch).await?;
    }
    Ok(())
}

struct Worker {
    consumer: Consumer,
    producer: Producer,
    letters: DeadLetters,
    companies: Companies,
    queue: Queue,
    clock: Clock,
    config: WorkerConfig,
    readiness: Readiness,
    news_partitions: u32,
    /// What each stream on a partition of `news` has said in each run.
    streams: BTreeMap<(Run, i32), Watermarks>,
}

/// Records to be scored together.
#[derive(Default)]
struct Batch {
    questions: Vec<Question>,
    /// About how many tokens the questions come to.
    tokens: usize,
    /// How far each partition is complete once the questions are answered. The last word says
    /// all that the ones before it said.
    complete: BTreeMap<(Run, i32), Timestamp>,
    /// The next offset to read of each partition.
    next: BTreeMap<i32, i64>,
}

impl Worker {
    /// Waits for records: a full batch, or what has come when the first of it has waited long
    /// enough, or when the worker is told to stop.
    async fn collect(&mut self, shutdown: &Shutdown) -> Result<Batch, SentimentError> {
        let mut batch = Batch::default();
        let patience = tokio::time::sleep(Duration::MAX);
        tokio::pin!(patience);
        while batch.tokens < self.config.batch_tokens.get() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = &mut patience => break,
                event = self.consumer.next() => match event? {
                    Event::Record(record) => {
                        if batch.next.is_empty() {
                            patience.as_mut().reset(tokio::time::Instant::now() + self.config.longest_wait);
                        }
                        self.take(&record, &mut batch).await?;
                    }
                    Event::Assigned(partitions) => {
                        batch = self.forget();
                        self.readiness.ready(STAGE);
                        tracing::info!(partitions = partitions.len(), "scoring");
                    }
                    Event::Revoked => {
                        batch = self.forget();
                        self.readiness.waiting(STAGE, "its partitions were taken away");
                    }
                },
            }
        }
        Ok(batch)
    }

    /// What was collected belongs to whoever owns the partitions next: it is read again there.
    fn forget(&mut self) -> Batch {
        self.streams.clear();
        Batch::default()
    }

    async fn take(&mut self, record: &Received, batch: &mut Batch) -> Result<(), SentimentError> {
        match NewsRecord::decode(&record.payload) {
            Ok(NewsRecord { run, body: News::Article(article), .. }) => {
                let questions = mentions::questions(&run, &article, &self.companies);
                batch.tokens += questions.iter().filter_map(Question::request).map(Request::tokens).sum::<usize>();
                batch.questions.extend(questions);
            }
            Ok(NewsRecord { run, body: News::Watermark(word), .. }) => {
                let streams = self.streams.entry((run.clone(), record.partition)).or_default();
                streams.observe(&word);
                if let Some(low) = streams.low() {
                    batch.complete.insert((run, record.partition), low);
                }
            }
            Err(error) => self.letters.bury(&record.origin(), &error.to_string(), &record.payload).await?,
        }
        batch.next.insert(record.partition, record.offset + 1);
        Ok(())
    }

    async fn process(&self, batch: Batch) -> Result<(), SentimentError> {
        self.score_and_send(batch.questions).await?;
        try_join_all(batch.complete.into_iter().map(|((run, partition), at)| self.forward(run, partition, at))).await?;
        let commit = |(partition, next)| Commit { topic: Topic::News, partition, next, note: String::new() };
        let commits: Vec<Commit> = batch.next.into_iter().map(commit).collect();
        if let Err(error) = self.consumer.commit(&commits).await {
            tracing::warn!(%error, "this batch will be scored again and gives the same mentions");
        }
        Ok(())
    }

    async fn score_and_send(&self, questions: Vec<Question>) -> Result<(), SentimentError> {
        let scores = self.score(&questions).await;
        let now = self.clock.now();
        let mut deliveries: Vec<Delivery> = Vec::new();
        for (question, score) in questions.into_iter().zip(scores) {
            let key = question.key().to_owned();
            let sentiment = self.sentiment(&question, score)?;
            let (run, mention) = question.answered(sentiment, now);
            let record = SentimentRecord::new(run, Body::Mention(mention)).encode();
            deliveries.push(self.producer.enqueue(Topic::Sentiment, &key, &record).await?);
        }
        metrics::counter!("tapewire_mentions_sent_total").increment(deliveries.len() as u64);
        try_join_all(deliveries.into_iter().map(Delivery::acknowledged)).await?;
        Ok(())
    }

    /// The score as it is published, if there is one; if not, the log and the metrics say why.
    ///
    /// # Errors
    /// [`SentimentError::Device`]: another GPU or a restart will score what this one could not.
    fn sentiment(
        &self,
        question: &Question,
        score: Option<Result<Scored, ScoreError>>,
    ) -> Result<Option<Sentiment>, SentimentError> {
        let reason = match score {
            Some(Ok(scored)) => return Ok(Some(self.queue.engine().sentiment(scored))),
            Some(Err(ScoreError::Device(reason))) => {
                return Err(SentimentError::Device { device: self.config.engine.device.to_string(), reason });
            }
            Some(Err(error)) => {
                tracing::warn!(article = question.article_id(), %error, "a text has no score; its mention says so");
                Unscored::ModelFailed
            }
            None => Unscored::EmptyText,
        };
        metrics::counter!("tapewire_mentions_unscored_total", "reason" => reason.as_str()).increment(1);
        Ok(None)
    }

    /// The model's answer to each question; `None` where there is no text to ask about.
    async fn score(&self, questions: &[Question]) -> Vec<Option<Result<Scored, ScoreError>>> {
        let started = Instant::now();
        let requests = questions.iter().filter_map(Question::request).cloned().collect();
        let mut scores = self.queue.submit_all(requests).await.into_iter();
        if !questions.is_empty() {
            metrics::histogram!("tapewire_scoring_seconds").record(started.elapsed().as_secs_f64());
        }
        questions.iter().map(|question| question.request().and_then(|_| scores.next())).collect()
    }

    /// Tells every partition of `sentiment` how far one partition of `news` is complete.
    async fn forward(&self, run: Run, partition: i32, at: Timestamp) -> Result<(), SentimentError> {
        let index = u32::try_from(partition).expect("partitions are not negative");
        let word = Watermark { index, count: self.news_partitions, at };
        let record = SentimentRecord::new(run, Body::Watermark(word)).encode();
        Ok(self.producer.broadcast(Topic::Sentiment, "watermark", &record).await?)
    }
}
