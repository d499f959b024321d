//! The queue in front of the engine, shared by all callers.
//!
//! ```text
//! submit ─ cached? ─► capacity? ─► tokenize ─► pending ─► batch ─► engine ─► score, cached
//!                      waits,       threads     windows,   token budget,
//!                      or 429       of its own  by length  when the engine is free
//! ```
//! The queue holds windows, not texts: the windows of a long report are spread over several batches and headlines
//! overtake them. A score does not depend on the batch, because the engine's logits don't.

mod batcher;
pub mod config;
pub mod pending;
pub mod request;

pub use batcher::Computed;
pub use config::QueueConfig;
pub use request::Request;

use crate::engine::tokenizer::{Encoding, Window};
use crate::{Engine, ScoreError, SentimentError, TextScore};
use batcher::{PendingWindow, Shared};
use quick_cache::sync::Cache;
use rayon::prelude::*;
use request::Key;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A handle to the queue; cheap to clone. A submission borrows its handle, so the queue lives as long as a caller waits
/// for an answer. Its threads end when the last handle is dropped.
///
/// ```no_run
/// use std::sync::Arc;
/// use tapewire_models::Source;
/// use tapewire_sentiment::companies::Company;
/// use tapewire_sentiment::{Engine, EngineConfig, Queue, QueueConfig, Request};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::load(&Source::default().resolve()?, &EngineConfig::default())?;
/// let queue = Queue::new(Arc::new(engine), &QueueConfig::default())?;
/// let company = Arc::new(Company::named("Northgate"));
/// let scored = queue.submit(Request::new("Northgate raises its outlook", Some(company))).await?;
/// println!("{:+.3}", scored.probabilities.score());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    /// One permit for each token of capacity that is free.
    token_permits: Arc<Semaphore>,
    capacity: u32,
    /// Threads of their own: tokenizing takes little time compared to inference, but must not wait for it.
    tokenizers: rayon::ThreadPool,
    cache: Option<Cache<Key, TextScore>>,
}

/// The queue is full; nothing was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;

/// Scores, in the order of the requests.
pub type Scores = Vec<Result<TextScore, ScoreError>>;

/// The answer to one request.
#[derive(Debug)]
pub struct Answer {
    /// The score, or why the text has no score.
    pub score: Result<TextScore, ScoreError>,
    /// When the engine computed it; `None` if it was cached, or was not computed.
    pub computed: Option<Computed>,
}

/// A request whose score is not cached.
struct Miss {
    /// Its index among the requests.
    at: usize,
    key: Key,
    request: Request,
}

/// A window that waits for the engine or is being computed.
struct Awaited {
    logits: oneshot::Receiver<(Result<Vec<f32>, ScoreError>, Computed)>,
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
            // The caller notices a panic by getting no answer.
            .panic_handler(|_| {})
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let shared = Arc::new(Shared::default());
        let (engine_of_batcher, settings, pending) = (Arc::clone(&engine), config.clone(), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("batcher".into())
            .spawn(move || batcher::run(&engine_of_batcher, &pending, &settings))
            .map_err(|error| failed(error.to_string()))?;
        let capacity = config.capacity_tokens.get();
        Ok(Self(Arc::new(Inner {
            engine,
            shared,
            token_permits: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
            tokenizers,
            cache: (config.cache_entries > 0).then(|| Cache::new(config.cache_entries)),
        })))
    }

    /// The engine that computes the scores.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Approximate number of tokens that may be in the queue at once.
    pub fn capacity(&self) -> usize {
        self.0.capacity as usize
    }

    /// Number of windows computed since the start: how a caller sees that a long text makes progress.
    pub fn computed_windows(&self) -> u64 {
        self.0.shared.computed()
    }

    /// Scores a text. Waits while the queue is full. Dropping the future releases the text's share of the capacity.
    ///
    /// # Errors
    /// [`ScoreError`], which concerns this text only.
    pub async fn submit(&self, request: Request) -> Result<TextScore, ScoreError> {
        self.submit_all(vec![request]).await.pop().expect("one answer to one request")
    }

    /// Scores several texts, as [`Queue::submit`] does; scores are in the order of the requests.
    pub async fn submit_all(&self, requests: Vec<Request>) -> Scores {
        scores(self.answer_all(requests).await)
    }

    /// As [`Queue::submit_all`], with the times at which the engine computed the scores.
    pub async fn answer_all(&self, requests: Vec<Request>) -> Vec<Answer> {
        let (known, misses) = self.look_up(requests);
        let permits = Arc::clone(&self.0.token_permits).acquire_many_owned(self.cost(&misses)).await;
        self.compute(known, misses, permits.expect("the semaphore is never closed")).await
    }

    /// As [`Queue::submit_all`], but fails instead of waiting while the queue is full.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn try_submit_all(&self, requests: Vec<Request>) -> Result<Scores, Full> {
        let (known, misses) = self.look_up(requests);
        let Ok(permits) = Arc::clone(&self.0.token_permits).try_acquire_many_owned(self.cost(&misses)) else {
            metrics::counter!("tapewire_queue_refused_total").increment(1);
            return Err(Full);
        };
        Ok(scores(self.compute(known, misses, permits).await))
    }

    /// The cached scores, in the order of the requests, and the requests without one.
    fn look_up(&self, requests: Vec<Request>) -> (Vec<Option<TextScore>>, Vec<Miss>) {
        let mut misses = Vec::new();
        let mut look_up = |(at, request): (usize, Request)| {
            let key = request.key();
            let known = self.0.cache.as_ref().and_then(|cache| cache.get(&key));
            if known.is_none() {
                misses.push(Miss { at, key, request });
            }
            known
        };
        let known: Vec<Option<TextScore>> = requests.into_iter().enumerate().map(&mut look_up).collect();
        metrics::counter!("tapewire_cache_hits_total").increment((known.len() - misses.len()) as u64);
        metrics::counter!("tapewire_cache_misses_total").increment(misses.len() as u64);
        (known, misses)
    }

    /// Tokens of capacity that texts need. Texts larger than the whole queue are admitted when it is empty.
    fn cost(&self, misses: &[Miss]) -> u32 {
        let tokens: usize = misses.iter().map(|miss| miss.request.tokens()).sum();
        u32::try_from(tokens).map_or(self.0.capacity, |tokens| tokens.min(self.0.capacity))
    }

    /// Computes the missing scores. `permits` are released when all is answered, or, if the caller has gone
    /// away, once the texts are tokenized.
    async fn compute(
        &self,
        known: Vec<Option<TextScore>>,
        misses: Vec<Miss>,
        permits: OwnedSemaphorePermit,
    ) -> Vec<Answer> {
        let of_known = |known| Answer { score: Ok(known), computed: None };
        let mut answers: Vec<Option<Answer>> = known.into_iter().map(|known| known.map(of_known)).collect();
        let in_use = || f64::from(self.0.capacity) - self.0.token_permits.available_permits() as f64;
        metrics::gauge!("tapewire_queue_tokens").set(in_use());
        let (indices_and_keys, requests): (Vec<(usize, Key)>, Vec<Request>) =
            misses.into_iter().map(|Miss { at, key, request }| ((at, key), request)).unzip();
        let (texts, permits) = self.enqueue(requests, permits).await;
        for ((at, key), windows) in indices_and_keys.into_iter().zip(texts) {
            let answer = self.answer(windows).await;
            if let (Some(cache), Ok(scored)) = (&self.0.cache, &answer.score) {
                cache.insert(key, *scored);
            }
            answers[at] = Some(answer);
        }
        drop(permits);
        metrics::gauge!("tapewire_queue_tokens").set(in_use());
        answers.into_iter().map(|answer| answer.expect("missing scores were computed")).collect()
    }

    /// Tokenizes texts and adds their windows to the queue, all at once. `permits` go with them, because tokenizing
    /// continues even if the caller goes away, and until then the capacity is in use.
    async fn enqueue(
        &self,
        requests: Vec<Request>,
        permits: OwnedSemaphorePermit,
    ) -> (Vec<Result<Vec<Awaited>, ScoreError>>, Option<OwnedSemaphorePermit>) {
        let (engine, shared, count) = (Arc::clone(&self.0.engine), Arc::clone(&self.0.shared), requests.len());
        let (tokenized, answer) = oneshot::channel();
        self.0.tokenizers.spawn(move || {
            let texts: Vec<Result<Vec<Window>, ScoreError>> =
                requests.par_iter().map(|request| engine.windows(&request.input())).collect();
            let enqueued_at = Instant::now();
            let mut pending: Vec<PendingWindow> = Vec::new();
            let mut indices: HashMap<Encoding, usize> = HashMap::new();
            // Two companies of an article can have equal windows; each is computed once. A request's windows may be in
            // different batches.
            let mut enqueue = |Window { encoding, weight }: Window| {
                let (sender, logits) = oneshot::channel();
                let index = *indices.entry(encoding).or_insert_with_key(|encoding| {
                    pending.push(PendingWindow { encoding: encoding.clone(), enqueued_at, answers: Vec::new() });
                    pending.len() - 1
                });
                pending[index].answers.push(sender);
                Awaited { logits, weight }
            };
            let awaited: Vec<Result<Vec<Awaited>, ScoreError>> =
                texts.into_iter().map(|windows| Ok(windows?.into_iter().map(&mut enqueue).collect())).collect();
            shared.push(pending);
            // If the caller has gone away, its windows are abandoned.
            let _ = tokenized.send((awaited, Some(permits)));
        });
        answer.await.unwrap_or_else(|_| ((0..count).map(|_| Err(ScoreError::Panicked)).collect(), None))
    }

    /// The answer for a text once all its windows are computed.
    async fn answer(&self, windows: Result<Vec<Awaited>, ScoreError>) -> Answer {
        let mut computed = None;
        let score = self.score(windows, &mut computed).await;
        Answer { score, computed }
    }

    /// The score of a text once all its windows are computed, which it notes.
    async fn score(
        &self,
        windows: Result<Vec<Awaited>, ScoreError>,
        computed: &mut Option<Computed>,
    ) -> Result<TextScore, ScoreError> {
        let mut weighted = Vec::new();
        for Awaited { logits, weight } in windows? {
            let (logits, of_window) = logits.await.map_err(|_| ScoreError::Panicked)?;
            *computed = Some(computed.map_or(of_window, |of_others: Computed| of_others.and(of_window)));
            weighted.push((logits?, weight));
        }
        self.0.engine.scored(&weighted)
    }
}

fn scores(answers: Vec<Answer>) -> Scores {
    answers.into_iter().map(|answer| answer.score).collect()
}
