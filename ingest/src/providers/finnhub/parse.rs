//! Finnhub's messages as it sends them, and what they become.

use super::conditions;
use crate::epoch::of_any_unit;
use crate::providers::coins::{self, Decimal};
use crate::providers::items::read_object;
use crate::providers::{MarketEvent, Reject};
use crate::sale_conditions;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{BarUpdates, Symbol, Trade};

/// A message of the websocket.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Trades, and what could not be read among them.
    Trades(Vec<MarketEvent>, Vec<Reject>),
    /// Nothing for the pipeline: a ping.
    Nothing,
    /// A request of ours was refused; with Finnhub's words.
    Error(String),
}

/// ```json
/// {"data":[{"p":222457,"s":"BINANCE:BTCBRL","t":1610205469610,"v":0.07274,"c":null}],"type":"trade"}
/// {"type":"ping"}
/// {"type":"error","msg":"Subscribing to too many symbols"}
/// ```
#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: String,
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    msg: Option<String>,
}

/// ```json
/// {"c":["1","8","24","12"],"p":122.1,"s":"TSLA","t":1672348887195,"v":1}
/// ```
/// An item whose size is 0 is an update of the price, not a trade.
#[derive(Deserialize)]
struct Item {
    s: String,
    p: Decimal,
    v: Decimal,
    t: i64,
    c: Option<Vec<Code>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Text(String),
    Number(u32),
}

/// Reads a message. Finnhub does not number its trades: `number` gives each a number of its own, which grows.
///
/// # Errors
/// The reason, in words.
pub fn message(raw: &str, received_at: Timestamp, number: &mut impl FnMut() -> u64) -> Result<Message, String> {
    let envelope: Envelope<'_> = read_object(raw)?;
    match envelope.r#type.as_str() {
        "trade" => {
            let (mut events, mut rejects) = (Vec::new(), Vec::new());
            for item in envelope.data.unwrap_or_default() {
                match trade(item.get(), received_at, number()) {
                    Ok(trade) => events.extend(trade.map(MarketEvent::Trade)),
                    Err(reason) => rejects.push(Reject::new(item.get(), reason)),
                }
            }
            Ok(Message::Trades(events, rejects))
        }
        "ping" => Ok(Message::Nothing),
        "error" => Ok(Message::Error(envelope.msg.unwrap_or_else(|| "without a reason".into()))),
        other => Err(format!("type `{}` is not one we know", other.escape_debug())),
    }
}

fn trade(raw: &str, received_at: Timestamp, number: u64) -> Result<Option<Trade>, String> {
    let item: Item = read_object(raw)?;
    if item.p.0 <= 0.0 || item.v.0 < 0.0 {
        return Err("the price is not a positive number, or the size is negative".into());
    }
    if item.v.0 == 0.0 {
        return Ok(None);
    }
    let symbol = symbol(&item.s)?;
    let at = of_any_unit(item.t).map_err(|error| error.to_string())?;
    let counts = match symbol.asset_class() {
        AssetClass::Equity => {
            let codes = item.c.unwrap_or_default().into_iter().map(|code| match code {
                Code::Number(code) => Ok(code),
                Code::Text(text) => {
                    text.trim().parse().map_err(|_| format!("condition `{}` is not a number", text.escape_debug()))
                }
            });
            let codes = codes.collect::<Result<Vec<u32>, String>>()?;
            sale_conditions::counts(&codes.into_iter().filter_map(conditions::of).collect::<Vec<_>>(), at)
        }
        _ => BarUpdates::EVERYTHING,
    };
    Ok(Some(Trade {
        symbol,
        at,
        id: number.to_string(),
        sequence: number,
        price: item.p.0,
        size: item.v.0,
        counts,
        replaces: None,
        received_at,
    }))
}

/// The symbol of `AAPL` or `BINANCE:BTCUSDT`.
fn symbol(name: &str) -> Result<Symbol, String> {
    match name.split_once(':') {
        Some((super::COIN_EXCHANGE, pair)) => coins::pair(pair, ""),
        Some((exchange, _)) => Err(format!("exchange `{}` is not one whose coins are taken", exchange.escape_debug())),
        None => {
            let symbol = Symbol::new(name).map_err(|error| error.to_string())?;
            match symbol.asset_class() {
                AssetClass::Equity => Ok(symbol),
                _ => Err(format!("{symbol} is not a share")),
            }
        }
    }
}
