//! Finnhub's stream: the key is part of the address, each symbol is subscribed to by a message of its own, and nothing
//! confirms it.

use super::parse::{self, Message};
use super::{FinnhubConfig, name_of};
use crate::providers::websocket::Socket;
use crate::providers::{Account, Frame, PriceConnection, ProviderError, Reject, Subscription};
use async_trait::async_trait;
use serde_json::json;
use tapewire_runtime::Clock;

/// A subscribed websocket.
pub(super) struct Connection {
    provider: String,
    socket: Socket,
    /// Number of the last trade.
    last: u64,
    clock: Clock,
}

impl Connection {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    pub async fn open(
        account: &Account,
        config: &FinnhubConfig,
        subscription: &Subscription,
    ) -> Result<Self, ProviderError> {
        let (login, provider) = (config.login_timeout, account.name.clone());
        let unusable = |reason: String| ProviderError::Setting { provider: account.name.clone(), reason };
        let mut url = url::Url::parse(&config.stream_url)
            .map_err(|error| unusable(format!("stream_url = `{}` is not a usable url: {error}", config.stream_url)))?;
        url.query_pairs_mut().append_pair("token", account.key.expose());
        let socket = Socket::open(&provider, url.as_str(), login, config.silence_timeout).await;
        // What the client says of an address that can't be used holds the address, and with it the key.
        let mut socket = socket.map_err(|error| match error.is_about_the_address() {
            true => unusable(format!("stream_url = `{}` can't be connected to", config.stream_url)),
            false => error,
        })?;
        for symbol in &subscription.symbols {
            socket.send(&json!({"type": "subscribe", "symbol": name_of(&provider, symbol)?}), login).await?;
        }
        // Trades are not numbered. These grow from one connection to the next, too.
        let last = u64::try_from(account.clock.now().as_microsecond()).unwrap_or(0);
        Ok(Self { provider, socket, last, clock: account.clock.clone() })
    }
}

#[async_trait]
impl PriceConnection for Connection {
    fn origin(&self) -> &str {
        "websocket"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        let text = self.socket.receive().await?;
        let last = &mut self.last;
        let mut number = || {
            *last += 1;
            *last
        };
        match parse::message(&text, self.clock.now(), &mut number) {
            Ok(Message::Trades(events, rejects)) => Ok(Frame { events, rejects }),
            Ok(Message::Nothing) => Ok(Frame::default()),
            Ok(Message::Error(message)) => Err(refusal(&self.provider, message)),
            Err(reason) => Ok(Frame { events: Vec::new(), rejects: vec![Reject::new(&text, reason)] }),
        }
    }
}

/// What an error message of the stream means.
fn refusal(provider: &str, message: String) -> ProviderError {
    let provider = provider.to_owned();
    let words = message.to_ascii_lowercase();
    let has = |word: &str| words.contains(word);
    // Without them no message would come, and no reconnect changes that.
    if has("too many symbols") || has("access") || has("premium") || has("invalid") && has("key") {
        return ProviderError::NotAuthorized { provider, what: "a subscription".into(), message };
    }
    ProviderError::Closed { provider, reason: message }
}
