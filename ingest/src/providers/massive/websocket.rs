//! Massive's streaming protocol: connected, log in, subscribe, then frames.

use super::messages::Status;
use super::parse::{self, Event, Frame};
use super::{MassiveConfig, MassiveError};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tapewire_bus::Clock;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Subscriptions in one request; the provider takes long lists, but not endless messages.
const SUBSCRIPTIONS_A_MESSAGE: usize = 500;

/// A logged-in, subscribed websocket.
pub struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Data that came between the statuses of the log-in.
    early: VecDeque<Frame>,
    idle_timeout: Duration,
    clock: Clock,
}

impl Session {
    /// Connects, logs in and subscribes to `channels` (`AM.AAPL`, `T.AAPL`, `LULD.AAPL`, ...).
    ///
    /// # Errors
    /// [`MassiveError::NotAuthorized`] if the key or a subscription is refused, which no
    /// reconnect will heal; any other [`MassiveError`] of the websocket.
    pub async fn open(config: &MassiveConfig, channels: &[String], clock: Clock) -> Result<Self, MassiveError> {
        let login = config.login_timeout;
        let (socket, _) = timeout(login, connect_async(&config.websocket_url))
            .await
            .map_err(|_| MassiveError::LoginTimeout { awaited: "101 switching protocols", waited: login })??;
        let mut session = Self { socket, early: VecDeque::new(), idle_timeout: config.idle_timeout, clock };
        session.await_statuses("connected", login, |status| usize::from(status.status == "connected"), 1).await?;
        session.send(&json!({"action": "auth", "params": config.api_key.expose()}), login).await?;
        session.await_statuses("auth_success", login, |status| usize::from(status.status == "auth_success"), 1).await?;
        for some in channels.chunks(SUBSCRIPTIONS_A_MESSAGE) {
            session.send(&json!({"action": "subscribe", "params": some.join(",")}), login).await?;
            let confirmed = session.await_statuses("success", login, confirmed_channels, some.len()).await;
            match confirmed {
                // What the provider refuses it says; an unconfirmed channel may still be a working one.
                Err(MassiveError::LoginTimeout { .. }) => {
                    tracing::warn!(channels = some.len(), "not every subscription was confirmed; going on");
                }
                other => other?,
            }
        }
        Ok(session)
    }

    /// The next frame that carries data; statuses are seen to here.
    ///
    /// # Errors
    /// Any [`MassiveError`] of the websocket: the session is over then.
    pub async fn next(&mut self) -> Result<Frame, MassiveError> {
        loop {
            let frame = match self.early.pop_front() {
                Some(frame) => frame,
                None => without_statuses(self.receive().await?, |_| {})?,
            };
            if !(frame.events.is_empty() && frame.rejects.is_empty()) {
                return Ok(frame);
            }
        }
    }

    /// Waits until statuses that `count` recognises add up to `wanted`, keeping data that comes between.
    async fn await_statuses(
        &mut self,
        awaited: &'static str,
        waited: Duration,
        count: fn(&Status) -> usize,
        wanted: usize,
    ) -> Result<(), MassiveError> {
        let deadline = tokio::time::Instant::now() + waited;
        let mut seen = 0;
        while seen < wanted {
            let frame = timeout_at(deadline, self.receive())
                .await
                .map_err(|_| MassiveError::LoginTimeout { awaited, waited })??;
            self.early.push_back(without_statuses(frame, |status| seen += count(status))?);
        }
        Ok(())
    }

    async fn send(&mut self, message: &serde_json::Value, within: Duration) -> Result<(), MassiveError> {
        self.send_raw(Message::text(message.to_string()), within).await
    }

    async fn send_raw(&mut self, message: Message, within: Duration) -> Result<(), MassiveError> {
        timeout(within, self.socket.send(message)).await.map_err(|_| MassiveError::Silent(within))??;
        Ok(())
    }

    /// The next text frame. Outside the session's hours nothing comes for hours, so a quiet
    /// line is asked with a ping, and given up when not even that is answered.
    async fn receive(&mut self) -> Result<Frame, MassiveError> {
        let quiet = self.idle_timeout / 3;
        let mut heard = Instant::now();
        loop {
            let message = match timeout(quiet, self.socket.next()).await {
                Ok(Some(message)) => message?,
                Ok(None) => return Err(MassiveError::Closed("without a reason".into())),
                Err(_) if heard.elapsed() >= self.idle_timeout => return Err(MassiveError::Silent(self.idle_timeout)),
                Err(_) => {
                    self.send_raw(Message::Ping(Bytes::new()), quiet).await?;
                    continue;
                }
            };
            heard = Instant::now();
            match message {
                Message::Text(text) => return Ok(parse::frame(&text, self.clock.now())),
                Message::Binary(bytes) => return Ok(parse::frame(&String::from_utf8_lossy(&bytes), self.clock.now())),
                Message::Close(frame) => {
                    return Err(MassiveError::Closed(
                        frame.map_or_else(|| "without a reason".into(), |f| f.to_string()),
                    ));
                }
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// Takes the statuses out of a frame: each is shown to `seen`, one that ends the session is an error.
fn without_statuses(frame: Frame, mut seen: impl FnMut(&Status)) -> Result<Frame, MassiveError> {
    let mut data = Frame { events: Vec::with_capacity(frame.events.len()), rejects: frame.rejects };
    for event in frame.events {
        match event {
            Event::Status(status) => {
                check(&status)?;
                seen(&status);
            }
            other => data.events.push(other),
        }
    }
    Ok(data)
}

/// Whether the session goes on after this status.
fn check(status: &Status) -> Result<(), MassiveError> {
    let message = || status.message.clone();
    match status.status.as_str() {
        "connected" | "auth_success" | "success" => Ok(()),
        "auth_failed" => Err(MassiveError::NotAuthorized { what: "the websocket".into(), message: message() }),
        "not_authorized" => Err(MassiveError::NotAuthorized { what: "a subscription".into(), message: message() }),
        // The general error says what it means in its words only.
        "error" if status.message.to_ascii_lowercase().contains("authori") => {
            Err(MassiveError::NotAuthorized { what: "a subscription".into(), message: message() })
        }
        "max_connections" => Err(MassiveError::TooManyConnections(message())),
        "error" | "auth_timeout" | "force_disconnect" => {
            Err(MassiveError::Closed(format!("{}: {}", status.status, status.message)))
        }
        other => {
            tracing::info!(status = other, message = status.message, "massive says something new");
            Ok(())
        }
    }
}

/// How many channels a status confirms: `subscribed to: AM.AAPL`, or several with commas.
fn confirmed_channels(status: &Status) -> usize {
    if status.status == "success" { status.message.split(',').count() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: &str, message: &str) -> Status {
        Status { status: status.into(), message: message.into() }
    }

    #[test]
    fn refusals_are_final_and_mishaps_are_not() {
        for (given, retryable) in [
            (status("auth_failed", "authentication failed"), false),
            (status("not_authorized", "upgrade your plan"), false),
            (status("error", "not authorized"), false),
            (status("error", "internal"), true),
            (status("auth_timeout", "No authentication request received."), true),
            (status("force_disconnect", "maintenance"), true),
            (status("max_connections", "Maximum number of websocket connections exceeded."), true),
        ] {
            assert_eq!(check(&given).unwrap_err().is_retryable(), retryable, "{given:?}");
        }
        for going_on in ["connected", "auth_success", "success", "something_new"] {
            assert!(check(&status(going_on, "")).is_ok());
        }
    }

    #[test]
    fn confirmations_may_come_one_by_one_or_together() {
        assert_eq!(confirmed_channels(&status("success", "subscribed to: AM.AAPL")), 1);
        assert_eq!(confirmed_channels(&status("success", "subscribed to: AM.AAPL,AM.MSFT")), 2);
        assert_eq!(confirmed_channels(&status("connected", "")), 0);
    }
}
