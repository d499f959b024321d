//! The topics: their names and their creation.

use crate::attempts::Attempts;
use crate::broker_log::Logged;
use crate::{BusError, KafkaConfig};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Topic that says which database the others are read into, see [`binding`](crate::binding). It has one partition, and its
/// records are kept.
pub(crate) const INSTALLATION: &str = "installation";

/// Longest wait for a broker to list its topics.
pub(crate) const METADATA_TIMEOUT: Duration = Duration::from_secs(6);

/// The topics of tapewire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Articles, key: provider and article id.
    News,
    /// Mentions, key: symbol.
    Sentiment,
    /// Bars, key: symbol.
    Bars,
    /// Trades, key: symbol.
    Trades,
    /// Halts, key: symbol.
    Halts,
    /// Splits and dividends, key: symbol.
    Actions,
    /// Instruments, key: symbol, and the first day on which it stands for the instrument, if that is known. The topic
    /// is compacted.
    Instruments,
    /// Dead letters: input that could not be read or handled.
    DeadLetter,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 8] = [
        Self::News,
        Self::Sentiment,
        Self::Bars,
        Self::Trades,
        Self::Halts,
        Self::Actions,
        Self::Instruments,
        Self::DeadLetter,
    ];

    /// The topics that the joiner reads side by side, partition by partition, because all of them have symbols as keys.
    pub const SIDE_BY_SIDE: [Self; 5] = [Self::Sentiment, Self::Bars, Self::Trades, Self::Halts, Self::Actions];

    /// The topic with this name, which has no prefix.
    pub fn named(base_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.base_name() == base_name)
    }

    /// Name without prefix.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Sentiment => "sentiment",
            Self::Bars => "bars",
            Self::Trades => "trades",
            Self::Halts => "halts",
            Self::Actions => "actions",
            Self::Instruments => "instruments",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// Topic names of one installation, and their creation.
#[derive(Debug, Clone)]
pub struct Topics {
    config: KafkaConfig,
}

impl Topics {
    /// The topics of the installation that `config` describes.
    pub fn new(config: &KafkaConfig) -> Self {
        Self { config: config.clone() }
    }

    /// Full name, with the installation's prefix.
    pub fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.config.prefix, topic.base_name())
    }

    /// The topic with this full name; `None` if it is not one of the installation's.
    pub fn find(&self, name: &str) -> Option<Topic> {
        Topic::named(name.strip_prefix(&self.config.prefix)?)
    }

    /// Creates the topics that are missing and leaves the others as they are. Several processes may call it at once.
    ///
    /// Partition counts of the [topics that are read side by side](Topic::SIDE_BY_SIDE) must stay equal. Retention is by
    /// record time, and records carry the time they were written, not their event time, so a replay of last year is kept
    /// as long as today's news. Of `instruments` the last record of each key is kept forever.
    ///
    /// # Errors
    /// [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Config`] or [`BusError::CreateTopic`].
    pub async fn ensure(&self) -> Result<(), BusError> {
        // Fails sooner if there is no broker: creating topics has a longer timeout.
        self.listed().await?;
        let admin = self.admin()?;
        let names = Topic::ALL.map(|topic| self.name(topic));
        let replication = || TopicReplication::Fixed(self.config.replication);
        let mut wanted: Vec<NewTopic<'_>> = names
            .iter()
            .zip(Topic::ALL)
            .map(|(name, topic)| {
                let wanted = NewTopic::new(name, self.config.partitions, replication())
                    .set("message.timestamp.type", "LogAppendTime")
                    .set("compression.type", "producer");
                match topic {
                    Topic::Instruments => wanted.set("cleanup.policy", "compact"),
                    // 90 days: enough for the joiner's longest rebuild, and to look back over a quarter.
                    _ => wanted.set("retention.ms", "7776000000"),
                }
            })
            .collect();
        let installation = self.installation();
        wanted.push(NewTopic::new(&installation, 1, replication()).set("retention.ms", "-1"));
        let options = AdminOptions::new()
            .request_timeout(Some(Duration::from_secs(20)))
            .operation_timeout(Some(Duration::from_secs(20)));
        let created = admin.create_topics(&wanted, &options).await;
        for outcome in created.map_err(|source| self.unreachable(source))? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(BusError::CreateTopic { topic, reason: code.to_string() }),
            }
        }
        // A broker answers "created" a moment before it lists the topic, so wait until the topic can be used.
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Some(topic) = self.first_without_leader().await? {
            if Instant::now() > deadline {
                return Err(BusError::CreateTopic { topic, reason: "no leader after 20 seconds".into() });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Refuses topics that `tapewire migrate` has not created, or that can't be read side by side.
    ///
    /// # Errors
    /// [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Config`], [`BusError::NoTopic`],
    /// [`BusError::PartitionCountsDiffer`].
    pub async fn check(&self) -> Result<(), BusError> {
        let listed = self.listed().await?;
        let count = |topic: Topic| listed.get(&self.name(topic)).map_or(0, |&(partitions, _)| partitions);
        if let Some(missing) = Topic::ALL.into_iter().find(|&topic| count(topic) == 0) {
            return Err(BusError::NoTopic(self.name(missing)));
        }
        let [first, others @ ..] = Topic::SIDE_BY_SIDE;
        let first_count = count(first);
        for second in others {
            let second_count = count(second);
            if second_count != first_count {
                let (first, second) = (self.name(first), self.name(second));
                return Err(BusError::PartitionCountsDiffer { first, first_count, second, second_count });
            }
        }
        Ok(())
    }

    pub(crate) fn unreachable(&self, source: KafkaError) -> BusError {
        self.config.unreachable(source)
    }

    pub(crate) fn admin(&self) -> Result<AdminClient<Logged>, BusError> {
        self.config.client().create_with_context(Logged(())).map_err(|error| BusError::Config(error.into()))
    }

    fn installation(&self) -> String {
        format!("{}{INSTALLATION}", self.config.prefix)
    }

    /// The broker's topics: name, number of partitions, and whether each of these has a leader.
    pub(crate) async fn listed(&self) -> Result<HashMap<String, (usize, bool)>, BusError> {
        let attempts = Attempts::default();
        let client: BaseProducer<Attempts> = self
            .config
            .client()
            .create_with_context(attempts.clone())
            .map_err(|error| BusError::Config(error.into()))?;
        let metadata = tokio::task::spawn_blocking(move || {
            let metadata = client.client().fetch_metadata(None, METADATA_TIMEOUT);
            if metadata.is_err() {
                // Hands over what the library has reported meanwhile.
                client.poll(Duration::from_millis(100));
            }
            metadata
        });
        let metadata = metadata.await.expect("fetching metadata does not panic");
        let metadata = metadata.map_err(|source| attempts.explain(&self.config.brokers, self.unreachable(source)))?;
        let of = |topic: &MetadataTopic| {
            let partitions = topic.partitions();
            (topic.name().to_owned(), (partitions.len(), partitions.iter().all(|partition| partition.leader() >= 0)))
        };
        Ok(metadata.topics().iter().map(of).collect())
    }

    /// The first topic that the broker does not list yet, or that has a partition without a leader.
    async fn first_without_leader(&self) -> Result<Option<String>, BusError> {
        let listed = self.listed().await?;
        let mut names = Topic::ALL.map(|topic| self.name(topic)).into_iter().chain([self.installation()]);
        Ok(names.find(|name| listed.get(name).is_none_or(|&(partitions, led)| partitions == 0 || !led)))
    }

    /// Deletes the topics and all records in them. Used by tests and by `tapewire demo`. A topic that does not exist
    /// is not an error.
    ///
    /// # Errors
    /// [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Config`], [`BusError::DeleteTopic`].
    pub async fn delete(&self) -> Result<(), BusError> {
        let admin = self.admin()?;
        let names: Vec<String> =
            Topic::ALL.map(|topic| self.name(topic)).into_iter().chain([self.installation()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
        let deleted = admin.delete_topics(&names, &options).await.map_err(|source| self.unreachable(source))?;
        let mut refused = deleted.into_iter().filter_map(Result::err);
        match refused.find(|(_, code)| *code != RDKafkaErrorCode::UnknownTopicOrPartition) {
            None => Ok(()),
            Some((topic, code)) => Err(BusError::DeleteTopic { topic, reason: code.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use rdkafka::mocking::MockCluster;

    #[tokio::test]
    async fn topics_that_cannot_be_read_side_by_side_are_refused() {
        for uneven in Topic::SIDE_BY_SIDE {
            let cluster = MockCluster::new(1).unwrap();
            let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
            let topics = Topics::new(&config);
            for topic in Topic::ALL {
                cluster.create_topic(&topics.name(topic), if topic == uneven { 3 } else { 2 }, 1).unwrap();
            }
            let error = topics.check().await.unwrap_err();
            assert!(matches!(error, BusError::PartitionCountsDiffer { .. }), "{error}");
            assert!(error.to_string().contains(uneven.base_name()), "{error}");
        }
    }

    #[tokio::test]
    async fn topics_that_are_not_read_side_by_side_may_have_another_number_of_partitions() {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
        let topics = Topics::new(&config);
        for topic in Topic::ALL {
            let partitions = if Topic::SIDE_BY_SIDE.contains(&topic) { 2 } else { 4 };
            cluster.create_topic(&topics.name(topic), partitions, 1).unwrap();
        }
        topics.check().await.unwrap();
    }
}
