//! Alpaca's messages as it sends them, and what they become. A frame is a list of messages of any kind.

use crate::epoch::plausible_moment;
use crate::providers::coins;
use crate::providers::items::read_object;
use crate::providers::{BarWidth, Cursor, MarketEvent, Page, ProviderError, Reject};
use crate::sale_conditions::{self, letters};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, BarUpdates, Halt, Symbol, Trade};

/// Whose prices a feed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    /// Shares in the United States.
    Shares,
    /// Coins.
    Coins,
}

/// One message of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Something for the pipeline.
    Market(MarketEvent),
    /// A trade is corrected: the id of the original, and the corrected trade. Its time is that of the message, which
    /// does not have the time of the original.
    Correction(String, Trade),
    /// A step of the log-in has succeeded: `connected`, `authenticated`.
    Success(String),
    /// A request of ours was refused, or the connection is to end.
    Error {
        /// Alpaca's number of the error.
        code: u16,
        /// In words.
        message: String,
    },
    /// What is subscribed to, by channel.
    Subscribed(BTreeMap<String, Vec<String>>),
    /// Nothing for the pipeline: a state of trading that is neither a halt nor a resumption, a price band.
    Nothing,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "T")]
    tag: String,
}

/// ```json
/// {"T":"success","msg":"authenticated"}
/// {"T":"error","code":406,"msg":"connection limit exceeded"}
/// ```
#[derive(Deserialize)]
struct Control {
    code: Option<u16>,
    msg: Option<String>,
}

/// ```json
/// {"T":"t","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"c":["@","I"],"z":"C","t":"2021-02-22T15:51:44.208Z"}
/// {"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"}
/// ```
#[derive(Deserialize)]
struct TradeItem {
    #[serde(rename = "S")]
    symbol: String,
    i: u64,
    x: Option<String>,
    p: f64,
    s: f64,
    t: Timestamp,
    c: Option<Vec<String>>,
    z: Option<String>,
}

/// ```json
/// {"T":"c","S":"IWM","x":"D","oi":79372207866957,"op":208.65,"os":14950,"oc":[" ","7","V"],"ci":79372223926359,"cp":208.65,
///  "cs":14950,"cc":[" ","7","Z","V"],"z":"B","t":"2022-01-20T17:26:08.000760661Z"}
/// ```
#[derive(Deserialize)]
struct CorrectionItem {
    #[serde(rename = "S")]
    symbol: String,
    x: Option<String>,
    oi: u64,
    ci: u64,
    cp: f64,
    cs: f64,
    cc: Option<Vec<String>>,
    z: Option<String>,
    t: Timestamp,
}

/// ```json
/// {"T":"x","S":"GOOGL","i":465,"x":"D","p":1487.6,"s":10,"a":"C","z":"C","t":"2021-02-22T15:51:44.208Z"}
/// ```
#[derive(Deserialize)]
struct CancelItem {
    #[serde(rename = "S")]
    symbol: String,
    i: u64,
    x: Option<String>,
    p: f64,
    s: f64,
    t: Timestamp,
}

/// `b`: a minute, `u`: a minute again, after late trades; also an item of a list of bars, which has no symbol.
///
/// ```json
/// {"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}
/// ```
#[derive(Deserialize)]
struct BarItem {
    #[serde(rename = "S")]
    symbol: Option<String>,
    o: f64,
    h: f64,
    l: f64,
    c: f64,
    v: f64,
    n: Option<u64>,
    vw: Option<f64>,
    t: Timestamp,
}

/// Codes of tapes A and B: `2` halted, `3` resumed; of tapes C and O: `H` halted, `P` paused, `T` resumed. Others say what
/// comes, such as `Q`, quotation resumes.
///
/// ```json
/// {"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Additional Information Requested","z":"C",
///  "t":"2021-02-22T19:15:00Z"}
/// ```
#[derive(Deserialize)]
struct StatusItem {
    #[serde(rename = "S")]
    symbol: String,
    sc: String,
    rc: Option<String>,
    z: Option<String>,
    t: Timestamp,
}

/// Reads a frame.
pub fn frame(text: &str, market: Market, received_at: Timestamp) -> (Vec<Message>, Vec<Reject>) {
    let (mut messages, mut rejects) = (Vec::new(), Vec::new());
    let elements: Vec<&RawValue> = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(elements) => elements,
        Err(_) => match serde_json::from_str::<&RawValue>(text) {
            Ok(single) => vec![single],
            Err(error) => return (messages, vec![Reject::new(text, format!("not json: {error}"))]),
        },
    };
    for raw in elements {
        match message(raw.get(), market, received_at) {
            Ok(message) => messages.push(message),
            Err(reason) => rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    (messages, rejects)
}

fn message(raw: &str, market: Market, received_at: Timestamp) -> Result<Message, String> {
    let Tag { tag } = read_object(raw)?;
    Ok(match tag.as_str() {
        "t" => Message::Market(MarketEvent::Trade(trade(raw, market, received_at)?)),
        "b" | "u" => Message::Market(MarketEvent::Bar(bar(raw, market, None, received_at)?)),
        "c" => correction(raw, market, received_at)?,
        "x" => Message::Market(MarketEvent::Trade(cancel(raw, market, received_at)?)),
        "s" => {
            halt(raw, market, received_at)?.map_or(Message::Nothing, |halt| Message::Market(MarketEvent::Halt(halt)))
        }
        "l" => Message::Nothing,
        "success" => Message::Success(read_object::<Control>(raw)?.msg.unwrap_or_default()),
        "error" => {
            let Control { code, msg } = read_object(raw)?;
            Message::Error { code: code.unwrap_or(0), message: msg.unwrap_or_else(|| "without a reason".into()) }
        }
        "subscription" => Message::Subscribed(subscribed(raw)?),
        other => return Err(format!("type `{}` is not one we subscribe to", other.escape_debug())),
    })
}

/// The lists of a confirmation; whatever else it has is left out.
fn subscribed(raw: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let fields: BTreeMap<String, serde_json::Value> = read_object(raw)?;
    let list = |value| serde_json::from_value::<Vec<String>>(value).ok();
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, list(value)?))).collect())
}

fn trade(raw: &str, market: Market, received_at: Timestamp) -> Result<Trade, String> {
    let item: TradeItem = read_object(raw)?;
    let at = plausible_moment(item.t)?;
    let conditions = (item.c.unwrap_or_default(), item.z.unwrap_or_default());
    let id = id(item.x.as_deref(), item.i);
    Ok(Trade { id, sequence: item.i, ..made(&item.symbol, market, (item.p, item.s), at, &conditions, received_at)? })
}

fn correction(raw: &str, market: Market, received_at: Timestamp) -> Result<Message, String> {
    let item: CorrectionItem = read_object(raw)?;
    if item.oi == item.ci {
        return Err(format!("a correction of trade {} has the number of the trade itself", item.oi));
    }
    let at = plausible_moment(item.t)?;
    let conditions = (item.cc.unwrap_or_default(), item.z.unwrap_or_default());
    let trade = made(&item.symbol, market, (item.cp, item.cs), at, &conditions, received_at)?;
    let (original, id) = (id(item.x.as_deref(), item.oi), id(item.x.as_deref(), item.ci));
    let trade = Trade { id, sequence: item.ci, replaces: Some(original.clone()), ..trade };
    Ok(Message::Correction(original, trade))
}

fn cancel(raw: &str, market: Market, received_at: Timestamp) -> Result<Trade, String> {
    let item: CancelItem = read_object(raw)?;
    let conditions = (Vec::new(), String::new());
    let trade = made(&item.symbol, market, (item.p, item.s), plausible_moment(item.t)?, &conditions, received_at)?;
    let cancelled = id(item.x.as_deref(), item.i);
    let id = format!("{cancelled} cancelled");
    Ok(Trade { id, sequence: item.i, replaces: Some(cancelled), counts: BarUpdates::NOTHING, ..trade })
}

/// A trade's id: a number at the exchange where it happened, if that is said.
fn id(exchange: Option<&str>, number: u64) -> String {
    exchange.map_or_else(|| number.to_string(), |exchange| format!("{exchange}/{number}"))
}

/// A trade with this price and size, which counts as its conditions on its tape say. The caller adds id and sequence.
fn made(
    name: &str,
    market: Market,
    (price, size): (f64, f64),
    at: Timestamp,
    (conditions, tape): &(Vec<String>, String),
    received_at: Timestamp,
) -> Result<Trade, String> {
    if !(price.is_finite() && price > 0.0 && size.is_finite() && size >= 0.0) {
        return Err("the price is not a positive number, or the size is negative".into());
    }
    let counts = match market {
        Market::Shares => {
            let codes: Vec<u32> = conditions.iter().filter_map(|letter| letters::of(tape, letter)).collect();
            sale_conditions::counts(&codes, at)
        }
        Market::Coins => BarUpdates::EVERYTHING,
    };
    let (symbol, id) = (symbol(name, market)?, String::new());
    Ok(Trade { symbol, at, id, sequence: 0, price, size, counts, replaces: None, received_at })
}

fn bar(raw: &str, market: Market, of: Option<&Symbol>, received_at: Timestamp) -> Result<Bar, String> {
    let item: BarItem = read_object(raw)?;
    let symbol = match (of, item.symbol) {
        (Some(symbol), _) => symbol.clone(),
        (None, Some(name)) => symbol(&name, market)?,
        (None, None) => return Err("missing field `S`".into()),
    };
    let start = plausible_moment(item.t)?;
    if start.as_microsecond() % 60_000_000 != 0 {
        return Err(format!("a minute does not start at {start}"));
    }
    let bar = Bar {
        symbol,
        start,
        width_s: 60,
        open: item.o,
        high: item.h,
        low: item.l,
        close: item.c,
        volume: item.v,
        vwap: item.vw.filter(|vwap| *vwap > 0.0),
        trades: item.n,
        received_at,
    };
    bar.fault().map_or(Ok(bar), |fault| Err(fault.into()))
}

fn halt(raw: &str, market: Market, received_at: Timestamp) -> Result<Option<Halt>, String> {
    let item: StatusItem = read_object(raw)?;
    let halted = match (item.z.as_deref(), item.sc.as_str()) {
        (Some("A" | "B") | None, "2") | (Some("C" | "O") | None, "H" | "P") => true,
        (Some("A" | "B") | None, "3") | (Some("C" | "O") | None, "T") => false,
        _ => return Ok(None),
    };
    let reason = format!("{} {}", item.sc, item.rc.unwrap_or_default()).trim().to_owned();
    Ok(Some(Halt { symbol: symbol(&item.symbol, market)?, at: plausible_moment(item.t)?, halted, reason, received_at }))
}

/// ```json
/// {"bars":[{"t":"2024-01-03T14:30:00Z","o":184.22,"h":184.4,"l":184.0,"c":184.1,"v":12000,"n":150,"vw":184.2}],
///  "symbol":"AAPL","next_page_token":"QUFQTHxN"}
/// {"bars":{"BTC/USD":[…]},"next_page_token":null}
/// ```
/// `bars` is null where there are none.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    bars: Option<&'a RawValue>,
    symbol: Option<String>,
    next_page_token: Option<String>,
}

/// Reads a page of bars of one symbol and width.
///
/// # Errors
/// [`ProviderError::Unreadable`], also if it has only bars of other symbols.
pub fn bars_page(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    width: BarWidth,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let text = String::from_utf8_lossy(body);
    let unreadable = |reason: String| ProviderError::unreadable(provider, path, reason);
    let answer: Answer<'_> = read_object(&text).map_err(unreadable)?;
    let bars = answer.bars.map_or("null", RawValue::get);
    let rows: Vec<&RawValue> = if bars.starts_with('{') {
        let by_symbol: BTreeMap<String, Vec<&RawValue>> =
            serde_json::from_str(bars).map_err(|error| unreadable(error.to_string()))?;
        let names = by_symbol.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut lists = by_symbol.into_iter();
        match lists.find(|(name, _)| self::symbol(name, Market::Coins).as_ref() == Ok(symbol)) {
            Some((_, rows)) => rows,
            None if names.is_empty() => Vec::new(),
            None => return Err(unreadable(format!("it has bars of {}, not of {symbol}", names.escape_debug()))),
        }
    } else {
        if let Some(other) = answer.symbol.filter(|name| Symbol::new(name).ok().as_ref() != Some(symbol)) {
            return Err(unreadable(format!("it has bars of `{}`, not of {symbol}", other.escape_debug())));
        }
        serde_json::from_str::<Option<Vec<&RawValue>>>(bars)
            .map_err(|error| unreadable(error.to_string()))?
            .unwrap_or_default()
    };
    let next = answer.next_page_token.filter(|token| !token.is_empty()).map(Cursor);
    // The market only says how a symbol is spelled, and here the symbol is given.
    let read = |raw: &str| bar(raw, Market::Shares, Some(symbol), received_at);
    // A day starts at midnight, which is the start of a minute, too.
    Ok(Page::read(path, next, rows, |raw| Ok((Bar { width_s: width.seconds(), ..read(raw)? }, None))))
}

/// The symbol of `AAPL`, or of `BTC/USD`.
fn symbol(name: &str, market: Market) -> Result<Symbol, String> {
    match market {
        Market::Coins => {
            let pair = name.split_once('/');
            let (base, quote) = pair.ok_or_else(|| format!("`{}` is not a pair of coins", name.escape_debug()))?;
            coins::pair(base, quote)
        }
        Market::Shares => {
            let symbol = Symbol::new(name).map_err(|error| error.to_string())?;
            match symbol.asset_class() {
                AssetClass::Equity => Ok(symbol),
                _ => Err(format!("{symbol} is not a share")),
            }
        }
    }
}
