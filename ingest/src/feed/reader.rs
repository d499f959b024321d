//! The task that only reads.
//!
//! A provider buffers for a slow consumer and then kills it, so nothing here ever waits for
//! Kafka: when the channel is full a frame is dropped, counted, and its minutes are fetched again.

use crate::providers::massive::parse::{Event, Frame};
use crate::providers::massive::{MassiveError, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;

/// A running reader; dropping it stops the task and closes the websocket.
pub(super) struct Reader {
    /// What came, in order.
    pub frames: mpsc::Receiver<Frame>,
    dropped: Arc<AtomicBool>,
    task: JoinHandle<MassiveError>,
}

/// Why the reader ended; nothing if it was stopped.
pub(super) struct Ended(pub Option<MassiveError>);

impl Reader {
    pub fn start(mut session: Session, capacity: usize) -> Self {
        let (sender, frames) = mpsc::channel(capacity);
        let dropped = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&dropped);
        let task = tokio::spawn(async move {
            loop {
                match session.next().await {
                    Ok(frame) => offer(&sender, frame, &mark),
                    Err(error) => return error,
                }
            }
        });
        Self { frames, dropped, task }
    }

    /// Whether frames were dropped since the last time this was asked.
    pub fn dropped_any(&self) -> bool {
        self.dropped.swap(false, Ordering::AcqRel)
    }

    pub async fn why_it_ended(&mut self) -> Ended {
        Ended((&mut self.task).await.ok())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hands a frame over, or drops it and leaves a mark.
fn offer(sender: &mpsc::Sender<Frame>, frame: Frame, dropped: &AtomicBool) {
    // A closed channel means that the reader is being dropped.
    let Err(TrySendError::Full(frame)) = sender.try_send(frame) else { return };
    let first = !dropped.swap(true, Ordering::AcqRel);
    let bars = frame.events.iter().filter(|event| matches!(event, Event::Bar(_))).count();
    let rest = frame.events.len() - bars + frame.rejects.len();
    metrics::counter!("tapewire_feed_dropped_total", "kind" => "bar").increment(bars as u64);
    metrics::counter!("tapewire_feed_dropped_total", "kind" => "other").increment(rest as u64);
    if rest > 0 {
        tracing::error!(lost = rest, "kafka is too slow for the feed: trades, halts or unreadable messages are lost");
    } else if first {
        tracing::warn!("kafka is too slow for the feed: dropped bars will be fetched again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_drops_and_says_so() {
        let (sender, mut receiver) = mpsc::channel(1);
        let dropped = AtomicBool::new(false);
        offer(&sender, Frame::default(), &dropped);
        assert!(!dropped.load(Ordering::Acquire));
        offer(&sender, Frame::default(), &dropped);
        assert!(dropped.load(Ordering::Acquire));
        assert!(receiver.try_recv().is_ok() && receiver.try_recv().is_err());
    }
}
