//! Coinbase's messages as it sends them. Unknown fields are ignored.

use crate::providers::coins::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The fields that a message may have. Messages of Advanced Trade have `channel`; errors, and messages of the older
/// Exchange feed, have `type`.
///
/// ```json
/// {"channel":"market_trades","client_id":"","timestamp":"2026-04-07T14:30:02.789012Z","sequence_num":5,"events":[…]}
/// {"type":"error","message":"Failed to subscribe","reason":"level2, level3, and full channels now require …"}
/// ```
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    pub channel: Option<String>,
    pub timestamp: Option<jiff::Timestamp>,
    pub sequence_num: Option<u64>,
    #[serde(borrow, default)]
    pub events: Vec<&'a RawValue>,
    pub r#type: Option<String>,
    pub message: Option<String>,
    pub reason: Option<String>,
}

/// ```json
/// {"type":"update","trades":[{"trade_id":"995098700","product_id":"BTC-USD","price":"68900.50","size":"0.00150000",
///  "side":"BUY","time":"2026-04-07T14:30:02.789012Z"}]}
/// ```
#[derive(Debug, Deserialize)]
pub struct TradesEvent<'a> {
    #[serde(borrow)]
    pub trades: Vec<&'a RawValue>,
}

/// A trade of an event, or a message `match` or `last_match` of the Exchange feed, whose id is a number:
///
/// ```json
/// {"type":"match","trade_id":1081862675,"side":"sell","size":"0.00000001","price":"80691.53","product_id":"BTC-USD",
///  "sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z"}
/// ```
#[derive(Debug, Deserialize)]
pub struct TradeItem {
    #[serde(deserialize_with = "whole")]
    pub trade_id: u64,
    pub product_id: String,
    pub price: Decimal,
    pub size: Decimal,
    pub time: jiff::Timestamp,
}

/// ```json
/// {"type":"update","candles":[{"start":"1775521800","high":"68950.00","low":"68850.00","open":"68900.00",
///  "close":"68920.50","volume":"42.15000000","product_id":"BTC-USD"}]}
/// ```
#[derive(Debug, Deserialize)]
pub struct CandlesEvent<'a> {
    #[serde(borrow)]
    pub candles: Vec<&'a RawValue>,
}

/// A candle of five minutes. Candles in REST answers have no `product_id`.
#[derive(Debug, Deserialize)]
pub struct Candle {
    #[serde(deserialize_with = "whole")]
    pub start: u64,
    pub open: Decimal,
    pub high: Decimal,
    pub low: Decimal,
    pub close: Decimal,
    pub volume: Decimal,
    #[serde(default)]
    pub product_id: String,
}

/// `{"current_time":"2026-04-07 14:30:10.000000000+00:00","heartbeat_counter":42}`; the counter may be a text.
#[derive(Debug, Deserialize)]
pub struct HeartbeatEvent {
    #[serde(deserialize_with = "whole")]
    pub heartbeat_counter: u64,
}

/// `{"subscriptions":{"market_trades":["BTC-USD","ETH-USD"],"heartbeats":["heartbeats"]}}`
#[derive(Debug, Deserialize)]
pub struct SubscriptionsEvent {
    pub subscriptions: BTreeMap<String, Vec<String>>,
}

/// Answer of `GET /api/v3/brokerage/market/products/BTC-USD/candles`, newest first.
#[derive(Debug, Deserialize)]
pub struct CandlesAnswer<'a> {
    #[serde(borrow)]
    pub candles: Vec<&'a RawValue>,
}

/// A whole number that may be written as text.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Plain(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Plain(number) => Ok(number),
        Written::Text(text) => {
            text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a whole number")))
        }
    }
}
