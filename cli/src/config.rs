//! All settings of the binary, and the secrets that go with them.

mod check;
mod variables;

pub use crate::preset::Preset;
use crate::settings::{Error, Loaded, Sources};
use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tapewire_alerts::AlertsConfig;
use tapewire_bus::KafkaConfig;
use tapewire_core::exchange::Calendars;
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::simulate::SimulatorConfig;
use tapewire_ingest::{feed::PricesConfig, fold::BarsConfig, instruments::InstrumentsConfig, poller::NewsConfig};
use tapewire_joiner::join::JoinConfig;
use tapewire_runtime::http::{HttpConfig, Token};
use tapewire_runtime::traces::{OtlpHeaders, TracesConfig};
use tapewire_sentiment::companies::table;
use tapewire_sentiment::http::ServeConfig;
use tapewire_sentiment::worker::WorkerConfig;
use tapewire_store::ClickHouseConfig;
use variables::OTHER_VARIABLES;

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
    /// File of subscriptions: sources, symbols, trades and halts that override those in `news` and `prices`.
    /// `tapewire run` reads it again when it changes: docs/running.md.
    #[schemars(example = &"subscriptions.toml")]
    pub subscriptions_file: Option<PathBuf>,
    pub kafka: KafkaConfig,
    pub clickhouse: ClickHouseConfig,
    pub providers: ProvidersConfig,
    pub news: NewsConfig,
    pub prices: PricesConfig,
    pub bars: BarsConfig,
    pub sentiment: WorkerConfig,
    pub instruments: InstrumentsConfig,
    pub serve: ServeConfig,
    pub http: HttpConfig,
    pub traces: TracesConfig,
    pub join: JoinConfig,
    pub alerts: AlertsConfig,
    pub simulator: SimulatorConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".into(),
            model: "shipped".into(),
            state_dir: "state".into(),
            subscriptions_file: None,
            kafka: KafkaConfig::default(),
            clickhouse: ClickHouseConfig::default(),
            providers: ProvidersConfig::default(),
            news: NewsConfig::default(),
            prices: PricesConfig::default(),
            bars: BarsConfig::default(),
            sentiment: WorkerConfig::default(),
            instruments: InstrumentsConfig::default(),
            serve: ServeConfig::default(),
            http: HttpConfig::default(),
            traces: TracesConfig::default(),
            join: JoinConfig::default(),
            alerts: AlertsConfig::default(),
            simulator: SimulatorConfig::default(),
        }
    }
}

/// Settings that have another name now.
const RENAMED: [(&str, &str); 9] = [
    ("join.lateness_s", "join.allowed_lateness, a duration such as \"15m\""),
    ("join.stale_after_s", "join.stale_after, a duration such as \"10m\""),
    ("massive.api_key_file", "providers.massive.api_key_file"),
    ("massive.rest_url", "providers.massive.rest_url"),
    ("massive.websocket_url", "providers.massive.websocket_url"),
    ("massive.request_timeout", "providers.massive.request_timeout"),
    ("massive.login_timeout", "providers.massive.login_timeout"),
    ("massive.idle_timeout", "providers.massive.silence_timeout"),
    ("news.page_size", "the provider's own, such as providers.massive.news_page_size"),
];

impl Config {
    /// Merges defaults, preset, file, environment and flags.
    ///
    /// # Errors
    /// [`Error`] names the layer and the setting.
    pub fn load(preset: Option<Preset>, file: Option<&Path>, flags: &[String]) -> Result<Loaded<Self>, Error> {
        let loaded = Loaded::new(&Sources {
            preset: preset.map(Preset::settings),
            file,
            environment: std::env::vars_os().collect(),
            flags,
            other_variables: OTHER_VARIABLES,
            renamed: &RENAMED,
        })?;
        check::checked(loaded)
    }

    /// The settings together with the secrets that they name.
    ///
    /// # Errors
    /// [`Error::SecretFile`].
    pub fn with_secrets(loaded: Loaded<Self>) -> Result<Self, Error> {
        Self::with_secrets_by(loaded, Loaded::secret)
    }

    /// As [`Config::with_secrets`], with secrets from `secret`, which gets the path of the setting that names a
    /// secret's file.
    ///
    /// # Errors
    /// Those of `secret`.
    pub fn with_secrets_by<E>(
        loaded: Loaded<Self>,
        mut secret: impl FnMut(&Loaded<Self>, &str) -> Result<Option<String>, E>,
    ) -> Result<Self, E> {
        let kafka = secret(&loaded, "kafka.sasl_password_file")?;
        let registry = secret(&loaded, "kafka.schema_registry.password_file")?;
        let registry_token = secret(&loaded, "kafka.schema_registry.token_file")?;
        let clickhouse = secret(&loaded, "clickhouse.password_file")?;
        let webhook = secret(&loaded, "alerts.webhook_url_file")?;
        let slack = secret(&loaded, "alerts.slack_url_file")?;
        let token = secret(&loaded, "http.token_file")?;
        let headers = secret(&loaded, "traces.otlp_headers_file")?;
        let mut providers = loaded.settings.providers.clone();
        let settings = &loaded.settings;
        let sources =
            settings.news.sources.iter().chain(&settings.prices.sources).chain(settings.instruments.accounts());
        providers.set_keys(sources, |name| secret(&loaded, &format!("providers.{name}.api_key_file")))?;
        let mut config = loaded.settings;
        config.join.benchmark = config.prices.benchmark.clone();
        config.join.other_benchmarks = config.prices.other_benchmarks.clone();
        config.set_calendars(config.join.calendars.clone());
        config.kafka.sasl_password = kafka;
        config.kafka.schema_registry.password = registry;
        config.kafka.schema_registry.token = registry_token;
        config.clickhouse.password = clickhouse.unwrap_or_default();
        config.alerts.webhook_url = webhook.filter(|url| !url.is_empty());
        config.alerts.slack_url = slack.filter(|url| !url.is_empty());
        config.http.token = token.as_deref().map(Token::new);
        config.traces.otlp_headers = headers.as_deref().map(OtlpHeaders::new);
        config.providers = providers;
        Ok(config)
    }

    /// Adds the markets of instruments from the files `sentiment.companies` and `sentiment.instruments`, where these
    /// name an exchange that we know. Rules in `[join.calendars]` take precedence.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn learn_markets(&mut self) -> anyhow::Result<()> {
        let files = [self.sentiment.companies.clone(), self.sentiment.instruments.clone()];
        for path in files.into_iter().flatten() {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {place}"))?;
            for instrument in table::read(&place, &text)?.instruments {
                if let Ok(market) = instrument.exchange.parse() {
                    self.join.calendars.learn(&instrument.symbol, market);
                }
            }
        }
        self.set_calendars(self.join.calendars.clone());
        Ok(())
    }

    /// Sets these calendars for every stage that asks for the market of a symbol.
    pub fn set_calendars(&mut self, calendars: Calendars) {
        self.prices.calendars = calendars.clone();
        self.bars.calendars = calendars.clone();
        self.sentiment.calendars = calendars.clone();
        self.join.calendars = calendars;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use std::collections::BTreeSet;
    use tapewire_core::Symbol;
    use tapewire_sentiment::Precision;

    fn load(flags: &[&str]) -> Result<Config, Error> {
        load_from("", &[], flags).and_then(Config::with_secrets)
    }

    /// Settings from this file, environment and flags, not those of the machine.
    fn load_from(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Loaded<Config>, Error> {
        load_over(None, file, environment, flags)
    }

    fn load_over(
        preset: Option<(&str, &str)>,
        file: &str,
        environment: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<Loaded<Config>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        std::fs::write(&path, file).unwrap();
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        Loaded::new(&Sources {
            preset,
            file: Some(&path),
            environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            flags: &flags,
            other_variables: OTHER_VARIABLES,
            renamed: &RENAMED,
        })
    }

    /// An error and its causes.
    fn text(error: Error) -> String {
        crate::exit::text(&error.into())
    }

    #[test]
    fn flags_override_the_environment_and_the_environment_overrides_the_file() {
        let file = "listen = \"file\"\n[kafka]\nbrokers = \"file:1\"\npartitions = 1\nprefix = \"file\"";
        let environment = [
            ("TAPEWIRE_KAFKA_BROKERS", "env:2"),
            ("TAPEWIRE_KAFKA_PARTITIONS", "2"),
            ("TAPEWIRE_LISTEN", "env"),
            ("TAPEWIRE_STACK_DIR", "x"),
        ];
        let loaded = load_from(file, &environment, &["kafka.brokers=flag:3", "kafka.properties.debug=all"]).unwrap();
        let config = loaded.settings;
        assert_eq!(config.kafka.brokers, "flag:3");
        assert_eq!(config.kafka.properties["debug"], "all");
        assert_eq!(config.kafka.partitions, 2);
        assert_eq!(config.kafka.prefix, "file");
        assert_eq!(config.listen, "env");
    }

    #[test]
    fn a_preset_overrides_the_defaults_and_the_file_overrides_the_preset() {
        let preset = Some(Preset::Keyless.settings());
        let file = "[news]\nevery = \"2m\"\n[news.override.gdelt]\nevery = \"9m\"";
        let contact = "providers.edgar.user_agent=Example admin@example.com";
        let loaded = load_over(preset, file, &[], &["kafka.partitions=1", contact]).unwrap();
        let shown = settings::effective(&loaded).unwrap();
        let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        assert!(line("benchmark = \"SPY\"").ends_with("# preset keyless"), "{shown}");
        let config = Config::with_secrets(loaded).unwrap();
        let [wire, gdelt] = ["globenewswire", "gdelt"].map(|name| config.news.of(name));
        assert_eq!((wire.every.as_secs(), gdelt.every.as_secs(), gdelt.wire_delay.as_secs()), (120, 540, 1200));
        config.news.check().and_then(|()| config.prices.check()).unwrap();
        let reference = |name| config.prices.of(name).reference.unwrap().to_string();
        assert_eq!(["yahoo", "binance"].map(reference), ["SPY", "X:BTCUSDT"]);
    }

    /// Every source of the preset can be used without an account, once `user_agent` says who asks the SEC.
    #[test]
    fn the_keyless_preset_needs_a_contact_for_the_sec_and_nothing_else() {
        let preset = Some(Preset::Keyless.settings());
        let roles = &crate::roles::Role::ALL;
        let config = Config::with_secrets(load_over(preset, "", &[], &[]).unwrap()).unwrap();
        let error = crate::exit::text(&crate::preflight::keys(&config, roles).unwrap_err());
        assert!(error.contains("providers.edgar") && error.contains("user_agent"), "{error}");
        let contact = [("TAPEWIRE_PROVIDERS_EDGAR_USER_AGENT", "Example admin@example.com")];
        let config = Config::with_secrets(load_over(preset, "", &contact, &[]).unwrap()).unwrap();
        crate::preflight::keys(&config, roles).unwrap();
        let clock = tapewire_runtime::Clock::wall();
        for name in &config.prices.sources {
            let source = config.providers.price_source(name, &clock).unwrap();
            source.check(&config.prices.of(name).subscription()).unwrap();
        }
    }

    #[test]
    fn a_nested_setting_keeps_its_siblings() {
        let file = "[sentiment.engine]\nthreads = 3\nprecision = \"bf16\"\n[sentiment.queue]\ncache_entries = 5";
        for (environment, flags) in [
            (vec![("TAPEWIRE_SENTIMENT_ENGINE_PRECISION", "int8")], vec![]),
            (vec![("TAPEWIRE_SENTIMENT_ENGINE", "{precision = \"int8\"}")], vec![]),
            (vec![], vec!["sentiment.engine.precision=int8"]),
        ] {
            let sentiment = load_from(file, &environment, &flags).unwrap().settings.sentiment;
            assert_eq!(sentiment.engine.precision, Some(Precision::Int8));
            assert_eq!((sentiment.engine.threads, sentiment.queue.cache_entries), (3, 5));
        }
    }

    #[test]
    fn an_optional_setting_of_any_type_is_not_set_by_an_empty_text() {
        let file = "[news]\nrequests_a_day = 25\n[prices.override.massive]\nsymbols = [\"AAPL\"]\ntrades = true";
        let flags = ["news.requests_a_day=", "prices.override.massive.symbols=", "prices.override.massive.trades= "];
        let config = load_from(file, &[], &flags).unwrap().settings;
        assert_eq!(config.news.requests_a_day, None);
        let of_source = &config.prices.r#override["massive"];
        assert!(of_source.symbols.is_none() && of_source.trades.is_none(), "{of_source:?}");
    }

    #[test]
    fn digits_stay_a_text_where_the_setting_is_a_text() {
        let environment = [
            ("TAPEWIRE_CLICKHOUSE_USER", "12345"),
            ("TAPEWIRE_CLICKHOUSE_DATABASE", "2025"),
            ("TAPEWIRE_KAFKA_PREFIX", "1e3"),
            ("TAPEWIRE_PRICES_BENCHMARK", "TRUE"),
            ("TAPEWIRE_PRICES_SYMBOLS", "NAN,TRUE"),
        ];
        let config = load_from("", &environment, &[]).unwrap().settings;
        assert_eq!((&*config.clickhouse.user, &*config.clickhouse.database), ("12345", "2025"));
        assert_eq!((&*config.kafka.prefix, config.prices.benchmark.as_str()), ("1e3", "TRUE"));
        assert_eq!(config.prices.symbols.iter().map(|symbol| symbol.as_str()).collect::<Vec<_>>(), ["NAN", "TRUE"]);
        let config = load(&["clickhouse.user=0012345", "clickhouse.database=\"2025\"", "kafka.prefix=nan"]).unwrap();
        assert_eq!((&*config.clickhouse.user, &*config.clickhouse.database), ("0012345", "2025"));
        assert_eq!(config.kafka.prefix, "nan");
        let file = "[clickhouse]\nuser = 12345\ndatabase = 2025";
        let clickhouse = load_from(file, &[], &[]).unwrap().settings.clickhouse;
        assert_eq!((&*clickhouse.user, &*clickhouse.database), ("12345", "2025"));
    }

    #[test]
    fn properties_of_kafka_have_dots_in_their_names() {
        let expected = [("sasl.username", "7"), ("security.protocol", "SASL_SSL"), ("session.timeout.ms", "6000")];
        let files = [
            "[kafka]\nproperties = { \"session.timeout.ms\" = 6000, \"sasl.username\" = \"7\" }",
            "[kafka.properties]\nsession.timeout.ms = 6000\nsasl.username = 7",
            "kafka.properties.session.timeout.ms = \"6000\"\nkafka.properties.\"sasl.username\" = 7",
        ];
        for file in files {
            for (environment, flags) in [
                (vec![("TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SASL_SSL")], vec![]),
                (vec![("TAPEWIRE_KAFKA__PROPERTIES__SECURITY.PROTOCOL", "SASL_SSL")], vec![]),
                (vec![("TAPEWIRE_KAFKA_PROPERTIES", "{\"security.protocol\" = \"SASL_SSL\"}")], vec![]),
                (vec![], vec!["kafka.properties.security.protocol=SASL_SSL"]),
                (vec![], vec!["kafka.properties.\"security.protocol\"=SASL_SSL"]),
                (vec![], vec!["kafka.properties={\"security.protocol\" = \"SASL_SSL\"}"]),
            ] {
                let properties = load_from(file, &environment, &flags).unwrap().settings.kafka.properties;
                let properties = properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                assert_eq!(properties.collect::<Vec<_>>(), expected, "{file} {environment:?} {flags:?}");
            }
        }
    }

    #[test]
    fn durations_are_texts_with_a_unit() {
        let join = load(&["join.allowed_lateness=1h 30m", "join.stale_after=90s"]).unwrap().join;
        assert_eq!((join.allowed_lateness.as_secs(), join.stale_after.as_secs()), (5400, 90));
        let error = text(load(&["news.every=20"]).unwrap_err());
        assert!(error.contains("news.every") && error.contains("20s"), "{error}");
    }

    #[test]
    fn old_names_are_refused_with_the_new_ones() {
        for (old, new) in [("lateness_s", "join.allowed_lateness"), ("stale_after_s", "join.stale_after")] {
            let file = load_from(&format!("[join]\n{old} = 900"), &[], &[]);
            let variable = format!("TAPEWIRE_JOIN_{}", old.to_ascii_uppercase());
            let environment = load_from("", &[(&variable, "900")], &[]);
            let flag = load_from("", &[], &[&format!("join.{old}=900")]);
            for result in [file, environment, flag] {
                let error = text(result.err().unwrap());
                assert!(error.contains(old) && error.contains(new), "{error}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_origin() {
        for (file, environment, flags, words) in [
            ("[kafka", vec![], vec![], vec!["t.toml", "TOML"]),
            ("[kafak]\nbrokers = \"x\"", vec![], vec![], vec!["t.toml", "`kafak`", "kafka"]),
            ("[kafka]\npartitions = \"many\"", vec![], vec![], vec!["t.toml", "kafka.partitions", "many"]),
            ("kafka = 5", vec![], vec![], vec!["t.toml", "kafka", "section"]),
            ("", vec![], vec!["clickhouse.url=db:8123"], vec!["clickhouse.url", "`db:8123`", "http://db:8123"]),
            (
                "",
                vec![("TAPEWIRE_CLICKHOUSE_URL", "tcp://db:9000")],
                vec![],
                vec!["TAPEWIRE_CLICKHOUSE_URL", "http://db:9000"],
            ),
            ("", vec![], vec!["nonsense"], vec!["--set nonsense", "section.key=value"]),
            ("", vec![], vec!["kafka.borkers=x"], vec!["--set", "kafka.borkers", "`kafka.brokers`"]),
            ("", vec![], vec!["sentiment.engine.precision=f31"], vec!["--set", "f31", "int8-wide"]),
            (
                "",
                vec![],
                vec!["traces.otlp_endpoint=jaeger:4318"],
                vec!["traces.otlp_endpoint", "http://127.0.0.1:4318"],
            ),
            ("", vec![], vec!["traces.sample_ratio=10"], vec!["traces.sample_ratio", "from 0 to 1"]),
            ("", vec![], vec!["clickhouse.password=x"], vec!["secret", "TAPEWIRE_CLICKHOUSE_PASSWORD"]),
            ("", vec![("TAPEWIRE_KAFKA_PARTITIONS", "many")], vec![], vec!["TAPEWIRE_KAFKA_PARTITIONS", "many"]),
            (
                "",
                vec![("TAPEWIRE_SENTIMNET_ENGINE_PRECISION", "int8"), ("TAPEWIRE_LISTENS", "x")],
                vec![],
                vec!["TAPEWIRE_LISTENS", "TAPEWIRE_LISTEN;", "TAPEWIRE_SENTIMENT_ENGINE_PRECISION"],
            ),
        ] {
            let error = load_from(file, &environment, &flags).err().expect("it is wrong");
            assert_eq!(crate::exit::code(&anyhow::Error::from(error)), crate::exit::USAGE);
            let error = text(load_from(file, &environment, &flags).err().unwrap());
            for word in words {
                assert!(error.contains(word), "{word} is not in: {error}");
            }
        }
    }

    #[test]
    fn the_default_address_of_a_process_is_loopback() {
        let address: std::net::SocketAddr = Config::default().listen.parse().unwrap();
        assert!(address.ip().is_loopback());
    }

    #[test]
    fn secrets_come_from_files_or_variables_and_do_not_print() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "s3cret\n").unwrap();
        let flag = format!("clickhouse.password_file={}", path.display());
        let config = load(&[&flag]).unwrap();
        assert_eq!(config.clickhouse.password, "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));

        let variables = [
            ("TAPEWIRE_CLICKHOUSE_PASSWORD", " 0123 "),
            ("TAPEWIRE_KAFKA_SASL_PASSWORD", "s4cret"),
            ("TAPEWIRE_MASSIVE_API_KEY", "s5cret"),
            ("TAPEWIRE_TRACES_OTLP_HEADERS", "authorization=s6cret"),
        ];
        let mut config = Config::with_secrets(load_from("", &variables, &[&flag]).unwrap()).unwrap();
        assert_eq!(config.clickhouse.password, "0123", "a variable overrides the file");
        assert_eq!(config.kafka.sasl_password.as_deref(), Some("s4cret"));
        assert_eq!(config.providers.entry("massive").api_key.expose(), "s5cret");
        assert_eq!(config.traces.otlp_headers, Some(OtlpHeaders::new("authorization=s6cret")));
        assert!(!format!("{config:?}").contains("s6cret"));

        let error = text(load(&["clickhouse.password_file=/nowhere/at/all"]).unwrap_err());
        assert!(error.contains("/nowhere/at/all") && error.contains("clickhouse.password_file"), "{error}");
    }

    #[test]
    fn keys_of_providers_have_short_variables() {
        let file = "[providers.second]\nkind = \"massive\"";
        for (name, variable) in [
            ("massive", "TAPEWIRE_MASSIVE_API_KEY"),
            ("massive", "TAPEWIRE_PROVIDERS_MASSIVE_API_KEY"),
            ("second", "TAPEWIRE_SECOND_API_KEY"),
        ] {
            let loaded = load_from(file, &[(variable, "s3cret")], &[]).unwrap();
            let mut config = Config::with_secrets(loaded).unwrap();
            assert_eq!(config.providers.entry(name).api_key.expose(), "s3cret");
        }
        // The setting that names the key's file has no short variable.
        let error = text(load_from("", &[("TAPEWIRE_MASSIVE_API_KEY_FILE", "/nowhere")], &[]).err().unwrap());
        assert!(error.contains("is now `providers.massive.api_key_file`"), "{error}");
        // A misspelt name is refused, and not taken for that of an unused provider.
        let error = text(load_from("", &[("TAPEWIRE_MASIVE_API_KEY", "s3cret")], &[]).err().unwrap());
        assert!(error.contains("TAPEWIRE_MASIVE_API_KEY") && error.contains("TAPEWIRE_MASSIVE_API_KEY"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn the_market_of_all_others_is_that_of_symbols_that_nothing_else_says_the_market_of() {
        let folder = tempfile::tempdir().unwrap();
        let companies = folder.path().join("companies.csv");
        std::fs::write(&companies, "symbol,name,exchange\nSAP,SAP,XETR\n").unwrap();
        let flag = format!("sentiment.companies={}", companies.display());
        let loaded = load_from("[join.calendars]\n\"*\" = \"london\"\n", &[], &[&flag]).unwrap();
        let mut config = Config::with_secrets(loaded).unwrap();
        config.learn_markets().unwrap();
        for calendars in [&config.join.calendars, &config.prices.calendars, &config.sentiment.calendars] {
            let market = |ticker| calendars.of(&Symbol::new(ticker).unwrap()).to_string();
            assert_eq!(["VOD", "SAP", "7203.T"].map(market), ["XLON", "XETR", "XTKS"]);
        }
    }

    #[test]
    fn an_empty_variable_unsets_an_optional_setting() {
        let file = "[clickhouse]\npassword_file = \"/nowhere\"";
        let environment = [("TAPEWIRE_CLICKHOUSE_PASSWORD_FILE", ""), ("TAPEWIRE_CLICKHOUSE_PASSWORD", "")];
        let config = Config::with_secrets(load_from(file, &environment, &[]).unwrap()).unwrap();
        assert_eq!((config.clickhouse.password_file, &*config.clickhouse.password), (None, ""));
    }

    #[test]
    fn no_two_settings_have_the_same_variable() {
        let names = settings::variables::<Config>();
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(names.len() > 50 && !OTHER_VARIABLES.iter().any(|&other| names.iter().any(|name| name == other)));
    }
}
