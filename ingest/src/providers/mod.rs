//! Providers of news and prices. The rest of this crate sees a provider as a [`NewsSource`], a [`PriceSource`] or both.
//!
//! A provider is a folder here, its `pub mod` below and a line in [`registry`]. The folder has what only it knows: its
//! messages as it sends them with the raw text above each struct, how they become domain types, its settings and its
//! protocols. What any provider needs lives beside the traits: [`http`] for its requests, [`items`] for what is in the
//! answers, [`ProviderError`] for what can go wrong, [`ApiKey`] for its secret.

pub mod alpaca;
pub mod alphavantage;
mod answer;
#[cfg(test)]
mod behaviours;
pub mod binance;
mod candles;
#[cfg(test)]
mod captures;
pub mod coinbase;
mod coins;
mod conditional;
pub mod edgar;
pub mod error;
pub mod feeds;
pub mod finding;
pub mod finnhub;
pub mod gdelt;
pub mod http;
pub mod items;
pub mod json;
mod key;
mod known_from;
pub mod kraken;
pub mod massive;
pub mod nasdaq_halts;
pub mod observed;
pub(crate) mod pages;
pub mod registry;
mod rounds;
mod secrets;
#[cfg(test)]
pub(crate) mod testing;
pub mod tiingo;
pub mod websocket;
pub mod xml;
pub mod yahoo;

pub use error::ProviderError;
pub use key::ApiKey;
pub(crate) use known_from::KnownFrom;
pub(crate) use pages::PageGuard;
pub use registry::{Account, Provider, ProvidersConfig};
pub(crate) use secrets::Secrets;
pub use secrets::masked_address;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tapewire_core::{Article, Bar, CorporateAction, Halt, Symbol, Trade};

/// Largest item we take, in bytes. Kafka takes messages of about a million bytes; an article of that size is a
/// provider's mistake, and must not stop those after it.
pub const LARGEST_ITEM: usize = 600_000;

/// Largest record of an article with its key, in bytes. Its mentions hold the same texts and a score, and must be below
/// Kafka's limit as well.
pub(crate) const LARGEST_RECORD: usize = 900_000;

/// An item of a page or frame that could not be used, or only in part. It goes to the topic `dead-letter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Why, in words for a person.
    pub reason: String,
    /// The item as received.
    pub bytes: Vec<u8>,
}

impl Reject {
    /// The item `raw`, refused for `reason`.
    pub fn new(raw: &str, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), bytes: raw.as_bytes().to_vec() }
    }
}

/// Where the next page of a list is, in the provider's own words: a URL, a token, a number. Only the provider that
/// gave it can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub String);

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What could be read, in the provider's order.
    pub items: Vec<T>,
    /// What could not.
    pub rejects: Vec<Reject>,
    /// Path of the page at the provider, without secrets: `/v2/reference/news`. It is part of the rejects' origin.
    pub origin: String,
    /// Where the next page is; `None` on the last one.
    pub next: Option<Cursor>,
}

/// Which page of news is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewsRequest {
    /// The first page of what was published at or after this time (UTC), oldest first. Earlier articles in it do no
    /// harm.
    Since(Timestamp),
    /// The page after one that named this cursor.
    Next(Cursor),
}

/// A source of news. One call is one request where the provider's list is oldest first: the poller repeats and retries.
#[async_trait]
pub trait NewsSource: Send + Sync {
    /// Name of the source as configured: what [`Article::provider`] says of its articles.
    fn name(&self) -> &str;

    /// Refuses settings with which this source can never answer, before anything is started.
    ///
    /// # Errors
    /// [`ProviderError::Setting`].
    fn check(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Requests that one call of [`NewsSource::page`] takes, or the fewest where it is not known before.
    fn requests_a_page(&self) -> u32 {
        1
    }

    /// How many requests there have been since the start, of a source for which [`NewsSource::requests_a_page`] is not exact.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Requests a day that the provider's smallest plan allows, if it limits them by the day. It is the budget where the
    /// settings have none.
    fn requests_a_day(&self) -> Option<u32> {
        None
    }

    /// One page of news. A source whose list is newest first reads it as far back as is asked for, and returns all of it
    /// as one page, oldest first.
    ///
    /// # Errors
    /// Any [`ProviderError`]. [`ProviderError::BadRequest`] for a cursor means that the provider has forgotten it.
    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError>;

    /// Waits until the provider says that something was published or edited since the last call; for ever, if it does not
    /// say so. The poller then polls at once. Cancel-safe.
    async fn published(&self) {
        std::future::pending().await
    }

    /// One cheap request, to see whether the provider answers and takes the key.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    async fn probe(&self, now: Timestamp) -> Result<(), ProviderError> {
        self.page(&NewsRequest::Since(now)).await.map(drop)
    }

    /// Whether [`NewsSource::page`] goes back to any time that is asked for. A source that shows only its latest items
    /// can't be backfilled.
    fn reaches_back(&self) -> bool {
        true
    }

    /// Whether the last page lacks older articles, because more were published than a request reads pages of. A poll logs
    /// it; a backfill fails.
    fn was_cut(&self) -> bool {
        false
    }

    /// Whether pages are in the order of publication, so that with an article of a day, the days before it are complete.
    fn is_by_publication(&self) -> bool {
        true
    }

    /// Whether each answer has all that the source shows, so that looking far back at every poll costs nothing.
    fn is_read_whole(&self) -> bool {
        false
    }

    /// Reads again what was rejected, with the code of this build. Where that needs a key or a list, it is fetched.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] where the bytes are not enough to read them again; any other [`ProviderError`].
    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        Err(rejected.unsupported(self.name()))
    }
}

/// An item that was rejected, as the dead letter has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// Where the source had it from: [`Page::origin`], or [`PriceConnection::origin`].
    pub place: &'a str,
    /// The item as received.
    pub raw: &'a str,
    /// When it was received (UTC).
    pub received_at: Timestamp,
}

impl Rejected<'_> {
    /// The error of a source that can't read it again.
    pub fn unsupported(&self, provider: &str) -> ProviderError {
        let what = format!("a way to read items of {} again by themselves", self.place);
        ProviderError::Unsupported { provider: provider.to_owned(), what }
    }
}

/// What a price source is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Tickers, each once.
    pub symbols: Vec<Symbol>,
    /// Whether their minute bars are wanted. If not, bars are made of the trades.
    pub bars: bool,
    /// Whether every trade is wanted.
    pub trades: bool,
    /// Whether halts are wanted.
    pub halts: bool,
}

/// Kinds of corporate actions, each a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionList {
    /// Shares become more or fewer.
    Splits,
    /// Cash for each share.
    Dividends,
}

impl ActionList {
    /// All lists.
    pub const ALL: [Self; 2] = [Self::Splits, Self::Dividends];

    /// What is in it, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Splits => "splits",
            Self::Dividends => "dividends",
        }
    }
}

/// Which corporate actions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionsRequest {
    /// Of which kind.
    pub list: ActionList,
    /// Of which tickers. Actions of others do no harm: a source may ask for each ticker in turn, or for all there are.
    pub symbols: Vec<Symbol>,
    /// First ex-date, in the exchange's calendar.
    pub from: Date,
    /// Last ex-date.
    pub to: Date,
}

/// How wide bars of the past are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BarWidth {
    /// A minute, or the least that the source has: [`PriceSource::past_width`].
    Minute,
    /// A day.
    Day,
}

impl BarWidth {
    /// In seconds, of a source that has bars of a minute.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Day => Bar::DAY_S,
        }
    }
}

/// Which bars of the past are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarsRequest {
    /// Of which ticker.
    pub symbol: Symbol,
    /// How wide.
    pub width: BarWidth,
    /// The first moment (UTC) at which a bar may start.
    pub from: Timestamp,
    /// The last such moment, included.
    pub to: Timestamp,
}

impl BarsRequest {
    /// For bars of a minute.
    pub fn minutes(symbol: &Symbol, from: Timestamp, to: Timestamp) -> Self {
        Self { symbol: symbol.clone(), width: BarWidth::Minute, from, to }
    }

    /// For bars of a day.
    pub fn days(symbol: &Symbol, from: Timestamp, to: Timestamp) -> Self {
        Self { width: BarWidth::Day, ..Self::minutes(symbol, from, to) }
    }

    /// `path` as [`Page::origin`]: with the width where it is a day, because a reject of such a page can't be read again as
    /// a minute.
    pub(crate) fn origin(&self, path: &str) -> String {
        match self.width {
            BarWidth::Minute => path.to_owned(),
            BarWidth::Day => format!("{path} 1d"),
        }
    }
}

/// Something that happened on the market.
#[derive(Debug, Clone, PartialEq)]
pub enum MarketEvent {
    /// A minute bar, new or corrected.
    Bar(Bar),
    /// A trade.
    Trade(Trade),
    /// Trading stopped or resumed.
    Halt(Halt),
}

/// What one message of a connection held: events of any kind, mixed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// What could be read, in order.
    pub events: Vec<MarketEvent>,
    /// What could not.
    pub rejects: Vec<Reject>,
}

impl From<Page<Bar>> for Frame {
    fn from(page: Page<Bar>) -> Self {
        Self { events: page.items.into_iter().map(MarketEvent::Bar).collect(), rejects: page.rejects }
    }
}

impl Frame {
    /// Whether there is nothing in it for the pipeline.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.rejects.is_empty()
    }
}

/// A source of prices: live over a connection, and bars of the past in pages.
#[async_trait]
pub trait PriceSource: Send + Sync {
    /// Name of the source as configured.
    fn name(&self) -> &str;

    /// Refuses a subscription that this source can never serve, before anything is started.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`].
    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError>;

    /// For how long after a minute's end its bar may still be corrected. Bars are fetched from this long before a gap.
    fn corrects_within(&self) -> SignedDuration {
        SignedDuration::from_mins(16)
    }

    /// How long after a minute's end its bar may come over a connection that works, where that is longer than seconds: a
    /// source that is polled shows it with a later poll. No minute is promised before.
    fn shows_within(&self) -> Duration {
        Duration::ZERO
    }

    /// Width of the bars of the past that are not daily. One that is under way when a gap ends can be fetched this long after.
    fn past_width(&self) -> SignedDuration {
        SignedDuration::from_mins(1)
    }

    /// Whether it has bars of a day, with prices as printed. A source whose daily prices are adjusted for later splits has to
    /// undo that, or has none.
    fn has_daily_bars(&self) -> bool {
        false
    }

    /// The time (UTC) from which on [`PriceSource::bars_page`] has bars of a width, if it is `now`. `None` where only the
    /// account's plan limits it, or nothing does.
    fn reaches_back_to(&self, width: BarWidth, now: Timestamp) -> Option<Timestamp> {
        let _ = (width, now);
        None
    }

    /// A connection that is logged in and subscribed.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError>;

    /// One page of a symbol's bars, oldest first; `cursor` as the page before named it, `None` for the first.
    ///
    /// Bars of a day are asked for only if [`PriceSource::has_daily_bars`]. One starts at the midnight, of its exchange or of
    /// UTC, at which its day begins, or at the open of its session. The bar of a day that is not over may be among them.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError>;

    /// One page of splits or dividends; `cursor` as the page before named it, `None` for the first. Bars are as printed,
    /// so without them prices of two days can't be compared across one. A source without them leaves this out.
    ///
    /// What an action is called ([`CorporateAction::id`]) has to stay the same from one answer to the next: one that is
    /// no longer listed is withdrawn.
    ///
    /// # Errors
    /// Any [`ProviderError`]; [`ProviderError::Unsupported`] if the source does not have this list.
    async fn actions_page(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        let _ = cursor;
        Err(ProviderError::Unsupported { provider: self.name().to_owned(), what: request.list.name().to_owned() })
    }

    /// One cheap request, to see whether the provider answers and takes the key. It opens no connection that could take
    /// the place of a running one.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    async fn probe(&self, subscription: &Subscription, now: Timestamp) -> Result<(), ProviderError> {
        let Some(symbol) = subscription.symbols.first() else { return Ok(()) };
        let from = now.saturating_sub(SignedDuration::from_mins(10)).unwrap_or(now);
        self.bars_page(&BarsRequest::minutes(symbol, from, now), None).await.map(drop)
    }

    /// Reads again what was rejected, with the code of this build.
    ///
    /// # Errors
    /// As [`NewsSource::read_again`].
    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        Err(rejected.unsupported(self.name()))
    }
}

/// Refuses a subscription to halts, for a source that has none.
fn without_halts(provider: &str, subscription: &Subscription) -> Result<(), ProviderError> {
    if !subscription.halts {
        return Ok(());
    }
    let what = format!("halts; set prices.override.{provider}.halts = false");
    Err(ProviderError::Unsupported { provider: provider.to_owned(), what })
}

/// A live connection of a [`PriceSource`].
#[async_trait]
pub trait PriceConnection: Send {
    /// Its kind, for the origin of rejects: `websocket`.
    fn origin(&self) -> &str;

    /// Waits for a message and returns what it held, which may be nothing. A connection that has gone quiet for too long
    /// has to find that out by itself and end with an error.
    ///
    /// # Errors
    /// Any [`ProviderError`]: the connection is over then.
    async fn read(&mut self) -> Result<Frame, ProviderError>;

    /// The next frame that holds something.
    ///
    /// # Errors
    /// Those of [`PriceConnection::read`].
    async fn next(&mut self) -> Result<Frame, ProviderError> {
        loop {
            let frame = self.read().await?;
            if !frame.is_empty() {
                return Ok(frame);
            }
        }
    }
}
