//! What can go wrong between a stage and Kafka.

use crate::attempts::Obstacle;
use crate::avro::RegistryError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::fmt;

/// An error of the bus. Messages name the broker or topic and, where there is one, the remedy; what librdkafka or the
/// system said is the `source`, which [`tapewire_runtime::chain`] adds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// No broker answered.
    #[error("no kafka broker answers at {brokers}; {remedy}")]
    Unreachable {
        /// Brokers as configured.
        brokers: String,
        /// What to do.
        remedy: &'static str,
        /// What librdkafka said.
        source: ClientError,
    },
    /// The broker answers others, but this client never reaches it again.
    #[error(
        "kafka's client library has lost the broker at {brokers}, which answers other clients; a new client reaches it"
    )]
    CutOff {
        /// Brokers as configured.
        brokers: String,
    },
    /// A broker answered, and refused.
    #[error("kafka at {brokers} refused the request: check the user in kafka.properties and the user's rights (ACLs)")]
    Refused {
        /// Brokers as configured.
        brokers: String,
        /// What librdkafka said.
        source: ClientError,
    },
    /// A broker refused the user, the password or the mechanism.
    #[error("kafka at {brokers} refuses the login ({reason}); {}", Obstacle::Login.remedy())]
    Login {
        /// Brokers as configured.
        brokers: String,
        /// What the broker said.
        reason: String,
    },
    /// A broker's certificate is not trusted, or is that of another host.
    #[error("the certificate of kafka at {brokers} is not accepted: {}", Obstacle::Certificate.remedy())]
    Certificate {
        /// Brokers as configured.
        brokers: String,
    },
    /// The client could not be created from its configuration.
    #[error("the kafka client can't be made from the settings in section [kafka]")]
    Config(#[source] ClientError),
    /// A record was not acknowledged.
    #[error("kafka did not acknowledge a record for topic {topic}")]
    Send {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: ClientError,
    },
    /// Reading failed.
    #[error("reading from kafka failed")]
    Receive(#[source] ClientError),
    /// Offsets could not be committed.
    #[error("kafka did not accept the commit of group {group}")]
    Commit {
        /// Consumer group.
        group: String,
        /// What librdkafka said.
        source: ClientError,
    },
    /// The broker could not be asked for the end of a topic.
    #[error("kafka did not say where topic {topic} ends")]
    EndUnknown {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: ClientError,
    },
    /// The schema registry did not answer, or refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record does not fit the schema of its topic.
    #[error(
        "a record for topic {topic} can't be written as Avro ({reason}), which is a fault of this build: set \
         kafka.format to \"json\" until it is corrected"
    )]
    NotInSchema {
        /// Topic's name.
        topic: String,
        /// Which field, and why.
        reason: String,
    },
    /// A topic does not exist.
    #[error("kafka has no topic {0}; `tapewire migrate` creates the topics")]
    NoTopic(String),
    /// Topics that the joiner reads side by side differ in their number of partitions.
    #[error(
        "kafka's topics {first} and {second} have {first_count} and {second_count} partitions, but symbols are in the same \
         partition of both only if they have equally many; give the smaller one more partitions, or set another kafka.prefix \
         and run `tapewire migrate`"
    )]
    PartitionCountsDiffer {
        /// Name of a topic.
        first: String,
        /// Its number of partitions.
        first_count: usize,
        /// Name of the other.
        second: String,
        /// Its number of partitions.
        second_count: usize,
    },
    /// The topics belong to another database.
    #[error(
        "kafka's topics with the prefix `{prefix}` are read into {bound}, not into {database}: two databases on the same topics \
         would each get a part of the rows. Set another kafka.prefix for this database and run `tapewire migrate`, or, if \
         nothing writes to the other any more, move the topics with `tapewire migrate --take-topics`"
    )]
    OtherDatabase {
        /// The setting `kafka.prefix`.
        prefix: String,
        /// The database that has the topics.
        bound: String,
        /// The database that is configured.
        database: String,
    },
    /// A topic could not be created.
    #[error("kafka topic {topic} could not be created: {reason}")]
    CreateTopic {
        /// Topic's name.
        topic: String,
        /// The broker's answer.
        reason: String,
    },
    /// A topic could not be deleted.
    #[error("kafka topic {topic} could not be deleted: {reason}")]
    DeleteTopic {
        /// Topic's name.
        topic: String,
        /// The broker's answer.
        reason: String,
    },
}

/// An error of Kafka's client library in plain words, because the library's own text names constants of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError(KafkaError);

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        Self(error)
    }
}

impl std::error::Error for ClientError {}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        // `Meta data fetch error: BrokerTransportFailure (Local: Broker transport failure)`
        let words = self.0.rdkafka_error_code().and_then(|_| text.strip_suffix(')')?.split_once(" ("));
        match words {
            Some((_, words)) => {
                let words = words.trim_start_matches("Local: ").trim_start_matches("Broker: ");
                f.write_str(&words.to_lowercase())
            }
            None => f.write_str(&text),
        }
    }
}

impl BusError {
    /// Whether a retry can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::CutOff { .. } => true,
            Self::Send { source, .. } | Self::Commit { source, .. } | Self::EndUnknown { source, .. } => {
                !is_fatal(&source.0)
            }
            Self::Receive(source) => !is_fatal(&source.0),
            Self::Registry(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Whether trying again with the same client can't help. librdkafka recovers from all other errors by itself.
pub(crate) fn is_fatal(error: &KafkaError) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_said_is_in_words() {
        let said = |code| ClientError(KafkaError::MetadataFetch(code)).to_string();
        assert_eq!(said(RDKafkaErrorCode::BrokerTransportFailure), "broker transport failure");
        assert_eq!(said(RDKafkaErrorCode::TopicAuthorizationFailed), "topic authorization failed");
        assert_eq!(ClientError(KafkaError::Canceled).to_string(), KafkaError::Canceled.to_string());
    }
}
