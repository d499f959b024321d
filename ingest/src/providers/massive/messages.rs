//! Massive's messages as it sends them. Field names are the provider's own; what we do not use
//! is not listed, and unknown fields are ignored.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Envelope of every REST answer.
///
/// ```json
/// {"results":[…],"status":"OK","request_id":"831a…","count":1,
///  "next_url":"https://api.massive.com:443/v2/reference/news?cursor=eyJ…"}
/// {"status":"NOT_AUTHORIZED","request_id":"6c1f…","message":"You are not entitled to this data."}
/// {"status":"ERROR","request_id":"0f6e…","error":"Unknown API Key"}
/// ```
/// `results` is missing where nothing was found; `status` is `DELAYED` on delayed plans; an error
/// may come with HTTP 200.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// The items, not parsed yet.
    #[serde(borrow, default)]
    pub results: Option<Vec<&'a RawValue>>,
    /// `OK`, `DELAYED`, `ERROR`, `NOT_AUTHORIZED`, ...
    pub status: Option<String>,
    /// What is wrong, where `status` is `ERROR`.
    pub error: Option<String>,
    /// What is wrong, where `status` is `NOT_AUTHORIZED`.
    pub message: Option<String>,
    /// Where the next page is.
    pub next_url: Option<String>,
}

/// Whose bars an answer of `GET /v2/aggs/…` has, and which.
///
/// ```json
/// {"ticker":"AAPL","queryCount":2,"resultsCount":2,"adjusted":false,"results":[…],"status":"OK"}
/// ```
#[derive(Debug, Deserialize)]
pub struct BarsOf {
    /// The ticker that was asked for.
    pub ticker: Option<String>,
    /// Whether prices are adjusted for splits.
    pub adjusted: Option<bool>,
}

/// One article of `GET /v2/reference/news`.
///
/// ```json
/// {"id":"8ec6…","publisher":{"name":"Investing.com","homepage_url":"https://…","logo_url":"https://…"},
///  "title":"Markets are underestimating …","author":"Sam …","published_utc":"2024-06-24T18:33:53Z",
///  "article_url":"https://uk.investing.com/…","tickers":["UBS"],"description":"UBS analysts warn …",
///  "keywords":["interest rates"],"insights":[{"ticker":"UBS","sentiment":"positive","sentiment_reasoning":"…"}]}
/// ```
/// Description, author, keywords and even tickers are often missing or null; tickers repeat.
#[derive(Debug, Deserialize)]
pub struct NewsItem {
    /// Unique for Massive.
    pub id: String,
    /// Who wrote it.
    pub publisher: Option<Publisher>,
    /// Headline.
    pub title: Option<String>,
    /// By-line.
    pub author: Option<String>,
    /// Publication time, RFC 3339.
    pub published_utc: Timestamp,
    /// Where to read it.
    pub article_url: Option<String>,
    /// Companies.
    pub tickers: Option<Vec<Option<String>>>,
    /// Teaser.
    pub description: Option<String>,
    /// Keywords.
    pub keywords: Option<Vec<Option<String>>>,
}

/// Publisher of a [`NewsItem`].
#[derive(Debug, Deserialize)]
pub struct Publisher {
    /// `Reuters`.
    pub name: Option<String>,
    /// The other fields. Because of them serde refuses a list here, which it would otherwise read as the fields in order.
    #[serde(flatten)]
    pub others: BTreeMap<String, IgnoredAny>,
}

/// One bar of `GET /v2/aggs/ticker/{ticker}/range/1/minute/{from}/{to}`, or of `…/range/1/day/…`, which starts at midnight
/// in New York and whose prices are those of regular hours.
///
/// ```json
/// {"v":642646396.0,"vw":1.469,"o":1.5032,"c":1.4604,"h":1.5064,"l":1.4489,"t":1112331600000,"n":82132}
/// ```
#[derive(Debug, Deserialize)]
pub struct Aggregate {
    /// Start, Unix milliseconds.
    pub t: i64,
    /// Open.
    pub o: f64,
    /// High.
    pub h: f64,
    /// Low.
    pub l: f64,
    /// Close.
    pub c: f64,
    /// Volume.
    pub v: Number,
    /// Volume with fractional shares, as text (since 2026).
    #[serde(default, deserialize_with = "refinement")]
    pub dv: Option<f64>,
    /// Volume-weighted average price.
    pub vw: Option<f64>,
    /// Number of trades.
    pub n: Option<u64>,
}

/// The ticker of an item of a list of reference data.
#[derive(Debug, Deserialize)]
pub struct TickerOnly {
    /// Ticker.
    pub ticker: String,
}

/// One split of `GET /v3/reference/splits`.
///
/// ```json
/// {"execution_date":"2020-08-31","id":"E36416cc…","split_from":1,"split_to":4,"ticker":"AAPL"}
/// ```
/// Older answers have no `id`. A split whose date was moved may be listed under both dates.
#[derive(Debug, Deserialize)]
pub struct Split {
    /// Ticker.
    pub ticker: String,
    /// First trading day after it.
    pub execution_date: Date,
    /// Shares before.
    pub split_from: Number,
    /// Shares after.
    pub split_to: Number,
}

/// One dividend of `GET /v3/reference/dividends`.
///
/// ```json
/// {"cash_amount":0.22,"currency":"USD","declaration_date":"2021-10-28","dividend_type":"CD",
///  "ex_dividend_date":"2021-11-05","frequency":4,"id":"E8e3c4f7…","pay_date":"2021-11-11",
///  "record_date":"2021-11-08","ticker":"AAPL"}
/// ```
/// Types: `CD` regular, `SC` special, `LT` and `ST` distributions of long-term and short-term capital gains.
#[derive(Debug, Deserialize)]
pub struct Dividend {
    /// Ticker.
    pub ticker: String,
    /// First trading day without it.
    pub ex_dividend_date: Date,
    /// For each share.
    pub cash_amount: Number,
    /// Three letters (ISO 4217).
    pub currency: Option<String>,
    /// See above.
    pub dividend_type: Option<String>,
}

/// The field that says what kind a websocket message is.
#[derive(Debug, Deserialize)]
pub struct Tag {
    /// Event type: `status`, `AM`, `T`, `LULD`, ...
    pub ev: String,
}

/// Websocket: the state of the connection.
///
/// ```json
/// {"ev":"status","status":"connected","message":"Connected Successfully"}
/// {"ev":"status","status":"auth_success","message":"authenticated"}
/// {"ev":"status","status":"auth_failed","message":"authentication failed"}
/// {"ev":"status","status":"success","message":"subscribed to: AM.AAPL"}
/// {"ev":"status","status":"max_connections","message":"Maximum number of websocket connections exceeded. …"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The state, as a code.
    pub status: String,
    /// In words.
    #[serde(default)]
    pub message: String,
}

/// Websocket: a minute (`AM`) or a second (`A`) has ended, or an ended one is corrected.
///
/// ```json
/// {"ev":"AM","sym":"GTE","v":4110,"dv":"4110.25","av":9470157,"dav":"9470157.5","op":0.4372,"vw":0.4488,
///  "o":0.4488,"c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}
/// ```
#[derive(Debug, Deserialize)]
pub struct LiveAggregate {
    /// Ticker.
    pub sym: String,
    /// Start, Unix milliseconds.
    pub s: i64,
    /// End, Unix milliseconds.
    pub e: i64,
    /// Open.
    pub o: f64,
    /// High.
    pub h: f64,
    /// Low.
    pub l: f64,
    /// Close.
    pub c: f64,
    /// Volume.
    pub v: Number,
    /// Volume with fractional shares, as text (since 2026).
    #[serde(default, deserialize_with = "refinement")]
    pub dv: Option<f64>,
    /// Volume-weighted average price of this minute or second.
    pub vw: Option<f64>,
}

/// Websocket: one trade.
///
/// ```json
/// {"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"ds":"100.5","c":[0,12],
///  "t":1536036818784,"q":3681328,"trfi":202,"trft":1536036818788}
/// ```
#[derive(Debug, Deserialize)]
pub struct TradeMessage {
    /// Ticker.
    pub sym: String,
    /// Trade id, unique for a ticker, exchange and reporting facility.
    pub i: String,
    /// Exchange, as a number.
    pub x: Option<u32>,
    /// Reporting facility, for trades off the exchanges.
    pub trfi: Option<u32>,
    /// Conditions, as numbers.
    pub c: Option<Vec<u32>>,
    /// Price.
    pub p: f64,
    /// Shares.
    pub s: Number,
    /// Shares with fractions, as text (since 2026).
    #[serde(default, deserialize_with = "refinement")]
    pub ds: Option<f64>,
    /// When, Unix milliseconds.
    pub t: i64,
    /// Order within the ticker.
    pub q: u64,
}

/// Websocket: limit up / limit down band. Indicator 17 halts trading, 18 resumes it (Nasdaq only).
///
/// ```json
/// {"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1601316752683746,"q":290317}
/// ```
/// The specification calls `t` milliseconds; its own example is in microseconds.
#[derive(Debug, Deserialize)]
pub struct LimitUpLimitDown {
    /// Ticker.
    #[serde(rename = "T")]
    pub ticker: String,
    /// Indicators.
    pub i: Option<Vec<i64>>,
    /// When, in a unit to be guessed from its size.
    pub t: i64,
}

/// A number as it may be written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(f64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Written {
    fn number(self) -> Option<f64> {
        match self {
            Self::Plain(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Other(_) => None,
        }
    }
}

/// A number that may be written as text, as the fields of 2026 are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?
            .number()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected a number, or text that is one"))
    }
}

/// A more exact value of a number that another field has too. If it can't be read it counts as missing.
fn refinement<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Written::deserialize(deserializer)?.number().filter(|number| number.is_finite()))
}
