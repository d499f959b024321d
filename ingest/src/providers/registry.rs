//! Which providers there are, and how a name in the settings becomes one.

use super::finding::{CompanyFinder, Finding};
use super::items::ItemResult;
use super::secrets::Discreet;
use super::{ApiKey, NewsSource, PriceSource, ProviderError};
use crate::IngestError;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tapewire_core::Article;
use tapewire_runtime::Clock;

/// Every provider of this build: a line each.
pub const PROVIDERS: &[Provider] = &[
    // The first is the default.
    super::massive::PROVIDER,
    super::edgar::PROVIDER,
    super::feeds::GLOBENEWSWIRE,
    super::feeds::PRNEWSWIRE,
    super::feeds::BUSINESSWIRE,
    super::feeds::RSS,
    super::gdelt::PROVIDER,
    super::binance::PROVIDER,
    super::coinbase::PROVIDER,
    super::nasdaq_halts::PROVIDER,
    super::kraken::PROVIDER,
    super::finnhub::PROVIDER,
    super::alpaca::SHARES,
    super::alpaca::COINS,
    super::alphavantage::PROVIDER,
    super::tiingo::PROVIDER,
    super::json::PROVIDER,
    super::yahoo::PROVIDER,
];

/// The provider that is used where the settings name none.
pub const DEFAULT: &str = PROVIDERS[0].kind;

/// What the rest of the crate has to know of a provider.
pub struct Provider {
    /// Value of `kind` in the settings. An account of this name needs no `kind`.
    pub kind: &'static str,
    /// Whether it answers only who has an API key.
    pub needs_key: bool,
    /// Settings of its own.
    pub settings: SettingsType,
    /// Makes its news source, if it has news.
    pub news: Option<Make<dyn NewsSource>>,
    /// Makes its price source, if it has prices.
    pub prices: Option<Make<dyn PriceSource>>,
    /// Reads a line of a replayed news file that has the shape of the provider's API; `None` if that is not supported.
    pub replay_line: Option<ReplayLine>,
}

/// Makes a source from an account.
pub type Make<Source> = fn(&Account) -> Result<Arc<Source>, ProviderError>;

/// The type of a provider's own settings: their defaults and their schema.
pub struct SettingsType {
    defaults: fn() -> Map<String, Value>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl SettingsType {
    /// Settings of type `T`.
    pub const fn of<T: Default + Serialize + JsonSchema>() -> Self {
        Self { defaults: defaults::<T>, schema: SchemaGenerator::subschema_for::<T> }
    }
}

fn defaults<T: Default + Serialize>() -> Map<String, Value> {
    match serde_json::to_value(T::default()) {
        Ok(Value::Object(settings)) => settings,
        other => panic!("settings are a table, not {other:?}"),
    }
}

/// Reads a line of a news file: `None` if it does not have the provider's shape, otherwise the article or why it can't
/// be used.
pub type ReplayLine = fn(&str) -> Option<ItemResult<Article>>;

/// What a source is made from: one account with one provider.
#[derive(Debug, Clone)]
pub struct Account {
    /// The source's name in the settings.
    pub name: String,
    /// The provider's own settings, not read yet; see [`Account::settings`].
    pub settings: Map<String, Value>,
    /// The account's key; empty if none is configured.
    pub key: ApiKey,
    /// The clock for the times at which answers are received.
    pub clock: Clock,
}

impl Account {
    /// The provider's own settings, as the provider defines them.
    ///
    /// # Errors
    /// [`ProviderError::Setting`].
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_value(Value::Object(self.settings.clone()))
            .map_err(|error| ProviderError::Setting { provider: self.name.clone(), reason: error.to_string() })
    }
}

/// Settings of one provider's account: `[providers.NAME]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct ProviderConfig {
    /// See [`Common::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// See [`Common::api_key_file`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// The key itself, see [`ProvidersConfig::set_keys`]; never a setting, so that no dump of settings shows it.
    #[serde(skip)]
    pub api_key: ApiKey,
    /// What the provider itself defines.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

/// An account with a provider. The settings below are those of all providers together: each takes its own.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it describes the settings that every provider has")]
struct Common {
    /// Which provider it is; by default the one that has the same name as the account.
    kind: Option<String>,
    /// File that holds the API key and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/api_key")]
    api_key_file: Option<PathBuf>,
}

impl JsonSchema for ProviderConfig {
    fn schema_name() -> Cow<'static, str> {
        "ProviderConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let common = generator.subschema_for::<Common>();
        let own = PROVIDERS.iter().map(|provider| (provider.settings.schema)(generator));
        let all: Vec<Schema> = std::iter::once(common).chain(own).collect();
        json_schema!({"description": "An account with a provider of news or prices.", "anyOf": all})
    }
}

/// Settings of all providers, by name: `[providers]`.
///
/// A provider that needs nothing but its key needs no table:
///
/// ```
/// use tapewire_runtime::Clock;
/// use tapewire_ingest::providers::{ProvidersConfig, registry};
///
/// let mut providers = ProvidersConfig::default();
/// providers.entry("second_account").kind = Some(registry::DEFAULT.into());
/// let news = providers.news_source("second_account", &Clock::wall()).unwrap();
/// assert_eq!(news.name(), "second_account");
/// let error = providers.news_source("misspelt", &Clock::wall()).err().unwrap();
/// assert!(error.to_string().contains(registry::DEFAULT), "the error names the providers there are: {error}");
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct ProvidersConfig {
    accounts: BTreeMap<String, ProviderConfig>,
    /// See [`ProvidersConfig::finding`]; not a setting.
    #[serde(skip)]
    finder: Option<CompanyFinder>,
}

impl Default for ProvidersConfig {
    /// Every provider under its own name, with its default settings.
    fn default() -> Self {
        let account = |provider: &Provider| {
            let settings = (provider.settings.defaults)();
            (provider.kind.to_owned(), ProviderConfig { settings, ..ProviderConfig::default() })
        };
        Self { accounts: PROVIDERS.iter().map(account).collect(), finder: None }
    }
}

impl ProvidersConfig {
    /// These settings, with a finder for the sources whose settings ask for one (`find_companies`).
    pub fn finding(self, finder: CompanyFinder) -> Self {
        Self { finder: Some(finder), ..self }
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &ProviderConfig)> {
        self.accounts.iter().map(|(name, account)| (name.as_str(), account))
    }

    /// The settings of `name`, made if there are none.
    pub fn entry(&mut self, name: &str) -> &mut ProviderConfig {
        self.accounts.entry(name.to_owned()).or_default()
    }

    /// Sets one of the provider's own settings.
    pub fn set(&mut self, name: &str, setting: &str, value: impl Into<Value>) {
        self.entry(name).settings.insert(setting.to_owned(), value.into());
    }

    /// Sets the keys of all accounts, and of accounts called `names`, which are made if they are missing. `key` gives
    /// the key of an account by its name.
    ///
    /// # Errors
    /// The first error of `key`.
    pub fn set_keys<'a, E>(
        &mut self,
        names: impl IntoIterator<Item = &'a String>,
        mut key: impl FnMut(&str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        for name in names {
            self.entry(name);
        }
        for (name, account) in &mut self.accounts {
            account.api_key = ApiKey::new(&key(name)?.unwrap_or_default());
        }
        Ok(())
    }

    /// Refuses an account without the key, or without another setting, that its provider needs, before anything is asked
    /// of the provider.
    ///
    /// # Errors
    /// [`IngestError::Config`] if there is no such provider; [`ProviderError::NoKey`]; [`ProviderError::Setting`].
    pub fn check_key(&self, name: &str) -> Result<(), IngestError> {
        let (provider, account) = self.find(name, &Clock::wall())?;
        if provider.needs_key && account.key.expose().is_empty() {
            return Err(ProviderError::NoKey { provider: name.to_owned() }.into());
        }
        match provider.news {
            // One that has prices, too, may be used for these alone.
            Some(make) if provider.prices.is_none() => Ok(Discreet::made(&account, make)?.check()?),
            _ => Ok(()),
        }
    }

    /// As [`ProvidersConfig::check_key`], for an account whose news are wanted.
    ///
    /// # Errors
    /// As [`ProvidersConfig::check_key`]; [`IngestError::Config`] if it has no news.
    pub fn check_news(&self, name: &str) -> Result<(), IngestError> {
        self.check_key(name)?;
        Ok(self.news_source(name, &Clock::wall())?.check()?)
    }

    /// Whether the provider of the account `name` answers only who has a key.
    ///
    /// # Errors
    /// [`IngestError::Config`] if there is no such provider.
    pub fn needs_key(&self, name: &str) -> Result<bool, IngestError> {
        Ok(self.find(name, &Clock::wall())?.0.needs_key)
    }

    /// The news source called `name`.
    ///
    /// # Errors
    /// [`IngestError::Config`] if there is no such provider or it has no news; [`ProviderError::Setting`].
    pub fn news_source(&self, name: &str, clock: &Clock) -> Result<Arc<dyn NewsSource>, IngestError> {
        let (provider, account) = self.find(name, clock)?;
        let make = provider.news.ok_or_else(|| IngestError::Config(format!("news.sources: {name} has no news")))?;
        Ok(Arc::new(Discreet::made(&account, make)?))
    }

    /// The source, with the companies that are found in articles of which it says none; see [`ProvidersConfig::finding`].
    pub(crate) fn with_companies(&self, source: Arc<dyn NewsSource>) -> Arc<dyn NewsSource> {
        match &self.finder {
            None => source,
            Some(finder) => Arc::new(Finding::new(source, finder.clone())),
        }
    }

    /// The price source called `name`.
    ///
    /// # Errors
    /// [`IngestError::Config`] if there is no such provider or it has no prices; [`ProviderError::Setting`].
    pub fn price_source(&self, name: &str, clock: &Clock) -> Result<Arc<dyn PriceSource>, IngestError> {
        let (provider, account) = self.find(name, clock)?;
        let make =
            provider.prices.ok_or_else(|| IngestError::Config(format!("prices.sources: {name} has no prices")))?;
        Ok(Arc::new(Discreet::made(&account, make)?))
    }

    pub(crate) fn find(&self, name: &str, clock: &Clock) -> Result<(&'static Provider, Account), IngestError> {
        check_name(name)?;
        let config = self.accounts.get(name).cloned().unwrap_or_default();
        let kind = config.kind.as_deref().unwrap_or(name);
        let provider = PROVIDERS.iter().find(|provider| provider.kind == kind).ok_or_else(|| {
            let known: Vec<&str> = PROVIDERS.iter().map(|provider| provider.kind).collect();
            IngestError::Config(format!(
                "providers.{name}: there is no provider `{kind}`; there are: {}",
                known.join(", ")
            ))
        })?;
        let (name, clock) = (name.to_owned(), clock.clone());
        Ok((provider, Account { name, settings: config.settings, key: config.api_key, clock }))
    }
}

/// The kinds of the price sources that have daily bars.
pub fn with_daily_bars() -> Vec<&'static str> {
    let (providers, clock) = (ProvidersConfig::default(), Clock::wall());
    let has_them = |kind: &&str| providers.price_source(kind, &clock).is_ok_and(|source| source.has_daily_bars());
    let mut kinds: Vec<&str> = PROVIDERS.iter().map(|provider| provider.kind).filter(has_them).collect();
    kinds.sort_unstable();
    kinds
}

/// The environment variable that holds the key of the provider called `name`.
pub fn key_variable(name: &str) -> String {
    format!("TAPEWIRE_{}_API_KEY", name.to_ascii_uppercase())
}

/// A name becomes part of file names, keys on topics and variables, so it has to be plain.
fn check_name(name: &str) -> Result<(), IngestError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        let reason = "a name is made of a-z, 0-9 and `_`";
        return Err(IngestError::Config(format!("`{name}` can't be the name of a provider: {reason}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::generate::SchemaSettings;

    fn config_of(text: &str) -> ProvidersConfig {
        toml::from_str(text).unwrap()
    }

    fn error(config: &ProvidersConfig, name: &str) -> String {
        config.news_source(name, &Clock::wall()).err().unwrap().to_string()
    }

    #[test]
    fn a_name_is_a_kind_unless_it_says_another() {
        let config = config_of(&format!("[second]\nkind = '{DEFAULT}'\n[{DEFAULT}]\nrequest_timeout = '7s'"));
        for name in [DEFAULT, "second"] {
            assert_eq!(config.news_source(name, &Clock::wall()).unwrap().name(), name);
            assert_eq!(config.price_source(name, &Clock::wall()).unwrap().name(), name);
        }
        assert!(error(&config, "other").contains(&format!("there are: {DEFAULT}")));
        for name in ["", "a/b", "../x", "Upper", "a-b"] {
            assert!(error(&config, name).contains("can't be the name"), "{name}");
        }
    }

    #[test]
    fn a_misspelled_setting_is_named_with_its_provider() {
        let config = config_of(&format!("[{DEFAULT}]\nrest_ulr = 'x'"));
        let error = error(&config, DEFAULT);
        assert!(error.contains(&format!("providers.{DEFAULT}")) && error.contains("rest_ulr"), "{error}");
    }

    #[test]
    fn a_key_is_never_a_setting_and_never_shown() {
        let mut config = config_of(&format!("[second]\nkind = '{DEFAULT}'"));
        let key = |name: &str| Ok::<_, IngestError>((name != "third").then(|| format!(" key of {name}\n")));
        config.set_keys(&[DEFAULT.to_owned(), "third".to_owned()], key).unwrap();
        assert_eq!(config.entry(DEFAULT).api_key.expose(), format!("key of {DEFAULT}"));
        assert_eq!(config.entry("second").api_key.expose(), "key of second");
        assert_eq!(config.entry("third").api_key, ApiKey::default());
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("key of"), "{shown}");

        let config = config_of(&format!("[{DEFAULT}]\napi_key = 's3cret'"));
        assert!(error(&config, DEFAULT).contains("api_key"));
    }

    #[test]
    fn every_provider_is_shown_with_its_defaults_and_they_can_be_used() {
        let config = ProvidersConfig::default();
        for provider in PROVIDERS {
            let (news, prices) = (provider.news.is_some(), provider.prices.is_some());
            assert!(news || prices, "{} has neither news nor prices", provider.kind);
            assert_eq!(config.news_source(provider.kind, &Clock::wall()).is_ok(), news, "{}", provider.kind);
            assert_eq!(config.price_source(provider.kind, &Clock::wall()).is_ok(), prices, "{}", provider.kind);
        }
        let text = toml::to_string(&config).unwrap();
        assert!(text.contains(&format!("[{DEFAULT}]")) && text.contains("silence_timeout = "), "{text}");
    }

    /// An account may be of any kind, so its section has the settings of all kinds: one name must mean one thing.
    #[test]
    fn a_setting_that_several_providers_have_is_the_same_in_all() {
        let mut known: BTreeMap<String, (&str, Value)> = BTreeMap::new();
        for provider in PROVIDERS {
            let inline = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
            let schema = (provider.settings.schema)(&mut inline.into_generator()).to_value();
            for (name, setting) in schema["properties"].as_object().into_iter().flatten() {
                let mut setting = setting.clone();
                if let Some(setting) = setting.as_object_mut() {
                    setting.remove("default");
                }
                let (first, expected) = known.entry(name.clone()).or_insert((provider.kind, setting.clone()));
                assert_eq!(setting, *expected, "{name} of {} and of {first}", provider.kind);
            }
        }
        assert!(!known.is_empty());
    }
}
