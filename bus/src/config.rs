//! How to reach Kafka.

use rdkafka::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Brokers, and whatever else librdkafka should be told.
///
/// TLS and SASL are configuration: put librdkafka's own names into `properties`, e.g.
/// `security.protocol = "SASL_SSL"`, `sasl.mechanisms = "SCRAM-SHA-512"`,
/// `ssl.ca.location = "/etc/tapewire/ca.pem"`. The password comes from
/// `sasl_password_file` so that it stands in no configuration file.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Comma-separated `host:port` to start from.
    pub brokers: String,
    /// Further librdkafka properties, by their own names.
    pub properties: BTreeMap<String, String>,
    /// Content of the file named by `sasl_password_file`, read by the caller.
    #[serde(skip)]
    pub sasl_password: Option<String>,
    /// File that holds the SASL password and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/kafka_password")]
    pub sasl_password_file: Option<std::path::PathBuf>,
    /// Put before every topic and group name, so that several installations share a cluster.
    pub prefix: String,
    /// Partitions of a topic created by us.
    pub partitions: i32,
    /// Replicas of a topic created by us.
    pub replication: i32,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:19092".into(),
            properties: BTreeMap::new(),
            sasl_password: None,
            sasl_password_file: None,
            prefix: String::new(),
            partitions: 6,
            replication: 1,
        }
    }
}

/// The password is left out.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl KafkaConfig {
    /// What every client of ours is told.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "tapewire");
        // A broker that is gone is asked again quickly: local restarts take seconds.
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
