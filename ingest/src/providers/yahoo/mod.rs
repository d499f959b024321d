//! Yahoo's charts: bars of a minute of shares in the United States, polled, in regular hours. The interface is not an
//! official one; it needs no key.
//!
//! A list ends with the minute under way, and the minutes before it still change for a while. So a bar is sent only when it
//! has settled, and again if it changes within [`CORRECTS_WITHIN`]. The feed promises a minute once a round that began after
//! the minute had settled must be over ([`PriceSource::shows_within`]); a round that takes longer ends the connection.
//!
//! Daily bars of the past have the splits since then taken out of their prices. The same answer lists those splits, so they
//! are put back ([`daily`]): bars are as printed.

mod config;
pub mod daily;
pub mod parse;
mod polling;
#[cfg(test)]
mod tests;

pub use config::YahooConfig;

use super::http::{Credentials, HttpClient};
use super::registry::{Account, Provider, SettingsType};
use super::{
    ActionsRequest, BarWidth, BarsRequest, Cursor, Page, PriceConnection, PriceSource, ProviderError, Reject,
    Subscription,
};
use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use polling::Polling;
use reqwest::Url;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, CorporateAction, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "yahoo",
    needs_key: false,
    settings: SettingsType::of::<YahooConfig>(),
    news: None,
    prices: Some(|account| Ok(Arc::new(Yahoo::new(account)?))),
    replay_line: None,
};

/// For how long after its end a bar is looked at again.
const CORRECTS_WITHIN: SignedDuration = SignedDuration::from_mins(16);

/// How far back there are bars of a minute, and how many days one answer may span. Yahoo's limits are 30 and 8 days.
const HISTORY: SignedDuration = SignedDuration::from_hours(29 * 24);
const PAGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Time for what is on its way, beside two rounds.
const MARGIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Yahoo {
    http: HttpClient,
    config: YahooConfig,
}

impl Yahoo {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: YahooConfig = account.settings()?;
        if config.bars_every.is_zero() {
            let reason = "bars_every must not be zero".into();
            return Err(ProviderError::Setting { provider: account.name.clone(), reason });
        }
        let base = ("rest_url", config.rest_url.as_str());
        let credentials = Credentials::UserAgent(config.browser.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        Ok(Self { http, config })
    }

    fn url(&self, symbol: &Symbol, interval: &str, from: Timestamp, to: Timestamp) -> Result<Url, ProviderError> {
        let ticker = ticker_of(self.http.provider(), symbol)?;
        let mut url = self.http.url(&["v8", "finance", "chart", &ticker]);
        url.query_pairs_mut()
            .append_pair("interval", interval)
            .append_pair("period1", &from.as_second().to_string())
            .append_pair("period2", &to.as_second().to_string())
            .append_pair("includePrePost", "false");
        Ok(url)
    }

    /// The settled bars of a symbol that start within `from..=to`, at most a week of them.
    async fn bars(&self, symbol: &Symbol, from: Timestamp, to: Timestamp) -> Result<Page<Bar>, ProviderError> {
        // Yahoo leaves out the bar that starts at the end of the range.
        let until = to.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let url = self.url(symbol, "1m", from, until)?;
        let (provider, path) = (self.http.provider(), path_of(symbol));
        // What an answer says of a bar is as of the time that it was asked for; it may take long to arrive.
        let asked = self.http.clock().now();
        let Ok(body) = self.chart(&url, symbol).await? else { return Ok(empty(path)) };
        let now = self.http.clock().now();
        let mut page = parse::bars(provider, &path, &body, symbol, now)?;
        let settles_after = SignedDuration::try_from(self.config.settles_after).unwrap_or(SignedDuration::MAX);
        page.items.retain(|bar| (from..=to).contains(&bar.start) && asked.duration_since(bar.end()) >= settles_after);
        Ok(page)
    }

    /// The body of an answer, or Yahoo's words if it is a refusal that is about this symbol only, so that the others go on.
    /// Any other refusal may be about every symbol.
    async fn chart(&self, url: &Url, symbol: &Symbol) -> Result<Result<Vec<u8>, String>, ProviderError> {
        match self.http.get(url).await {
            Ok(body) => Ok(Ok(body)),
            Err(ProviderError::BadRequest { status, message, .. }) if is_about_symbol(&message) => {
                let provider = self.http.provider();
                if is_before_the_first_bar(&message) {
                    tracing::debug!(source = provider, %symbol, message, "the provider has no bars of the symbol that are so old");
                } else {
                    tracing::warn!(
                        source = provider, %symbol, status, message,
                        "the provider does not give the symbol's bars; it has none, the other symbols go on; if it goes on, \
                         take the symbol out of the settings"
                    );
                }
                Ok(Err(message))
            }
            Err(error) => Err(error),
        }
    }

    /// The chart of days since `from`, with the splits and dividends of this time. It ends now, because all splits since a day
    /// are needed to know the prices that were printed on it.
    async fn days_since(&self, symbol: &Symbol, from: Timestamp) -> Result<Result<Vec<u8>, String>, ProviderError> {
        let mut url = self.url(symbol, "1d", from, self.http.clock().now())?;
        url.query_pairs_mut().append_pair("events", "div,split");
        self.chart(&url, symbol).await
    }

    async fn days(&self, request: &BarsRequest) -> Result<Page<Bar>, ProviderError> {
        let BarsRequest { symbol, from, .. } = request;
        let path = request.origin(&path_of(symbol));
        let Ok(body) = self.days_since(symbol, *from).await? else { return Ok(empty(path)) };
        daily::bars(self.http.provider(), &path, &body, request, self.http.clock().now())
    }
}

fn path_of(symbol: &Symbol) -> String {
    format!("/v8/finance/chart/{symbol}")
}

fn empty<T>(origin: String) -> Page<T> {
    Page { items: Vec::new(), rejects: Vec::new(), origin, next: None }
}

/// Whether a refusal says that the time asked for is before a symbol's first bar, or before what there is of any symbol:
/// `Data doesn't exist for startDate = 1746000000, endDate = 1746604800` (HTTP 400) of a share that was listed later, and
/// `… The requested range must be within the last 30 days.` (HTTP 422).
fn is_before_the_first_bar(message: &str) -> bool {
    message.contains("exist for startDate") || message.contains("must be within the last")
}

/// Whether a refusal is about one symbol alone: Yahoo has none of its bars, see [`is_before_the_first_bar`], or does not know
/// it: `No data found, symbol may be delisted` (HTTP 404).
fn is_about_symbol(message: &str) -> bool {
    is_before_the_first_bar(message) || message.contains("No data found")
}

/// The ticker as Yahoo writes it: `BRK-B` of `BRK.B`.
fn ticker_of(provider: &str, symbol: &Symbol) -> Result<String, ProviderError> {
    let is_share = symbol.asset_class() == AssetClass::Equity
        && symbol.as_str().chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '.');
    if is_share {
        return Ok(symbol.as_str().replace('.', "-"));
    }
    let what = format!("{symbol}; it has common shares and funds in the United States only");
    Err(ProviderError::Unsupported { provider: provider.to_owned(), what })
}

#[async_trait]
impl PriceSource for Yahoo {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn has_daily_bars(&self) -> bool {
        true
    }

    fn reaches_back_to(&self, width: BarWidth, now: Timestamp) -> Option<Timestamp> {
        if width == BarWidth::Day { None } else { now.checked_sub(HISTORY).ok() }
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        let provider = self.http.provider();
        subscription.symbols.iter().try_for_each(|symbol| ticker_of(provider, symbol).map(drop))?;
        super::without_halts(provider, subscription)?;
        if subscription.trades {
            let what = format!("trades; set prices.override.{provider}.trades = false");
            return Err(ProviderError::Unsupported { provider: provider.to_owned(), what });
        }
        Ok(())
    }

    fn corrects_within(&self) -> SignedDuration {
        CORRECTS_WITHIN
    }

    fn shows_within(&self) -> Duration {
        // A round may begin just before the minute has settled; the next one begins after `bars_every`, and takes as long at
        // the most.
        self.config.settles_after + self.config.bars_every * 2 + MARGIN
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(Polling::new(self.clone(), subscription.symbols.clone())))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        if request.width == BarWidth::Day {
            return self.days(request).await;
        }
        let BarsRequest { symbol, from, to, .. } = request;
        let oldest = self.http.clock().now().saturating_sub(HISTORY).unwrap_or(Timestamp::MIN);
        let asked = cursor.and_then(|Cursor(from)| from.parse().ok()).unwrap_or(*from).max(oldest);
        if asked > *to {
            // Before what Yahoo has.
            return Ok(empty(path_of(symbol)));
        }
        let end = asked.saturating_add(PAGE).unwrap_or(Timestamp::MAX).min(*to);
        let mut page = self.bars(symbol, asked, end).await?;
        let next = end.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        page.next = (end < *to).then(|| Cursor(next.to_string()));
        Ok(page)
    }

    /// A symbol a page: the cursor is its position among those that are asked for.
    async fn actions_page(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        let position = cursor.and_then(|Cursor(position)| position.parse().ok()).unwrap_or(0);
        let Some(symbol) = request.symbols.get(position) else { return Ok(empty(String::new())) };
        let next = (position + 1 < request.symbols.len()).then(|| Cursor((position + 1).to_string()));
        let from = request.from.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |zoned| zoned.timestamp());
        let path = path_of(symbol);
        let body = match self.days_since(symbol, from).await? {
            Ok(body) => body,
            // With a reject the list is not whole, so that nothing is taken for withdrawn.
            Err(message) => {
                let raw = serde_json::json!({"asked": symbol.as_str()}).to_string();
                return Ok(Page { rejects: vec![Reject::new(&raw, message)], next, ..empty(path) });
            }
        };
        let page = daily::actions(self.http.provider(), &path, &body, symbol, request, self.http.clock().now());
        match page {
            Ok(page) => Ok(Page { next, ..page }),
            // The other symbols' actions must not wait until this answer can be read.
            Err(ProviderError::Unreadable { reason, .. }) => {
                let raw = serde_json::json!({"asked": symbol.as_str()}).to_string();
                Ok(Page { rejects: vec![Reject::new(&raw, reason)], next, ..empty(path) })
            }
            Err(error) => Err(error),
        }
    }
}
