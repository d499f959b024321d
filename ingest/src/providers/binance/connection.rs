//! Binance's stream: connect, subscribe, then one event in each message.

use super::BinanceConfig;
use super::parse::{self, Message};
use crate::providers::coins::pair_of;
use crate::providers::websocket::Socket;
use crate::providers::{Account, Frame, PriceConnection, ProviderError, Reject, Subscription};
use async_trait::async_trait;
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tapewire_runtime::Clock;
use tokio::time::timeout_at;

/// Streams in one request, and the pause after it: Binance takes five messages a second.
const STREAMS_PER_REQUEST: usize = 200;
const BETWEEN_REQUESTS: Duration = Duration::from_millis(300);

/// A subscribed websocket.
pub(super) struct Connection {
    provider: String,
    socket: Socket,
    /// Data that came before the subscription was confirmed.
    early: VecDeque<Frame>,
    began: Instant,
    longest: Duration,
    clock: Clock,
}

impl Connection {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    pub async fn open(
        account: &Account,
        config: &BinanceConfig,
        subscription: &Subscription,
    ) -> Result<Self, ProviderError> {
        let (login, provider) = (config.login_timeout, account.name.clone());
        let socket = Socket::open_without_key(&provider, &config.stream_url, login, config.silence_timeout).await?;
        let (clock, longest) = (account.clock.clone(), config.longest_connection);
        let mut connection = Self { provider, socket, early: VecDeque::new(), began: Instant::now(), longest, clock };
        let streams = streams(&connection.provider, config, subscription)?;
        for (id, some) in (1_u64..).zip(streams.chunks(STREAMS_PER_REQUEST)) {
            connection.socket.send(&json!({"method": "SUBSCRIBE", "params": some, "id": id}), login).await?;
            connection.await_confirmation(id, login).await?;
            tokio::time::sleep(BETWEEN_REQUESTS).await;
        }
        Ok(connection)
    }

    async fn await_confirmation(&mut self, id: u64, waited: Duration) -> Result<(), ProviderError> {
        let deadline = tokio::time::Instant::now() + waited;
        loop {
            let received = timeout_at(deadline, self.receive()).await.map_err(|_| ProviderError::LoginTimeout {
                provider: self.provider.clone(),
                awaited: "result",
                waited,
            })??;
            match received {
                Received::Confirmed(confirmed) if confirmed == id => return Ok(()),
                Received::Confirmed(_) => {}
                Received::Frame(frame) => self.early.push_back(frame),
            }
        }
    }

    async fn receive(&mut self) -> Result<Received, ProviderError> {
        let text = self.socket.receive().await?;
        let mut frame = Frame::default();
        match parse::message(&text, self.clock.now()) {
            Ok(Message::Market(event)) => frame.events.push(event),
            Ok(Message::Nothing) => {}
            Ok(Message::Confirmed(id)) => return Ok(Received::Confirmed(id)),
            Ok(Message::Ending(reason)) => return Err(self.closed(reason)),
            Err(reason) => frame.rejects.push(Reject::new(&text, reason)),
        }
        Ok(Received::Frame(frame))
    }

    fn closed(&self, reason: String) -> ProviderError {
        ProviderError::Closed { provider: self.provider.clone(), reason }
    }
}

enum Received {
    Frame(Frame),
    Confirmed(u64),
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
        let left = self.longest.saturating_sub(self.began.elapsed());
        match tokio::time::timeout(left, self.receive()).await {
            Ok(Ok(Received::Frame(frame))) => Ok(frame),
            Ok(Ok(Received::Confirmed(_))) => Ok(Frame::default()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ProviderError::Expired { provider: self.provider.clone() }),
        }
    }
}

/// `btcusdt@kline_1m`, `btcusdt@trade`, … of `X:BTCUSDT`.
fn streams(provider: &str, config: &BinanceConfig, subscription: &Subscription) -> Result<Vec<String>, ProviderError> {
    let trades = if config.aggregate_trades { "aggTrade" } else { "trade" };
    let kinds = [("kline_1m", subscription.bars), (trades, subscription.trades)];
    let mut streams = Vec::new();
    for (kind, _) in kinds.into_iter().filter(|(_, wanted)| *wanted) {
        for symbol in &subscription.symbols {
            streams.push(format!("{}@{kind}", pair_of(provider, symbol)?.to_lowercase()));
        }
    }
    Ok(streams)
}
