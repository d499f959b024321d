//! A record as received, and reading it.

use crate::Topic;
use crate::avro::{Decoded, Decoder};
use crate::traces::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tapewire_core::record::Envelope;
use tapewire_core::{CodecError, TradeRecord};

/// A record as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// Position in the partition.
    pub offset: i64,
    /// The payload as JSON, whatever the record's format; empty for a tombstone, and for Avro that can't be read.
    pub payload: Vec<u8>,
    /// The trace that the record belongs to, if this process makes spans: see [`Received::span`].
    pub trace: Option<Box<Incoming>>,
    avro: Option<Avro>,
}

/// What there is beside the JSON of a record in Avro.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Avro {
    /// The payload as on the topic.
    bytes: Vec<u8>,
    /// Why there is no JSON.
    fault: Option<String>,
}

/// Why a record can't be read. The text becomes the reason of a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its JSON is not a record of the topic.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It is Avro that can't be turned into JSON.
    #[error("not a record of this topic: {0}")]
    Avro(String),
}

impl Received {
    pub(super) fn new(topic: Topic, partition: i32, offset: i64, payload: Vec<u8>) -> Self {
        Self { topic, partition, offset, payload, trace: None, avro: None }
    }

    /// [`Received::offset`] without a sign: Kafka's offsets are signed and never negative.
    pub fn position(&self) -> u64 {
        u64::try_from(self.offset).expect("offsets of records are not negative")
    }

    /// Where the record came from, for errors and dead letters.
    pub fn origin(&self) -> String {
        format!("topic {}, partition {}, offset {}", self.topic.base_name(), self.partition, self.offset)
    }

    /// The payload as it is on the topic.
    pub fn bytes(&self) -> &[u8] {
        self.avro.as_ref().map_or(&self.payload, |avro| &avro.bytes)
    }

    /// The record.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn decode<Body: Serialize + DeserializeOwned>(&self) -> Result<Envelope<Body>, Unreadable> {
        Ok(Envelope::decode(self.json()?)?)
    }

    /// The record of topic `trades`, also one of an earlier version.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn decode_print(&self) -> Result<TradeRecord, Unreadable> {
        Ok(TradeRecord::decode_print(self.json()?)?)
    }

    fn json(&self) -> Result<&[u8], Unreadable> {
        match self.avro.as_ref().and_then(|avro| avro.fault.clone()) {
            Some(fault) => Err(Unreadable::Avro(fault)),
            None => Ok(&self.payload),
        }
    }

    /// Turns Avro into JSON, once. Returns the id of the writer's schema if it has to be fetched before.
    pub(super) fn unpack(&mut self, decoder: &Decoder) -> Option<u32> {
        if self.avro.is_some() {
            return None;
        }
        match decoder.decode(self.topic, &self.payload) {
            Decoded::Unchanged => {}
            Decoded::Json(json) => {
                let bytes = std::mem::replace(&mut self.payload, json);
                self.avro = Some(Avro { bytes, fault: None });
            }
            Decoded::Unreadable(reason) => self.refuse(reason),
            Decoded::Wanted(id) => return Some(id),
        }
        None
    }

    /// Notes why the record can't be turned into JSON.
    pub(super) fn refuse(&mut self, reason: String) {
        let bytes = std::mem::take(&mut self.payload);
        self.avro = Some(Avro { bytes, fault: Some(reason) });
    }
}
