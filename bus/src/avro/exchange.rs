//! From JSON to what is on a topic, and back.

use super::registration::ids;
use super::registry::Registry;
use super::{DatumReader, Format, HEADER, RegistryError, header, is_avro, schema, split};
use crate::{BusError, KafkaConfig, Topic, Topics};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// Turns the JSON of records into Avro, with the ids that the registry gave to this build's schemas.
#[derive(Debug)]
pub(crate) struct Encoder {
    registry: Registry,
    config: KafkaConfig,
    /// All of them are asked for before the first record is sent: a topic that is written to only once in a while must
    /// not need the registry then.
    ids: OnceCell<HashMap<Topic, u32>>,
}

impl Encoder {
    /// The encoder of an installation that writes Avro; `None` for one that writes JSON. Does not connect yet.
    ///
    /// # Errors
    /// [`BusError::Registry`] with [`RegistryError::NotSet`] or [`RegistryError::Config`].
    pub fn new(config: &KafkaConfig) -> Result<Option<Self>, BusError> {
        if config.format == Format::Json {
            return Ok(None);
        }
        let registry = Registry::new(&config.schema_registry)?.ok_or(RegistryError::NotSet)?;
        Ok(Some(Self { registry, config: config.clone(), ids: OnceCell::new() }))
    }

    /// What is sent for a record: Avro, or JSON where the topic's records have no schema.
    ///
    /// # Errors
    /// [`BusError::Registry`] until the ids of the schemas are known, and [`BusError::NotInSchema`].
    pub async fn encode<'a>(&self, topic: Topic, json: &'a [u8]) -> Result<Cow<'a, [u8]>, BusError> {
        let Some(schema) = schema(topic) else { return Ok(Cow::Borrowed(json)) };
        let ids = self.ids.get_or_try_init(|| ids(&self.registry, &self.config)).await?;
        let mut payload = Vec::with_capacity(HEADER + json.len() / 2);
        payload.extend_from_slice(&header(ids[&topic]));
        match schema.encode_after(json, &mut payload) {
            Ok(()) => Ok(Cow::Owned(payload)),
            Err(reason) => Err(BusError::NotInSchema { topic: Topics::new(&self.config).name(topic), reason }),
        }
    }
}

/// What becomes of a payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// It is not Avro.
    Unchanged,
    /// The record's JSON.
    Json(Vec<u8>),
    /// Why it can't be read, in words.
    Unreadable(String),
    /// The schema with this id has to be [fetched](Decoder::fetch) first.
    Wanted(u32),
}

/// How to read a topic's records of the schema with this id, or why they can't be read, in words.
type Readers = HashMap<(Topic, u32), Arc<Result<DatumReader, String>>>;

/// Turns records in Avro into JSON, with the schemas of their writers, each of which is fetched once.
#[derive(Debug)]
pub struct Decoder {
    registry: Option<Registry>,
    readers: Mutex<Readers>,
}

impl Decoder {
    /// A decoder of the records of an installation. Does not connect yet.
    ///
    /// # Errors
    /// [`BusError::Registry`] with [`RegistryError::Config`].
    pub fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        Ok(Self { registry: Registry::new(&config.schema_registry)?, readers: Mutex::default() })
    }

    /// The JSON of a payload, whether it is JSON or Avro, or why it can't be read, in words.
    ///
    /// # Errors
    /// [`BusError::Registry`] if the registry has to be asked and can't be.
    pub async fn json<'a>(&self, topic: Topic, payload: &'a [u8]) -> Result<Result<Cow<'a, [u8]>, String>, BusError> {
        loop {
            match self.decode(topic, payload) {
                Decoded::Unchanged => return Ok(Ok(Cow::Borrowed(payload))),
                Decoded::Json(json) => return Ok(Ok(Cow::Owned(json))),
                Decoded::Unreadable(reason) => return Ok(Err(reason)),
                Decoded::Wanted(id) => {
                    if let Err(reason) = self.fetch(topic, id).await? {
                        return Ok(Err(reason));
                    }
                }
            }
        }
    }

    /// What becomes of a payload with the schemas that are known already.
    pub(crate) fn decode(&self, topic: Topic, payload: &[u8]) -> Decoded {
        if !is_avro(payload) || schema(topic).is_none() {
            return Decoded::Unchanged;
        }
        let Some((id, datum)) = split(payload) else {
            let length = payload.len();
            return Decoded::Unreadable(format!(
                "it begins as Avro does, but has {length} bytes, and a header has {HEADER}"
            ));
        };
        if self.registry.is_none() {
            return Decoded::Unreadable(format!(
                "it begins as Avro with the schema {id} does, and no registry is set: write its address in \
                 kafka.schema_registry.url, then replay this dead letter"
            ));
        }
        let reader = self.readers.lock().expect("no holder of this lock can panic").get(&(topic, id)).cloned();
        let Some(reader) = reader else { return Decoded::Wanted(id) };
        let json = reader.as_ref().as_ref().map_err(Clone::clone).and_then(|reader| reader.json(datum));
        match json {
            Ok(json) => Decoded::Json(json),
            Err(reason) => Decoded::Unreadable(format!("Avro with the schema {id} can't be read: {reason}")),
        }
    }

    /// Fetches the schema with this id. Afterwards, records of the topic that were written by it are decoded; or why
    /// there is no such schema, in words.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub(crate) async fn fetch(&self, topic: Topic, id: u32) -> Result<Result<(), String>, RegistryError> {
        let (Some(registry), Some(own)) = (&self.registry, schema(topic)) else { return Ok(Ok(())) };
        let text = match registry.schema(id).await? {
            Ok(text) => text,
            // It is not remembered: the id may be given to a schema later.
            Err(reason) => return Ok(Err(reason)),
        };
        let reader = Arc::new(own.reader(&text));
        self.readers.lock().expect("no holder of this lock can panic").insert((topic, id), reader);
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::SchemaRegistryConfig;

    fn decoder(url: Option<&str>) -> Decoder {
        let schema_registry = SchemaRegistryConfig { url: url.map(str::to_owned), ..SchemaRegistryConfig::default() };
        Decoder::new(&KafkaConfig { schema_registry, ..KafkaConfig::default() }).unwrap()
    }

    #[test]
    fn a_payload_is_avro_by_its_first_byte_and_only_where_the_topic_has_a_schema() {
        let with = decoder(Some("http://127.0.0.1:1"));
        for payload in [&b""[..], b"{}", b"\xff", b" \0"] {
            assert_eq!(with.decode(Topic::News, payload), Decoded::Unchanged);
        }
        assert_eq!(with.decode(Topic::DeadLetter, b"\0\0\0\0\x07x"), Decoded::Unchanged);
        assert_eq!(with.decode(Topic::News, b"\0\x01\x02\x03\x04x"), Decoded::Wanted(0x0102_0304));
        assert_eq!(with.decode(Topic::News, b"\0\xff\xff\xff\xff"), Decoded::Wanted(u32::MAX));
        for payload in [&b"\0"[..], b"\0\0\0\x01"] {
            assert!(
                matches!(with.decode(Topic::News, payload), Decoded::Unreadable(reason) if reason.contains("header"))
            );
        }
        let without = decoder(None).decode(Topic::News, b"\0\0\0\0\x07x");
        assert!(matches!(&without, Decoded::Unreadable(reason) if reason.contains("schema 7")), "{without:?}");
    }

    #[test]
    fn avro_without_a_registry_is_refused_when_it_is_set() {
        let config = KafkaConfig { format: Format::Avro, ..KafkaConfig::default() };
        let error = Encoder::new(&config).unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("kafka.schema_registry.url"), "{error}");
        assert!(Encoder::new(&KafkaConfig::default()).unwrap().is_none());
    }
}
