//! A websocket of a provider: opens in time, sends in time, and notices when nothing comes any more.

use super::ProviderError;
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An open websocket.
pub struct Socket {
    provider: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    silence_timeout: Duration,
    counts_pongs: bool,
}

impl Socket {
    /// Connects within `login_timeout`. A connection on which nothing comes, not even the answer to our pings, is given up
    /// after `silence_timeout`, or a third later.
    ///
    /// # Errors
    /// Any [`ProviderError`] of the websocket.
    pub async fn open(
        provider: &str,
        url: &str,
        login_timeout: Duration,
        silence_timeout: Duration,
    ) -> Result<Self, ProviderError> {
        let connected = timeout(login_timeout, connect_async(url)).await;
        let (socket, _) = connected
            .map_err(|_| ProviderError::LoginTimeout {
                provider: provider.to_owned(),
                awaited: "101 switching protocols",
                waited: login_timeout,
            })?
            .map_err(|error| ProviderError::websocket(provider, error))?;
        Ok(Self { provider: provider.to_owned(), socket, silence_timeout, counts_pongs: true })
    }

    /// As [`Socket::open`], of a provider that needs no key: what it refuses, no key can change.
    ///
    /// # Errors
    /// [`ProviderError::Refused`], [`ProviderError::RateLimited`], and those of [`Socket::open`].
    pub async fn open_without_key(
        provider: &str,
        url: &str,
        login_timeout: Duration,
        silence_timeout: Duration,
    ) -> Result<Self, ProviderError> {
        let opened = Self::open(provider, url, login_timeout, silence_timeout).await;
        let (provider, what) = (provider.to_owned(), "the websocket".to_owned());
        opened.map_err(|error| match error {
            ProviderError::NotAuthorized { message, .. } => ProviderError::Refused { provider, what, message },
            ProviderError::Websocket { source, provider } => match &*source {
                tungstenite::Error::Http(answer) if answer.status().as_u16() == 451 => {
                    ProviderError::Refused { provider, what, message: format!("HTTP {}", answer.status()) }
                }
                _ => ProviderError::Websocket { source, provider },
            },
            other => other,
        })
    }

    /// Only messages are signs of life, because this provider sends some every second; no ping is sent.
    pub fn expecting_messages(self) -> Self {
        Self { counts_pongs: false, ..self }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`ProviderError::Silent`] after `within`; any [`ProviderError`] of the websocket.
    pub async fn send(&mut self, message: &serde_json::Value, within: Duration) -> Result<(), ProviderError> {
        self.send_raw(Message::text(message.to_string()), within).await
    }

    async fn send_raw(&mut self, message: Message, within: Duration) -> Result<(), ProviderError> {
        timeout(within, self.socket.send(message))
            .await
            .map_err(|_| self.silent(within))?
            .map_err(|error| ProviderError::websocket(&self.provider, error))
    }

    fn silent(&self, after: Duration) -> ProviderError {
        ProviderError::Silent { provider: self.provider.clone(), after }
    }

    fn closed(&self, reason: String) -> ProviderError {
        ProviderError::Closed { provider: self.provider.clone(), reason }
    }

    /// The next message. Outside trading hours nothing comes for hours, so a ping is sent on a quiet connection. If not
    /// even the ping is answered, it ends with an error after `silence_timeout`, or a third later.
    ///
    /// # Errors
    /// Any [`ProviderError`] of the websocket: the connection is over then.
    pub async fn receive(&mut self) -> Result<String, ProviderError> {
        let quiet = self.silence_timeout / 3;
        let mut heard = Instant::now();
        loop {
            let is_silent = heard.elapsed() >= self.silence_timeout;
            let message = match timeout(quiet, self.socket.next()).await {
                Ok(Some(message)) => message.map_err(|error| ProviderError::websocket(&self.provider, error))?,
                Ok(None) => return Err(self.closed("without a reason".into())),
                Err(_) if is_silent => return Err(self.silent(self.silence_timeout)),
                Err(_) => {
                    if self.counts_pongs {
                        self.send_raw(Message::Ping(Bytes::new()), quiet).await?;
                    }
                    continue;
                }
            };
            match message {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Binary(bytes) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Message::Close(frame) => {
                    return Err(self.closed(frame.map_or_else(|| "without a reason".into(), |f| f.to_string())));
                }
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) if self.counts_pongs => heard = Instant::now(),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) if is_silent => {
                    return Err(self.silent(self.silence_timeout));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}
