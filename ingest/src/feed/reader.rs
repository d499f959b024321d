//! The task that only reads from a connection.
//!
//! A provider buffers for a slow consumer and then disconnects it, so nothing here ever waits for
//! Kafka: when the channel is full a frame is dropped and counted. Its minutes are fetched again; its trades and halts
//! are lost.

use crate::providers::{Frame, MarketEvent, PriceConnection, ProviderError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;

/// A running reader; dropping it stops the task and closes the connection.
pub(super) struct Reader {
    /// The received frames, in order.
    pub frames: mpsc::Receiver<Frame>,
    /// The origin that dead letters of rejected items name.
    pub origin: String,
    dropped: Arc<Dropped>,
    task: JoinHandle<ProviderError>,
}

/// Why the reader ended; `None` if it was stopped.
pub(super) struct ReaderExit(pub Option<ProviderError>);

impl Reader {
    /// Reads frames of `source`. At most `capacity` of them wait to be processed.
    pub fn start(mut connection: Box<dyn PriceConnection>, source: &str, capacity: usize) -> Self {
        let (sender, frames) = mpsc::channel(capacity);
        let dropped = Arc::new(Dropped::default());
        let (mark, name) = (Arc::clone(&dropped), source.to_owned());
        let origin = format!("{source} {}", connection.origin());
        // Prometheus's `increase` does not see the first value of a series, which therefore has to be 0.
        DROPPED.iter().for_each(|kind| dropped_counter(source, kind).increment(0));
        let task = tokio::spawn(async move {
            loop {
                match connection.next().await {
                    Ok(frame) => offer(&sender, frame, &mark, &name),
                    Err(error) => return error,
                }
            }
        });
        Self { frames, origin, dropped, task }
    }

    /// Whether frames were dropped since the last time this was asked.
    pub fn dropped_any(&self) -> bool {
        self.dropped.lost.store(false, Ordering::Release);
        self.dropped.any.swap(false, Ordering::AcqRel)
    }

    pub async fn exit_reason(&mut self) -> ReaderExit {
        ReaderExit((&mut self.task).await.ok())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Kinds of items that are dropped: bars are fetched again, others are lost.
const DROPPED: [&str; 2] = ["bar", "other"];

/// What was dropped since [`Reader::dropped_any`] was asked. Each is logged once in this time; the metric counts all.
#[derive(Default)]
struct Dropped {
    any: AtomicBool,
    /// Something that is not fetched again.
    lost: AtomicBool,
}

fn dropped_counter(source: &str, kind: &str) -> metrics::Counter {
    let labels = [("source", source.to_owned()), ("kind", kind.to_owned())];
    metrics::counter!("tapewire_feed_dropped_total", &labels)
}

/// Hands a frame over, or drops it and notes that in `dropped`.
fn offer(sender: &mpsc::Sender<Frame>, frame: Frame, dropped: &Dropped, source: &str) {
    // If the channel is closed, the reader is being dropped.
    let Err(TrySendError::Full(frame)) = sender.try_send(frame) else { return };
    let is_first = !dropped.any.swap(true, Ordering::AcqRel);
    let bars = frame.events.iter().filter(|event| matches!(event, MarketEvent::Bar(_))).count();
    let rest = frame.events.len() - bars + frame.rejects.len();
    for (kind, count) in DROPPED.iter().zip([bars, rest]) {
        dropped_counter(source, kind).increment(count as u64);
    }
    if rest > 0 && !dropped.lost.swap(true, Ordering::AcqRel) {
        tracing::error!(
            source,
            "kafka is too slow for the feed: trades, halts or unreadable messages are lost, and \
             tapewire_feed_dropped_total counts them; see whether the brokers are overloaded"
        );
    } else if is_first {
        tracing::warn!(source, "kafka is too slow for the feed: dropped bars will be fetched again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_drops_and_marks_it() {
        let (sender, mut receiver) = mpsc::channel(1);
        let dropped = Dropped::default();
        offer(&sender, Frame::default(), &dropped, "wire");
        assert!(!dropped.any.load(Ordering::Acquire));
        offer(&sender, Frame::default(), &dropped, "wire");
        assert!(dropped.any.load(Ordering::Acquire) && !dropped.lost.load(Ordering::Acquire));
        assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_err());
    }
}
