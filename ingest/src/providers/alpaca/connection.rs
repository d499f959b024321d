//! Alpaca's stream: connect, log in, subscribe to all channels at once, then read frames.

use super::Alpaca;
use super::parse::{self, Market, Message};
use super::recent::RecentTrades;
use crate::providers::websocket::Socket;
use crate::providers::{Frame, MarketEvent, PriceConnection, ProviderError, Reject, Subscription};
use async_trait::async_trait;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tapewire_core::{BarUpdates, Trade};
use tapewire_runtime::Clock;
use tokio::time::timeout_at;

/// A logged-in, subscribed websocket.
pub(super) struct Connection {
    provider: String,
    market: Market,
    socket: Socket,
    /// Data that came before the subscription was confirmed.
    early: VecDeque<Frame>,
    recent: RecentTrades,
    clock: Clock,
}

/// What the server has said while one step of the log-in is awaited.
#[derive(Debug, Default)]
struct Said {
    successes: Vec<String>,
    subscribed: Option<BTreeMap<String, Vec<String>>>,
}

impl Connection {
    /// Connects, logs in and subscribes.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    pub async fn open(source: &Alpaca, subscription: &Subscription) -> Result<Self, ProviderError> {
        let (config, provider) = (&source.config, source.account.name.clone());
        let login = config.login_timeout;
        let path = match source.market {
            Market::Shares => format!("v2/{}", config.feed),
            Market::Coins => format!("v1beta3/crypto/{}", config.feed),
        };
        let url = format!("{}/{path}", config.stream_url.trim_end_matches('/'));
        let socket = Socket::open(&provider, &url, login, config.silence_timeout).await?;
        let (early, recent, clock) = (VecDeque::new(), RecentTrades::default(), source.account.clock.clone());
        let mut connection = Self { provider, market: source.market, socket, early, recent, clock };
        let has = |word: &'static str| move |said: &Said| said.successes.iter().any(|success| success == word);
        connection.wait_for("connected", login, has("connected")).await?;
        let [id, secret] = &source.key;
        connection
            .socket
            .send(&json!({"action": "auth", "key": id.expose(), "secret": secret.expose()}), login)
            .await?;
        connection.wait_for("authenticated", login, has("authenticated")).await?;
        connection.subscribe(source, subscription, login).await?;
        Ok(connection)
    }

    async fn subscribe(
        &mut self,
        source: &Alpaca,
        subscription: &Subscription,
        login: Duration,
    ) -> Result<(), ProviderError> {
        let names: Result<Vec<String>, _> = subscription.symbols.iter().map(|symbol| source.name_of(symbol)).collect();
        let names = names?;
        let channels = [
            ("bars", subscription.bars),
            ("updatedBars", subscription.bars),
            // Corrections and cancellations come with them, and are not subscribed to.
            ("trades", subscription.trades),
            ("statuses", subscription.halts),
        ];
        let wanted: Vec<&str> = channels.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect();
        let mut request = json!({"action": "subscribe"});
        for channel in &wanted {
            request[*channel] = json!(names);
        }
        self.socket.send(&request, login).await?;
        let is_all = |said: &Said| {
            let has = |channel: &&str| {
                let listed = said.subscribed.as_ref().and_then(|all| all.get(*channel));
                listed.is_some_and(|listed| names.iter().all(|name| listed.contains(name)))
            };
            wanted.iter().all(has)
        };
        self.wait_for("subscription", login, is_all).await
    }

    /// Waits for a step of the log-in, keeping data that comes between.
    async fn wait_for(
        &mut self,
        awaited: &'static str,
        waited: Duration,
        is_done: impl Fn(&Said) -> bool,
    ) -> Result<(), ProviderError> {
        let deadline = tokio::time::Instant::now() + waited;
        let mut said = Said::default();
        while !is_done(&said) {
            let received = timeout_at(deadline, self.receive(&mut said)).await;
            let frame = received.map_err(|_| ProviderError::LoginTimeout {
                provider: self.provider.clone(),
                awaited,
                waited,
            })??;
            self.early.push_back(frame);
        }
        Ok(())
    }

    async fn receive(&mut self, said: &mut Said) -> Result<Frame, ProviderError> {
        let text = self.socket.receive().await?;
        let (messages, rejects) = parse::frame(&text, self.market, self.clock.now());
        let mut frame = Frame { events: Vec::with_capacity(messages.len()), rejects };
        for message in messages {
            match message {
                Message::Market(event) => {
                    if let MarketEvent::Trade(trade) = &event {
                        self.recent.insert(trade);
                    }
                    frame.events.push(event);
                }
                Message::Correction(original, trade) => self.correct(&original, trade, &mut frame),
                Message::Success(step) => said.successes.push(step),
                Message::Subscribed(all) => said.subscribed = Some(all),
                Message::Error { code, message } => return Err(refusal(&self.provider, code, message)),
                Message::Nothing => {}
            }
        }
        Ok(frame)
    }

    /// Replaces the original by the corrected trade, which counts at the original's time. If that time is not known,
    /// the original is only taken back, and the corrected trade is among the rejects.
    fn correct(&mut self, original: &str, corrected: Trade, frame: &mut Frame) {
        let trade = match self.recent.time_of(&corrected.symbol, original) {
            Some(at) => Trade { at, ..corrected },
            None => {
                let reason = format!(
                    "it corrects the trade {original}, whose time is no longer known; that trade is only taken back"
                );
                let raw = serde_json::to_string(&corrected).unwrap_or_default();
                frame.rejects.push(Reject::new(&raw, reason));
                Trade { counts: BarUpdates::NOTHING, ..corrected }
            }
        };
        self.recent.insert(&trade);
        frame.events.push(MarketEvent::Trade(trade));
    }
}

#[async_trait]
impl PriceConnection for Connection {
    fn origin(&self) -> &str {
        "websocket"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        match self.early.pop_front() {
            Some(frame) => Ok(frame),
            None => self.receive(&mut Said::default()).await,
        }
    }
}

/// What Alpaca's error codes mean.
pub(super) fn refusal(provider: &str, code: u16, message: String) -> ProviderError {
    let provider = provider.to_owned();
    let refused = |what: &str, provider, message| ProviderError::NotAuthorized { provider, what: what.into(), message };
    match code {
        401 | 402 => refused("the websocket", provider, message),
        // More symbols, or another feed, than the plan includes.
        405 | 409 => refused("a subscription", provider, message),
        406 => ProviderError::TooManyConnections { provider, message },
        400 | 410 => ProviderError::BadRequest { provider, path: "the websocket".into(), status: code, message },
        // 403 already authenticated, 404 authentication timeout, 407 slow client, 500 internal error.
        _ => ProviderError::Closed { provider, reason: format!("{code} {message}") },
    }
}
