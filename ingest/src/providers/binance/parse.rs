//! Binance's messages as it sends them, and what they become.

use crate::epoch::of_any_unit;
use crate::providers::coins::{Decimal, pair};
use crate::providers::items::{object, read_object};
use crate::providers::{BarWidth, Cursor, MarketEvent, Page, ProviderError};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tapewire_core::{Bar, BarUpdates, Symbol, Trade};

/// Candles in a page, the most that Binance sends.
pub const PAGE: usize = 1000;

/// A message of the websocket.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A finished bar or a trade.
    Market(MarketEvent),
    /// A candle that is not finished, or in which nothing was traded: nothing for the pipeline.
    Nothing,
    /// A request of ours, by its number, was accepted.
    Confirmed(u64),
    /// A request of ours was refused, or the connection is to end; with Binance's words.
    Ending(String),
}

/// What any message may have.
///
/// ```json
/// {"stream":"btcusdt@trade","data":{"e":"trade",…}}
/// {"result":null,"id":1}
/// {"error":{"code":2,"msg":"Invalid request: …"},"id":1}
/// {"e":"serverShutdown","E":1770123456789}
/// ```
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    e: Option<String>,
    id: Option<u64>,
    error: Option<serde_json::Value>,
}

/// ```json
/// {"e":"trade","E":1617523773474,"s":"BTCUSDT","t":744644693,"p":"57497.07000000","q":"0.00034900",
///  "T":1617523773473,"m":false,"M":true}
/// {"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":5933014,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136}
/// ```
#[derive(Deserialize)]
struct TradeMessage {
    e: String,
    s: String,
    /// Number of a `trade`.
    t: Option<u64>,
    /// Number of an `aggTrade`; in a `trade` it is the seller's order.
    a: Option<u64>,
    p: Decimal,
    q: Decimal,
    #[serde(rename = "T")]
    at: i64,
}

/// ```json
/// {"e":"kline","E":1617524175601,"s":"BTCUSDT","k":{"t":1617524100000,"T":1617524399999,"s":"BTCUSDT","i":"5m",
///  "o":"57479.99000000","c":"57520.11000000","h":"57527.97000000","l":"57446.11000000","v":"89.93967900","n":1365,
///  "x":false,"q":"5170139.40269239"}}
/// ```
#[derive(Deserialize)]
struct KlineMessage {
    s: String,
    #[serde(deserialize_with = "object")]
    k: Kline,
}

#[derive(Deserialize)]
struct Kline {
    t: i64,
    #[serde(rename = "T")]
    last: i64,
    o: Decimal,
    h: Decimal,
    l: Decimal,
    c: Decimal,
    v: Decimal,
    n: Option<u64>,
    x: bool,
    q: Option<Decimal>,
}

/// Reads a message.
///
/// # Errors
/// The reason, in words.
pub fn message(raw: &str, received_at: Timestamp) -> Result<Message, String> {
    let envelope: Envelope<'_> = read_object(raw)?;
    match envelope.data {
        Some(data) => event(data.get(), received_at),
        None => event(raw, received_at),
    }
}

/// Reads what is in the envelope of a combined stream, or a message without one.
fn event(raw: &str, received_at: Timestamp) -> Result<Message, String> {
    let envelope: Envelope<'_> = read_object(raw)?;
    match (envelope.e.as_deref(), envelope.error, envelope.id) {
        (Some("trade" | "aggTrade"), ..) => Ok(Message::Market(MarketEvent::Trade(trade(raw, received_at)?))),
        (Some("kline"), ..) => kline(raw, received_at),
        (Some("serverShutdown"), ..) => Ok(Message::Ending("the server is shut down".into())),
        (Some(other), ..) => Err(format!("event type `{}` is not one we know", other.escape_debug())),
        (None, Some(error), _) => Ok(Message::Ending(error.to_string())),
        (None, None, Some(id)) => Ok(Message::Confirmed(id)),
        (None, None, None) => Err("it is no event, and no answer to a request of ours".into()),
    }
}

fn trade(raw: &str, received_at: Timestamp) -> Result<Trade, String> {
    let item: TradeMessage = read_object(raw)?;
    if item.p.0 <= 0.0 || item.q.0 <= 0.0 {
        return Err("price or size is not a positive number".into());
    }
    let number = if item.e == "trade" { item.t } else { item.a }.ok_or("its number is missing")?;
    Ok(Trade {
        symbol: pair(&item.s, "")?,
        at: moment(item.at)?,
        id: number.to_string(),
        sequence: number,
        price: item.p.0,
        size: item.q.0,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at,
    })
}

fn kline(raw: &str, received_at: Timestamp) -> Result<Message, String> {
    let KlineMessage { s, k } = read_object(raw)?;
    if !k.x {
        return Ok(Message::Nothing);
    }
    let bar = bar(&pair(&s, "")?, &k, received_at)?;
    Ok(bar.map_or(Message::Nothing, |bar| Message::Market(MarketEvent::Bar(bar))))
}

/// The bar of a candle. Where nothing was traded Binance repeats the last price; that is no bar.
fn bar(symbol: &Symbol, k: &Kline, received_at: Timestamp) -> Result<Option<Bar>, String> {
    let length = k.last.checked_sub(k.t).and_then(|length| length.checked_add(1));
    let width_s =
        length.filter(|length| *length > 0 && length % 1000 == 0).and_then(|ms| u32::try_from(ms / 1000).ok());
    let width_s = width_s.ok_or_else(|| format!("a candle does not last from {} to {}", k.t, k.last))?;
    let bar = Bar {
        symbol: symbol.clone(),
        start: moment(k.t)?,
        width_s,
        open: k.o.0,
        high: k.h.0,
        low: k.l.0,
        close: k.c.0,
        volume: k.v.0,
        vwap: k.q.map(|quote| quote.0 / k.v.0).filter(|price| (k.l.0..=k.h.0).contains(price)),
        trades: k.n,
        received_at,
    };
    match bar.fault() {
        Some(fault) => Err(fault.into()),
        None if bar.volume == 0.0 => Ok(None),
        None => Ok(Some(bar)),
    }
}

/// A row of `GET /api/v3/klines`: start, open, high, low, close, volume, end, quote volume, trades, …
type Row =
    (i64, Decimal, Decimal, Decimal, Decimal, Decimal, i64, Decimal, u64, Decimal, Decimal, serde::de::IgnoredAny);

/// Reads a page of bars of one width. The next page begins after its last row that can be read.
///
/// # Errors
/// [`ProviderError::Unreadable`].
pub fn bars_page(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    width: BarWidth,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let width_ms = i64::from(width.seconds()) * 1000;
    let text = String::from_utf8_lossy(body);
    let rows: Vec<&RawValue> =
        serde_json::from_str(&text).map_err(|error| ProviderError::unreadable(provider, path, error.to_string()))?;
    let next = match rows.len() >= PAGE {
        true => {
            // The last row may be one that can't be read; the rows after it are not to be missed.
            let last = rows.iter().rev().find_map(|raw| read_row(raw.get()).ok());
            let start = last.and_then(|row| row.0.checked_add(width_ms)).ok_or_else(|| {
                ProviderError::unreadable(
                    provider,
                    path,
                    "no row of a full page can be read, so the next page is not known",
                )
            })?;
            Some(Cursor(start.to_string()))
        }
        false => None,
    };
    let page = Page::read(path, next, rows, |raw| {
        let (t, o, h, l, c, v, last, q, n, ..) = read_row(raw)?;
        if last.checked_sub(t) != Some(width_ms - 1) {
            let what = if width == BarWidth::Day { "day" } else { "minute" };
            return Err(format!("a {what} does not last from {t} to {last}"));
        }
        let kline = Kline { t, last, o, h, l, c, v, n: Some(n), x: true, q: Some(q) };
        Ok((bar(symbol, &kline, received_at)?, None))
    });
    Ok(Page {
        items: page.items.into_iter().flatten().collect(),
        rejects: page.rejects,
        origin: page.origin,
        next: page.next,
    })
}

/// Reads a row of a list of candles, which is a list itself.
fn read_row(raw: &str) -> Result<Row, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

fn moment(number: i64) -> Result<Timestamp, String> {
    of_any_unit(number).map_err(|error| error.to_string())
}
