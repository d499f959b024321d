//! The file of subscriptions: which sources and symbols are followed. It can be changed while `tapewire run` runs.
//!
//! The file overrides the settings `news` and `prices`. It is read every second. A changed text takes effect once it
//! was read twice, because a file that is still being written changes from one read to the next. It is checked as at
//! the start. A file that can't be used is refused with a line in the log, and the subscriptions in effect stay.

use crate::config::Config;
use crate::exit;
use crate::roles::Role;
use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_ingest::feed::PricesConfig;
use tapewire_ingest::poller::NewsConfig;
use tapewire_runtime::{Clock, Shutdown};
use tokio::sync::watch;

/// Time from one look at the file to the next.
const EVERY: Duration = Duration::from_secs(1);

/// What the file may say. What it leaves out is as in the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    news: GivenNews,
    prices: GivenPrices,
}

impl Given {
    /// Whether it overrides anything.
    fn says_anything(&self) -> bool {
        let GivenPrices { sources, symbols, trades, halts, r#override } = &self.prices;
        let of_prices = sources.is_some() || symbols.is_some() || trades.is_some() || halts.is_some();
        self.news.sources.is_some() || of_prices || !r#override.is_empty()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenNews {
    sources: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenPrices {
    sources: Option<Vec<String>>,
    symbols: Option<Vec<String>>,
    trades: Option<bool>,
    halts: Option<bool>,
    r#override: BTreeMap<String, GivenSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenSource {
    symbols: Option<Vec<String>>,
    trades: Option<bool>,
    halts: Option<bool>,
}

/// The settings of news and prices that are in effect, now and after each change.
#[derive(Clone)]
pub struct Subscriptions {
    pub news: watch::Receiver<NewsConfig>,
    pub prices: watch::Receiver<PricesConfig>,
}

impl Subscriptions {
    /// The subscriptions of the settings, which never change.
    pub fn fixed(config: &Config) -> Self {
        Self { news: watch::channel(config.news.clone()).1, prices: watch::channel(config.prices.clone()).1 }
    }

    /// The subscriptions of the file, which is followed until shutdown, if the settings name one. Only the sources of
    /// `roles` are checked: the keys of other roles' sources may be set only in another process.
    ///
    /// # Errors
    /// The file can't be read, or what it says can't be used.
    pub fn followed(config: &Config, roles: &[Role], shutdown: &Shutdown) -> anyhow::Result<Self> {
        let Some(path) = config.subscriptions_file.clone() else { return Ok(Self::fixed(config)) };
        let text = read(&path)?;
        let first = with(config, &path, &text, roles)?;
        let (news, prices) = (watch::channel(first.news), watch::channel(first.prices));
        let subscriptions = Self { news: news.1, prices: prices.1 };
        let follower = Follower {
            base: config.clone(),
            roles: roles.to_vec(),
            news: news.0,
            prices: prices.0,
            seen: text.clone(),
            last: text,
        };
        tokio::spawn(follower.follow(path.display().to_string(), shutdown.clone()));
        Ok(subscriptions)
    }
}

/// The settings, overridden by the file of subscriptions if they name one. Sources are not checked.
///
/// # Errors
/// The file can't be read, or what it says can't be used.
pub fn applied(config: &Config) -> anyhow::Result<Config> {
    match &config.subscriptions_file {
        Some(path) => with(config, path, &read(path)?, &[]),
        None => Ok(config.clone()),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read the subscriptions in {}", path.display()))
}

/// The settings, overridden by `text`, and checked together with the sources of these roles.
fn with(config: &Config, path: &Path, text: &str, roles: &[Role]) -> anyhow::Result<Config> {
    let name = path.display();
    let given: Given =
        toml_edit::de::from_str(text).with_context(|| format!("{name} can't be read as subscriptions"))?;
    let said = || format!("the subscriptions in {name} can't be used");
    // As after a disk was full, or an editor has emptied the file before it wrote it.
    if !given.says_anything() {
        let remedy = "name what is wanted; `symbols = []` under [prices] is no symbol but the benchmark";
        return Err(anyhow!(
            "it has no entry; {remedy}, and without the setting subscriptions_file the settings alone count"
        ))
        .with_context(said);
    }
    let config = overlaid(config, given).with_context(said)?;
    let clock = Clock::wall();
    config.news.check().with_context(said)?;
    config.prices.check().with_context(said)?;
    if roles.contains(&Role::News) {
        config.news.check_sources(&config.providers, &clock).with_context(said)?;
    }
    if roles.contains(&Role::Prices) {
        config.prices.check_sources(&config.providers, &clock).with_context(said)?;
    }
    Ok(config)
}

fn overlaid(config: &Config, given: Given) -> anyhow::Result<Config> {
    let mut config = config.clone();
    let mut known = Known { config: config.clone(), symbols: None };
    if let Some(sources) = given.news.sources {
        config.news.r#override.retain(|name, _| sources.contains(name));
        config.news.sources = sources;
    }
    let prices = &mut config.prices;
    if let Some(sources) = given.prices.sources {
        prices.r#override.retain(|name, _| sources.contains(name));
        prices.sources = sources;
    }
    if let Some(symbols) = given.prices.symbols {
        prices.symbols = known.expanded(&symbols)?;
    }
    prices.trades = given.prices.trades.unwrap_or(prices.trades);
    prices.halts = given.prices.halts.unwrap_or(prices.halts);
    for (name, source) in given.prices.r#override {
        let own = prices.r#override.entry(name).or_default();
        if let Some(symbols) = source.symbols {
            own.symbols = Some(known.expanded(&symbols)?);
        }
        own.trades = source.trades.or(own.trades);
        own.halts = source.halts.or(own.halts);
    }
    Ok(config)
}

/// The tickers that patterns are matched against: those of the list of companies, which is read for the first pattern.
struct Known {
    config: Config,
    symbols: Option<Vec<Symbol>>,
}

impl Known {
    /// The listed symbols, with each pattern replaced by the symbols that it matches, without duplicates.
    fn expanded(&mut self, listed: &[String]) -> anyhow::Result<Vec<Symbol>> {
        let mut symbols: Vec<Symbol> = Vec::new();
        for text in listed {
            let found = if text.contains(['*', '?']) { self.matching(text)? } else { vec![Symbol::new(text)?] };
            for symbol in found {
                if !symbols.contains(&symbol) {
                    symbols.push(symbol);
                }
            }
        }
        Ok(symbols)
    }

    fn matching(&mut self, pattern: &str) -> anyhow::Result<Vec<Symbol>> {
        let wanted =
            glob::Pattern::new(pattern).with_context(|| format!("`{pattern}` is not a pattern such as BRK.*"))?;
        if self.symbols.is_none() {
            let mut all: Vec<Symbol> = self.config.sentiment.companies()?.symbols().cloned().collect();
            all.sort_unstable();
            self.symbols = Some(all);
        }
        let known = self.symbols.iter().flatten();
        let found: Vec<Symbol> = known.filter(|symbol| wanted.matches(symbol.as_str())).cloned().collect();
        if found.is_empty() {
            bail!(
                "no known ticker matches `{pattern}`; patterns are for companies of the list, coins have to be named"
            );
        }
        Ok(found)
    }
}

/// Reads the file every second.
struct Follower {
    /// The settings without the file.
    base: Config,
    roles: Vec<Role>,
    news: watch::Sender<NewsConfig>,
    prices: watch::Sender<PricesConfig>,
    /// The text that was read last.
    seen: String,
    /// The text that last took effect or was refused.
    last: String,
}

impl Follower {
    async fn follow(mut self, name: String, shutdown: Shutdown) {
        let mut is_readable = true;
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            match tokio::fs::read_to_string(&name).await {
                Ok(text) => {
                    is_readable = true;
                    self.look(&name, text);
                }
                Err(error) => {
                    if is_readable {
                        tracing::warn!(file = name, %error, "the subscriptions can't be read; those in effect stay");
                    }
                    is_readable = false;
                }
            }
        }
    }

    /// Applies a changed text once it was read twice in a row.
    fn look(&mut self, name: &str, text: String) {
        let is_settled = text == self.seen;
        self.seen = text;
        if !is_settled || self.seen == self.last {
            return;
        }
        self.last.clone_from(&self.seen);
        let config = match with(&self.base, Path::new(name), &self.seen, &self.roles) {
            Ok(config) => config,
            Err(error) => {
                let error = exit::text(&error);
                tracing::error!(
                    file = name,
                    error,
                    "the changed subscriptions are refused; those in effect stay; correct the file"
                );
                return;
            }
        };
        let (before, after) = (self.prices.borrow().clone(), config.prices.clone());
        for source in &after.sources {
            let (before, after) = (before.of(source).symbols, after.of(source).symbols);
            let added = after.iter().filter(|symbol| !before.contains(symbol)).count();
            let removed = before.iter().filter(|symbol| !after.contains(symbol)).count();
            if added > 0 || removed > 0 {
                tracing::info!(
                    source,
                    symbols = after.len(),
                    added,
                    removed,
                    "the symbols of a price source have changed"
                );
            }
        }
        tracing::info!(
            file = name,
            news = config.news.sources.join(","),
            prices = after.sources.join(","),
            "changed subscriptions take effect"
        );
        self.news.send_replace(config.news);
        self.prices.send_replace(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        config.providers.entry("massive").api_key = tapewire_ingest::providers::ApiKey::new("k");
        config.prices.symbols = vec![Symbol::new("IBM").unwrap()];
        config
    }

    fn given(text: &str) -> anyhow::Result<Config> {
        with(&config(), Path::new("subscriptions.toml"), text, &Role::ALL)
    }

    fn names(symbols: &[Symbol]) -> Vec<&str> {
        symbols.iter().map(Symbol::as_str).collect()
    }

    #[test]
    fn what_the_file_leaves_out_is_as_in_the_settings() {
        let config = given("[prices]\ntrades = false").unwrap();
        assert_eq!(names(&config.prices.of("massive").symbols), ["SPY", "IBM"]);
        assert_eq!(names(&given("[prices]\nsymbols = []").unwrap().prices.of("massive").symbols), ["SPY"]);
        let text = "[news]\nsources = ['gdelt']\n[prices]\nsources = ['massive', 'binance']\nsymbols = ['AAPL', 'MSFT', 'AAPL']\n\
            trades = true\n[prices.override.binance]\nsymbols = ['X:BTCUSDT']\ntrades = false";
        let config = given(text).unwrap();
        assert_eq!(config.news.sources, ["gdelt"]);
        assert_eq!(names(&config.prices.of("massive").symbols), ["SPY", "AAPL", "MSFT"]);
        assert!(config.prices.of("massive").trades && !config.prices.of("binance").trades);
    }

    #[test]
    fn a_file_without_an_entry_is_refused() {
        for empty in ["", "\n# prices\n", "[prices]\n[news]\n"] {
            let error = format!("{:#}", given(empty).unwrap_err());
            assert!(error.contains("subscriptions.toml") && error.contains("symbols = []"), "{error}");
        }
    }

    #[test]
    fn a_pattern_stands_for_the_known_tickers_that_match() {
        let config = given("[prices]\nsymbols = ['BRK.*', 'IBM']").unwrap();
        assert_eq!(names(&config.prices.symbols), ["BRK.A", "BRK.B", "IBM"]);
        let error = exit::text(&given("[prices]\nsymbols = ['QQQQQ*']").unwrap_err());
        assert!(error.contains("subscriptions.toml") && error.contains("`QQQQQ*`"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_file_and_the_reason() {
        for (text, part) in [
            ("[prices", "can't be read as subscriptions"),
            ("[prices]\nsymbol = ['A']", "unknown field `symbol`"),
            ("[prices]\nsymbols = ['A B']", "A B"),
            ("[news]\nsources = ['nobody']", "no provider `nobody`"),
            ("[news]\nsources = []", "names no source"),
            ("[news]\nsources = ['edgar']", "user_agent"),
            ("[prices]\nsymbols = ['X:BTCUSD']", "on its stocks feed"),
            ("[prices.override.binance]\ntrades = true", "not one of prices.sources"),
        ] {
            let error = exit::text(&given(text).unwrap_err());
            assert!(error.contains("subscriptions.toml") && error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_is_needed_only_where_its_role_runs() {
        let mut config = config();
        config.providers.entry("massive").api_key = Default::default();
        let text = "[news]\nsources = ['gdelt']";
        let of = |roles: &[Role]| with(&config, Path::new("subscriptions.toml"), text, roles);
        assert!(of(&[Role::News]).is_ok());
        assert!(exit::text(&of(&[Role::Prices]).unwrap_err()).contains("TAPEWIRE_MASSIVE_API_KEY"));
    }

    #[test]
    fn a_change_takes_effect_once_it_was_read_twice_and_a_wrong_one_never_does() {
        let config = config();
        let (news, prices) = (watch::channel(config.news.clone()).0, watch::channel(config.prices.clone()).0);
        let mut follower = Follower {
            base: config,
            roles: Role::ALL.to_vec(),
            news,
            prices,
            seen: String::new(),
            last: String::new(),
        };
        let mut look = |text: &str| {
            follower.look("subscriptions.toml", text.to_owned());
            names(&follower.prices.borrow().symbols).join(",")
        };
        let changed = "[prices]\nsymbols = ['AAPL']";
        assert_eq!(look(changed), "IBM");
        assert_eq!(look(changed), "AAPL");
        let wrong = "[prices]\nsymbols = ['AAPL', 'A B']";
        assert_eq!((look(wrong), look(wrong)), ("AAPL".into(), "AAPL".into()));
        // Nor does one that was emptied.
        assert_eq!((look(""), look("")), ("AAPL".into(), "AAPL".into()));
        // What the file leaves out is as in the settings.
        let other = "[prices]\ntrades = true";
        assert_eq!((look(other), look(other)), ("AAPL".into(), "IBM".into()));
    }
}
