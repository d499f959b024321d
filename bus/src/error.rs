//! What can go wrong between a stage and Kafka.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An error of the bus. Messages name the broker or topic and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// No broker answered.
    #[error("no kafka broker answers at {brokers}: {source}; is it up (`make stack` starts a local one)?")]
    Unreachable {
        /// Brokers as configured.
        brokers: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// The client could not be made from its configuration.
    #[error("kafka client configuration is not usable: {0}")]
    Config(KafkaError),
    /// A record was not acknowledged.
    #[error("kafka did not take a record for topic {topic}: {source}")]
    Send {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// Reading failed.
    #[error("reading from kafka failed: {0}")]
    Receive(KafkaError),
    /// Offsets could not be committed.
    #[error("kafka did not take the commit of group {group}: {source}")]
    Commit {
        /// Consumer group.
        group: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// How far a topic goes could not be asked.
    #[error("kafka did not say how far topic {topic} goes: {source}")]
    Unread {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// A topic is not there.
    #[error("kafka has no topic {0}; `tapewire migrate` creates the topics")]
    NoTopic(String),
    /// A topic could not be created.
    #[error("kafka topic {topic} could not be created: {reason}")]
    CreateTopic {
        /// Topic's name.
        topic: String,
        /// The broker's answer.
        reason: String,
    },
    /// A telemetry address could not be listened on.
    #[error("can't listen on {address} for health and metrics: {source}; set TAPEWIRE_LISTEN to a free address")]
    Listen {
        /// Address as configured.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The process-wide metrics recorder was installed twice.
    #[error("metrics recorder: {0}")]
    Metrics(String),
}

impl BusError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Send { source, .. } | Self::Commit { source, .. } | Self::Unread { source, .. } => !is_fatal(source),
            Self::Receive(source) => !is_fatal(source),
            _ => false,
        }
    }
}

/// Errors after which the same client can't go on.
fn is_fatal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                Code::Fatal
                    | Code::MessageSizeTooLarge
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::SaslAuthenticationFailed
            )
        )
}
