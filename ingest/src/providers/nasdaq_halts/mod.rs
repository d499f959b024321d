//! Nasdaq's list of trading halts in the United States, as RSS: halts and resumptions, polled. It has no prices.

pub mod parse;
#[cfg(test)]
mod tests;

use super::conditional::Latest;
use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::xml::feed_of;
use super::{
    BarsRequest, Cursor, Frame, MarketEvent, Page, PriceConnection, PriceSource, ProviderError, Reject, Rejected,
    Subscription,
};
use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::{Bar, Halt, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "nasdaq_halts",
    needs_key: false,
    settings: SettingsType::of::<NasdaqHaltsConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(NasdaqHalts::new(account)?))),
    replay_line: None,
};

/// Settings of Nasdaq's list of halts, `[providers.nasdaq_halts]`. No key is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NasdaqHaltsConfig {
    /// Address of the list.
    pub halts_url: String,
    /// Time from one request for the list to the next. It changes once a minute.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub halts_every: Duration,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for NasdaqHaltsConfig {
    fn default() -> Self {
        Self {
            halts_url: "https://www.nasdaqtrader.com/rss.aspx?feed=tradehalts".into(),
            halts_every: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Clone)]
struct NasdaqHalts {
    account: Account,
    http: HttpClient,
    every: Duration,
    latest: Arc<Latest<Page<parse::Listed>>>,
}

impl NasdaqHalts {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: NasdaqHaltsConfig = account.settings()?;
        if config.halts_every.is_zero() {
            let reason = "halts_every must not be zero".into();
            return Err(ProviderError::Setting { provider: account.name.clone(), reason });
        }
        let (base, clock) = (("halts_url", config.halts_url.as_str()), account.clock.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, Credentials::None, clock)?;
        Ok(Self { account: account.clone(), http, every: config.halts_every, latest: Arc::default() })
    }

    async fn list(&self) -> Result<Page<parse::Listed>, ProviderError> {
        let url = self.http.base();
        let read = |body: &[u8], received_at| parse::page(&self.account.name, url.path(), body, received_at);
        self.latest.get(&self.http, url, read).await
    }
}

#[async_trait]
impl PriceSource for NasdaqHalts {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        if subscription.halts {
            return Ok(());
        }
        let name = &self.account.name;
        let what = format!("anything but halts; set prices.override.{name}.halts = true");
        Err(ProviderError::Unsupported { provider: name.clone(), what })
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        let first = self.list().await?;
        let symbols = subscription.symbols.iter().cloned().collect();
        let (halts, rejects) = (HashSet::new(), HashSet::new());
        Ok(Box::new(Polling { source: self.clone(), first: Some(first), symbols, halts, rejects }))
    }

    async fn bars_page(&self, _: &BarsRequest, _: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let origin = self.http.base().path().to_owned();
        Ok(Page { items: Vec::new(), rejects: Vec::new(), origin, next: None })
    }

    async fn probe(&self, _: &Subscription, _: Timestamp) -> Result<(), ProviderError> {
        self.list().await.map(drop)
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        let raw = feed_of(rejected.raw);
        let page = parse::page(&self.account.name, rejected.place, &raw, rejected.received_at)?;
        let now = self.account.clock.now();
        let events = page.items.iter().flat_map(|listed| listed.until(now)).map(MarketEvent::Halt).collect();
        Ok(Frame { events, rejects: page.rejects })
    }
}

/// A connection, and what it has returned.
struct Polling {
    source: NasdaqHalts,
    first: Option<Page<parse::Listed>>,
    /// Symbols that are wanted; all if there are none.
    symbols: HashSet<Symbol>,
    halts: HashSet<(Symbol, Timestamp, bool, String)>,
    rejects: HashSet<Vec<u8>>,
}

impl Polling {
    /// What is new in the list. A resumption counts when its time has come, because until then it may be moved.
    fn new_in(&mut self, page: Page<parse::Listed>, now: Timestamp) -> Frame {
        let mut halts: Vec<Halt> = page.items.iter().flat_map(|listed| listed.until(now)).collect();
        halts.retain(|halt| self.symbols.is_empty() || self.symbols.contains(&halt.symbol));
        halts.retain(|halt| self.halts.insert((halt.symbol.clone(), halt.at, halt.halted, halt.reason.clone())));
        halts.sort_by_key(|halt| halt.at);
        let rejects: Vec<Reject> =
            page.rejects.into_iter().filter(|reject| self.rejects.insert(reject.bytes.clone())).collect();
        Frame { events: halts.into_iter().map(MarketEvent::Halt).collect(), rejects }
    }
}

#[async_trait]
impl PriceConnection for Polling {
    fn origin(&self) -> &str {
        "polling"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        let page = match self.first.take() {
            Some(first) => first,
            None => {
                self.source.account.clock.sleep(self.source.every).await;
                self.source.list().await?
            }
        };
        Ok(self.new_in(page, self.source.account.clock.now()))
    }
}
