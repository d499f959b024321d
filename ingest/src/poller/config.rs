//! Settings of the news pollers.

use crate::IngestError;
use crate::providers::{NewsSource, ProvidersConfig, registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tapewire_runtime::Clock;

/// The news sources, and how they are polled: `[news]`. Durations are in market time, which a simulation may speed up.
///
/// ```
/// use std::time::Duration;
/// use tapewire_ingest::poller::NewsConfig;
///
/// let news: NewsConfig = toml::from_str(
///     "sources = ['wire', 'desk']\nevery = '20s'\n[override.desk]\nevery = '2m'",
/// )?;
/// assert_eq!(news.of("wire").every, Duration::from_secs(20));
/// assert_eq!(news.of("desk").every, Duration::from_secs(120));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewsConfig {
    /// Names of the providers that are polled for news. The position of a source, from 0, is the index of its watermark
    /// stream.
    pub sources: Vec<String>,
    /// Time from one poll to the next.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub every: Duration,
    /// How far before the newest article each poll begins at the least. Every second poll begins twice as far back,
    /// every fourth four times, and so on up to `late_window`. A source that shows all it has, such as an RSS feed, is
    /// read from its beginning at each poll.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub overlap: Duration,
    /// How far before the newest article a poll begins at the most. An article that the provider shows, or edits, up to
    /// this long after its publication is seen: one that is late by `overlap` at the next poll, one that is late by
    /// `overlap` times n within the next 2 n polls. Later ones are not seen.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub late_window: Duration,
    /// How far back the very first poll begins.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub lookback: Duration,
    /// How long after its publication the provider usually shows an article: seconds to a minute. The watermark is the
    /// time of the poll minus this. An article that appears even later is still sent, and counts as late.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub wire_delay: Duration,
    /// After this long without a successful poll, rows no longer wait for this source.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub idle_timeout: Duration,
    /// Most requests a day to one source, spread over the day and counted across restarts; 0 for no limit. If this is
    /// not set, the daily limit of the provider's free plan applies, if it has one.
    #[schemars(example = 25)]
    pub requests_a_day: Option<u32>,
    /// Whether to look for companies in the text of an article if the provider names none. Mentions of companies that
    /// were found in this way are marked (`symbol_found`).
    pub find_companies: bool,
    /// Settings that differ for one source, by its name.
    #[schemars(example = serde_json::json!({"desk": {"every": "2m"}}))]
    pub r#override: BTreeMap<String, NewsOverride>,
}

/// The settings that one news source has instead of those in [`NewsConfig`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewsOverride {
    /// See [`NewsConfig::every`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub every: Option<Duration>,
    /// See [`NewsConfig::overlap`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub overlap: Option<Duration>,
    /// See [`NewsConfig::late_window`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub late_window: Option<Duration>,
    /// See [`NewsConfig::lookback`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub lookback: Option<Duration>,
    /// See [`NewsConfig::wire_delay`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub wire_delay: Option<Duration>,
    /// See [`NewsConfig::idle_timeout`].
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    #[schemars(with = "Option<jiff::SignedDuration>")]
    pub idle_timeout: Option<Duration>,
    /// See [`NewsConfig::requests_a_day`].
    pub requests_a_day: Option<u32>,
    /// See [`NewsConfig::find_companies`].
    pub find_companies: Option<bool>,
    /// The source that this one stands in for: this one is polled only while that one has been failing for longer than its
    /// `idle_timeout`, and no longer once that one works again.
    pub fallback_for: Option<String>,
}

/// The settings that apply to one source; see [`NewsConfig`] for the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsPollerConfig {
    /// See [`NewsConfig::every`].
    pub every: Duration,
    /// See [`NewsConfig::overlap`].
    pub overlap: Duration,
    /// See [`NewsConfig::late_window`].
    pub late_window: Duration,
    /// See [`NewsConfig::lookback`].
    pub lookback: Duration,
    /// See [`NewsConfig::wire_delay`].
    pub wire_delay: Duration,
    /// See [`NewsConfig::idle_timeout`].
    pub idle_timeout: Duration,
    /// See [`NewsConfig::requests_a_day`].
    pub requests_a_day: Option<u32>,
    /// See [`NewsConfig::find_companies`].
    pub find_companies: bool,
}

impl Default for NewsConfig {
    fn default() -> Self {
        Self {
            sources: vec![registry::DEFAULT.to_owned()],
            every: Duration::from_secs(20),
            overlap: Duration::from_secs(600),
            late_window: Duration::from_secs(24 * 3600),
            lookback: Duration::from_secs(24 * 3600),
            wire_delay: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            requests_a_day: None,
            find_companies: true,
            r#override: BTreeMap::new(),
        }
    }
}

impl Default for NewsPollerConfig {
    fn default() -> Self {
        NewsConfig::default().of("")
    }
}

impl NewsPollerConfig {
    /// The source called `name`, which finds companies if these settings say so.
    ///
    /// # Errors
    /// As [`ProvidersConfig::news_source`].
    pub(crate) fn source(
        &self,
        name: &str,
        providers: &ProvidersConfig,
        clock: &Clock,
    ) -> Result<Arc<dyn NewsSource>, IngestError> {
        let source = providers.news_source(name, clock)?;
        Ok(if self.find_companies { providers.with_companies(source) } else { source })
    }

    /// How far before the newest article a poll begins. `poll` is its number since the start, counted from 0. The
    /// first poll looks back over all of `late_window`. Twice the distance is looked back half as often, so each
    /// doubling costs as much as the shortest look-back alone.
    pub fn look_back(&self, poll: u64) -> Duration {
        let doublings = poll.trailing_zeros().min(31);
        self.overlap.saturating_mul(1 << doublings).min(self.late_window.max(self.overlap))
    }
}

impl NewsConfig {
    /// The settings that apply to the source called `name`.
    pub fn of(&self, name: &str) -> NewsPollerConfig {
        let own = self.r#override.get(name).cloned().unwrap_or_default();
        NewsPollerConfig {
            every: own.every.unwrap_or(self.every),
            overlap: own.overlap.unwrap_or(self.overlap),
            late_window: own.late_window.unwrap_or(self.late_window),
            lookback: own.lookback.unwrap_or(self.lookback),
            wire_delay: own.wire_delay.unwrap_or(self.wire_delay),
            idle_timeout: own.idle_timeout.unwrap_or(self.idle_timeout),
            requests_a_day: own.requests_a_day.or(self.requests_a_day),
            find_companies: own.find_companies.unwrap_or(self.find_companies),
        }
    }

    /// The source that `name` stands in for.
    pub fn primary_of(&self, name: &str) -> Option<&str> {
        self.r#override.get(name)?.fallback_for.as_deref()
    }

    /// Refuses a source that stands in for one that is not in `sources`, or for itself, directly or through others.
    fn check_fallback(&self, name: &str) -> Result<(), IngestError> {
        let (mut of, mut steps) = (name, 0);
        while let Some(primary) = self.primary_of(of) {
            let refused = |reason: &str| {
                Err(IngestError::Config(format!("news.override.{of}.fallback_for = \"{primary}\": {reason}")))
            };
            if !self.sources.iter().any(|source| source == primary) {
                return refused("it is not one of news.sources");
            }
            steps += 1;
            if steps > self.sources.len() {
                return refused("sources stand in for each other in a circle");
            }
            of = primary;
        }
        Ok(())
    }

    /// Refuses settings that can't be used.
    ///
    /// # Errors
    /// [`IngestError::Config`].
    pub fn check(&self) -> Result<(), IngestError> {
        check_sources("news", &self.sources, self.r#override.keys())?;
        for name in &self.sources {
            self.check_fallback(name)?;
        }
        match self.sources.iter().find(|name| self.of(name).every.is_zero()) {
            Some(name) => Err(IngestError::Config(format!("news: every must not be zero ({name})"))),
            None => Ok(()),
        }
    }

    /// As [`NewsConfig::check`]. Also refuses a source that does not exist, or lacks its key or a setting that it
    /// needs.
    ///
    /// # Errors
    /// The first [`IngestError`].
    pub fn check_sources(&self, providers: &ProvidersConfig, clock: &Clock) -> Result<(), IngestError> {
        self.check()?;
        for name in &self.sources {
            providers.check_key(name)?;
            providers.news_source(name, clock)?.check()?;
        }
        Ok(())
    }
}

/// Refuses a list of sources that is empty or names one twice, and overrides of a source that is not in it.
pub(crate) fn check_sources<'a>(
    section: &str,
    sources: &[String],
    overrides: impl Iterator<Item = &'a String>,
) -> Result<(), IngestError> {
    let refused = |reason: String| Err(IngestError::Config(format!("{section}{reason}")));
    if sources.is_empty() {
        return refused(".sources names no source".into());
    }
    for (index, name) in sources.iter().enumerate() {
        if sources[..index].contains(name) {
            return refused(format!(".sources names {name} twice"));
        }
    }
    for name in overrides {
        if !sources.contains(name) {
            return refused(format!(
                ".override.{name}: {name} is not one of {section}.sources: {}",
                sources.join(", ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        toml::from_str::<NewsConfig>(text).unwrap().check().unwrap_err().to_string()
    }

    #[test]
    fn lists_that_make_no_sense_are_refused_with_the_name() {
        assert!(NewsConfig::default().check().is_ok());
        assert!(refusal("sources = []").contains("news.sources"));
        assert!(refusal("sources = ['a', 'b', 'a']").contains("names a twice"));
        assert!(refusal("sources = ['a']\n[override.b]\nevery = '1s'").contains("override.b"));
        assert!(refusal("sources = ['a', 'b']\n[override.b]\nevery = '0s'").contains("(b)"));
        let standing_in = |b: &str, a: &str| format!("sources = ['a', 'b']\n[override]\nb.fallback_for = '{b}'\n{a}");
        assert!(refusal(&standing_in("c", "")).contains("override.b.fallback_for"));
        assert!(refusal(&standing_in("b", "")).contains("circle"));
        assert!(refusal(&standing_in("a", "a.fallback_for = 'b'")).contains("circle"));
        toml::from_str::<NewsConfig>(&standing_in("a", "")).unwrap().check().unwrap();
    }

    #[test]
    fn a_poll_looks_back_twice_as_far_half_as_often() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let config = NewsPollerConfig { late_window: minutes(60), ..NewsPollerConfig::default() };
        let look_backs: Vec<Duration> = (0..9).map(|poll| config.look_back(poll)).collect();
        assert_eq!(look_backs, [60, 10, 20, 10, 40, 10, 20, 10, 60].map(minutes));
        let shorter = NewsPollerConfig { late_window: minutes(0), ..config };
        assert!((0..9).all(|poll| shorter.look_back(poll) == minutes(10)));
    }

    #[test]
    fn an_override_changes_what_it_names_and_nothing_else() {
        let config: NewsConfig = toml::from_str("sources = ['a']\n[override.a]\noverlap = '1m'").unwrap();
        let expected = NewsPollerConfig { overlap: Duration::from_secs(60), ..NewsPollerConfig::default() };
        assert_eq!(config.of("a"), expected);
        assert!(toml::from_str::<NewsConfig>("[override.a]\nevry = '1m'").is_err());
    }
}
