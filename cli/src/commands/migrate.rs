//! `tapewire migrate`: topics, schemas and tables.

use crate::config::Config;
use crate::output::outln;
use crate::{preflight, retention};
use clap::Args;
use tapewire_bus::avro::{self, Registration};
use tapewire_bus::{Topics, binding};
use tapewire_store::migrate;

/// Creates the Kafka topics that are missing, registers the schemas of their records where a schema registry is set, and
/// brings the ClickHouse schema to this build's version.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire migrate\n  tapewire migrate --set clickhouse.database=research\n  \
    TAPEWIRE_CLICKHOUSE_URL=https://clickhouse:8443 TAPEWIRE_CLICKHOUSE_PASSWORD=... tapewire migrate")]
pub struct Migrate {
    /// Take the topics from the database that they are read into now. What it has of them stays there
    #[arg(long)]
    take_topics: bool,
}

impl Migrate {
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        retention::check(config)?;
        let zone = preflight::time_zone(config).await?;
        Topics::new(&config.kafka).ensure().await?;
        outln!("topics: all exist at {}", config.kafka.brokers)?;
        if let Some(added) = avro::register(&config.kafka).await? {
            outln!("{}", registered(&added, config.kafka.schema_registry.url.as_deref().unwrap_or_default()))?;
        }
        let done = migrate(&config.clickhouse).await?;
        let database = &config.clickhouse.database;
        match done.applied.as_slice() {
            [] => outln!("database {database}: already at version {}", done.version)?,
            names => outln!("database {database}: applied {}; now at version {}", names.join(", "), done.version)?,
        }
        for change in &done.retention {
            outln!("{change}")?;
        }
        if !done.retention.is_empty() {
            outln!(
                "note: ClickHouse removes and moves rows in the background. Rows of replays, and bars and indicators of a day or \
                 more, are not removed"
            )?;
        }
        binding::bind(&config.kafka, &preflight::database(config).await?, self.take_topics).await?;
        if !["UTC", "Etc/UTC", "Universal", "Zulu"].contains(&zone.as_str()) {
            outln!(
                "note: this ClickHouse is in {zone}. tapewire and its dashboard use sessions in UTC; in queries of your own set \
                 session_timezone = 'UTC', or write times with their zone"
            )?;
        }
        Ok(())
    }
}

/// What was registered.
fn registered(added: &[Registration], url: &str) -> String {
    let name = |registration: &Registration| match registration.id {
        Some(id) => format!("{} (id {id})", registration.subject),
        None => registration.subject.clone(),
    };
    let names: Vec<String> = added.iter().map(name).collect();
    match names.is_empty() {
        true => format!("schemas: all are registered already at {url}"),
        false => format!("schemas: registered {} at {url}", names.join(", ")),
    }
}
