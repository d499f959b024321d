//! All settings of the binary, and the secrets that go with them.

use crate::settings;
use anyhow::Context as _;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tapewire_bus::KafkaConfig;
use tapewire_ingest::feed::PriceFeedConfig;
use tapewire_ingest::poller::NewsPollerConfig;
use tapewire_ingest::providers::massive::{ApiKey, MassiveConfig};
use tapewire_ingest::simulate::SimulatorConfig;
use tapewire_joiner::join::JoinConfig;
use tapewire_sentiment::http::ServeConfig;
use tapewire_sentiment::worker::WorkerConfig;
use tapewire_store::ClickHouseConfig;

/// Settings as `tapewire.toml` has them, a table for each room.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of `/health`, `/ready` and `/metrics`.
    pub listen: String,
    /// `shipped`, a folder, or a name on the model hub.
    pub model: String,
    /// Where the poller and the feed note how far they have come.
    pub state_dir: PathBuf,
    pub kafka: KafkaConfig,
    pub clickhouse: ClickHouseConfig,
    pub massive: MassiveConfig,
    pub news: NewsPollerConfig,
    pub prices: PriceFeedConfig,
    pub sentiment: WorkerConfig,
    pub serve: ServeConfig,
    pub join: JoinConfig,
    pub simulator: SimulatorConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".into(),
            model: "shipped".into(),
            state_dir: "state".into(),
            kafka: KafkaConfig::default(),
            clickhouse: ClickHouseConfig::default(),
            massive: MassiveConfig::default(),
            news: NewsPollerConfig::default(),
            prices: PriceFeedConfig::default(),
            sentiment: WorkerConfig::default(),
            serve: ServeConfig::default(),
            join: JoinConfig::default(),
            simulator: SimulatorConfig::default(),
        }
    }
}

const SECTIONS: [&str; 9] =
    ["kafka", "clickhouse", "massive", "news", "prices", "sentiment", "serve", "join", "simulator"];
const SCALARS: [&str; 3] = ["listen", "model", "state_dir"];
/// Secrets have variables of their own and are never settings, so that no settings dump shows them.
const MASSIVE_KEY: &str = "TAPEWIRE_MASSIVE_API_KEY";
const CLICKHOUSE_PASSWORD: &str = "TAPEWIRE_CLICKHOUSE_PASSWORD";
/// Variables of the local stack that share our prefix and a section's name.
const NOT_SETTINGS: [&str; 7] = [
    MASSIVE_KEY,
    CLICKHOUSE_PASSWORD,
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE",
    "TAPEWIRE_CLICKHOUSE_HTTP_PORT",
    "TAPEWIRE_CLICKHOUSE_TCP_PORT",
    "TAPEWIRE_KAFKA_PORT",
    "TAPEWIRE_KAFKA_CONTROLLER_PORT",
];

impl Config {
    /// Reads file, environment and flags, then the secrets the settings point at.
    pub fn load(file: Option<&Path>, flags: &[String]) -> anyhow::Result<Self> {
        let environment = std::env::vars().filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()));
        let merged = settings::merge(file, environment, flags, &SECTIONS, &SCALARS)?;
        let mut config: Self = merged.try_into().context("settings")?;
        config.join.benchmark = config.prices.benchmark.clone();
        config.kafka.sasl_password = secret(None, config.kafka.sasl_password_file.as_deref())?;
        if let Some(key) = secret(Some(MASSIVE_KEY), config.massive.api_key_file.as_deref())? {
            config.massive.api_key = ApiKey::new(&key);
        }
        if let Some(password) = secret(Some(CLICKHOUSE_PASSWORD), config.clickhouse.password_file.as_deref())? {
            config.clickhouse.password = password;
        }
        Ok(config)
    }
}

/// A secret from its variable or, if that is not set, its file; surrounding white space is not part of it.
fn secret(variable: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    if let Some(value) = variable.and_then(|name| std::env::var(name).ok()) {
        return Ok(Some(value.trim().to_owned()));
    }
    let read = |path: &Path| {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("can't read the secret in {}", path.display()))?;
        Ok(text.trim().to_owned())
    };
    file.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_named() {
        let flags = ["kafka.borkers=x".to_owned()];
        let error = format!("{:#}", Config::load(None, &flags).unwrap_err());
        assert!(error.contains("borkers"), "{error}");
    }

    #[test]
    fn the_pages_of_a_process_are_for_this_machine_unless_told_otherwise() {
        let address: std::net::SocketAddr = Config::default().listen.parse().unwrap();
        assert!(address.ip().is_loopback());
    }

    #[test]
    fn secrets_come_from_files_and_do_not_print() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "s3cret\n").unwrap();
        let flags = [format!("clickhouse.password_file={}", path.display())];
        let config = Config::load(None, &flags).unwrap();
        assert_eq!(config.clickhouse.password, "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
        let missing = ["clickhouse.password_file=/nowhere/at/all".to_owned()];
        let error = format!("{:#}", Config::load(None, &missing).unwrap_err());
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }
}
