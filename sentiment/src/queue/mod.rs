//! The queue in front of the engine, shared by everyone who asks.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`QueueConfig`] |
//! | [`request`] | [`Request`]: a text and whom the question is about |
//! | [`waiting`] | what goes together; pure |
//! | `batcher` | the thread that has batches computed |
//!
//! ```text
//! submit ─ remembered? ─► room? ─► tokenize ─► waiting ─► batch ─► engine ─► score, remembered
//!            cache         waits,   threads    windows,    budget of tokens,
//!                          or 429   of its own by length   when the engine is free
//! ```
//! What waits are windows, not texts: the windows of a long report are spread over batches and
//! headlines pass them. A score does not depend on what it was batched with, because the engine's
//! numbers don't.

mod batcher;
pub mod config;
pub mod request;
pub mod waiting;

pub use config::QueueConfig;
pub use request::Request;

use crate::engine::tokens::Window;
use crate::{Engine, ScoreError, Scored, SentimentError};
use batcher::{Item, Logits, Shared};
use quick_cache::sync::Cache;
use rayon::prelude::*;
use request::Key;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A handle on the queue; cheap to clone. A submission borrows it, so the queue outlives every
/// answer that somebody waits for; its threads end with the last handle.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    /// About as many tokens as may still come in.
    room: Arc<Semaphore>,
    capacity: u32,
    /// Their work is next to none beside the engine's, but must not wait for it.
    tokenizers: rayon::ThreadPool,
    cache: Option<Cache<Key, Scored>>,
}

/// The queue has no room; nothing was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

/// Answers, in the order of the requests.
pub type Scores = Vec<Result<Scored, ScoreError>>;

/// A request whose score is not remembered.
struct Miss {
    /// Its place among the requests.
    at: usize,
    key: Key,
    request: Request,
}

/// A window on its way through the engine.
struct Awaited {
    logits: oneshot::Receiver<Logits>,
    weight: f64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Queue {
    /// Starts the threads of a queue.
    ///
    /// # Errors
    /// [`SentimentError::Threads`].
    pub fn new(engine: Arc<Engine>, config: &QueueConfig) -> Result<Self, SentimentError> {
        let threads = engine.threads();
        let failed = |reason: String| SentimentError::Threads { threads, reason };
        let tokenizers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("tokenize-{index}"))
            // The caller learns of it by getting no answer.
            .panic_handler(|_| {})
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let shared = Arc::new(Shared::default());
        let (batcher, settings, waiting) = (Arc::clone(&engine), config.clone(), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("batcher".into())
            .spawn(move || batcher::run(&batcher, &waiting, &settings))
            .map_err(|error| failed(error.to_string()))?;
        let capacity = config.capacity_tokens.get();
        Ok(Self(Arc::new(Inner {
            engine,
            shared,
            room: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
            tokenizers,
            cache: (config.cache_entries > 0).then(|| Cache::new(config.cache_entries)),
        })))
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// About how many tokens may be in it at once.
    pub fn capacity(&self) -> usize {
        self.0.capacity as usize
    }

    /// Scores a text. Waits for room where the queue is full. A caller that goes away gives its place up.
    ///
    /// # Errors
    /// [`ScoreError`], which concerns this text only.
    pub async fn submit(&self, request: Request) -> Result<Scored, ScoreError> {
        self.submit_all(vec![request]).await.pop().expect("one answer to one request")
    }

    /// Scores texts that belong together, each as [`Queue::submit`] does, in their order.
    pub async fn submit_all(&self, requests: Vec<Request>) -> Scores {
        let (known, misses) = self.look_up(requests);
        let room = Arc::clone(&self.0.room).acquire_many_owned(self.cost(&misses)).await;
        self.compute(known, misses, room.expect("the semaphore is never closed")).await
    }

    /// As [`Queue::submit_all`], but refuses where that would wait for room.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn try_submit_all(&self, requests: Vec<Request>) -> Result<Scores, Full> {
        let (known, misses) = self.look_up(requests);
        let Ok(room) = Arc::clone(&self.0.room).try_acquire_many_owned(self.cost(&misses)) else {
            metrics::counter!("tapewire_queue_refused_total").increment(1);
            return Err(Full);
        };
        Ok(self.compute(known, misses, room).await)
    }

    /// What is remembered, in the order of the requests, and what is not.
    fn look_up(&self, requests: Vec<Request>) -> (Vec<Option<Scored>>, Vec<Miss>) {
        let mut misses = Vec::new();
        let mut look_up = |(at, request): (usize, Request)| {
            let key = request.key();
            let known = self.0.cache.as_ref().and_then(|cache| cache.get(&key));
            if known.is_none() {
                misses.push(Miss { at, key, request });
            }
            known
        };
        let known: Vec<Option<Scored>> = requests.into_iter().enumerate().map(&mut look_up).collect();
        metrics::counter!("tapewire_cache_hits_total").increment((known.len() - misses.len()) as u64);
        metrics::counter!("tapewire_cache_misses_total").increment(misses.len() as u64);
        (known, misses)
    }

    /// Room that texts take, in tokens. What is larger than the whole queue goes in when it is empty.
    fn cost(&self, misses: &[Miss]) -> u32 {
        let tokens: usize = misses.iter().map(|miss| miss.request.tokens()).sum();
        u32::try_from(tokens).map_or(self.0.capacity, |tokens| tokens.min(self.0.capacity))
    }

    /// Fills in what is not known. `room` is given back when all is answered or, once its texts are
    /// tokenized, the caller has gone.
    async fn compute(&self, known: Vec<Option<Scored>>, misses: Vec<Miss>, room: OwnedSemaphorePermit) -> Scores {
        let mut scores: Vec<Option<Result<Scored, ScoreError>>> =
            known.into_iter().map(|known| known.map(Ok)).collect();
        let in_use = || f64::from(self.0.capacity) - self.0.room.available_permits() as f64;
        metrics::gauge!("tapewire_queue_tokens").set(in_use());
        let (places, requests): (Vec<(usize, Key)>, Vec<Request>) =
            misses.into_iter().map(|Miss { at, key, request }| ((at, key), request)).unzip();
        let (texts, room) = self.enqueue(requests, room).await;
        for ((at, key), windows) in places.into_iter().zip(texts) {
            let score = self.score(windows).await;
            if let (Some(cache), Ok(scored)) = (&self.0.cache, &score) {
                cache.insert(key, *scored);
            }
            scores[at] = Some(score);
        }
        drop(room);
        metrics::gauge!("tapewire_queue_tokens").set(in_use());
        scores.into_iter().map(|score| score.expect("what was not known was computed")).collect()
    }

    /// Tokenizes texts and puts their windows, all at once, among what waits. `room` goes with them:
    /// tokenizing does not end with a caller that goes, so until then the place is taken.
    async fn enqueue(
        &self,
        requests: Vec<Request>,
        room: OwnedSemaphorePermit,
    ) -> (Vec<Result<Vec<Awaited>, ScoreError>>, Option<OwnedSemaphorePermit>) {
        let (engine, shared, count) = (Arc::clone(&self.0.engine), Arc::clone(&self.0.shared), requests.len());
        let (tokenized, answer) = oneshot::channel();
        self.0.tokenizers.spawn(move || {
            let texts: Vec<Result<Vec<Window>, ScoreError>> =
                requests.par_iter().map(|request| engine.windows(&request.input())).collect();
            let since = Instant::now();
            let mut items = Vec::new();
            let mut wait_for = |Window { tokens, weight }: Window| {
                let (sender, logits) = oneshot::channel();
                items.push(Item { tokens, since, answer: sender });
                Awaited { logits, weight }
            };
            let awaited: Vec<Result<Vec<Awaited>, ScoreError>> =
                texts.into_iter().map(|windows| Ok(windows?.into_iter().map(&mut wait_for).collect())).collect();
            shared.push(items);
            // A caller that is gone leaves its windows abandoned.
            let _ = tokenized.send((awaited, Some(room)));
        });
        answer.await.unwrap_or_else(|_| ((0..count).map(|_| Err(ScoreError::Panicked)).collect(), None))
    }

    /// The score of a text once all its windows are computed.
    async fn score(&self, windows: Result<Vec<Awaited>, ScoreError>) -> Result<Scored, ScoreError> {
        let mut computed = Vec::new();
        for Awaited { logits, weight } in windows? {
            computed.push((logits.await.map_err(|_| ScoreError::Panicked)??, weight));
        }
        self.0.engine.scored(&computed)
    }
}
