//! Reads Yahoo's charts as bars.

use crate::epoch;
use crate::providers::items::{object, read_object};
use crate::providers::{Page, ProviderError, Reject};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use tapewire_core::{Bar, Symbol};

/// An answer.
///
/// ```json
/// {"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","exchangeName":"NMS","dataGranularity":"1m",
///   "exchangeTimezoneName":"America/New_York","regularMarketTime":1748894401},
///  "timestamp":[1748871000,1748871060],"indicators":{"quote":[{"open":[200.28,null],"high":[201,null],"low":[200,null],
///   "close":[200.5,null],"volume":[1482933,null]}]}}],"error":null}}
/// ```
#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "object")]
    chart: Chart,
}

#[derive(Deserialize)]
struct Chart {
    result: Option<Vec<Listed>>,
    error: Option<Fault>,
}

/// `{"code":"Not Found","description":"No data found, symbol may be delisted"}`
#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(deserialize_with = "object")]
    meta: Meta,
    /// Missing where there are no bars.
    timestamp: Option<Vec<i64>>,
    #[serde(deserialize_with = "object")]
    indicators: Indicators,
    /// Missing where they were not asked for, or there are none.
    events: Option<Events>,
}

/// Splits and dividends, by the Unix seconds of the open of their ex-date.
///
/// ```json
/// {"dividends":{"1596807000":{"amount":0.205,"date":1596807000}},
///  "splits":{"1598880600":{"date":1598880600,"numerator":4,"denominator":1,"splitRatio":"4:1"}}}
/// ```
/// The dividend of 0.205 was paid as 0.82, before the split.
#[derive(Default, Deserialize)]
pub(super) struct Events {
    #[serde(default)]
    pub dividends: BTreeMap<String, Dividend>,
    #[serde(default)]
    pub splits: BTreeMap<String, Split>,
}

#[derive(Deserialize)]
pub(super) struct Dividend {
    pub date: i64,
    pub amount: f64,
}

#[derive(Deserialize)]
pub(super) struct Split {
    pub date: i64,
    pub numerator: f64,
    pub denominator: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    symbol: Option<String>,
    currency: Option<String>,
    data_granularity: Option<String>,
}

#[derive(Deserialize)]
struct Indicators {
    quote: Vec<Quote>,
}

/// Numbers by position in `timestamp`; null where there was no trade.
#[derive(Default, Deserialize)]
struct Quote {
    open: Option<Vec<Option<f64>>>,
    high: Option<Vec<Option<f64>>>,
    low: Option<Vec<Option<f64>>>,
    close: Option<Vec<Option<f64>>>,
    volume: Option<Vec<Option<f64>>>,
}

/// Open, high, low, close and volume.
pub(super) type Row = [Option<f64>; 5];

/// An answer about the symbol, bars and currency that were asked for.
pub(super) struct Charted {
    /// By their Unix seconds.
    pub rows: Vec<(i64, Row)>,
    pub events: Events,
}

/// Reads a chart of `symbol` with bars of the width that Yahoo calls `interval`. The inner error is for an answer about
/// something else.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is no chart, or its lists do not have one length.
pub(super) fn chart(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    interval: &str,
) -> Result<Result<Charted, Reject>, ProviderError> {
    let unreadable = |reason: String| ProviderError::unreadable(provider, path, reason);
    let text = String::from_utf8_lossy(body);
    let answer: Answer = read_object(&text).map_err(|reason| {
        let said: String = text.trim().chars().take(200).collect();
        unreadable(format!("{reason}; it says: {said}"))
    })?;
    if let Some(Fault { code, description }) = answer.chart.error {
        let said = [code, description].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return Err(unreadable(format!("it says: {said}")));
    }
    let listed = answer.chart.result.and_then(|result| result.into_iter().next());
    let listed = listed.ok_or_else(|| unreadable("it has no result".into()))?;
    // Only this symbol is refused, so the others go on.
    if let Err(reason) = check(&listed.meta, symbol, interval) {
        // The same bytes each time, so that it stays one dead letter.
        let Meta { symbol: named, currency, data_granularity } = &listed.meta;
        let raw = serde_json::json!({
            "asked": symbol.as_str(), "symbol": named, "currency": currency, "dataGranularity": data_granularity
        });
        return Ok(Err(Reject::new(&raw.to_string(), reason)));
    }
    let starts = listed.timestamp.unwrap_or_default();
    let quote = listed.indicators.quote.into_iter().next().unwrap_or_default();
    let columns = [quote.open, quote.high, quote.low, quote.close, quote.volume].map(Option::unwrap_or_default);
    if !starts.is_empty() && columns.iter().any(|column| column.len() != starts.len()) {
        let lengths: Vec<String> = columns.iter().map(|column| column.len().to_string()).collect();
        return Err(unreadable(format!("it has {} times and lists of {} numbers", starts.len(), lengths.join(", "))));
    }
    let row = |(position, start)| (start, [0, 1, 2, 3, 4].map(|column: usize| columns[column][position]));
    let rows = starts.into_iter().enumerate().map(row).collect();
    Ok(Ok(Charted { rows, events: listed.events.unwrap_or_default() }))
}

/// Reads the minute bars of `symbol`, oldest first, including the bar under way and those that have not settled. What
/// is not a bar is left out: a minute without a trade, which has nulls or a volume of 0, and the last price, which is
/// at a moment within a minute.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is no chart, or its lists do not have one length. One of another symbol, width or
/// currency is a reject of the page.
pub fn bars(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let mut page = Page { items: Vec::new(), rejects: Vec::new(), origin: path.to_owned(), next: None };
    let rows = match chart(provider, path, body, symbol, "1m")? {
        Ok(charted) => charted.rows,
        Err(reject) => return Ok(Page { rejects: vec![reject], ..page }),
    };
    // If a minute is listed twice, the later one counts.
    let mut bars = BTreeMap::new();
    for (start, row) in rows {
        let bar = if start.rem_euclid(60) == 0 { bar(symbol, start, row, received_at) } else { Ok(None) };
        match bar {
            Ok(None) => {}
            Ok(Some(bar)) => drop(bars.insert(bar.start, bar)),
            Err(reason) => page.rejects.push(rejected(symbol, start, row, reason)),
        }
    }
    page.items = bars.into_values().collect();
    Ok(page)
}

/// Refuses an answer about something else: Yahoo takes other intervals and other listings where it lacks those that were
/// asked for.
fn check(meta: &Meta, symbol: &Symbol, interval: &str) -> Result<(), String> {
    let says = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
    if meta.data_granularity.as_deref() != Some(interval) {
        return Err(format!("its bars are of {} and not of {interval}", says(&meta.data_granularity)));
    }
    if meta.currency.as_deref() != Some("USD") {
        return Err(format!("its prices are in {} and not in USD", says(&meta.currency)));
    }
    match meta.symbol.as_deref().map(Symbol::new) {
        Some(Ok(named)) if named == *symbol => Ok(()),
        _ => Err(format!("it is about {} and not about {symbol}", says(&meta.symbol))),
    }
}

/// A row that is no bar, for a person.
pub(super) fn rejected(symbol: &Symbol, start: i64, row: Row, reason: String) -> Reject {
    let raw = serde_json::json!({"symbol": symbol.as_str(), "timestamp": start, "open_high_low_close_volume": row});
    Reject::new(&raw.to_string(), reason)
}

/// The bar of a minute that starts at these Unix seconds; `None` where nothing was traded.
pub(super) fn bar(symbol: &Symbol, start: i64, row: Row, received_at: Timestamp) -> Result<Option<Bar>, String> {
    let is_empty = row[..4].iter().all(Option::is_none);
    if is_empty || row[4] == Some(0.0) {
        return Ok(None);
    }
    let [Some(open), Some(high), Some(low), Some(close), Some(volume)] = row else {
        return Err("a price or the volume is missing".into());
    };
    let start = Timestamp::from_second(start).ok().filter(|&start| epoch::is_plausible(start));
    let bar = Bar {
        symbol: symbol.clone(),
        start: start.ok_or("its time is not plausible")?,
        width_s: 60,
        open: printed(open),
        high: printed(high),
        low: printed(low),
        close: printed(close),
        volume,
        vwap: None,
        trades: None,
        received_at,
    };
    bar.fault().map_or(Ok(Some(bar)), |fault| Err(fault.into()))
}

/// The price that was printed: Yahoo keeps prices in single precision, and sends 189.32 as 189.32000732421875.
#[allow(clippy::cast_possible_truncation, reason = "only numbers that survive it are changed")]
fn printed(price: f64) -> f64 {
    let single = price as f32;
    if f64::from(single) == price { single.to_string().parse().unwrap_or(price) } else { price }
}
