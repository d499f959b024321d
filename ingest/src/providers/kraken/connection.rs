//! Kraken's stream: connect, subscribe to each channel, a confirmation for each pair, then messages of any channel.

use super::parse::{self, Message};
use super::{KrakenConfig, name_of};
use crate::providers::candles::Candles;
use crate::providers::websocket::Socket;
use crate::providers::{Account, Frame, MarketEvent, PriceConnection, ProviderError, Subscription};
use async_trait::async_trait;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tapewire_runtime::Clock;
use tokio::time::timeout_at;

/// Pairs in one request.
const PAIRS_PER_REQUEST: usize = 100;

/// A subscribed websocket.
pub(super) struct Connection {
    provider: String,
    socket: Socket,
    /// Data that came before all subscriptions were confirmed.
    early: VecDeque<Frame>,
    candles: Candles,
    clock: Clock,
}

impl Connection {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    pub async fn open(
        account: &Account,
        config: &KrakenConfig,
        subscription: &Subscription,
    ) -> Result<Self, ProviderError> {
        let (login, provider) = (config.login_timeout, account.name.clone());
        let names: Result<Vec<String>, _> =
            subscription.symbols.iter().map(|symbol| name_of(&provider, symbol)).collect();
        let names = names?;
        let socket = Socket::open_without_key(&provider, &config.stream_url, login, config.heartbeat_timeout).await?;
        let mut connection = Self {
            provider,
            socket: socket.expecting_messages(),
            early: VecDeque::new(),
            candles: Candles::default(),
            clock: account.clock.clone(),
        };
        let mut wanted = BTreeSet::new();
        for (channel, is_wanted) in [("ohlc", subscription.bars), ("trade", subscription.trades)] {
            for some in names.chunks(PAIRS_PER_REQUEST).filter(|_| is_wanted) {
                let mut params = json!({"channel": channel, "symbol": some, "snapshot": false});
                if channel == "ohlc" {
                    params["interval"] = json!(1);
                }
                connection.socket.send(&json!({"method": "subscribe", "params": params}), login).await?;
                wanted.extend(some.iter().map(|name| (channel.to_owned(), name.clone())));
            }
        }
        connection.await_confirmations(wanted, login).await?;
        Ok(connection)
    }

    async fn await_confirmations(
        &mut self,
        mut wanted: BTreeSet<(String, String)>,
        limit: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = tokio::time::Instant::now() + limit;
        while !wanted.is_empty() {
            let received = timeout_at(deadline, self.receive()).await.map_err(|_| ProviderError::LoginTimeout {
                provider: self.provider.clone(),
                awaited: "success",
                waited: limit,
            })??;
            if let Some(confirmed) = &received.subscribed {
                wanted.remove(confirmed);
            }
            let frame = self.frame(received)?;
            self.early.push_back(frame);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Message, ProviderError> {
        let text = self.socket.receive().await?;
        Ok(parse::message(&text, self.clock.now()))
    }

    /// What a message has for the pipeline.
    ///
    /// # Errors
    /// If it is an error.
    fn frame(&mut self, message: Message) -> Result<Frame, ProviderError> {
        let provider = self.provider.clone();
        if let Some(reason) = message.error {
            let words = reason.to_ascii_lowercase();
            return Err(match words.contains("not supported") || words.contains("invalid") {
                // A pair that it does not have.
                true => ProviderError::Unsupported { provider, what: reason },
                false => ProviderError::Closed { provider, reason },
            });
        }
        if let Some(system) = message.system {
            tracing::warn!(
                source = provider,
                system,
                "kraken reports a state other than online; bars and trades may be missing until it is online again"
            );
        }
        let bars = self.candles.finished(message.candles, Some(self.clock.now()));
        let trades = message.trades.into_iter().map(MarketEvent::Trade);
        Ok(Frame { events: trades.chain(bars.into_iter().map(MarketEvent::Bar)).collect(), rejects: message.rejects })
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
        let message = self.receive().await?;
        self.frame(message)
    }
}
