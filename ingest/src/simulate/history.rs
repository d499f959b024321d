//! The simulated provider's past prices over REST: bars of any width, days of all tickers, trades, snapshots.

use super::Simulator;
use super::market::{Market, Printed};
use super::rest::{Refusal, range_end, read_cursor, write_cursor};
use super::sessions;
use super::tape::{Print, STEP, STEPS, instruments};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A bar of any width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Folded {
    /// Its beginning.
    pub start: Timestamp,
    /// Its prices and volume.
    pub print: Print,
}

/// Folds minutes into bars of `multiplier` minutes, hours or days; a day begins at midnight in New York.
pub(super) fn fold(bars: &[Printed], multiplier: i64, timespan: &str) -> Result<Vec<Folded>, Refusal> {
    let seconds = match timespan {
        "minute" => 60,
        "hour" => 3600,
        "day" if multiplier == 1 => 86_400,
        _ => return Err(Refusal::BadRequest("the simulator has bars of minutes, of hours, and of 1 day".into())),
    };
    if !(1..=10_000).contains(&multiplier) {
        return Err(Refusal::BadRequest("the multiplier must be within 1 and 10000".into()));
    }
    let width = seconds * multiplier;
    let bucket = |at: Timestamp| match timespan {
        "day" => sessions::at(sessions::date_of(at), 0, 0),
        _ => Timestamp::from_second(at.as_second().div_euclid(width) * width).unwrap_or(at),
    };
    let mut folded: Vec<Folded> = Vec::new();
    for bar in bars {
        let start = bucket(bar.start);
        match folded.last_mut().filter(|last| last.start == start) {
            Some(last) => last.print = merged(&last.print, &bar.print),
            None => folded.push(Folded { start, print: bar.print }),
        }
    }
    Ok(folded)
}

fn merged(a: &Print, b: &Print) -> Print {
    let volume = a.volume + b.volume;
    let vwap = (a.vwap * a.volume + b.vwap * b.volume) / volume.max(f64::MIN_POSITIVE);
    Print {
        open: a.open,
        high: a.high.max(b.high),
        low: a.low.min(b.low),
        close: b.close,
        vwap: (vwap * 10_000.0).round() / 10_000.0,
        volume: (volume * 100.0).round() / 100.0,
        trades: a.trades + b.trades,
    }
}

/// An aggregate as the provider writes it.
pub(super) fn aggregate(bar: &Folded) -> Value {
    let p = &bar.print;
    json!({
        "v": p.volume, "vw": p.vwap, "o": p.open, "c": p.close, "h": p.high, "l": p.low,
        "t": bar.start.as_millisecond(), "n": p.trades,
    })
}

fn instrument_of(ticker: &str) -> Result<usize, Refusal> {
    instruments()
        .position(|company| company.symbol == ticker)
        .ok_or_else(|| Refusal::NotFound("ticker not found".into()))
}

/// The bar of a day so far, its session's close, and the last minute of it.
struct Day {
    print: Print,
    close: Timestamp,
    last: Printed,
}

fn day(market: &Market, instrument: usize, date: Date, now: Timestamp) -> Option<Day> {
    let (open, close) = sessions::hours(date)?;
    let bars = market.bars(instrument, open, close, now);
    let print = fold(&bars, 1, "day").ok()?.first()?.print;
    Some(Day { print, close, last: *bars.last()? })
}

/// The last day whose session is over.
fn previous(market: &Market, now: Timestamp) -> Option<Date> {
    market.sessions().all().iter().rev().find(|session| session.close <= now).map(|session| session.date)
}

/// `GET /v2/aggs/grouped/locale/us/market/stocks/{date}`. The time of a day's bar is its close.
pub(super) async fn grouped(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(date): Path<Date>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let (market, now) = (simulator.market(), simulator.now());
    let of = |(instrument, company): (usize, &super::universe::Company)| {
        let day = day(&market, instrument, date, now)?;
        let mut item = aggregate(&Folded { start: day.close, print: day.print });
        item["T"] = json!(company.symbol);
        Some(item)
    };
    let results: Vec<Value> = instruments().enumerate().filter_map(of).collect();
    Ok(Json(json!({
        "queryCount": results.len(), "resultsCount": results.len(), "adjusted": false, "results": results, "status": "OK",
        "request_id": "simulated", "count": results.len(),
    })))
}

/// `GET /v1/open-close/{ticker}/{date}`. Nothing is traded before and after the session.
pub(super) async fn open_close(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path((ticker, date)): Path<(String, Date)>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let day = day(&simulator.market(), instrument_of(&ticker)?, date, simulator.now());
    let day = day.ok_or_else(|| Refusal::NotFound("Data not found.".into()))?;
    let p = day.print;
    Ok(Json(json!({
        "status": "OK", "from": date.to_string(), "symbol": ticker, "open": p.open, "high": p.high, "low": p.low,
        "close": p.close, "volume": p.volume, "afterHours": p.close, "preMarket": p.open,
    })))
}

/// `GET /v2/aggs/ticker/{ticker}/prev`: the last day that is over.
pub(super) async fn previous_close(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(ticker): Path<String>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let (market, now, instrument) = (simulator.market(), simulator.now(), instrument_of(&ticker)?);
    let day = previous(&market, now).and_then(|date| day(&market, instrument, date, now));
    let results: Vec<Value> = day
        .map(|day| {
            let mut item = aggregate(&Folded { start: day.close, print: day.print });
            item["T"] = json!(ticker);
            item
        })
        .into_iter()
        .collect();
    Ok(Json(json!({
        "ticker": ticker, "queryCount": results.len(), "resultsCount": results.len(), "adjusted": false,
        "results": results, "status": "OK", "request_id": "simulated", "count": results.len(),
    })))
}

/// A trade at the end of each step of a minute, as the websocket sends them: (time in milliseconds, price, size).
pub(super) fn trades_of(bar: &Printed) -> [(i64, f64, f64); STEPS] {
    std::array::from_fn(|step| {
        let at = bar.start.as_millisecond() + STEP * 1000 * (step as i64 + 1) - 1;
        let price = if step + 1 == STEPS { bar.print.close } else { bar.print.vwap };
        (at, price, bar.print.volume / STEPS as f64)
    })
}

/// Parameters of the list of trades.
type Parameters = Query<BTreeMap<String, String>>;

/// Nanoseconds, a moment or a day.
fn nanoseconds(text: &str, end: bool) -> Result<i64, Refusal> {
    if let Some(nanoseconds) = text.parse::<i64>().ok().filter(|number| *number > 1_000_000_000_000_000) {
        return Ok(nanoseconds);
    }
    Ok(range_end(text, end)?.as_millisecond() * 1_000_000)
}

/// `GET /v3/trades/{ticker}`, newest first unless asked otherwise. Of a minute that is not over there are none yet.
pub(super) async fn trades(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(ticker): Path<String>,
    Query(mut query): Parameters,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let bad = |words: &str| Refusal::BadRequest(words.to_owned());
    if let Some(cursor) = query.get("cursor") {
        query = read_cursor(cursor)?;
    }
    let limit = |name: &str, end: bool| query.get(name).map(|text| nanoseconds(text, end)).transpose();
    let on = query.get("timestamp");
    let from = limit("timestamp.gte", false)?.or(limit("timestamp.gt", false)?.map(|at| at + 1));
    let to = limit("timestamp.lte", true)?.or(limit("timestamp.lt", false)?.map(|at| at - 1));
    let from = from.or(on.map(|text| nanoseconds(text, false)).transpose()?).unwrap_or(0);
    let to = to.or(on.map(|text| nanoseconds(text, true)).transpose()?).unwrap_or(i64::MAX);
    let most = query.get("limit").map_or(Ok(1000), |text| text.parse::<usize>()).map_err(|_| bad("bad limit"))?;
    let most = most.clamp(1, 50_000);
    let offset = query.get("offset").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let ascending = query.get("order").is_some_and(|order| order == "asc");

    let (now, instrument) = (simulator.now(), instrument_of(&ticker)?);
    let moment = |nanoseconds: i64| Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::MAX);
    let first = moment(from).saturating_sub(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MIN);
    let bars = simulator.market().bars(instrument, first, moment(to), now);
    let over = bars.iter().filter(|bar| bar.start + SignedDuration::from_mins(1) <= now);
    let mut all: Vec<(i64, f64, f64)> = over.flat_map(trades_of).collect();
    all.retain(|(at, ..)| (from..=to).contains(&(at * 1_000_000)));
    if !ascending {
        all.reverse();
    }
    let results: Vec<Value> = all.iter().skip(offset).take(most).map(trade).collect();
    let mut body = json!({"status": "OK", "request_id": "simulated", "results": results});
    if all.len() > offset + most {
        query.insert("offset".into(), (offset + most).to_string());
        let cursor = write_cursor(&query);
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        body["next_url"] = json!(format!("http://{host}/v3/trades/{ticker}?cursor={cursor}"));
    }
    Ok(Json(body))
}

fn trade((at, price, size): &(i64, f64, f64)) -> Value {
    json!({
        "conditions": [], "exchange": 4, "id": (at / 1000).to_string(), "participant_timestamp": at * 1_000_000,
        "price": price, "sequence_number": at / 1000, "sip_timestamp": at * 1_000_000, "size": size.floor(), "tape": 3,
        "trf_id": 0,
    })
}

/// `GET /v2/last/trade/{ticker}`.
pub(super) async fn last_trade(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(ticker): Path<String>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let last = last(&simulator.market(), instrument_of(&ticker)?, simulator.now());
    let (at, price, size) = last.ok_or_else(|| Refusal::NotFound("no trade".into()))?;
    Ok(Json(json!({
        "status": "OK", "request_id": "simulated",
        "results": {
            "T": ticker, "t": at * 1_000_000, "y": at * 1_000_000, "p": price, "s": size.floor(), "x": 4, "z": 3,
            "i": (at / 1000).to_string(), "q": at / 1000,
        },
    })))
}

/// The last trade of the newest minute that is over and has one, also if its trading day was days ago.
fn last(market: &Market, instrument: usize, now: Timestamp) -> Option<(i64, f64, f64)> {
    let week = now.saturating_sub(SignedDuration::from_hours(24 * 7)).unwrap_or(Timestamp::MIN);
    let bars = market.bars(instrument, week, now, now);
    let over = bars.iter().rev().find(|bar| bar.start + SignedDuration::from_mins(1) <= now)?;
    trades_of(over).last().copied()
}

/// `GET /v2/snapshot/locale/us/markets/stocks/tickers`, of all or of `tickers`.
pub(super) async fn snapshots(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let wanted: Vec<&str> = query.get("tickers").map_or(Vec::new(), |text| text.split(',').map(str::trim).collect());
    let all = all_snapshots(&simulator);
    let tickers: Vec<Value> = all
        .into_iter()
        .filter(|item| wanted.is_empty() || wanted.iter().any(|ticker| item["ticker"] == *ticker))
        .collect();
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "count": tickers.len(), "tickers": tickers})))
}

/// `GET /v2/snapshot/locale/us/markets/stocks/gainers`, or `losers`: the twenty that have moved most.
pub(super) async fn movers(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(direction): Path<String>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let sign = match direction.as_str() {
        "gainers" => -1.0,
        "losers" => 1.0,
        _ => return Err(Refusal::NotFound("gainers or losers".into())),
    };
    let mut tickers = all_snapshots(&simulator);
    let change = |item: &Value| item["todaysChangePerc"].as_f64().unwrap_or(0.0) * sign;
    tickers.retain(|item| change(item) < 0.0);
    tickers.sort_by(|a, b| change(a).total_cmp(&change(b)));
    tickers.truncate(20);
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "tickers": tickers})))
}

/// `GET /v2/snapshot/locale/us/markets/stocks/tickers/{ticker}`.
pub(super) async fn snapshot(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(ticker): Path<String>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    instrument_of(&ticker)?;
    let item = all_snapshots(&simulator).into_iter().find(|item| item["ticker"] == ticker.as_str());
    let item = item.ok_or_else(|| Refusal::NotFound("no trade".into()))?;
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "ticker": item})))
}

fn all_snapshots(simulator: &Simulator) -> Vec<Value> {
    let (market, now) = (simulator.market(), simulator.now());
    let today = market.sessions().all().iter().rev().find(|session| session.open < now).map(|session| session.date);
    let before = |date: Date| market.sessions().all().iter().rev().find(|session| session.date < date).map(|s| s.date);
    let of = |(instrument, company): (usize, &super::universe::Company)| {
        let date = today?;
        let day_now = day(&market, instrument, date, now)?;
        let day_before = before(date).and_then(|date| day(&market, instrument, date, now));
        let (at, price, size) = last(&market, instrument, now)?;
        let bar = |print: &Print| json!({"o": print.open, "h": print.high, "l": print.low, "c": print.close, "v": print.volume, "vw": print.vwap});
        let mut minute = bar(&day_now.last.print);
        minute["av"] = json!(day_now.print.volume);
        minute["t"] = json!(day_now.last.start.as_millisecond());
        minute["n"] = json!(day_now.last.print.trades);
        let reference = day_before.as_ref().map_or(day_now.print.open, |day| day.print.close);
        let change = day_now.print.close - reference;
        Some(json!({
            "ticker": company.symbol, "todaysChange": change, "todaysChangePerc": 100.0 * change / reference,
            "updated": at * 1_000_000, "day": bar(&day_now.print), "min": minute,
            "prevDay": day_before.map(|day| bar(&day.print)),
            "lastTrade": {
                "c": [], "i": (at / 1000).to_string(), "p": price, "s": size.floor(), "t": at * 1_000_000, "x": 4
            },
        }))
    };
    instruments().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulatorConfig;
    use jiff::civil::date;

    #[test]
    fn wider_bars_hold_the_minutes_that_are_in_them() {
        let market =
            Market::new(&SimulatorConfig { history_sessions: 2, ..SimulatorConfig::default() }, date(2025, 6, 4));
        let session = *market.sessions().all().first().unwrap();
        let minutes = market.bars(0, session.open, session.close, Timestamp::MAX);
        let five = fold(&minutes, 5, "minute").unwrap_or_default();
        assert_eq!((five.len(), five[1].start), (78, session.open + SignedDuration::from_mins(5)));
        let first = &minutes[..5];
        assert_eq!(five[0].print.open, first[0].print.open);
        assert_eq!(five[0].print.close, first[4].print.close);
        assert_eq!(five[0].print.high, first.iter().map(|bar| bar.print.high).fold(f64::MIN, f64::max));
        let volume: f64 = first.iter().map(|bar| bar.print.volume).sum();
        assert!((five[0].print.volume - volume).abs() < 0.01);
        // 9:30 to 16:00 touches seven hours.
        assert_eq!(fold(&minutes, 1, "hour").unwrap_or_default().len(), 7);
        let days = fold(&minutes, 1, "day").unwrap_or_default();
        assert_eq!((days.len(), days[0].start), (1, sessions::at(session.date, 0, 0)));
        assert_eq!(days[0].print.trades, minutes.iter().map(|bar| bar.print.trades).sum::<u64>());
        assert!(fold(&minutes, 1, "month").is_err() && fold(&minutes, 0, "minute").is_err());
    }
}
