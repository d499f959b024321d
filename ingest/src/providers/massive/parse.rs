//! Parses Massive's messages into domain types.
//!
//! Pages and frames are split into items first and the items read one by one: a malformed item
//! becomes a [`Reject`] with its bytes, and its neighbours are read all the same.

use super::messages::{
    Aggregate, Answer, BarsOf, LimitUpLimitDown, LiveAggregate, NewsItem, Status, Tag, TradeMessage,
};
use crate::epoch::{YEARS, is_plausible, of_any_unit, whole_microseconds};
use crate::providers::items::{self, ItemResult, read_object};
use crate::providers::{BarWidth, Cursor, MarketEvent, Page, ProviderError, Reject};
use crate::sale_conditions::{self, trade_id};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Article, Bar, Halt, Symbol, Trade};

/// One element of a websocket frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The connection's state.
    Status(Status),
    /// Something for the pipeline.
    Market(MarketEvent),
    /// A price band without a halt: nothing for the pipeline.
    PriceBand,
}

/// A frame of the websocket, taken apart: messages of any kind, mixed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages {
    /// What could be read, in order.
    pub messages: Vec<Message>,
    /// What could not.
    pub rejects: Vec<Reject>,
}

/// Reads a page of `GET /v2/reference/news`.
///
/// What is not a ticker is left out of its article, which is then also among the rejects, so that nothing is lost
/// silently. `provider` is the configured name.
///
/// # Errors
/// As [`answer`].
pub fn news_page(
    provider: &str,
    path: &str,
    body: &[u8],
    received_at: Timestamp,
) -> Result<Page<Article>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer = answer(provider, path, &text)?;
    let (next, items) = (answer.next_url.map(Cursor), answer.results.unwrap_or_default());
    Ok(Page::read(path, next, items, |raw| article(provider, raw, received_at)))
}

/// Reads a page of bars of one symbol and width from `GET /v2/aggs/…`.
///
/// # Errors
/// As [`answer`]; [`ProviderError::Unreadable`] if its bars are those of another ticker, or adjusted for splits.
pub fn bars_page(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    width: BarWidth,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer = answer(provider, path, &text)?;
    let refused = |reason: String| ProviderError::unreadable(provider, path, reason);
    let of: BarsOf = read_object(&text).map_err(refused)?;
    if let Some(other) = of.ticker.filter(|ticker| Symbol::new(ticker).ok().as_ref() != Some(symbol)) {
        return Err(refused(format!("it has bars of `{}`, not of {symbol}", other.escape_debug())));
    }
    if of.adjusted == Some(true) {
        return Err(refused("its bars are adjusted for splits, although bars as printed were requested".into()));
    }
    let (next, items) = (answer.next_url.map(Cursor), answer.results.unwrap_or_default());
    Ok(Page::read(path, next, items, |raw| Ok((aggregate(raw, symbol, width, received_at)?, None))))
}

/// Reads a text frame: usually an array, whose elements may be of different kinds.
pub fn frame(text: &str, received_at: Timestamp) -> Messages {
    let mut frame = Messages::default();
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
        match message(raw.get(), received_at) {
            Ok(message) => frame.messages.push(message),
            Err(reason) => frame.rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    frame
}

/// Splits an answer into items, or says why there are none.
///
/// # Errors
/// [`ProviderError::NotAuthorized`], [`ProviderError::Failed`] for an error sent with HTTP 200;
/// [`ProviderError::Unreadable`] if it is not a page at all.
pub fn answer<'a>(provider: &str, path: &str, text: &'a str) -> Result<Answer<'a>, ProviderError> {
    let (provider, path) = (provider.to_owned(), path.to_owned());
    let answer: Answer<'a> = match read_object(text) {
        Ok(answer) => answer,
        Err(reason) => return Err(ProviderError::Unreadable { provider, path, reason }),
    };
    let said = || answer.error.clone().or_else(|| answer.message.clone()).unwrap_or_else(|| "no reason given".into());
    match answer.status.as_deref() {
        Some("OK" | "DELAYED") => Ok(answer),
        Some("NOT_AUTHORIZED" | "AUTH_ERROR") => {
            Err(ProviderError::NotAuthorized { provider, what: path, message: said() })
        }
        Some(status) => {
            let message = format!("{status}: {}", said());
            Err(ProviderError::Failed { provider, path, status: 200, message, retry_after: None })
        }
        None if answer.results.is_some() => Ok(answer),
        None => Err(ProviderError::Unreadable { provider, path, reason: "neither `status` nor `results`".into() }),
    }
}

/// Reads one news item of `provider`, and says what had to be left out of it, if anything.
///
/// # Errors
/// The reason, in words.
pub fn article(provider: &str, raw: &str, received_at: Timestamp) -> ItemResult<Article> {
    let item: NewsItem = read_object(raw)?;
    if item.id.is_empty() {
        return Err("the id is empty".into());
    }
    if !is_plausible(item.published_utc) {
        let (first, last) = (YEARS.start(), YEARS.end());
        return Err(format!("published_utc {} is not between the years {first} and {last}", item.published_utc));
    }
    let (symbols, flaw) = items::symbols(item.tickers.iter().flatten().flatten().map(String::as_str));
    let title = item.title.unwrap_or_default();
    let description = item.description.unwrap_or_default();
    let article = Article {
        revision: Article::fingerprint(&title, &description, &symbols),
        id: item.id,
        provider: provider.to_owned(),
        publisher: item.publisher.and_then(|publisher| publisher.name).unwrap_or_default(),
        author: item.author.unwrap_or_default(),
        title,
        description,
        url: item.article_url.unwrap_or_default(),
        symbols,
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: item.keywords.unwrap_or_default().into_iter().flatten().collect(),
        published_at: whole_microseconds(item.published_utc),
        received_at,
    };
    Ok((article, flaw))
}

pub(super) fn aggregate(raw: &str, symbol: &Symbol, width: BarWidth, received_at: Timestamp) -> Result<Bar, String> {
    let item: Aggregate = read_object(raw)?;
    without_fault(Bar {
        symbol: symbol.clone(),
        start: milliseconds(item.t)?,
        width_s: width.seconds(),
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

fn message(raw: &str, received_at: Timestamp) -> Result<Message, String> {
    let tag: Tag = read_object(raw)?;
    let market = |event| Ok(Message::Market(event));
    match tag.ev.as_str() {
        "status" => read_object(raw).map(Message::Status),
        "AM" => market(MarketEvent::Bar(live_bar(raw, 60, received_at)?)),
        "A" => market(MarketEvent::Bar(live_bar(raw, 1, received_at)?)),
        "T" => market(MarketEvent::Trade(trade(raw, received_at)?)),
        "LULD" => match halt(raw, received_at)? {
            Some(halt) => market(MarketEvent::Halt(halt)),
            None => Ok(Message::PriceBand),
        },
        other => Err(format!("event type `{}` is not one we know", other.escape_debug())),
    }
}

/// A bar of a minute or of a second.
fn live_bar(raw: &str, width_s: u32, received_at: Timestamp) -> Result<Bar, String> {
    let item: LiveAggregate = read_object(raw)?;
    let width_ms = i64::from(width_s) * 1000;
    if item.e.checked_sub(item.s) != Some(width_ms) {
        return Err(format!("a bar of {width_s} s spans {width_ms} ms, not {} to {}", item.s, item.e));
    }
    without_fault(Bar {
        symbol: equity(&item.sym)?,
        start: milliseconds(item.s)?,
        width_s,
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
    let item: TradeMessage = read_object(raw)?;
    let size = item.ds.unwrap_or(item.s.0);
    if !(item.p.is_finite() && item.p > 0.0) {
        return Err("the price is not a positive number".into());
    }
    if !(size.is_finite() && size >= 0.0) {
        return Err("the size is negative or not a finite number".into());
    }
    let at = milliseconds(item.t)?;
    Ok(Trade {
        symbol: equity(&item.sym)?,
        at,
        id: trade_id(item.x.unwrap_or(0), item.trfi.unwrap_or(0), &item.i),
        sequence: item.q,
        price: item.p,
        size,
        counts: sale_conditions::counts(&item.c.unwrap_or_default(), at),
        replaces: None,
        received_at,
    })
}

fn halt(raw: &str, received_at: Timestamp) -> Result<Option<Halt>, String> {
    let item: LimitUpLimitDown = read_object(raw)?;
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

/// Refuses a bar that is impossible, or that begins within a minute, or within a second where it is one of a second.
fn without_fault(bar: Bar) -> Result<Bar, String> {
    let unit_s = bar.width_s.min(60);
    if bar.start.as_microsecond() % (i64::from(unit_s) * 1_000_000) != 0 {
        return Err(format!("a bar of {} s does not start at {}", bar.width_s, bar.start));
    }
    // Some trades count for the average and not for low and high, so it may be outside of them, but not far.
    let is_plausible = |vwap: &f64| vwap.is_finite() && *vwap >= bar.low / 2.0 && *vwap <= bar.high * 2.0;
    let vwap = bar.vwap.filter(is_plausible);
    bar.fault().map_or(Ok(Bar { vwap, ..bar }), |fault| Err(fault.into()))
}

/// The stocks feed's tickers have no asset-class prefix.
pub(super) fn equity(ticker: &str) -> Result<Symbol, String> {
    let symbol = Symbol::new(ticker).map_err(|error| error.to_string())?;
    let class = match symbol.asset_class() {
        AssetClass::Equity => return Ok(symbol),
        AssetClass::Crypto => "a cryptocurrency",
        AssetClass::Index => "an index",
        AssetClass::Currency => "a pair of currencies",
        AssetClass::Option => "an option",
    };
    Err(format!("{symbol} is not a share but {class}"))
}

fn milliseconds(ms: i64) -> Result<Timestamp, String> {
    let at = Timestamp::from_millisecond(ms).ok().filter(|&at| is_plausible(at));
    at.ok_or_else(|| format!("{ms} ms since 1970 is not between the years {} and {}", YEARS.start(), YEARS.end()))
}

#[cfg(test)]
mod tests;
