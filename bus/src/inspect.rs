//! What the broker says of the topics: partitions, leaders, how long records are kept.

use crate::{BusError, Topic, Topics};
use rdkafka::admin::{AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use std::collections::HashMap;
use std::time::Duration;

/// Longest wait for the broker to describe its topics.
const TIMEOUT: Duration = Duration::from_secs(6);

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Of each key only the last record is sure to be kept.
    Compacted,
    /// Records are never removed.
    Forever,
    /// Records are removed after this time.
    For(Duration),
    /// The broker does not say.
    Unknown,
}

/// A topic as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Name with the installation's prefix.
    pub name: String,
    /// Number of partitions; 0 if there is no such topic.
    pub partitions: usize,
    /// Whether each partition has a leader.
    pub has_leaders: bool,
    /// How long records are kept.
    pub retention: Retention,
    /// How many bytes of records each partition keeps, whatever their age; `None` for any number.
    pub most_bytes: Option<u64>,
}

impl Topics {
    /// Each topic of the installation as the broker has it, in the order of [`Topic::ALL`]. Creates nothing.
    ///
    /// # Errors
    /// [`BusError::Unreachable`], [`BusError::Refused`], [`BusError::Config`].
    pub async fn states(&self) -> Result<Vec<(Topic, TopicState)>, BusError> {
        let listed = self.listed().await?;
        let exists = |name: &String| listed.get(name).is_some_and(|(partitions, _)| *partitions > 0);
        let names: Vec<String> = Topic::ALL.map(|topic| self.name(topic)).into_iter().filter(exists).collect();
        let retentions = self.retentions(&names).await?;
        let state = |topic: Topic| {
            let name = self.name(topic);
            let (partitions, has_leaders) = listed.get(&name).copied().unwrap_or_default();
            let (retention, most_bytes) = retentions.get(&name).copied().unwrap_or((Retention::Unknown, None));
            (topic, TopicState { name, partitions, has_leaders, retention, most_bytes })
        };
        Ok(Topic::ALL.into_iter().map(state).collect())
    }

    async fn retentions(&self, names: &[String]) -> Result<HashMap<String, (Retention, Option<u64>)>, BusError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let wanted: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let described = self.admin()?.describe_configs(&wanted, &options).await;
        let described = described.map_err(|source| self.unreachable(source))?;
        // A broker may refuse to describe a topic, for example because this user lacks the right. The other topics are
        // known all the same.
        Ok(described.into_iter().flatten().filter_map(|resource| retention(&resource)).collect())
    }
}

fn retention(resource: &ConfigResource) -> Option<(String, (Retention, Option<u64>))> {
    let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { return None };
    let value = |setting: &str| resource.get(setting).and_then(|entry| entry.value.clone());
    let policy = value("cleanup.policy").unwrap_or_default();
    let number = |setting: &str| value(setting).and_then(|text| text.parse::<i64>().ok());
    let retention = match number("retention.ms") {
        _ if policy.split(',').any(|part| part.trim() == "compact") => Retention::Compacted,
        None => Retention::Unknown,
        Some(milliseconds) => match u64::try_from(milliseconds) {
            Ok(milliseconds) => Retention::For(Duration::from_millis(milliseconds)),
            Err(_) => Retention::Forever,
        },
    };
    // -1 stands for any number.
    let most_bytes = number("retention.bytes").and_then(|bytes| u64::try_from(bytes).ok());
    Some((name.clone(), (retention, most_bytes)))
}
