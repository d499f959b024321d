//! The simulated provider's websocket: log in, subscribe, then each minute's messages.

use super::Simulator;
use super::history::trades_of;
use super::market::Printed;
use super::tape::instruments;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// Events in one frame: the real provider also sends several.
const EVENTS_A_FRAME: usize = 8;

pub(super) async fn stocks(State(simulator): State<Simulator>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async move {
        let stop = simulator.shutdown().clone();
        let connection = Connection { simulator, socket, authenticated: false, channels: HashSet::new(), bars: 0 };
        // A client that disconnects is not an error.
        let _ = stop.run_until_cancelled(connection.serve()).await;
    })
}

/// `{"action":"subscribe","params":"AM.AAPL,T.*"}`
#[derive(Debug, Deserialize)]
struct Request {
    action: String,
    #[serde(default)]
    params: String,
}

struct Connection {
    simulator: Simulator,
    socket: WebSocket,
    authenticated: bool,
    channels: HashSet<String>,
    bars: usize,
}

/// The connection is over.
struct Gone;

impl From<axum::Error> for Gone {
    fn from(_: axum::Error) -> Self {
        Self
    }
}

impl Connection {
    async fn serve(mut self) -> Result<(), Gone> {
        self.say(vec![status("connected", "Connected Successfully")]).await?;
        let mut end = next_minute(self.simulator.now());
        loop {
            let wait = end.duration_since(self.simulator.now()).try_into().unwrap_or(Duration::ZERO);
            let clock = self.simulator.clock().clone();
            tokio::select! {
                biased;
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.answer(&text).await?,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                    Some(Ok(_)) => {}
                },
                () = clock.sleep(wait) => {
                    self.minute(end).await?;
                    end += SignedDuration::from_mins(1);
                }
            }
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), Gone> {
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return self.say(vec![status("error", "malformed request")]).await;
        };
        match request.action.as_str() {
            "auth" if request.params == self.simulator.config().api_key.expose() => {
                self.authenticated = true;
                self.say(vec![status("auth_success", "authenticated")]).await
            }
            "auth" => {
                self.say(vec![status("auth_failed", "authentication failed")]).await?;
                Err(Gone)
            }
            _ if !self.authenticated => self.say(vec![status("error", "not authorized")]).await,
            "subscribe" => {
                let channels: Vec<&str> = request.params.split(',').map(str::trim).filter(|c| !c.is_empty()).collect();
                self.channels.extend(channels.iter().map(|&channel| channel.to_owned()));
                self.say(channels.iter().map(|c| status("success", &format!("subscribed to: {c}"))).collect()).await
            }
            "unsubscribe" => {
                for channel in request.params.split(',') {
                    self.channels.remove(channel.trim());
                }
                self.say(vec![status("success", &format!("unsubscribed to: {}", request.params))]).await
            }
            other => self.say(vec![status("error", &format!("unknown action {other}"))]).await,
        }
    }

    /// Sends all events that are due when the minute that ends at `end` is over.
    async fn minute(&mut self, end: Timestamp) -> Result<(), Gone> {
        if self.channels.is_empty() {
            return Ok(());
        }
        let events = self.events(end);
        for frame in events.chunks(EVENTS_A_FRAME) {
            self.say(frame.to_vec()).await?;
            self.bars += frame.iter().filter(|event| matches!(event["ev"].as_str(), Some("AM" | "T"))).count();
            let limit = self.simulator.config().faults.disconnect_after;
            if limit > 0 && self.bars >= limit {
                return Err(Gone);
            }
        }
        Ok(())
    }

    fn events(&self, end: Timestamp) -> Vec<Value> {
        let market = self.simulator.market();
        let faults = self.simulator.config().faults;
        let mut events = self.halts(&market, end);
        let mut bars = self.bars;
        for printed in market.prints_at(end) {
            let symbol = instruments().nth(printed.instrument).expect("prints are of instruments").symbol;
            if self.wants("T", symbol) && printed.start + SignedDuration::from_mins(1) == end {
                events.extend(trades(symbol, &printed));
            }
            if self.wants("A", symbol) && printed.start + SignedDuration::from_mins(1) == end {
                events.extend(second_aggregates(symbol, &printed));
            }
            if !self.wants("AM", symbol) {
                continue;
            }
            bars += 1;
            events.push(minute_aggregate(symbol, &printed));
            if faults.malformed_bar_every > 0 && bars.is_multiple_of(faults.malformed_bar_every) {
                events.push(json!({"ev": "AM", "sym": symbol, "o": "no price", "s": printed.start.as_millisecond()}));
            }
            if faults.unknown_message_every > 0 && bars.is_multiple_of(faults.unknown_message_every) {
                events.push(json!({"ev": "XX", "sym": symbol, "n": bars}));
            }
        }
        events
    }

    /// Halts that begin or end with this minute.
    fn halts(&self, market: &super::market::Market, end: Timestamp) -> Vec<Value> {
        let Some(tape) = market.tapes().iter().rev().find(|tape| tape.session.open < end) else { return Vec::new() };
        let minute = usize::try_from((end.as_second() - tape.session.open.as_second()) / 60).unwrap_or(usize::MAX);
        let mut events = Vec::new();
        for (company, halt) in instruments().zip(&tape.halts) {
            let indicator = match halt {
                Some((from, _)) if *from == minute => 17,
                Some((_, to)) if *to == minute => 18,
                _ => continue,
            };
            if self.wants("LULD", company.symbol) {
                // Microseconds, as in the provider's own example.
                events.push(json!({"ev": "LULD", "T": company.symbol, "i": [indicator], "z": 3, "t": end.as_microsecond(), "q": minute}));
            }
        }
        events
    }

    fn wants(&self, kind: &str, symbol: &str) -> bool {
        self.channels.contains(&format!("{kind}.{symbol}")) || self.channels.contains(&format!("{kind}.*"))
    }

    async fn say(&mut self, events: Vec<Value>) -> Result<(), Gone> {
        Ok(self.socket.send(Message::Text(Value::Array(events).to_string().into())).await?)
    }
}

fn next_minute(now: Timestamp) -> Timestamp {
    Timestamp::from_second((now.as_second().div_euclid(60) + 1) * 60).expect("the next minute is in range")
}

fn status(status: &str, message: &str) -> Value {
    json!({"ev": "status", "status": status, "message": message})
}

fn minute_aggregate(symbol: &str, bar: &Printed) -> Value {
    let (p, start) = (&bar.print, bar.start.as_millisecond());
    json!({
        "ev": "AM", "sym": symbol, "v": p.volume.floor(), "dv": p.volume.to_string(), "vw": p.vwap,
        "o": p.open, "c": p.close, "h": p.high, "l": p.low, "z": (p.volume / p.trades.max(1) as f64).ceil(),
        "s": start, "e": start + 60_000,
    })
}

/// One trade at the end of each step, together the minute's volume.
fn trades(symbol: &str, bar: &Printed) -> Vec<Value> {
    let trade = |(at, price, size): (i64, f64, f64)| {
        json!({
            "ev": "T", "sym": symbol, "i": format!("{}", at / 1000), "x": 4, "z": 3, "p": price,
            "s": size.floor(), "ds": size.to_string(), "t": at, "q": at / 1000,
        })
    };
    trades_of(bar).into_iter().map(trade).collect()
}

/// The bars of the seconds in which there is a trade.
fn second_aggregates(symbol: &str, bar: &Printed) -> Vec<Value> {
    let second = |(at, price, size): (i64, f64, f64)| {
        let start = at.div_euclid(1000) * 1000;
        json!({
            "ev": "A", "sym": symbol, "v": size.floor(), "dv": size.to_string(), "vw": price, "o": price, "c": price,
            "h": price, "l": price, "z": size.ceil(), "s": start, "e": start + 1000,
        })
    };
    trades_of(bar).into_iter().map(second).collect()
}
