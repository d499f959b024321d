//! Settings, the files with secrets, and the keys of the sources.

use super::{Check, Status};
use crate::config::Config;
use crate::exit;
use crate::retention;
use crate::settings::{self, Loaded, SecretOrigin};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tapewire_ingest::IngestError;

/// Where containers have their secrets. A file there has the owner and the mode that it has outside, where a folder protects
/// it; with the mode 600 the container's user could not read it.
const MOUNTED: &str = "/run/secrets";

/// Settings of which some may be wrong, and the checks that found that.
pub struct Given {
    /// The checks of settings and secrets.
    pub checks: Vec<Check>,
    /// Where each secret is from, by the setting that may name its file.
    origins: Vec<(String, SecretOrigin)>,
}

impl Given {
    /// Checks settings and secrets. Without settings that can be used nothing else can be checked.
    pub fn new(loaded: Result<Loaded<Config>, settings::Error>, file: Option<&Path>) -> (Self, Option<Config>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                let found = exit::text(&error.into());
                let checks = vec![Check::problem("settings", found)];
                return (Self { checks, origins: Vec::new() }, None);
            }
        };
        let paths = secret_settings(&loaded.settings);
        let origin = |path: &String| Some((path.clone(), loaded.secret_origin_of(path)?));
        let origins: Vec<(String, SecretOrigin)> = paths.iter().filter_map(origin).collect();
        let mut secrets = Vec::new();
        let config = Config::with_secrets_by(loaded, |loaded, path| {
            Ok::<_, std::convert::Infallible>(loaded.secret(path).unwrap_or_else(|error| {
                let remedy = format!("make the file readable for this user, or take {path} out of the settings");
                secrets.push(Check::problem("secrets", exit::text(&error.into())).remedy(remedy));
                None
            }))
        });
        let Ok(config) = config;
        let mut checks = vec![valid(&config)];
        let files = origins.iter().filter_map(|(_, origin)| match origin {
            SecretOrigin::File(file) => Some(file.as_path()),
            SecretOrigin::Variable(_) => None,
        });
        let (mounted, own): (Vec<&Path>, Vec<&Path>) = files.partition(|file| file.starts_with(MOUNTED));
        secrets.extend(own.iter().filter_map(|file| open_to_others(file, "is a secret")));
        secrets.extend(passwords_in(&config, file));
        if secrets.is_empty() {
            let checked = format!("{} from files that no other user of this machine can read", own.len());
            let unchecked = format!("{} from {MOUNTED}, whose modes are not checked", mounted.len());
            let found = if mounted.is_empty() { checked } else { format!("{checked}; {unchecked}") };
            secrets.push(Check::ok("secrets", found));
        }
        checks.extend(secrets);
        (Self { checks, origins }, Some(config))
    }
}

/// The settings that may name a file with a secret.
fn secret_settings(config: &Config) -> Vec<String> {
    let sources = config.news.sources.iter().chain(&config.prices.sources).chain(config.instruments.accounts());
    let accounts: BTreeSet<&String> = sources.collect();
    let keys = accounts.into_iter().map(|name| format!("providers.{name}.api_key_file"));
    [
        "kafka.sasl_password_file",
        "kafka.schema_registry.password_file",
        "kafka.schema_registry.token_file",
        "clickhouse.password_file",
        "alerts.webhook_url_file",
        "alerts.slack_url_file",
        "traces.otlp_headers_file",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(keys)
    .collect()
}

/// What each part says of its settings when it starts.
fn valid(config: &Config) -> Check {
    let checked = || -> anyhow::Result<()> {
        config.news.check()?;
        config.prices.check()?;
        config.instruments.check()?;
        config.join.validate()?;
        retention::check(config)?;
        config.clone().learn_markets()
    };
    match checked() {
        Ok(()) => Check::ok("settings", "can be used"),
        Err(error) => Check::problem("settings", exit::text(&error)),
    }
}

fn open_to_others(file: &Path, what: &str) -> Option<Check> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let who = match mode & 0o077 {
        0 => return None,
        bits if bits & 0o007 != 0 => "every user of this machine",
        _ => "its group",
    };
    let name = file.display();
    let found = format!("{name} {what} that {who} can read (mode {:03o})", mode & 0o777);
    Some(Check::warning("secrets", found).remedy(format!("chmod 600 {name}")))
}

/// Passwords among Kafka's properties are in the settings file itself.
fn passwords_in(config: &Config, file: Option<&Path>) -> Option<Check> {
    let has_secret = config.kafka.properties.keys().any(|name| settings::is_secret_name(name));
    let file: PathBuf = file.map_or_else(|| settings::DEFAULT_FILE.into(), Path::to_owned);
    has_secret.then(|| open_to_others(&file, "has a secret in kafka.properties")).flatten()
}

/// Whether each source that needs a key has one. Keys themselves are never shown.
pub fn keys(given: &Given, config: &Config) -> Vec<Check> {
    let names: BTreeSet<&String> =
        config.news.sources.iter().chain(&config.prices.sources).chain(config.instruments.accounts()).collect();
    let origin = |name: &str| {
        let setting = format!("providers.{name}.api_key_file");
        given.origins.iter().find(|(path, _)| *path == setting).map(|(_, origin)| match origin {
            SecretOrigin::Variable(variable) => format!("the variable {variable}"),
            SecretOrigin::File(file) => format!("the file {}", file.display()),
        })
    };
    names.into_iter().map(|name| key(name, config.providers.check_key(name), origin(name), config)).collect()
}

fn key(name: &str, checked: Result<(), IngestError>, origin: Option<String>, config: &Config) -> Check {
    let what = format!("key {name}");
    match (checked, config.providers.needs_key(name)) {
        (Err(error), _) | (_, Err(error)) => Check::new(what, Status::Problem, exit::text(&error.into())),
        (Ok(()), Ok(false)) => Check::ok(what, "it needs none"),
        (Ok(()), Ok(true)) => {
            Check::ok(what, format!("set, from {}", origin.unwrap_or_else(|| "the settings".to_owned())))
        }
    }
}
