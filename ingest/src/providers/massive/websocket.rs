//! Massive's streaming protocol: connected, log in, subscribe, then frames.

use super::MassiveConfig;
use super::messages::Status;
use super::parse::{self, Message as Parsed, Messages};
use crate::providers::websocket::Socket;
use crate::providers::{Account, Frame, PriceConnection, ProviderError, Subscription};
use async_trait::async_trait;
use serde_json::json;
use std::collections::VecDeque;
use std::time::Duration;
use tapewire_runtime::Clock;
use tokio::time::timeout_at;

/// Subscriptions in one request; the provider takes long lists, but limits the length of a message.
const CHANNELS_PER_MESSAGE: usize = 500;

/// A logged-in, subscribed websocket.
pub(super) struct Connection {
    provider: String,
    socket: Socket,
    /// Data that came between the statuses of the log-in.
    early: VecDeque<Frame>,
    clock: Clock,
}

impl Connection {
    /// Connects, logs in and subscribes.
    ///
    /// # Errors
    /// [`ProviderError::NotAuthorized`] if the key or a subscription is refused, against which
    /// reconnecting does not help; any other [`ProviderError`] of the websocket.
    pub async fn open(
        account: &Account,
        config: &MassiveConfig,
        subscription: &Subscription,
        clock: Clock,
    ) -> Result<Self, ProviderError> {
        let (login, provider) = (config.login_timeout, account.name.clone());
        let socket = Socket::open(&provider, &config.websocket_url, login, config.silence_timeout).await?;
        let early = VecDeque::new();
        let mut connection = Self { provider, socket, early, clock };
        connection.await_statuses("connected", login, |status| usize::from(status.status == "connected"), 1).await?;
        connection.socket.send(&json!({"action": "auth", "params": account.key.expose()}), login).await?;
        let authenticated = |status: &Status| usize::from(status.status == "auth_success");
        connection.await_statuses("auth_success", login, authenticated, 1).await?;
        connection.subscribe(&channels(subscription), login).await?;
        Ok(connection)
    }

    async fn subscribe(&mut self, channels: &[String], login: Duration) -> Result<(), ProviderError> {
        for some in channels.chunks(CHANNELS_PER_MESSAGE) {
            self.socket.send(&json!({"action": "subscribe", "params": some.join(",")}), login).await?;
            let confirmed = self.await_statuses("success", login, confirmed_channels, some.len()).await;
            match confirmed {
                // The provider reports what it refuses, so an unconfirmed channel may still work.
                Err(ProviderError::LoginTimeout { .. }) => {
                    tracing::warn!(
                        source = self.provider,
                        channels = some.len(),
                        "not every subscription was confirmed; going on without the confirmation"
                    );
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Waits until statuses that `count` recognises add up to `wanted`, keeping data that comes between.
    async fn await_statuses(
        &mut self,
        awaited: &'static str,
        waited: Duration,
        count: fn(&Status) -> usize,
        wanted: usize,
    ) -> Result<(), ProviderError> {
        let deadline = tokio::time::Instant::now() + waited;
        let mut seen = 0;
        while seen < wanted {
            let frame = timeout_at(deadline, self.receive()).await.map_err(|_| ProviderError::LoginTimeout {
                provider: self.provider.clone(),
                awaited,
                waited,
            })??;
            let frame = without_statuses(&self.provider, frame, |status| seen += count(status))?;
            self.early.push_back(frame);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Messages, ProviderError> {
        let text = self.socket.receive().await?;
        Ok(parse::frame(&text, self.clock.now()))
    }
}

#[async_trait]
impl PriceConnection for Connection {
    fn origin(&self) -> &str {
        "websocket"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        if let Some(frame) = self.early.pop_front() {
            return Ok(frame);
        }
        let received = self.receive().await?;
        without_statuses(&self.provider, received, |_| {})
    }
}

/// Channels to subscribe to: `AM.AAPL`, `T.AAPL`, `LULD.AAPL`, ...
fn channels(subscription: &Subscription) -> Vec<String> {
    let kinds = [("AM", subscription.bars), ("T", subscription.trades), ("LULD", subscription.halts)];
    let wanted = kinds.into_iter().filter(|(_, wanted)| *wanted);
    wanted.flat_map(|(kind, _)| subscription.symbols.iter().map(move |symbol| format!("{kind}.{symbol}"))).collect()
}

/// Takes the statuses out of a frame: each is shown to `seen`; one that ends the connection is an error.
pub(super) fn without_statuses(
    provider: &str,
    received: Messages,
    mut seen: impl FnMut(&Status),
) -> Result<Frame, ProviderError> {
    let mut frame = Frame { events: Vec::with_capacity(received.messages.len()), rejects: received.rejects };
    for message in received.messages {
        match message {
            Parsed::Status(status) => {
                check(provider, &status)?;
                seen(&status);
            }
            Parsed::Market(event) => frame.events.push(event),
            Parsed::PriceBand => {}
        }
    }
    Ok(frame)
}

/// Whether the connection goes on after this status.
fn check(provider: &str, status: &Status) -> Result<(), ProviderError> {
    let (provider, message) = (provider.to_owned(), status.message.clone());
    let refused =
        |what: &str, provider, message| Err(ProviderError::NotAuthorized { provider, what: what.to_owned(), message });
    match status.status.as_str() {
        "connected" | "auth_success" | "success" => Ok(()),
        "auth_failed" => refused("the websocket", provider, message),
        "not_authorized" => refused("a subscription", provider, message),
        // Only the message of a general error says what it means.
        "error" if message.to_ascii_lowercase().contains("authori") => refused("a subscription", provider, message),
        "max_connections" => Err(ProviderError::TooManyConnections { provider, message }),
        "error" | "auth_timeout" | "force_disconnect" => {
            Err(ProviderError::Closed { provider, reason: format!("{}: {message}", status.status) })
        }
        other => {
            tracing::info!(source = provider, status = other, "the websocket sent a status that is not known; ignored");
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
            assert_eq!(check("massive", &given).unwrap_err().is_retryable(), retryable, "{given:?}");
        }
        for going_on in ["connected", "auth_success", "success", "something_new"] {
            assert!(check("massive", &status(going_on, "")).is_ok());
        }
    }

    #[test]
    fn confirmations_may_come_one_by_one_or_together() {
        assert_eq!(confirmed_channels(&status("success", "subscribed to: AM.AAPL")), 1);
        assert_eq!(confirmed_channels(&status("success", "subscribed to: AM.AAPL,AM.MSFT")), 2);
        assert_eq!(confirmed_channels(&status("connected", "")), 0);
    }
}
