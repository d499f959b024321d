//! Coinbase's messages to domain types.

use super::messages::{
    Candle, CandlesAnswer, CandlesEvent, Envelope, HeartbeatEvent, SubscriptionsEvent, TradeItem, TradesEvent,
};
use crate::epoch::{of_any_unit, plausible_moment};
use crate::providers::coins::pair;
use crate::providers::items::read_object;
use crate::providers::{BarWidth, Cursor, Page, ProviderError, Reject};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tapewire_core::{Bar, BarUpdates, Symbol, Trade};

/// Width of a candle, in seconds: the stream has no other.
pub const WIDTH_S: u32 = 300;

/// Width of the candles of the past, in seconds.
pub fn width_s(width: BarWidth) -> u32 {
    match width {
        BarWidth::Minute => WIDTH_S,
        BarWidth::Day => Bar::DAY_S,
    }
}

/// A message, taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Its number on the connection.
    pub sequence: Option<u64>,
    /// When it was sent (UTC), by Coinbase's clock.
    pub sent_at: Option<Timestamp>,
    /// Trades, oldest first.
    pub trades: Vec<Trade>,
    /// Candles, finished or not; none in which nothing was traded.
    pub candles: Vec<Bar>,
    /// Number of the last heartbeat.
    pub heartbeat: Option<u64>,
    /// What is subscribed to, by channel.
    pub subscribed: Option<BTreeMap<String, Vec<String>>>,
    /// Why a request was refused.
    pub error: Option<String>,
    /// What could not be read.
    pub rejects: Vec<Reject>,
}

/// Reads a message.
pub fn message(raw: &str, received_at: Timestamp) -> Message {
    let mut message = Message::default();
    if let Err(reason) = fill(&mut message, raw, received_at) {
        message.rejects.push(Reject::new(raw, reason));
    }
    message.trades.sort_by_key(|trade| trade.sequence);
    message
}

/// Reads what was rejected: a whole message, or one trade of it.
pub(super) fn message_or_trade(raw: &str, received_at: Timestamp) -> Message {
    match trade(raw, received_at) {
        Ok(trade) => Message { trades: vec![trade], ..Message::default() },
        Err(_) => message(raw, received_at),
    }
}

fn fill(message: &mut Message, raw: &str, received_at: Timestamp) -> Result<(), String> {
    let envelope: Envelope<'_> = read_object(raw)?;
    message.sequence = envelope.sequence_num;
    message.sent_at = envelope.timestamp;
    match (envelope.channel.as_deref(), envelope.r#type.as_deref()) {
        (Some("market_trades"), _) => {
            for event in events(message, &envelope.events, |event: &TradesEvent<'_>| event.trades.clone()) {
                keep(&mut message.trades, &mut message.rejects, event, |raw| trade(raw, received_at).map(Some));
            }
        }
        (Some("candles"), _) => {
            for event in events(message, &envelope.events, |event: &CandlesEvent<'_>| event.candles.clone()) {
                let read = |raw: &str| {
                    let item: Candle = read_object(raw)?;
                    bar(&product(&item.product_id)?, &item, WIDTH_S, received_at)
                };
                keep(&mut message.candles, &mut message.rejects, event, read);
            }
        }
        (Some("heartbeats"), _) => {
            for event in &envelope.events {
                message.heartbeat = Some(read_object::<HeartbeatEvent>(event.get())?.heartbeat_counter);
            }
        }
        (Some("subscriptions"), _) => {
            for event in &envelope.events {
                message.subscribed = Some(read_object::<SubscriptionsEvent>(event.get())?.subscriptions);
            }
        }
        (Some(other), _) => return Err(format!("channel `{}` is not one we subscribe to", other.escape_debug())),
        (None, Some("error")) => {
            let words = [envelope.message, envelope.reason].into_iter().flatten();
            message.error = Some(words.collect::<Vec<_>>().join(": "));
        }
        (None, Some("match" | "last_match")) => message.trades.push(trade(raw, received_at)?),
        // Of the Exchange feed.
        (None, Some("subscriptions")) => {}
        (None, Some(other)) => return Err(format!("type `{}` is not one we know", other.escape_debug())),
        (None, None) => return Err("it has neither a channel nor a type".into()),
    }
    Ok(())
}

/// The items of all events of a message. An event that can't be read is rejected alone.
fn events<'a, T: Deserialize<'a>>(
    message: &mut Message,
    events: &[&'a RawValue],
    items: impl Fn(&T) -> Vec<&'a RawValue>,
) -> Vec<&'a RawValue> {
    let mut all = Vec::new();
    for event in events {
        match read_object::<T>(event.get()) {
            Ok(event) => all.extend(items(&event)),
            Err(reason) => message.rejects.push(Reject::new(event.get(), reason)),
        }
    }
    all
}

fn keep<T>(
    kept: &mut Vec<T>,
    rejects: &mut Vec<Reject>,
    raw: &RawValue,
    read: impl Fn(&str) -> Result<Option<T>, String>,
) {
    match read(raw.get()) {
        Ok(item) => kept.extend(item),
        Err(reason) => rejects.push(Reject::new(raw.get(), reason)),
    }
}

fn trade(raw: &str, received_at: Timestamp) -> Result<Trade, String> {
    let item: TradeItem = read_object(raw)?;
    if item.price.0 <= 0.0 || item.size.0 <= 0.0 {
        return Err("price or size is not a positive number".into());
    }
    let at = plausible_moment(item.time)?;
    Ok(Trade {
        symbol: product(&item.product_id)?,
        at,
        id: item.trade_id.to_string(),
        sequence: item.trade_id,
        price: item.price.0,
        size: item.size.0,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at,
    })
}

/// The bar of a candle; none if nothing was traded.
fn bar(symbol: &Symbol, item: &Candle, width_s: u32, received_at: Timestamp) -> Result<Option<Bar>, String> {
    let start = i64::try_from(item.start).map_err(|error| error.to_string())?;
    let start = of_any_unit(start).map_err(|error| error.to_string())?;
    if start.as_second() % i64::from(width_s) != 0 {
        return Err(format!("a candle of {width_s} s does not start at {start}"));
    }
    let bar = Bar {
        symbol: symbol.clone(),
        start,
        width_s,
        open: item.open.0,
        high: item.high.0,
        low: item.low.0,
        close: item.close.0,
        volume: item.volume.0,
        vwap: None,
        trades: None,
        received_at,
    };
    match bar.fault() {
        Some(fault) => Err(fault.into()),
        None if bar.volume == 0.0 => Ok(None),
        None => Ok(Some(bar)),
    }
}

/// The symbol of `BTC-USD`.
pub(super) fn product(id: &str) -> Result<Symbol, String> {
    match id.split_once('-') {
        Some((base, quote)) if !base.is_empty() && !quote.is_empty() => pair(base, quote),
        _ => Err(format!("`{}` is not a product such as BTC-USD", id.escape_debug())),
    }
}

/// Reads the bars of `symbol`, all `width_s` wide, from REST, and puts them in order.
///
/// # Errors
/// [`ProviderError::Unreadable`].
pub fn bars_page(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    width_s: u32,
    next: Option<Cursor>,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let answer: CandlesAnswer<'_> =
        read_object(&text).map_err(|reason| ProviderError::unreadable(provider, path, reason))?;
    let read = |raw: &str| Ok((bar(symbol, &read_object::<Candle>(raw)?, width_s, received_at)?, None));
    let page = Page::read(path, next, answer.candles, read);
    let mut items: Vec<Bar> = page.items.into_iter().flatten().collect();
    items.sort_by_key(|bar| bar.start);
    Ok(Page { items, rejects: page.rejects, origin: page.origin, next: page.next })
}
