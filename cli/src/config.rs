//! All settings of the binary, and the secrets that go with them.

use crate::settings::{Error, Loaded, Sources};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tapewire_bus::KafkaConfig;
use tapewire_ingest::feed::PricesConfig;
use tapewire_ingest::poller::NewsConfig;
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::simulate::SimulatorConfig;
use tapewire_joiner::join::JoinConfig;
use tapewire_joiner::tables::ClickHouseConfig;
use tapewire_sentiment::http::ServeConfig;
use tapewire_sentiment::worker::WorkerConfig;

/// Settings of tapewire, a section for each crate's part of the work.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of `/health`, `/ready` and `/metrics` of `tapewire run`.
    pub listen: String,
    /// The model: `shipped`, a folder, or a name on the model hub such as `ProsusAI/finbert`.
    pub model: String,
    /// Folder where the poller and the price feed note how far they have read.
    pub state_dir: PathBuf,
    pub kafka: KafkaConfig,
    pub clickhouse: ClickHouseConfig,
    pub providers: ProvidersConfig,
    pub news: NewsConfig,
    pub prices: PricesConfig,
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
            providers: ProvidersConfig::default(),
            news: NewsConfig::default(),
            prices: PricesConfig::default(),
            sentiment: WorkerConfig::default(),
            serve: ServeConfig::default(),
            join: JoinConfig::default(),
            simulator: SimulatorConfig::default(),
        }
    }
}

/// Settings that have another name now.
const RENAMED: [(&str, &str); 8] = [
    ("join.lateness_s", "join.allowed_lateness, a duration such as \"15m\""),
    ("massive.api_key_file", "providers.massive.api_key_file"),
    ("massive.rest_url", "providers.massive.rest_url"),
    ("massive.websocket_url", "providers.massive.websocket_url"),
    ("massive.request_timeout", "providers.massive.request_timeout"),
    ("massive.idle_timeout", "providers.massive.silence_timeout"),
    ("news.page_size", "the provider's own, such as providers.massive.news_page_size"),
    ("join.stale_after_s", "join.stale_after, a duration such as \"10m\""),
];

/// Variables with our prefix that are not settings: the log's filter, and those of the local stack, the dashboards, the
/// model hub's folder, the training and the tests.
const OTHER_VARIABLES: [&str; 28] = [
    "TAPEWIRE_BLESS",
    "TAPEWIRE_CACHE",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE",
    "TAPEWIRE_CLICKHOUSE_HTTP_PORT",
    "TAPEWIRE_CLICKHOUSE_TCP_PORT",
    "TAPEWIRE_DASHBOARDS_PICTURE",
    "TAPEWIRE_DASHBOARDS_TEST_DATABASE",
    "TAPEWIRE_DASHBOARDS_TEST_PORT",
    "TAPEWIRE_FIXTURES",
    "TAPEWIRE_KAFKA_CONTROLLER_PORT",
    "TAPEWIRE_KAFKA_PORT",
    "TAPEWIRE_LABELLED_DATA",
    "TAPEWIRE_LOG",
    "TAPEWIRE_MAVEN_BASE",
    "TAPEWIRE_MODELS_DIR",
    "TAPEWIRE_NPM_BASE",
    "TAPEWIRE_OUTCOMES",
    "TAPEWIRE_REAL_DATA",
    "TAPEWIRE_STACK_DIR",
    "TAPEWIRE_SUPERSET_HOME",
    "TAPEWIRE_SUPERSET_PASSWORD",
    "TAPEWIRE_SUPERSET_PASSWORD_FILE",
    "TAPEWIRE_SUPERSET_PORT",
    "TAPEWIRE_SUPERSET_PYTHON",
    "TAPEWIRE_SUPERSET_URL",
    "TAPEWIRE_TEST_DEVICE",
    "TAPEWIRE_TEST_DIR",
];

impl Config {
    /// Merges defaults, file, environment and flags.
    ///
    /// # Errors
    /// [`Error`] names the layer and the setting.
    pub fn load(file: Option<&Path>, flags: &[String]) -> Result<Loaded<Self>, Error> {
        Loaded::new(&Sources {
            file,
            environment: std::env::vars_os().collect(),
            flags,
            other_variables: &OTHER_VARIABLES,
            renamed: &RENAMED,
        })
    }

    /// The settings together with the secrets that they name.
    ///
    /// # Errors
    /// [`Error::SecretFile`].
    pub fn with_secrets(loaded: Loaded<Self>) -> Result<Self, Error> {
        let kafka = loaded.secret("kafka.sasl_password_file")?;
        let clickhouse = loaded.secret("clickhouse.password_file")?;
        let mut providers = loaded.settings.providers.clone();
        let sources = loaded.settings.news.sources.iter().chain(&loaded.settings.prices.sources);
        providers.set_keys(sources, |name| loaded.secret(&format!("providers.{name}.api_key_file")))?;
        let mut config = loaded.settings;
        config.join.benchmark = config.prices.benchmark.clone();
        config.kafka.sasl_password = kafka;
        config.clickhouse.password = clickhouse.unwrap_or_default();
        config.providers = providers;
        Ok(config)
    }
}
