//! Settings of the price feeds.

use crate::IngestError;
use crate::poller::check_sources;
use crate::providers::{ProvidersConfig, Subscription, registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_core::exchange::Calendars;
use tapewire_runtime::Clock;

/// The price sources, and what is subscribed to: `[prices]`. Durations are in market time, which a
/// simulation may speed up.
///
/// A symbol comes from one source only, so with several sources each needs symbols of its own:
///
/// ```
/// use tapewire_ingest::feed::PricesConfig;
///
/// let prices: PricesConfig = toml::from_str(
///     "sources = ['tape', 'desk']\nsymbols = ['AAPL']\n[override.desk]\nsymbols = ['SAP']",
/// )?;
/// prices.check()?;
/// assert_eq!(prices.of("tape").symbols.len(), 2, "the benchmark comes from the first source");
/// assert_eq!(prices.of("desk").symbols.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PricesConfig {
    /// Names of the providers that are followed for prices. The position of a source, from 0, is the index of its
    /// watermark stream.
    pub sources: Vec<String>,
    /// Tickers whose minute bars are wanted.
    #[schemars(with = "Vec<String>")]
    pub symbols: Vec<Symbol>,
    /// The symbol that stands for the market. The first source always subscribes to it, unless another source lists
    /// it. It has to trade every minute: it is also the reference symbol, whose bar shows that a minute's bars are
    /// coming in.
    #[schemars(with = "String")]
    pub benchmark: Symbol,
    /// Benchmarks of further markets: a symbol is compared with the benchmark that is traded in its own market. One
    /// counts only if it is also among the symbols of a source.
    #[schemars(with = "Vec<String>")]
    pub other_benchmarks: Vec<Symbol>,
    /// From the join's settings: the session of a source's reference symbol is that of its market.
    #[serde(skip)]
    pub calendars: Calendars,
    /// Whether to subscribe to every trade, too.
    pub trades: bool,
    /// Whether the role `bars` makes bars of the trades. The feed then subscribes to trades, whatever `trades` says,
    /// and not to live bars. Past bars, and those of minutes with missing trades, still come from the source, where
    /// it has them.
    pub fold_trades: bool,
    /// Whether to subscribe to halts (limit up / limit down), too.
    pub halts: bool,
    /// How much history to fetch for a new symbol: the joiner's baselines need it.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub warmup: Duration,
    /// How often splits and dividends are fetched, from the sources that have them. They are also fetched at the start:
    /// from the beginning of the history up to a week ahead.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub actions_every: Duration,
    /// How long after a minute's end its bars count as complete, once the bar of the benchmark, or of the source's
    /// `reference`, has come. Set it to a little over 15 minutes on a delayed plan.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub grace: Duration,
    /// After this long without a working connection, rows no longer wait for this source.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub idle_timeout: Duration,
    /// How many frames of a websocket may wait for Kafka. Further ones are dropped: their bars are fetched again, their
    /// trades and halts are lost.
    pub buffered_frames: usize,
    /// Settings that differ for one source, by its name.
    #[schemars(example = serde_json::json!({"desk": {"symbols": ["SAP"]}}))]
    pub r#override: BTreeMap<String, PricesOverride>,
}

/// The settings that one price source has instead of those in [`PricesConfig`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PricesOverride {
    /// See [`PricesConfig::symbols`].
    #[schemars(with = "Option<Vec<String>>")]
    pub symbols: Option<Vec<Symbol>>,
    /// A symbol of this source that trades every minute: its bar is the sign that a minute's bars are coming in. The
    /// benchmark where this source has it. Without one the source's minutes are complete by time alone.
    #[schemars(with = "Option<String>")]
    pub reference: Option<Symbol>,
    /// See [`PricesConfig::trades`].
    pub trades: Option<bool>,
    /// See [`PricesConfig::fold_trades`].
    pub fold_trades: Option<bool>,
    /// See [`PricesConfig::halts`].
    pub halts: Option<bool>,
    /// See [`PricesConfig::warmup`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub warmup: Option<Duration>,
    /// See [`PricesConfig::grace`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub grace: Option<Duration>,
    /// See [`PricesConfig::idle_timeout`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub idle_timeout: Option<Duration>,
    /// See [`PricesConfig::buffered_frames`].
    pub buffered_frames: Option<usize>,
}

/// The settings that apply to one source; see [`PricesConfig`] for the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFeedConfig {
    /// All symbols of the source, each once, including the reference symbol.
    pub symbols: Vec<Symbol>,
    /// See [`PricesOverride::reference`].
    pub reference: Option<Symbol>,
    /// See [`PricesConfig::benchmark`].
    pub benchmark: Symbol,
    /// See [`PricesConfig::other_benchmarks`].
    pub other_benchmarks: Vec<Symbol>,
    /// See [`PricesConfig::calendars`].
    pub calendars: Calendars,
    /// See [`PricesConfig::trades`].
    pub trades: bool,
    /// See [`PricesConfig::fold_trades`].
    pub fold_trades: bool,
    /// See [`PricesConfig::halts`].
    pub halts: bool,
    /// See [`PricesConfig::warmup`].
    pub warmup: Duration,
    /// See [`PricesConfig::actions_every`].
    pub actions_every: Duration,
    /// See [`PricesConfig::grace`].
    pub grace: Duration,
    /// See [`PricesConfig::idle_timeout`].
    pub idle_timeout: Duration,
    /// See [`PricesConfig::buffered_frames`].
    pub buffered_frames: usize,
}

impl Default for PricesConfig {
    fn default() -> Self {
        Self {
            sources: vec![registry::DEFAULT.to_owned()],
            symbols: Vec::new(),
            benchmark: Symbol::new("SPY").expect("SPY is a ticker"),
            other_benchmarks: vec![Symbol::new("X:BTCUSD").expect("X:BTCUSD is a ticker")],
            calendars: Calendars::default(),
            trades: false,
            fold_trades: false,
            halts: false,
            warmup: Duration::from_secs(30 * 24 * 3600),
            actions_every: Duration::from_secs(24 * 3600),
            grace: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(300),
            buffered_frames: 4096,
            r#override: BTreeMap::new(),
        }
    }
}

impl PricesConfig {
    /// The settings that apply to the source called `name`.
    pub fn of(&self, name: &str) -> PriceFeedConfig {
        let own = self.r#override.get(name).cloned().unwrap_or_default();
        let reference = own.reference.or_else(|| self.has_benchmark(name).then(|| self.benchmark.clone()));
        let mut symbols = Vec::new();
        let benchmark = self.has_benchmark(name).then_some(&self.benchmark);
        let listed = own.symbols.as_ref().unwrap_or(&self.symbols);
        for symbol in benchmark.into_iter().chain(&reference).chain(listed) {
            if !symbols.contains(symbol) {
                symbols.push(symbol.clone());
            }
        }
        PriceFeedConfig {
            symbols,
            reference,
            benchmark: self.benchmark.clone(),
            other_benchmarks: self.other_benchmarks.clone(),
            calendars: self.calendars.clone(),
            trades: own.trades.unwrap_or(self.trades),
            fold_trades: own.fold_trades.unwrap_or(self.fold_trades),
            halts: own.halts.unwrap_or(self.halts),
            warmup: own.warmup.unwrap_or(self.warmup),
            actions_every: self.actions_every,
            grace: own.grace.unwrap_or(self.grace),
            idle_timeout: own.idle_timeout.unwrap_or(self.idle_timeout),
            buffered_frames: own.buffered_frames.unwrap_or(self.buffered_frames),
        }
    }

    /// Refuses settings that can't be used, such as a symbol with two sources, whose bars would overwrite each other.
    ///
    /// # Errors
    /// [`IngestError::Config`].
    pub fn check(&self) -> Result<(), IngestError> {
        check_sources("prices", &self.sources, self.r#override.keys())?;
        let refused = |reason: String| Err(IngestError::Config(format!("prices: {reason}")));
        if self.actions_every.is_zero() {
            return refused("actions_every must not be zero".into());
        }
        let mut owners: BTreeMap<Symbol, &str> = BTreeMap::new();
        for name in &self.sources {
            let source = self.of(name);
            if source.buffered_frames == 0 {
                return refused(format!("buffered_frames must not be zero ({name})"));
            }
            for symbol in source.symbols {
                if let Some(other) = owners.insert(symbol.clone(), name) {
                    return refused(format!(
                        "{symbol} is listed for both {other} and {name}; give each source symbols of its own in \
                         prices.override.NAME.symbols"
                    ));
                }
            }
        }
        Ok(())
    }

    /// As [`PricesConfig::check`], and whether each source is there, has its key, and can serve what is asked of it.
    ///
    /// # Errors
    /// The first [`IngestError`].
    pub fn check_sources(&self, providers: &ProvidersConfig, clock: &Clock) -> Result<(), IngestError> {
        self.check()?;
        for name in &self.sources {
            providers.check_key(name)?;
            providers.price_source(name, clock)?.check(&self.of(name).subscription())?;
        }
        Ok(())
    }

    /// Whether the benchmark comes from this source: the one that lists it, otherwise the first.
    fn has_benchmark(&self, name: &str) -> bool {
        let lists = |name: &String| {
            let own = self.r#override.get(name).and_then(|own| own.symbols.as_ref());
            own.is_some_and(|symbols| symbols.contains(&self.benchmark))
        };
        self.sources.iter().find(|name| lists(name)).or(self.sources.first()).is_some_and(|source| source == name)
    }
}

impl PriceFeedConfig {
    /// The subscription that the source is asked for.
    pub fn subscription(&self) -> Subscription {
        Subscription {
            symbols: self.symbols.clone(),
            bars: !self.fold_trades,
            trades: self.trades || self.fold_trades,
            halts: self.halts,
        }
    }

    /// All benchmarks.
    pub fn benchmarks(&self) -> impl Iterator<Item = Symbol> {
        std::iter::once(&self.benchmark).chain(&self.other_benchmarks).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> PricesConfig {
        toml::from_str(text).unwrap()
    }

    fn names(symbols: &[Symbol]) -> Vec<&str> {
        symbols.iter().map(Symbol::as_str).collect()
    }

    #[test]
    fn a_symbol_of_two_sources_is_refused_with_both_names() {
        let error = config("sources = ['one', 'two']\nsymbols = ['AAPL', 'MSFT']\n[override.two]\nsymbols = ['MSFT']")
            .check()
            .unwrap_err()
            .to_string();
        assert!(error.contains("MSFT") && error.contains("one") && error.contains("two"), "{error}");
        let defaults = config("sources = ['one', 'two']\nsymbols = ['AAPL']").check().unwrap_err().to_string();
        assert!(defaults.contains("prices.override.NAME.symbols"), "{defaults}");
        assert!(PricesConfig::default().check().is_ok());
        assert!(config("buffered_frames = 0").check().is_err());
        assert!(config("actions_every = '0s'").check().is_err());
    }

    #[test]
    fn the_benchmark_is_the_first_sources_unless_another_lists_it() {
        let first = config("sources = ['one', 'two']\nsymbols = ['AAPL']\n[override.two]\nsymbols = ['SAP']");
        first.check().unwrap();
        assert_eq!(names(&first.of("one").symbols), ["SPY", "AAPL"]);
        assert_eq!(first.of("one").reference, Some(first.benchmark.clone()));
        assert_eq!((names(&first.of("two").symbols), first.of("two").reference), (vec!["SAP"], None));

        let second = config(
            "sources = ['one', 'two', 'three']\nsymbols = ['AAPL']\n[override.two]\nsymbols = ['SAP', 'SPY']\n\
             [override.three]\nsymbols = ['VOD']\nreference = 'ISF'",
        );
        second.check().unwrap();
        assert_eq!((names(&second.of("one").symbols), second.of("one").reference), (vec!["AAPL"], None));
        assert_eq!(names(&second.of("two").symbols), ["SPY", "SAP"]);
        assert_eq!(names(&second.of("three").symbols), ["ISF", "VOD"]);
    }
}
