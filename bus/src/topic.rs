//! The topics: what they are called, how they are made.

use crate::{BusError, KafkaConfig};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::time::{Duration, Instant};

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
    /// What could not be read or handled.
    DeadLetter,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 7] =
        [Self::News, Self::Sentiment, Self::Bars, Self::Trades, Self::Halts, Self::Actions, Self::DeadLetter];

    /// Name without prefix.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Sentiment => "sentiment",
            Self::Bars => "bars",
            Self::Trades => "trades",
            Self::Halts => "halts",
            Self::Actions => "actions",
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

    /// The topic of a full name, if it is one of ours.
    pub fn find(&self, name: &str) -> Option<Topic> {
        let base = name.strip_prefix(&self.config.prefix)?;
        Topic::ALL.into_iter().find(|topic| topic.base_name() == base)
    }

    /// Creates what is missing; topics that exist are left as they are. Safe to run by many at once.
    ///
    /// Partition counts of `sentiment`, `bars`, `trades`, `halts` and `actions` must stay equal: the joiner
    /// reads them side by side. Retention is by record time and records carry the time they were
    /// written, not their event time, so a replay of last year is kept as long as today's news.
    ///
    /// # Errors
    /// [`BusError::Unreachable`] or [`BusError::CreateTopic`].
    pub async fn ensure(&self) -> Result<(), BusError> {
        let admin: AdminClient<DefaultClientContext> = self.config.client().create().map_err(BusError::Config)?;
        let names = Topic::ALL.map(|topic| self.name(topic));
        let wanted: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| {
                NewTopic::new(name, self.config.partitions, TopicReplication::Fixed(self.config.replication))
                    .set("message.timestamp.type", "LogAppendTime")
                    .set("retention.ms", "7776000000") // 90 days: the joiner's longest rebuild and a quarter to look back
                    .set("compression.type", "producer")
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(Duration::from_secs(20)))
            .operation_timeout(Some(Duration::from_secs(20)));
        let unreachable = |source| BusError::Unreachable { brokers: self.config.brokers.clone(), source };
        for outcome in admin.create_topics(&wanted, &options).await.map_err(unreachable)? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(BusError::CreateTopic { topic, reason: code.to_string() }),
            }
        }
        // A broker answers "created" a moment before it lists the topic: wait until it can be used.
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Some(topic) = self.first_without_leader(&admin).map_err(unreachable)? {
            if Instant::now() > deadline {
                return Err(BusError::CreateTopic { topic, reason: "no leader after 20 seconds".into() });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The first topic that the broker does not list yet, or lists with a partition nobody leads.
    fn first_without_leader(&self, admin: &AdminClient<DefaultClientContext>) -> Result<Option<String>, KafkaError> {
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(15))?;
        Ok(Topic::ALL.map(|topic| self.name(topic)).into_iter().find(|name| {
            let listed = metadata.topics().iter().find(|t| t.name() == name);
            listed.is_none_or(|t| t.partitions().is_empty() || t.partitions().iter().any(|p| p.leader() < 0))
        }))
    }

    /// Removes the topics and all that is in them. For tests and for people who mean it.
    ///
    /// # Errors
    /// [`BusError::Unreachable`].
    pub async fn delete(&self) -> Result<(), BusError> {
        let admin: AdminClient<DefaultClientContext> = self.config.client().create().map_err(BusError::Config)?;
        let names = Topic::ALL.map(|topic| self.name(topic));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        admin
            .delete_topics(&names, &AdminOptions::new())
            .await
            .map_err(|source| BusError::Unreachable { brokers: self.config.brokers.clone(), source })?;
        Ok(())
    }
}
