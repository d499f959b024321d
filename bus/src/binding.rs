//! Which database the topics of an installation are read into.
//!
//! The consumer groups commit on the topics, so two databases on one set of topics would each get a part of the rows.
//! Therefore the first database is recorded on the topic `installation`, and any other database is refused. The topic's
//! records are read in order: the first one names the database, and a later one counts only if it takes the topics from
//! the database that has them by then.

use crate::broker_log::Logged;
use crate::error::is_fatal;
use crate::topic::{INSTALLATION, METADATA_TIMEOUT};
use crate::{BusError, KafkaConfig, Producer};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A database as the topic names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundDatabase {
    /// Its own id, which two databases of the same name do not share.
    pub id: String,
    /// Name and server, for people.
    pub name: String,
}

/// A record of the topic `installation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Binding {
    #[serde(flatten)]
    database: BoundDatabase,
    /// The id of the database that had the topics before, if they were moved on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_from: Option<String>,
}

/// The database that the topics are read into, if one is recorded.
///
/// # Errors
/// [`BusError::Unreachable`], [`BusError::Refused`].
pub async fn bound_database(config: &KafkaConfig) -> Result<Option<BoundDatabase>, BusError> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || read(&config)).await.expect("reading the topic does not panic")
}

/// Records that the topics are read into `database`. If another database is recorded already, `take` replaces it;
/// without `take` that is an error.
///
/// # Errors
/// [`BusError::OtherDatabase`] if they are read into another; [`BusError::Unreachable`], [`BusError::Refused`],
/// [`BusError::Send`].
pub async fn bind(config: &KafkaConfig, database: &BoundDatabase, take: bool) -> Result<(), BusError> {
    let bound = bound_database(config).await?;
    let taken_from = match bound {
        Some(bound) if bound.id == database.id => return Ok(()),
        Some(bound) if take => Some(bound.id),
        Some(_) => return check(config, database).await,
        None => None,
    };
    let binding = Binding { database: database.clone(), taken_from };
    let payload = serde_json::to_vec(&binding).expect("strings can be written as JSON");
    Producer::new(config)?.send_to_first(&format!("{}{INSTALLATION}", config.prefix), &payload).await?;
    // Another process may have recorded its database first.
    check(config, database).await
}

/// Refuses topics that are read into another database. Topics without a recorded database are accepted.
///
/// # Errors
/// As [`bind`].
pub async fn check(config: &KafkaConfig, database: &BoundDatabase) -> Result<(), BusError> {
    match bound_database(config).await? {
        Some(bound) if bound.id != database.id => Err(BusError::OtherDatabase {
            prefix: config.prefix.clone(),
            bound: bound.name,
            database: database.name.clone(),
        }),
        _ => Ok(()),
    }
}

fn read(config: &KafkaConfig) -> Result<Option<BoundDatabase>, BusError> {
    let unreachable = |source: KafkaError| config.unreachable(source);
    let name = format!("{}{INSTALLATION}", config.prefix);
    // Reading needs the name of a group, although nothing is committed.
    let client: BaseConsumer<Logged> = config
        .client()
        .set("group.id", &name)
        .set("enable.auto.commit", "false")
        .create_with_context(Logged(()))
        .map_err(|error| BusError::Config(error.into()))?;
    let metadata = client.fetch_metadata(Some(&name), METADATA_TIMEOUT).map_err(unreachable)?;
    if metadata.topics().first().is_none_or(|topic| topic.partitions().is_empty()) {
        return Ok(None);
    }
    let (low, high) = client.fetch_watermarks(&name, 0, METADATA_TIMEOUT).map_err(unreachable)?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&name, 0, Offset::Offset(low)).map_err(unreachable)?;
    client.assign(&from).map_err(unreachable)?;
    let deadline = Instant::now() + METADATA_TIMEOUT;
    let mut bindings = Vec::new();
    let mut next = low;
    while next < high {
        if Instant::now() > deadline {
            return Err(unreachable(KafkaError::Canceled));
        }
        match client.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => {
                next = record.offset() + 1;
                // A record that can't be read is ignored: tapewire did not write it.
                bindings.extend(record.payload().and_then(|payload| serde_json::from_slice::<Binding>(payload).ok()));
            }
            // Such as a user who may not read the topic.
            Some(Err(error)) if is_fatal(&error) => return Err(unreachable(error)),
            _ => {}
        }
    }
    Ok(bound_by(bindings))
}

/// The database that has the topics after these records.
fn bound_by(bindings: Vec<Binding>) -> Option<BoundDatabase> {
    bindings.into_iter().fold(None, |bound: Option<BoundDatabase>, binding| match bound {
        Some(bound) if binding.taken_from.as_deref() != Some(bound.id.as_str()) => Some(bound),
        _ => Some(binding.database),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(id: &str, taken_from: Option<&str>) -> Binding {
        let database = BoundDatabase { id: id.into(), name: format!("database {id}") };
        Binding { database, taken_from: taken_from.map(str::to_owned) }
    }

    #[test]
    fn the_first_database_keeps_the_topics_until_another_takes_them() {
        let bound = |bindings: &[Binding]| bound_by(bindings.to_vec()).map(|database| database.id);
        assert_eq!(bound(&[]), None);
        assert_eq!(bound(&[binding("a", None), binding("b", None)]).unwrap(), "a");
        assert_eq!(bound(&[binding("a", None), binding("b", Some("a")), binding("c", Some("a"))]).unwrap(), "b");
        assert_eq!(bound(&[binding("a", None), binding("b", Some("a")), binding("a", Some("b"))]).unwrap(), "a");
    }
}
