//! Dead letters: input that can't be read or handled, kept with the reason and where it came from.

use crate::{BusError, Producer, Received, Topic};
use base64::Engine as _;
use serde::Deserialize;
use tapewire_core::record::VERSION;
use tapewire_core::{DeadLetter, Run};
use tapewire_runtime::Clock;

/// Longest reason and longest origin, in bytes.
const LONGEST_TEXT: usize = 4000;

/// How many bytes are kept of one input. In base64 and with its envelope the dead letter is then below Kafka's limit of
/// a million bytes: a dead letter that can't be sent would stop its stage.
pub const KEPT: usize = 600_000;

/// Writes dead letters for one stage.
#[derive(Clone)]
pub struct DeadLetters {
    producer: Producer,
    clock: Clock,
    stage: &'static str,
    run: Option<Run>,
}

impl DeadLetters {
    /// A writer of dead letters for the stage of this name.
    pub fn new(producer: Producer, clock: Clock, stage: &'static str) -> Self {
        // Prometheus's `increase` does not see the first value of a series, which therefore has to be 0.
        counter(stage).increment(0);
        Self { producer, clock, stage, run: None }
    }

    /// Sets the run that the dead letters belong to.
    pub fn of_run(self, run: &Run) -> Self {
        Self { run: Some(run.clone()), ..self }
    }

    /// Sends one dead letter and waits until the broker has it, so that the caller may commit past its input.
    ///
    /// `origin` says where the bytes came from, without secrets. It is the record's key, so two letters about one input
    /// are in one partition. Of an input with more than [`KEPT`] bytes only the first are kept, and the reason says so. A
    /// long reason is shortened.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn publish(&self, origin: &str, reason: &str, bytes: &[u8]) -> Result<(), BusError> {
        self.send(origin, reason, bytes, run_of(bytes)).await
    }

    /// Sends the dead letter of a record of a topic, as [`DeadLetters::publish`] does, with the record's bytes as they
    /// are on the topic.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn publish_record(&self, record: &Received, reason: &str) -> Result<(), BusError> {
        self.send(&record.origin(), reason, record.bytes(), run_of(&record.payload)).await
    }

    async fn send(&self, origin: &str, reason: &str, bytes: &[u8], run: Option<Run>) -> Result<(), BusError> {
        let (origin, reason) = (shortened(origin), shortened(reason));
        let kept = &bytes[..bytes.len().min(KEPT)];
        let cut = if kept.len() < bytes.len() { note_of_cut(bytes.len()) } else { String::new() };
        let letter = DeadLetter {
            v: VERSION,
            run: self.run.clone().or(run),
            stage: self.stage.into(),
            origin: origin.into(),
            reason: format!("{reason}{cut}"),
            bytes: base64::engine::general_purpose::STANDARD.encode(kept),
            at: self.clock.now(),
        };
        let payload = serde_json::to_vec(&letter).expect("a dead letter is strings and numbers");
        self.producer.send(Topic::DeadLetter, origin, &payload).await?;
        tracing::warn!(stage = self.stage, origin, reason, "input can't be used; it is kept in the dead-letter topic");
        counter(self.stage).increment(1);
        Ok(())
    }
}

/// The beginning of a reason or an origin: parsers quote what they could not read, which may be as long as the input.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

/// The end of the reason of a dead letter that has only a part of its input.
const CUT: &str = " bytes are kept)";

fn note_of_cut(length: usize) -> String {
    format!(" (the first {KEPT} of {length}{CUT}")
}

/// Whether a letter with this reason has only a part of its input.
pub fn is_cut(reason: &str) -> bool {
    reason.ends_with(CUT)
}

fn counter(stage: &'static str) -> metrics::Counter {
    metrics::counter!("tapewire_dead_letters_total", "stage" => stage)
}

/// The run that an unreadable record names, if that much of it can be read.
fn run_of(record: &[u8]) -> Option<Run> {
    #[derive(Deserialize)]
    struct Named {
        run: Run,
    }
    serde_json::from_slice::<Named>(record).ok().map(|named| named.run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_record_that_names_its_run_belongs_to_it() {
        assert_eq!(run_of(br#"{"v":9,"run":"may","body":{"what":1}}"#), Some(Run::named("may")));
        for record in [&b"\xff"[..], b"[]", br#"{"run":7}"#, br#"{"v":1}"#] {
            assert_eq!(run_of(record), None);
        }
    }

    #[test]
    fn a_long_reason_is_shortened_between_two_characters() {
        let long = "é".repeat(LONGEST_TEXT);
        assert_eq!(shortened(&long), &long[..LONGEST_TEXT]);
        assert_eq!(shortened(&format!("x{long}")).len(), LONGEST_TEXT - 1);
        assert_eq!(shortened("no title"), "no title");
    }

    #[test]
    fn a_letter_with_a_part_of_its_input_is_known_by_its_reason() {
        assert!(is_cut(&format!("not a record{}", note_of_cut(KEPT + 1))));
        assert!(!is_cut("not a record"));
    }
}
