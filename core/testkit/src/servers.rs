//! Real servers, on which each test has topics or a database of its own.
//!
//! `make stack` starts them. A test prints that it is skipped where the environment variable that names its server is
//! not set; `make test` sets them and fails on a skipped test.

use std::sync::atomic::{AtomicU32, Ordering};
use tapewire_bus::{KafkaConfig, Topics};
use tapewire_runtime::Clock;
use tapewire_store::ClickHouseConfig;

/// Empty topics on the broker that `TAPEWIRE_KAFKA_BROKERS` names, under a prefix of this test's own.
///
/// # Panics
/// If the topics can't be created.
pub async fn kafka(test: &str, partitions: i32) -> Option<KafkaConfig> {
    let brokers = variable("TAPEWIRE_KAFKA_BROKERS", test)?;
    let config = KafkaConfig { brokers, prefix: format!("{}-", unique(test)), partitions, ..KafkaConfig::default() };
    Topics::new(&config).ensure().await.expect("the broker creates topics");
    Some(config)
}

/// The name of a database that does not exist yet, on the server that `TAPEWIRE_CLICKHOUSE_URL` names.
pub fn clickhouse(test: &str) -> Option<ClickHouseConfig> {
    let url = variable("TAPEWIRE_CLICKHOUSE_URL", test)?;
    Some(ClickHouseConfig { url, database: unique(test), ..ClickHouseConfig::default() })
}

/// The root of the API of the schema registry that `TAPEWIRE_TEST_SCHEMA_REGISTRY` names.
pub fn schema_registry(test: &str) -> Option<String> {
    variable("TAPEWIRE_TEST_SCHEMA_REGISTRY", test)
}

fn variable(name: &str, test: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {test}: {name} is not set");
    }
    value
}

/// A name that differs between the tests of a process, and between processes.
pub(crate) fn unique(test: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (now, count) = (Clock::wall().now().as_microsecond(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("test_{test}_{now}_{count}")
}
