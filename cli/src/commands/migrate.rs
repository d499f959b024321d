//! `tapewire migrate`: topics and tables.

use crate::config::Config;
use clap::Args;
use tapewire_bus::Topics;
use tapewire_store::migrate;

/// Creates the Kafka topics that are missing and brings the ClickHouse schema to this build's version.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire migrate\n  tapewire migrate --set clickhouse.database=research\n  \
    TAPEWIRE_CLICKHOUSE_URL=https://clickhouse:8443 TAPEWIRE_CLICKHOUSE_PASSWORD=... tapewire migrate")]
pub struct Migrate {}

impl Migrate {
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        Topics::new(&config.kafka).ensure().await?;
        println!("topics: all exist at {}", config.kafka.brokers);
        let done = migrate(&config.clickhouse).await?;
        let database = &config.clickhouse.database;
        match done.applied.as_slice() {
            [] => println!("database {database}: already at version {}", done.version),
            names => println!("database {database}: applied {}; now at version {}", names.join(", "), done.version),
        }
        Ok(())
    }
}
