//! Massive's bytes to domain types.
//!
//! Pages and frames are split into items first and the items read one by one: a malformed item
//! becomes a [`Reject`] with its bytes, and its neighbours are read all the same.

use super::messages::{Aggregate, LimitUpLimitDown, MinuteAggregate, NewsItem, Page, Status, Tag, TradeMessage};
use super::{MassiveError, PROVIDER};
use crate::epoch::{of_any_unit, whole_microseconds};
use crate::providers::{LARGEST_ITEM, Reject};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Article, Bar, Halt, Symbol, Trade};

/// One page of a REST list.
#[derive(Debug, Clone, PartialEq)]
pub struct Items<T> {
    /// What could be read, in the provider's order.
    pub items: Vec<T>,
    /// What could not.
    pub rejects: Vec<Reject>,
    /// Where the next page is.
    pub next_url: Option<String>,
}

/// A message of the websocket.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The session's state.
    Status(Status),
    /// A minute bar, new or corrected.
    Bar(Bar),
    /// A trade.
    Trade(Trade),
    /// Trading stopped or resumed.
    Halt(Halt),
    /// A price band without a halt: nothing for the pipeline.
    PriceBand,
}

/// A frame of the websocket: events of any kind, mixed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// What could be read, in order.
    pub events: Vec<Event>,
    /// What could not.
    pub rejects: Vec<Reject>,
}

/// Reads a page of `GET /v2/reference/news`.
///
/// An article with a ticker that is none is kept without that ticker and is also among the
/// rejects, so that nothing vanishes unseen.
///
/// # Errors
/// As [`page`].
pub fn news_page(path: &str, body: &[u8], received_at: Timestamp) -> Result<Items<Article>, MassiveError> {
    let text = String::from_utf8_lossy(body);
    let page = page(path, &text)?;
    let mut read = Items { items: Vec::new(), rejects: Vec::new(), next_url: page.next_url };
    for raw in page.results.unwrap_or_default() {
        match article(raw.get(), received_at) {
            Ok((article, None)) => read.items.push(article),
            Ok((article, Some(flaw))) => {
                read.items.push(article);
                read.rejects.push(Reject::new(raw.get(), flaw));
            }
            Err(reason) => read.rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    Ok(read)
}

/// Reads a page of minute bars of one symbol from `GET /v2/aggs/…`.
///
/// # Errors
/// As [`page`].
pub fn bars_page(path: &str, body: &[u8], symbol: &Symbol, received_at: Timestamp) -> Result<Items<Bar>, MassiveError> {
    let text = String::from_utf8_lossy(body);
    let page = page(path, &text)?;
    let mut read = Items { items: Vec::new(), rejects: Vec::new(), next_url: page.next_url };
    for raw in page.results.unwrap_or_default() {
        match aggregate(raw.get(), symbol, received_at) {
            Ok(bar) => read.items.push(bar),
            Err(reason) => read.rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    Ok(read)
}

/// Reads a text frame: usually an array, whose elements may be of different kinds.
pub fn frame(text: &str, received_at: Timestamp) -> Frame {
    let mut frame = Frame::default();
    let elements: Vec<&RawValue> = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(elements) => elements,
        Err(_) => match serde_json::from_str::<&RawValue>(text) {
            Ok(single) => vec![single],
            Err(error) => {
                frame.rejects.push(Reject::new(text, format!("not json: {error}")));
                return frame;
            }
        },
    };
    for raw in elements {
        match event(raw.get(), received_at) {
            Ok(event) => frame.events.push(event),
            Err(reason) => frame.rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    frame
}

/// Splits an answer into items, or says why it is none.
///
/// # Errors
/// [`MassiveError::NotAuthorized`], [`MassiveError::Failed`] for an error told with HTTP 200;
/// [`MassiveError::Unreadable`] if it is not a page at all.
pub fn page<'a>(path: &str, text: &'a str) -> Result<Page<'a>, MassiveError> {
    let unreadable = |reason: String| MassiveError::Unreadable { path: path.to_owned(), reason };
    let page: Page<'a> = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    let words = || page.error.clone().or_else(|| page.message.clone()).unwrap_or_else(|| "no reason given".into());
    match page.status.as_deref() {
        Some("OK" | "DELAYED") => Ok(page),
        Some("NOT_AUTHORIZED" | "AUTH_ERROR") => {
            Err(MassiveError::NotAuthorized { what: path.to_owned(), message: words() })
        }
        Some(status) => {
            Err(MassiveError::Failed { path: path.to_owned(), status: 200, message: format!("{status}: {}", words()) })
        }
        None if page.results.is_some() => Ok(page),
        None => Err(unreadable("neither `status` nor `results`".into())),
    }
}

/// Reads one news item; with it what had to be left out of it, if anything had.
///
/// # Errors
/// The reason, in words.
pub fn article(raw: &str, received_at: Timestamp) -> Result<(Article, Option<String>), String> {
    if raw.len() > LARGEST_ITEM {
        return Err(format!("{} bytes are more than the {LARGEST_ITEM} an article may have", raw.len()));
    }
    let item: NewsItem = read(raw)?;
    if item.id.is_empty() {
        return Err("the id is empty".into());
    }
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut flaw = None;
    for ticker in item.tickers.unwrap_or_default().into_iter().flatten() {
        match Symbol::new(&ticker) {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(error) => flaw = Some(format!("the article is kept without one ticker: {error}")),
        }
    }
    let title = item.title.unwrap_or_default();
    let description = item.description.unwrap_or_default();
    let article = Article {
        revision: Article::fingerprint(&title, &description, &symbols),
        id: item.id,
        provider: PROVIDER.into(),
        publisher: item.publisher.and_then(|publisher| publisher.name).unwrap_or_default(),
        author: item.author.unwrap_or_default(),
        title,
        description,
        url: item.article_url.unwrap_or_default(),
        symbols,
        keywords: item.keywords.unwrap_or_default().into_iter().flatten().collect(),
        published_at: whole_microseconds(item.published_utc),
        received_at,
    };
    Ok((article, flaw))
}

fn aggregate(raw: &str, symbol: &Symbol, received_at: Timestamp) -> Result<Bar, String> {
    let item: Aggregate = read(raw)?;
    sound(Bar {
        symbol: symbol.clone(),
        start: milliseconds(item.t)?,
        width_s: 60,
        open: item.o,
        high: item.h,
        low: item.l,
        close: item.c,
        volume: item.dv.unwrap_or(item.v.0),
        vwap: item.vw,
        trades: item.n,
        received_at,
    })
}

fn event(raw: &str, received_at: Timestamp) -> Result<Event, String> {
    let tag: Tag = read(raw)?;
    match tag.ev.as_str() {
        "status" => read(raw).map(Event::Status),
        "AM" => minute_bar(raw, received_at).map(Event::Bar),
        "T" => trade(raw, received_at).map(Event::Trade),
        "LULD" => halt(raw, received_at).map(|halt| halt.map_or(Event::PriceBand, Event::Halt)),
        other => Err(format!("event type `{}` is not one we know", other.escape_debug())),
    }
}

fn minute_bar(raw: &str, received_at: Timestamp) -> Result<Bar, String> {
    let item: MinuteAggregate = read(raw)?;
    if item.e.checked_sub(item.s) != Some(60_000) {
        return Err(format!("a minute bar spans 60000 ms, not {} to {}", item.s, item.e));
    }
    sound(Bar {
        symbol: equity(&item.sym)?,
        start: milliseconds(item.s)?,
        width_s: 60,
        open: item.o,
        high: item.h,
        low: item.l,
        close: item.c,
        volume: item.dv.unwrap_or(item.v.0),
        vwap: item.vw,
        trades: None,
        received_at,
    })
}

fn trade(raw: &str, received_at: Timestamp) -> Result<Trade, String> {
    let item: TradeMessage = read(raw)?;
    let size = item.ds.unwrap_or(item.s.0);
    if !(item.p.is_finite() && item.p > 0.0) {
        return Err("the price is not a positive number".into());
    }
    if !(size.is_finite() && size >= 0.0) {
        return Err("the size is not a number of shares".into());
    }
    Ok(Trade {
        symbol: equity(&item.sym)?,
        at: milliseconds(item.t)?,
        id: item.i,
        sequence: item.q,
        price: item.p,
        size,
        received_at,
    })
}

fn halt(raw: &str, received_at: Timestamp) -> Result<Option<Halt>, String> {
    let item: LimitUpLimitDown = read(raw)?;
    let indicators = item.i.unwrap_or_default();
    let halted = match (indicators.contains(&17), indicators.contains(&18)) {
        (false, false) => return Ok(None),
        (true, true) => return Err("the same message halts and resumes".into()),
        (halted, _) => halted,
    };
    Ok(Some(Halt {
        symbol: equity(&item.ticker)?,
        at: of_any_unit(item.t).map_err(|error| error.to_string())?,
        halted,
        reason: format!("LULD {}", if halted { 17 } else { 18 }),
        received_at,
    }))
}

fn read<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

fn sound(bar: Bar) -> Result<Bar, String> {
    match bar.fault() {
        None => Ok(bar),
        Some(fault) => Err(fault.into()),
    }
}

/// The stocks feed's tickers have no asset-class prefix.
fn equity(ticker: &str) -> Result<Symbol, String> {
    let symbol = Symbol::new(ticker).map_err(|error| error.to_string())?;
    match symbol.asset_class() {
        AssetClass::Equity => Ok(symbol),
        other => Err(format!("{symbol} is no equity but of class {other:?}")),
    }
}

fn milliseconds(ms: i64) -> Result<Timestamp, String> {
    Timestamp::from_millisecond(ms).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
