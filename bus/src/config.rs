//! Settings of the connection to Kafka.

use crate::BusError;
use crate::avro::{Format, SchemaRegistryConfig};
use crate::error::is_fatal;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The connection to Kafka, and the topics that `tapewire migrate` creates.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to connect to first, as `host:port`, separated by commas.
    pub brokers: String,
    /// Prefix of the name of every topic and consumer group, so that several installations can share a cluster.
    pub prefix: String,
    /// Number of partitions of each topic, for a topic that does not exist yet.
    pub partitions: i32,
    /// Number of replicas of each partition, for a topic that does not exist yet.
    pub replication: i32,
    /// How records are written to topics: "json", or "avro" with schemas in a registry. Both are read: docs/avro.md.
    pub format: Format,
    /// File that holds the SASL password and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/kafka_password")]
    pub sasl_password_file: Option<std::path::PathBuf>,
    /// The SASL password, which the caller has read from the environment or from `sasl_password_file`.
    #[serde(skip)]
    pub sasl_password: Option<String>,
    /// The registry of the schemas of records in Avro: Confluent's, or one with its API, such as Apicurio or Karapace.
    /// Every process that writes or reads such records needs it. `tapewire migrate` registers the schemas.
    pub schema_registry: SchemaRegistryConfig,
    /// Any further properties of librdkafka, by librdkafka's names, for example for TLS and SASL.
    #[schemars(example = BTreeMap::from([
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanisms", "SCRAM-SHA-512"),
        ("sasl.username", "tapewire"),
        ("ssl.ca.location", "/etc/tapewire/ca.pem"),
    ]))]
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:19092".into(),
            prefix: String::new(),
            partitions: 6,
            replication: 1,
            format: Format::default(),
            sasl_password_file: None,
            sasl_password: None,
            schema_registry: SchemaRegistryConfig::default(),
            properties: BTreeMap::new(),
        }
    }
}

/// Without the password, and without the values of the properties, which may be secrets.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("prefix", &self.prefix)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl KafkaConfig {
    /// The error of a client to which no broker answered, or that was refused.
    pub(crate) fn unreachable(&self, source: KafkaError) -> BusError {
        let (brokers, is_refusal) = (self.brokers.clone(), is_fatal(&source));
        let source = source.into();
        let remedy = "is it up (`make stack` starts a local one)?";
        if is_refusal {
            BusError::Refused { brokers, source }
        } else {
            BusError::Unreachable { brokers, remedy, source }
        }
    }

    /// The configuration that all our clients share.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "tapewire");
        // At most 2 seconds between attempts to connect, because a broker on this machine restarts within seconds.
        config.set("reconnect.backoff.max.ms", "2000");
        config.set("topic.metadata.refresh.interval.ms", "30000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        if let Some(password) = &self.sasl_password {
            config.set("sasl.password", password);
        }
        config
    }
}
