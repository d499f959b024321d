//! Kraken's messages as it sends them, and what they become. Its streams have prices as JSON numbers and times in
//! RFC 3339; its REST answers have prices as JSON strings and times in Unix seconds.

use super::QUOTE_CURRENCIES;
use crate::epoch::plausible_moment;
use crate::providers::coins::{Decimal, currencies, pair};
use crate::providers::items::read_object;
use crate::providers::{BarWidth, Page, ProviderError, Reject};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tapewire_core::{Bar, BarUpdates, Symbol, Trade};

/// A message, taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Trades, oldest first.
    pub trades: Vec<Trade>,
    /// Minute candles, finished or not. Candles without a trade are left out.
    pub candles: Vec<Bar>,
    /// A subscription that was accepted: channel and symbol.
    pub subscribed: Option<(String, String)>,
    /// Why a request was refused.
    pub error: Option<String>,
    /// What Kraken says of itself, where it is not `online`.
    pub system: Option<String>,
    /// What could not be read.
    pub rejects: Vec<Reject>,
}

/// What any message may have.
///
/// ```json
/// {"channel":"status","type":"update","data":[{"api_version":"v2","system":"online","version":"2.0.0"}]}
/// {"channel":"heartbeat"}
/// {"method":"subscribe","result":{"channel":"trade","snapshot":false,"symbol":"BTC/USD"},"success":true,"req_id":1}
/// {"method":"subscribe","error":"Currency pair not supported BTC/XYZ","success":false,"symbol":"BTC/XYZ"}
/// {"channel":"trade","type":"update","data":[…]}
/// ```
#[derive(Deserialize)]
struct Envelope<'a> {
    channel: Option<String>,
    method: Option<String>,
    success: Option<bool>,
    error: Option<String>,
    result: Option<Subscribed>,
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Subscribed {
    channel: Option<String>,
    symbol: Option<String>,
}

#[derive(Deserialize)]
struct StatusItem {
    system: String,
}

/// ```json
/// {"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,
///  "timestamp":"2023-09-25T07:49:37.708706Z"}
/// ```
#[derive(Deserialize)]
struct TradeItem {
    symbol: String,
    price: Decimal,
    qty: Decimal,
    trade_id: u64,
    timestamp: Timestamp,
}

/// ```json
/// {"symbol":"ALGO/USD","open":0.09875,"high":0.0988,"low":0.09875,"close":0.09875,"trades":13,"volume":16255.46368,
///  "vwap":0.09879,"interval_begin":"2026-07-04T11:55:00.000000000Z","interval":1,"timestamp":"2026-07-04T11:56:00.000000Z"}
/// ```
#[derive(Deserialize)]
struct CandleItem {
    symbol: String,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    trades: Option<u64>,
    volume: Decimal,
    vwap: Option<Decimal>,
    interval_begin: Timestamp,
    interval: u32,
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

fn fill(message: &mut Message, raw: &str, received_at: Timestamp) -> Result<(), String> {
    let envelope: Envelope<'_> = read_object(raw)?;
    let data = envelope.data.unwrap_or_default();
    match (envelope.channel.as_deref(), envelope.method.as_deref()) {
        (Some("heartbeat"), _) | (None, Some("pong")) => {}
        (Some("status"), _) => {
            for item in data {
                let StatusItem { system } = read_object(item.get())?;
                message.system = Some(system).filter(|system| system != "online").or(message.system.take());
            }
        }
        (Some("trade"), _) => {
            let (items, rejects) = (&mut message.trades, &mut message.rejects);
            data.into_iter().for_each(|item| keep(items, rejects, item, |raw| trade(raw, received_at).map(Some)));
        }
        (Some("ohlc"), _) => {
            let (items, rejects) = (&mut message.candles, &mut message.rejects);
            data.into_iter().for_each(|item| keep(items, rejects, item, |raw| candle(raw, received_at)));
        }
        (Some(other), _) => return Err(format!("channel `{}` is not one we subscribe to", other.escape_debug())),
        (None, Some("subscribe")) if envelope.success == Some(true) => {
            let result = envelope.result.ok_or("a confirmation without a result")?;
            message.subscribed = result.channel.zip(result.symbol);
        }
        (None, _) if envelope.error.is_some() || envelope.success == Some(false) => {
            message.error = Some(envelope.error.unwrap_or_else(|| "without a reason".into()));
        }
        (None, Some(other)) => return Err(format!("method `{}` is not one of ours", other.escape_debug())),
        (None, None) => return Err("it has neither a channel nor a method".into()),
    }
    Ok(())
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
    if item.price.0 <= 0.0 || item.qty.0 <= 0.0 {
        return Err("price or size is not a positive number".into());
    }
    Ok(Trade {
        symbol: symbol(&item.symbol)?,
        at: plausible_moment(item.timestamp)?,
        id: item.trade_id.to_string(),
        sequence: item.trade_id,
        price: item.price.0,
        size: item.qty.0,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at,
    })
}

fn candle(raw: &str, received_at: Timestamp) -> Result<Option<Bar>, String> {
    let item: CandleItem = read_object(raw)?;
    if item.interval != 1 || item.interval_begin.as_nanosecond() % 60_000_000_000 != 0 {
        return Err(format!("a minute does not start at {} for {} minutes", item.interval_begin, item.interval));
    }
    traded(Bar {
        symbol: symbol(&item.symbol)?,
        start: plausible_moment(item.interval_begin)?,
        width_s: 60,
        open: item.open.0,
        high: item.high.0,
        low: item.low.0,
        close: item.close.0,
        volume: item.volume.0,
        vwap: item.vwap.map(|vwap| vwap.0),
        trades: item.trades,
        received_at,
    })
}

/// ```json
/// {"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23],…],
///  "last":1688672160}}
/// {"error":["EQuery:Unknown asset pair"]}
/// ```
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow, default)]
    result: BTreeMap<String, &'a RawValue>,
}

/// Start, open, high, low, close, average, volume, number of trades.
type Row = (i64, Decimal, Decimal, Decimal, Decimal, Decimal, Decimal, u64);

/// Reads the answer with the bars of one pair and width, of which the last is not finished. Errors come with HTTP 200.
///
/// # Errors
/// [`ProviderError::RateLimited`], [`ProviderError::BadRequest`], [`ProviderError::Failed`]; [`ProviderError::Unreadable`], also
/// if its bars are those of another pair; [`ProviderError::Unsupported`] if `symbol` is not a pair that Kraken has.
pub fn bars_page(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    width: BarWidth,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let (provider, path) = (provider.to_owned(), path.to_owned());
    let unreadable = |reason: String| ProviderError::unreadable(&provider, &path, reason);
    let answer: Answer<'_> = read_object(&text).map_err(unreadable)?;
    if let Some(message) = answer.error.into_iter().next() {
        return Err(match message.split(':').next() {
            Some("EAPI") if message.contains("Rate limit") => {
                ProviderError::RateLimited { provider, path, retry_after: None }
            }
            Some("EQuery") => ProviderError::BadRequest { provider, path, status: 200, message },
            _ if message.contains("Too many requests") => {
                ProviderError::RateLimited { provider, path, retry_after: None }
            }
            _ => ProviderError::Failed { provider, path, status: 200, message, retry_after: None },
        });
    }
    let (base, quote) = currencies(&provider, symbol, &QUOTE_CURRENCIES)?;
    let mut lists = answer.result.into_iter().filter(|(name, _)| name != "last").peekable();
    let name = lists.peek().map(|(name, _)| name.escape_debug().to_string());
    let name = name.ok_or_else(|| unreadable("it has no list of bars".into()))?;
    let rows = lists.find(|(name, _)| is_pair(name, base, quote));
    let (_, rows) = rows.ok_or_else(|| unreadable(format!("it has bars of `{name}`, not of {symbol}")))?;
    let rows: Vec<&RawValue> = serde_json::from_str(rows.get()).map_err(|error| unreadable(error.to_string()))?;
    let page = Page::read(&path, None, rows, |raw| {
        let (start, open, high, low, close, vwap, volume, trades): Row =
            serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let start = Timestamp::from_second(start).map_err(|error| error.to_string())?;
        if start.as_second() % i64::from(width.seconds()) != 0 {
            return Err(format!("a bar of {} s does not start at {start}", width.seconds()));
        }
        let bar = traded(Bar {
            symbol: symbol.clone(),
            start: plausible_moment(start)?,
            width_s: width.seconds(),
            open: open.0,
            high: high.0,
            low: low.0,
            close: close.0,
            volume: volume.0,
            vwap: Some(vwap.0).filter(|vwap| *vwap > 0.0),
            trades: Some(trades),
            received_at,
        })?;
        Ok((bar, None))
    });
    Ok(Page {
        items: page.items.into_iter().flatten().collect(),
        rejects: page.rejects,
        origin: page.origin,
        next: page.next,
    })
}

/// Whether a key of an answer is this pair: `XXBTZUSD`, `XBTUSDC` and `BTC/USD` are of `BTC`, `SOLUSD` is of `SOL`. Older
/// names have an `X` before a coin and a `Z` before a currency.
fn is_pair(key: &str, base: &str, quote: &str) -> bool {
    let names = |currency: &str| {
        let own = match currency {
            "BTC" => "XBT",
            "DOGE" => "XDG",
            other => other,
        };
        [currency.to_owned(), own.to_owned(), format!("X{own}"), format!("Z{own}")]
    };
    let (key, quotes) = (key.replace('/', ""), names(quote));
    names(base).iter().any(|base| key.strip_prefix(base.as_str()).is_some_and(|rest| quotes.iter().any(|q| q == rest)))
}

/// A bar, unless nothing was traded, where Kraken repeats the last price.
fn traded(bar: Bar) -> Result<Option<Bar>, String> {
    match bar.fault() {
        Some(fault) => Err(fault.into()),
        None if bar.volume == 0.0 => Ok(None),
        None => Ok(Some(bar)),
    }
}

/// The symbol of `BTC/USD`.
fn symbol(name: &str) -> Result<Symbol, String> {
    let (base, quote) =
        name.split_once('/').ok_or_else(|| format!("`{}` is not a pair of currencies", name.escape_debug()))?;
    pair(base, quote)
}
