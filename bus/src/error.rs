//! What can go wrong between a stage and Kafka.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An error of the bus. Messages name the broker or topic and, where there is one, the remedy; what librdkafka or the
/// system said is the `source`, which [`tapewire_runtime::chain`] adds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// No broker answered.
    #[error("no kafka broker answers at {brokers}; is it up (`make stack` starts a local one)?")]
    Unreachable {
        /// Brokers as configured.
        brokers: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// The client could not be made from its configuration.
    #[error("the kafka client can't be made from the settings in section [kafka]")]
    Config(#[source] KafkaError),
    /// A record was not acknowledged.
    #[error("kafka did not acknowledge a record for topic {topic}")]
    Send {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// Reading failed.
    #[error("reading from kafka failed")]
    Receive(#[source] KafkaError),
    /// Offsets could not be committed.
    #[error("kafka did not accept the commit of group {group}")]
    Commit {
        /// Consumer group.
        group: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// The end of a topic could not be asked for.
    #[error("kafka did not answer where topic {topic} ends")]
    Unread {
        /// Topic's name.
        topic: String,
        /// What librdkafka said.
        source: KafkaError,
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
    Uneven {
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
        /// The one that is configured.
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
