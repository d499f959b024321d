//! Records that are in the client's memory already, handed on where they lie.

use super::Consumer;
use super::received::Received;
use crate::avro::Decoded;
use crate::traces::Incoming;
use crate::{BusError, Topic};
use futures_util::{FutureExt, StreamExt};
use rdkafka::message::{BorrowedMessage, Message as _};
use std::sync::Arc;
use tapewire_runtime::traces;

/// A record as it lies in the client's memory.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// Position in the partition.
    pub offset: i64,
    /// The payload, which is not Avro; empty for a tombstone.
    pub payload: &'a [u8],
}

impl Fetched<'_> {
    /// As [`Received::position`].
    pub fn position(&self) -> u64 {
        u64::try_from(self.offset).expect("offsets of records are not negative")
    }
}

impl Consumer {
    /// Hands the next records to `take` without a copy, as long as they have been fetched already: at most `most`. Returns
    /// how many. To copy a record and to wait for it, as [`Consumer::next`] does, takes longer than to read a trade.
    ///
    /// `take` returns whether it has taken the record. One that it has not taken is the next that [`Consumer::next`]
    /// returns, and so is one in Avro. After a rebalance, and where records belong to traces, nothing is handed on until
    /// [`Consumer::next`] has returned what is to be known of them.
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub fn take_fetched(&mut self, most: usize, mut take: impl FnMut(Fetched<'_>) -> bool) -> Result<usize, BusError> {
        // The broker's client calls back when it is polled, so in the loop below a rebalance ends the records that are here.
        let is_behind = !self.stashed.is_empty() || !self.client_events.is_empty() || self.pending_assignment.is_some();
        if is_behind || self.paused || traces::is_on() {
            return Ok(0);
        }
        let inner = Arc::clone(self.inner());
        let mut messages = inner.stream();
        let mut taken = 0;
        while taken < most {
            let Some(received) = messages.next().now_or_never() else { break };
            let message = match received.expect("the stream of a consumer does not end") {
                Ok(message) => message,
                Err(error) => {
                    self.survive(error)?;
                    continue;
                }
            };
            let Some(topic) = self.topics.find(message.topic()) else { continue };
            let (partition, offset) = (message.partition(), message.offset());
            let fetched = Fetched { topic, partition, offset, payload: message.payload().unwrap_or_default() };
            let is_avro = self.decoder.decode(topic, fetched.payload) != Decoded::Unchanged;
            if is_avro || !take(fetched) {
                self.stashed.push_back(copied(topic, &message, &self.group));
                break;
            }
            taken += 1;
        }
        Ok(taken)
    }
}

/// A record that outlives its place in the client's memory.
pub(super) fn copied(topic: Topic, message: &BorrowedMessage<'_>, group: &str) -> Received {
    let payload = message.payload().unwrap_or_default().to_vec();
    let mut received = Received::new(topic, message.partition(), message.offset(), payload);
    received.trace = Incoming::of(message, group);
    received
}
