//! The thread that forms batches of waiting windows and computes them.

use super::config::QueueConfig;
use super::pending::{PendingQueue, Queued};
use crate::engine::tokenizer::Encoding;
use crate::{Engine, ScoreError};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;
use tokio::sync::oneshot;

/// A window's logits, in the order of the model's classes.
type Logits = Result<Vec<f32>, ScoreError>;

/// When the engine began with a batch, and when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Computed {
    /// When it began.
    pub from: Instant,
    /// When it was done.
    pub to: Instant,
}

impl Computed {
    /// From the beginning of the first to the end of the last.
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// A window that waits for the engine, and all who wait for it.
pub(super) struct PendingWindow {
    pub encoding: Encoding,
    pub enqueued_at: Instant,
    pub answers: Vec<oneshot::Sender<(Logits, Computed)>>,
}

impl Queued for PendingWindow {
    fn tokens(&self) -> usize {
        self.encoding.input_ids.len()
    }

    fn is_abandoned(&self) -> bool {
        self.answers.iter().all(oneshot::Sender::is_closed)
    }
}

/// State shared by callers and the batcher thread.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Number of windows since the start that were computed, or given up after a panic.
    computed: AtomicU64,
}

#[derive(Default)]
struct State {
    pending: PendingQueue<PendingWindow>,
    closed: bool,
}

impl Shared {
    /// Number of windows since the start that were computed, or given up after a panic.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Adds windows all at once, so that they can be in the same batch.
    pub fn push(&self, windows: Vec<PendingWindow>) {
        self.lock().pending.extend(windows);
        self.changed.notify_one();
    }

    /// Makes the thread end once it has computed the waiting windows.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// The next batch, formed as soon as a window waits: this is called only while the engine is free. `None` once the
    /// queue is closed and empty.
    fn next_batch(&self, budget: usize) -> Option<Vec<PendingWindow>> {
        let is_idle = |state: &mut State| state.pending.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(self.lock(), is_idle).expect("no holder of this lock can panic");
        (!state.pending.is_empty()).then(|| state.pending.next_batch(budget))
    }
}

/// Computes batch after batch until the queue is closed and empty.
///
/// A batch is formed when the engine is free: a single text does not wait for others, and texts that arrive while a
/// batch is computed are tokenized in the meantime and can be in the next one.
pub(super) fn run(engine: &Engine, shared: &Arc<Shared>, config: &QueueConfig) {
    let budget = config.batch_tokens_per_thread.get().saturating_mul(engine.threads());
    while let Some(batch) = shared.next_batch(budget) {
        let windows = batch.len() as u64;
        compute(engine, batch);
        shared.computed.fetch_add(windows, Ordering::Relaxed);
    }
}

/// Computes a batch and answers its callers. Equal windows are computed once.
fn compute(engine: &Engine, batch: Vec<PendingWindow>) {
    let started = Instant::now();
    let mut distinct: HashMap<Encoding, Vec<oneshot::Sender<(Logits, Computed)>>> = HashMap::new();
    for PendingWindow { encoding, enqueued_at, answers } in batch {
        metrics::histogram!("tapewire_queue_wait_seconds").record((started - enqueued_at).as_secs_f64());
        distinct.entry(encoding).or_default().extend(answers);
    }
    let (windows, answers): (Vec<Encoding>, Vec<_>) = distinct.into_iter().unzip();
    let windows: Vec<&Encoding> = windows.iter().collect();
    // A dropped sender tells its caller that inference panicked; the thread continues.
    let Ok(logits) = catch_unwind(AssertUnwindSafe(|| engine.logits(&windows))) else { return };
    let computed = Computed { from: started, to: Instant::now() };
    metrics::histogram!("tapewire_inference_seconds").record((computed.to - computed.from).as_secs_f64());
    let tokens: usize = windows.iter().map(|window| window.input_ids.len()).sum();
    metrics::histogram!("tapewire_inference_batch_tokens").record(tokens as f64);
    for (answers, logits) in answers.into_iter().zip(logits) {
        for answer in answers {
            // The caller may have gone away.
            let _ = answer.send((logits.clone(), computed));
        }
    }
}
