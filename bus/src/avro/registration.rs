//! This build's schemas in the registry: whether they are there, and putting them there.

use super::registry::Registry;
use super::{Format, RegistryError, TOPICS, schema};
use crate::{BusError, KafkaConfig, Topic, Topics};
use std::collections::HashMap;

/// What the registry holds the schemas of a topic to: every schema can read the records of every other, so that builds
/// of several versions may run at the same time, and records of any age can be read again.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// A schema of this build in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Name of the schemas of one topic: the topic's full name and `-value`.
    pub subject: String,
    /// The id of the schema; `None` if it is not registered.
    pub id: Option<u32>,
}

/// Whether this build's schemas are registered, one entry for each topic that has one; `None` if no registry is set.
///
/// # Errors
/// [`BusError::Registry`]
pub async fn registrations(config: &KafkaConfig) -> Result<Option<Vec<Registration>>, BusError> {
    let Some(registry) = Registry::new(&config.schema_registry)? else { return Ok(None) };
    let mut all = Vec::new();
    for topic in TOPICS {
        let subject = subject(config, topic);
        all.push(Registration { id: registry.id(&subject, text(topic)).await?, subject });
    }
    Ok(Some(all))
}

/// Refuses to write Avro with schemas that are not registered. With JSON, nothing is asked.
///
/// # Errors
/// [`BusError::Registry`]
pub async fn check(config: &KafkaConfig) -> Result<(), BusError> {
    if config.format == Format::Json {
        return Ok(());
    }
    let registry = Registry::new(&config.schema_registry)?.ok_or(RegistryError::NotSet)?;
    Ok(ids(&registry, config).await.map(drop)?)
}

/// The id of this build's schema of each topic that has one.
///
/// # Errors
/// [`RegistryError::NotRegistered`]; the registry could not be asked.
pub(super) async fn ids(registry: &Registry, config: &KafkaConfig) -> Result<HashMap<Topic, u32>, RegistryError> {
    let mut ids = HashMap::new();
    for topic in TOPICS {
        let subject = subject(config, topic);
        let Some(id) = registry.id(&subject, text(topic)).await? else {
            return Err(RegistryError::NotRegistered { url: registry.url().to_owned(), subject });
        };
        ids.insert(topic, id);
    }
    Ok(ids)
}

/// Registers this build's schemas, and has the registry accept further ones only if they are compatible. Returns those
/// that were not there before, each with its id; `None` if no registry is set. Several processes may call it at once.
///
/// # Errors
/// [`BusError::Registry`]; with JSON as the format, a registry need not be set.
pub async fn register(config: &KafkaConfig) -> Result<Option<Vec<Registration>>, BusError> {
    let Some(registry) = Registry::new(&config.schema_registry)? else {
        return match config.format {
            Format::Json => Ok(None),
            Format::Avro => Err(RegistryError::NotSet.into()),
        };
    };
    let mut added = Vec::new();
    for topic in TOPICS {
        let (subject, text) = (subject(config, topic), text(topic));
        let known = registry.id(&subject, text).await?;
        // Before the schema, which the registry is to compare with the earlier ones.
        let is_set = registry.set_compatibility(&subject, COMPATIBILITY).await?;
        let id = match known {
            Some(id) => id,
            None => registry.register(&subject, text).await?,
        };
        if !is_set && !registry.set_compatibility(&subject, COMPATIBILITY).await? {
            let (url, request) = (registry.url().to_owned(), format!("to set the compatibility of {subject}"));
            return Err(RegistryError::Refused {
                url,
                request,
                reason: "it says that there is no such subject".into(),
            }
            .into());
        }
        if known.is_none() {
            added.push(Registration { subject, id: Some(id) });
        }
    }
    Ok(Some(added))
}

/// The registry's name for the schemas of a topic.
fn subject(config: &KafkaConfig, topic: Topic) -> String {
    format!("{}-value", Topics::new(config).name(topic))
}

fn text(topic: Topic) -> &'static str {
    schema(topic).map_or("", |schema| schema.text())
}
