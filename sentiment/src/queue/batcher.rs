//! The thread that makes batches of what waits and has them computed.

use super::config::QueueConfig;
use super::waiting::{Waiting, Waits};
use crate::engine::tokens::Tokens;
use crate::{Engine, ScoreError};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;
use tokio::sync::oneshot;

/// A text's logits, in the order of the model's classes.
pub(super) type Logits = Result<Vec<f32>, ScoreError>;

/// A window that waits.
pub(super) struct Item {
    pub tokens: Tokens,
    pub since: Instant,
    pub answer: oneshot::Sender<Logits>,
}

impl Waits for Item {
    fn tokens(&self) -> usize {
        self.tokens.ids.len()
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// What callers and the thread share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Waiting<Item>,
    closed: bool,
}

impl Shared {
    /// Adds windows, all at once, so that they go together.
    pub fn push(&self, items: Vec<Item>) {
        self.lock().waiting.extend(items);
        self.changed.notify_one();
    }

    /// No more will come: the thread ends once it has computed what waits.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// The next batch: what waits goes at once, for whoever asks has an engine that is free.
    /// `None` when there will be none.
    fn next(&self, budget: usize) -> Option<Vec<Item>> {
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(self.lock(), nothing).expect("no holder of this lock can panic");
        (!state.waiting.is_empty()).then(|| state.waiting.take(budget))
    }
}

/// Computes batch after batch until the queue is closed and empty.
///
/// A batch is closed when the engine is free for it, neither sooner nor later: a lone text waits
/// for no company, and what comes while a batch is computed is tokenized and can go into the next.
pub(super) fn run(engine: &Engine, shared: &Arc<Shared>, config: &QueueConfig) {
    let budget = config.batch_tokens_per_thread.get().saturating_mul(engine.threads());
    while let Some(batch) = shared.next(budget) {
        compute(engine, batch);
    }
}

/// Equal windows are computed once.
fn compute(engine: &Engine, batch: Vec<Item>) {
    let started = Instant::now();
    let mut distinct: HashMap<Tokens, Vec<oneshot::Sender<Logits>>> = HashMap::new();
    for Item { tokens, since, answer } in batch {
        metrics::histogram!("tapewire_queue_wait_seconds").record((started - since).as_secs_f64());
        distinct.entry(tokens).or_default().push(answer);
    }
    let (windows, answers): (Vec<Tokens>, Vec<_>) = distinct.into_iter().unzip();
    let windows: Vec<&Tokens> = windows.iter().collect();
    // An answer that is dropped tells its caller that inference panicked; the thread goes on.
    let Ok(logits) = catch_unwind(AssertUnwindSafe(|| engine.logits(&windows))) else { return };
    metrics::histogram!("tapewire_inference_seconds").record(started.elapsed().as_secs_f64());
    let tokens: usize = windows.iter().map(|window| window.ids.len()).sum();
    metrics::histogram!("tapewire_inference_batch_tokens").record(tokens as f64);
    for (answers, logits) in answers.into_iter().zip(logits) {
        for answer in answers {
            // Whoever asked may be gone.
            let _ = answer.send(logits.clone());
        }
    }
}
