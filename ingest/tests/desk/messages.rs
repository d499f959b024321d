//! The desk's messages as it sends them. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Answer of `GET /headlines?since=1749049200&page=2` and of `GET /prints?page=2`.
///
/// ```json
/// {"items":[…],"more":"3"}
/// {"items":[],"more":null}
/// ```
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// The items, not looked at yet.
    #[serde(borrow)]
    pub items: Vec<&'a RawValue>,
    /// The next page, if there is one.
    pub more: Option<String>,
}

/// One article.
///
/// ```json
/// {"ref":"a1","ts":1749049200,"head":"Maker lifts its outlook","text":null,"companies":["MKR","BRK/B"]}
/// ```
#[derive(Debug, Deserialize)]
pub struct Headline {
    /// Unique for the desk.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Publication, Unix seconds.
    pub ts: i64,
    /// Headline.
    pub head: String,
    /// Text, often null or missing.
    pub text: Option<String>,
    /// Tickers, sometimes null.
    pub companies: Option<Vec<String>>,
}

/// One minute.
///
/// ```json
/// {"s":"MKR","m":1749049200,"p":[10.0,10.2,9.9,10.1],"n":300.0}
/// ```
#[derive(Debug, Deserialize)]
pub struct Print {
    /// Ticker.
    pub s: String,
    /// Start, Unix seconds.
    pub m: i64,
    /// Open, high, low and close.
    pub p: [f64; 4],
    /// Shares.
    pub n: f64,
}
