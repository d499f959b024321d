//! Coinbase's stream: connect, subscribe to each channel, then messages of any channel, numbered.

use super::parse::{self, Message};
use super::{CoinbaseConfig, product_of};
use crate::providers::candles::Candles;
use crate::providers::websocket::Socket;
use crate::providers::{Account, Frame, MarketEvent, PriceConnection, ProviderError, Subscription};
use async_trait::async_trait;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tapewire_runtime::Clock;
use tokio::time::timeout_at;

/// A subscribed websocket.
pub(super) struct Connection {
    provider: String,
    socket: Socket,
    /// Data that came before all subscriptions were confirmed.
    early: VecDeque<Frame>,
    candles: Candles,
    sequence: Option<u64>,
    heartbeat: Option<u64>,
    clock: Clock,
}

impl Connection {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    pub async fn open(
        account: &Account,
        config: &CoinbaseConfig,
        subscription: &Subscription,
    ) -> Result<Self, ProviderError> {
        let (login, provider) = (config.login_timeout, account.name.clone());
        let products: Result<Vec<String>, _> =
            subscription.symbols.iter().map(|symbol| product_of(&provider, symbol)).collect();
        let products = products?;
        let socket = Socket::open_without_key(&provider, &config.stream_url, login, config.heartbeat_timeout).await?;
        let mut connection = Self {
            provider,
            socket: socket.expecting_messages(),
            early: VecDeque::new(),
            candles: Candles::default(),
            sequence: None,
            heartbeat: None,
            clock: account.clock.clone(),
        };
        connection.socket.send(&json!({"type": "subscribe", "channel": "heartbeats"}), login).await?;
        let channels = [("candles", subscription.bars), ("market_trades", subscription.trades)];
        let wanted: Vec<&str> = channels.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect();
        for channel in &wanted {
            let request = json!({"type": "subscribe", "channel": channel, "product_ids": products});
            connection.socket.send(&request, login).await?;
        }
        connection.await_subscriptions(&wanted, &products, login).await?;
        Ok(connection)
    }

    async fn await_subscriptions(
        &mut self,
        channels: &[&str],
        products: &[String],
        waited: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = tokio::time::Instant::now() + waited;
        let has = |all: &BTreeMap<String, Vec<String>>, channel: &str| {
            all.get(channel).is_some_and(|listed| products.iter().all(|product| listed.contains(product)))
        };
        loop {
            let received = timeout_at(deadline, self.receive()).await.map_err(|_| ProviderError::LoginTimeout {
                provider: self.provider.clone(),
                awaited: "subscriptions",
                waited,
            })??;
            let is_all = received
                .subscribed
                .as_ref()
                .is_some_and(|all| all.contains_key("heartbeats") && channels.iter().all(|channel| has(all, channel)));
            let frame = self.frame(received)?;
            self.early.push_back(frame);
            if is_all {
                return Ok(());
            }
        }
    }

    async fn receive(&mut self) -> Result<Message, ProviderError> {
        let text = self.socket.receive().await?;
        Ok(parse::message(&text, self.clock.now()))
    }

    /// What a message has for the pipeline.
    ///
    /// # Errors
    /// If messages before this one are missing, or it is an error.
    fn frame(&mut self, message: Message) -> Result<Frame, ProviderError> {
        let provider = self.provider.clone();
        if let Some(reason) = message.error {
            let is_refusal = ["authori", "authenti"].iter().any(|word| reason.to_ascii_lowercase().contains(word));
            return Err(match is_refusal {
                true => ProviderError::Refused { provider, what: "a subscription".into(), message: reason },
                false => ProviderError::Closed { provider, reason },
            });
        }
        for (last, this, what) in
            [(&mut self.sequence, message.sequence, "messages"), (&mut self.heartbeat, message.heartbeat, "heartbeats")]
        {
            let Some(this) = this else { continue };
            if let Some(missing) = last.and_then(|last| this.checked_sub(last)).filter(|step| *step > 1) {
                metrics::counter!("tapewire_feed_sequence_gaps_total", "source" => provider.clone()).increment(1);
                // Bars are fetched again over REST. Trades are not.
                let reason = format!("{} {what} before number {this} did not come", missing - 1);
                return Err(ProviderError::Closed { provider, reason });
            }
            // A message that was overtaken has a lower number.
            *last = Some(last.map_or(this, |last| last.max(this)));
        }
        let bars = self.candles.finished(message.candles, message.sent_at);
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
