//! Splits and dividends of the simulated market: one of each, soon after its first day, so that prices have to be
//! compared across it.

use super::Simulator;
use super::rest::Refusal;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tapewire_core::exchange::Calendar;

/// A corporate action of the simulated market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedAction {
    /// Ticker.
    pub symbol: &'static str,
    /// First session after it.
    pub date: Date,
    /// What happens.
    pub kind: PlannedKind,
}

/// Kinds of [`PlannedAction`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlannedKind {
    /// One share becomes this many.
    Split(u32),
    /// US dollars for each share.
    Dividend(f64),
}

/// What happens in the sessions after `first_day`.
pub fn planned(first_day: Date) -> Vec<PlannedAction> {
    let after = |day: Date| day.tomorrow().ok().and_then(|day| Calendar::xnys().from(day)).map(|session| session.date);
    let split = after(first_day);
    let dividend = split.and_then(after);
    let split = split.map(|date| PlannedAction { symbol: "WMT", date, kind: PlannedKind::Split(3) });
    let dividend = dividend.map(|date| PlannedAction { symbol: "KO", date, kind: PlannedKind::Dividend(0.51) });
    split.into_iter().chain(dividend).collect()
}

impl PlannedAction {
    /// The log of a price before it, as the log of a price after it.
    pub fn after(&self, log_price: f64) -> f64 {
        match self.kind {
            PlannedKind::Split(shares) => log_price - f64::from(shares).ln(),
            PlannedKind::Dividend(amount) => (log_price.exp() - amount).ln(),
        }
    }

    /// What one share becomes.
    pub fn shares(&self) -> f64 {
        match self.kind {
            PlannedKind::Split(shares) => f64::from(shares),
            PlannedKind::Dividend(_) => 1.0,
        }
    }

    fn split(&self) -> Option<Value> {
        let PlannedKind::Split(shares) = self.kind else { return None };
        Some(json!({
            "id": format!("S{}", self.symbol), "ticker": self.symbol, "execution_date": self.date.to_string(),
            "split_from": 1, "split_to": shares,
        }))
    }

    fn dividend(&self) -> Option<Value> {
        let PlannedKind::Dividend(amount) = self.kind else { return None };
        let date = self.date.to_string();
        Some(json!({
            "id": format!("D{}", self.symbol), "ticker": self.symbol, "cash_amount": amount, "currency": "USD",
            "dividend_type": "CD", "frequency": 4, "ex_dividend_date": date, "record_date": date, "pay_date": date,
            "declaration_date": date,
        }))
    }
}

/// Parameters of the lists: `ticker`, a date with `.gte` and the like, and more that make no difference to one item.
type Parameters = Query<BTreeMap<String, String>>;

/// `GET /v3/reference/splits`.
pub(super) async fn splits(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    list(&simulator, &query, "execution_date", PlannedAction::split)
}

/// `GET /v3/reference/dividends`.
pub(super) async fn dividends(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    list(&simulator, &query, "ex_dividend_date", PlannedAction::dividend)
}

fn list(
    simulator: &Simulator,
    query: &BTreeMap<String, String>,
    field: &str,
    item: impl Fn(&PlannedAction) -> Option<Value>,
) -> Result<Json<Value>, Refusal> {
    let limit = |suffix: &str| {
        let given = query.get(&format!("{field}{suffix}"));
        let date = |text: &String| text.parse().map_err(|_| Refusal::BadRequest(format!("`{text}` is not a date")));
        given.map(date).transpose()
    };
    let limits: [Option<Date>; 5] = [limit("")?, limit(".gte")?, limit(".gt")?, limit(".lte")?, limit(".lt")?];
    let [on, from, after, to, before] = limits;
    let ticker = query.get("ticker");
    let is_wanted = |action: &&PlannedAction| {
        let date = action.date;
        ticker.is_none_or(|ticker| ticker == action.symbol)
            && on.is_none_or(|on| date == on)
            && from.is_none_or(|from| date >= from)
            && after.is_none_or(|after| date > after)
            && to.is_none_or(|to| date <= to)
            && before.is_none_or(|before| date < before)
    };
    let results: Vec<Value> = simulator.market().actions().iter().filter(is_wanted).filter_map(item).collect();
    Ok(Json(json!({"status": "OK", "request_id": "simulated", "results": results})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_actions_are_on_the_sessions_after_the_first_day() {
        // A Friday.
        let planned = planned(date(2025, 6, 6));
        let days: Vec<(&str, Date)> = planned.iter().map(|action| (action.symbol, action.date)).collect();
        assert_eq!(days, [("WMT", date(2025, 6, 9)), ("KO", date(2025, 6, 10))]);
        assert!((planned[0].after(99f64.ln()).exp() - 33.0).abs() < 1e-9);
        assert!((planned[1].after(72f64.ln()).exp() - 71.49).abs() < 1e-9);
    }
}
