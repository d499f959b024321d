//! Where unreadable input goes: whole, with the reason and where it came from.

use crate::{BusError, Clock, Producer, Topic};
use base64::Engine as _;
use tapewire_core::DeadLetter;
use tapewire_core::record::VERSION;

/// Writes dead letters for one stage.
#[derive(Clone)]
pub struct DeadLetters {
    producer: Producer,
    clock: Clock,
    stage: &'static str,
}

impl DeadLetters {
    /// Dead letters of the stage of that name.
    pub fn new(producer: Producer, clock: Clock, stage: &'static str) -> Self {
        Self { producer, clock, stage }
    }

    /// Sends one dead letter and waits until the broker has it, so that the caller may go past it.
    ///
    /// `origin` says where the bytes came from, without secrets; it is the key, so the same
    /// input given up on twice stands in one partition.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn bury(&self, origin: &str, reason: &str, bytes: &[u8]) -> Result<(), BusError> {
        let letter = DeadLetter {
            v: VERSION,
            stage: self.stage.into(),
            origin: origin.into(),
            reason: reason.into(),
            bytes: base64::engine::general_purpose::STANDARD.encode(bytes),
            at: self.clock.now(),
        };
        let payload = serde_json::to_vec(&letter).expect("a dead letter is strings and numbers");
        tracing::warn!(stage = self.stage, origin, reason, "input can't be used; it is kept in the dead-letter topic");
        metrics::counter!("tapewire_dead_letters_total", "stage" => self.stage).increment(1);
        self.producer.send(Topic::DeadLetter, origin, &payload).await
    }
}
