//! Reads Yahoo's charts as bars.

use crate::epoch;
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
    meta: Meta,
    /// Missing where there are no bars.
    timestamp: Option<Vec<i64>>,
    indicators: Indicators,
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
    let unreadable = |reason: String| ProviderError::unreadable(provider, path, reason);
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let said: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
        unreadable(format!("{error}; it says: {said}"))
    })?;
    if let Some(Fault { code, description }) = answer.chart.error {
        let said = [code, description].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return Err(unreadable(format!("it says: {said}")));
    }
    let listed = answer.chart.result.and_then(|result| result.into_iter().next());
    let listed = listed.ok_or_else(|| unreadable("it has no result".into()))?;
    let mut page = Page { items: Vec::new(), rejects: Vec::new(), origin: path.to_owned(), next: None };
    // Only this symbol is refused, so the others go on.
    if let Err(reason) = check(&listed.meta, symbol) {
        // The same bytes each time, so that it stays one dead letter.
        let Meta { symbol: named, currency, data_granularity } = &listed.meta;
        let raw = serde_json::json!({
            "asked": symbol.as_str(), "symbol": named, "currency": currency, "dataGranularity": data_granularity
        });
        page.rejects.push(Reject::new(&raw.to_string(), reason));
        return Ok(page);
    }
    let starts = listed.timestamp.unwrap_or_default();
    let quote = listed.indicators.quote.into_iter().next().unwrap_or_default();
    let columns = [quote.open, quote.high, quote.low, quote.close, quote.volume].map(Option::unwrap_or_default);
    if !starts.is_empty() && columns.iter().any(|column| column.len() != starts.len()) {
        let lengths: Vec<String> = columns.iter().map(|column| column.len().to_string()).collect();
        return Err(unreadable(format!("it has {} times and lists of {} numbers", starts.len(), lengths.join(", "))));
    }
    // If a minute is listed twice, the later one counts.
    let mut bars = BTreeMap::new();
    for (position, start) in starts.into_iter().enumerate() {
        let row = [0, 1, 2, 3, 4].map(|column| columns[column][position]);
        match bar(symbol, start, row, received_at) {
            Ok(None) => {}
            Ok(Some(bar)) => drop(bars.insert(bar.start, bar)),
            Err(reason) => {
                let raw = serde_json::json!({"symbol": symbol.as_str(), "timestamp": start, "open_high_low_close_volume": row});
                page.rejects.push(Reject::new(&raw.to_string(), reason));
            }
        }
    }
    page.items = bars.into_values().collect();
    Ok(page)
}

/// Refuses an answer about something else: Yahoo takes other intervals and other listings where it lacks those that were
/// asked for.
fn check(meta: &Meta, symbol: &Symbol) -> Result<(), String> {
    let says = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
    if meta.data_granularity.as_deref() != Some("1m") {
        return Err(format!("its bars are of {} and not of 1m", says(&meta.data_granularity)));
    }
    if meta.currency.as_deref() != Some("USD") {
        return Err(format!("its prices are in {} and not in USD", says(&meta.currency)));
    }
    match meta.symbol.as_deref().map(Symbol::new) {
        Some(Ok(named)) if named == *symbol => Ok(()),
        _ => Err(format!("it is about {} and not about {symbol}", says(&meta.symbol))),
    }
}

fn bar(symbol: &Symbol, start: i64, row: [Option<f64>; 5], received_at: Timestamp) -> Result<Option<Bar>, String> {
    let is_empty = row[..4].iter().all(Option::is_none);
    if is_empty || row[4] == Some(0.0) || start.rem_euclid(60) != 0 {
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
