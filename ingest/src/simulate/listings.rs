//! The simulated provider's lists over REST: tickers, exchanges, whether the market is open, its holidays.

use super::Simulator;
use super::rest::{Refusal, read_cursor, write_cursor};
use super::sessions;
use super::tape::instruments;
use super::universe::{BENCHMARK, Company};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use jiff::Span;
use jiff::civil::Weekday;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Parameters = Query<BTreeMap<String, String>>;

fn listed(company: &Company) -> Value {
    let kind = if company.symbol == BENCHMARK.symbol { "ETF" } else { "CS" };
    json!({
        "ticker": company.symbol, "name": company.name, "market": "stocks", "locale": "us", "primary_exchange": "XNYS",
        "type": kind, "active": true, "currency_name": "usd",
    })
}

/// `GET /v3/reference/tickers`: all, one, those of a kind, or those whose ticker or name has the text of `search` in it.
pub(super) async fn tickers(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(mut query): Parameters,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let bad = |words: &str| Refusal::BadRequest(words.to_owned());
    if let Some(cursor) = query.get("cursor") {
        query = read_cursor(cursor)?;
    }
    let mut all: Vec<&Company> = instruments().collect();
    all.sort_by_key(|company| company.symbol);
    if query.get("order").is_some_and(|order| order == "desc") {
        all.reverse();
    }
    let text = |name: &str| query.get(name).filter(|text| !text.is_empty());
    let has = |company: &&&Company| {
        let search = text("search").map(|text| text.to_lowercase());
        let words = format!("{} {}", company.symbol, company.name).to_lowercase();
        text("ticker").is_none_or(|ticker| ticker == company.symbol)
            && search.is_none_or(|search| words.contains(&search))
            && text("type").is_none_or(|kind| listed(company)["type"] == kind.as_str())
            && text("market").is_none_or(|market| market == "stocks")
            && text("active").is_none_or(|active| active != "false")
    };
    let found: Vec<&Company> = all.iter().filter(has).copied().collect();
    let limit = query.get("limit").map_or(Ok(100), |text| text.parse::<usize>()).map_err(|_| bad("bad limit"))?;
    let (limit, offset) = (limit.clamp(1, 1000), query.get("offset").and_then(|text| text.parse().ok()).unwrap_or(0));
    let results: Vec<Value> = found.iter().skip(offset).take(limit).map(|company| listed(company)).collect();
    let mut body = json!({"status": "OK", "request_id": "simulated", "count": results.len(), "results": results});
    if found.len() > offset + limit {
        query.insert("offset".into(), (offset + limit).to_string());
        let cursor = write_cursor(&query);
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        body["next_url"] = json!(format!("http://{host}/v3/reference/tickers?cursor={cursor}"));
    }
    Ok(Json(body))
}

/// `GET /v3/reference/tickers/{ticker}`.
pub(super) async fn ticker(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(ticker): Path<String>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let company = instruments().find(|company| company.symbol == ticker);
    let company = company.ok_or_else(|| Refusal::NotFound("Ticker not found.".into()))?;
    let mut item = listed(company);
    item["description"] = json!(format!("{} sells {}. Everything about it is simulated.", company.name, company.line));
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "results": item})))
}

/// `GET /v3/reference/tickers/types`.
pub(super) async fn types(State(simulator): State<Simulator>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let kind = |(code, words)| json!({"code": code, "description": words, "asset_class": "stocks", "locale": "us"});
    let results: Vec<Value> = [("CS", "Common Stock"), ("ETF", "Exchange Traded Fund")].map(kind).to_vec();
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "count": results.len(), "results": results})))
}

/// `GET /v3/reference/exchanges`: the one on which everything is traded.
pub(super) async fn exchanges(State(simulator): State<Simulator>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let exchange = json!({
        "id": 4, "type": "exchange", "asset_class": "stocks", "locale": "us", "name": "The simulated exchange",
        "mic": "XNYS", "operating_mic": "XNYS", "participant_id": "N",
    });
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "count": 1, "results": [exchange]})))
}

/// `GET /v1/marketstatus/now`.
pub(super) async fn status(State(simulator): State<Simulator>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let now = simulator.now();
    let hours = sessions::hours(sessions::date_of(now));
    let hour = sessions::hour_of(now);
    let early = hours.is_some_and(|(open, _)| now < open) && hour >= 4.0;
    let late = hours.is_some_and(|(_, close)| now >= close) && hour < 20.0;
    let market = match hours {
        Some((open, close)) if (open..close).contains(&now) => "open",
        _ if early || late => "extended-hours",
        _ => "closed",
    };
    Ok(Json(json!({
        "market": market, "earlyHours": early, "afterHours": late, "serverTime": now.to_string(),
        "exchanges": {"nyse": market, "nasdaq": market, "otc": market}, "currencies": {"fx": "open", "crypto": "open"},
    })))
}

/// `GET /v1/marketstatus/upcoming`: the days of the next year on which the exchange stays closed or closes early.
pub(super) async fn holidays(State(simulator): State<Simulator>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let today = sessions::date_of(simulator.now());
    let mut found = Vec::new();
    for days in 0..365 {
        let date = today.saturating_add(Span::new().days(days));
        if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            continue;
        }
        let what = match sessions::hours(date) {
            None => json!({"status": "closed"}),
            Some((open, close)) if close.duration_since(open).as_mins() < 390 => {
                json!({"status": "early-close", "open": open.to_string(), "close": close.to_string()})
            }
            Some(_) => continue,
        };
        for exchange in ["NYSE", "NASDAQ"] {
            let mut item = what.clone();
            item["exchange"] = json!(exchange);
            item["name"] = json!("Market holiday");
            item["date"] = json!(date.to_string());
            found.push(item);
        }
    }
    Ok(Json(Value::Array(found)))
}
