//! Alpaca's websocket of news. It says at once that an article was published or edited; the article itself is fetched by the
//! next poll, which begins then. So the websocket makes news faster, and nothing depends on it.

use super::super::connection::refusal;
use super::super::{AlpacaConfig, ApiKey};
use crate::providers::websocket::Socket;
use crate::providers::{ProviderError, Secrets};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::{Backoff, chain};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A part of a frame, which is a list of such messages.
///
/// ```json
/// [{"T":"success","msg":"authenticated"}]
/// [{"T":"error","code":406,"msg":"connection limit exceeded"}]
/// [{"T":"subscription","news":["*"]}]
/// [{"T":"n","id":24918784,"headline":"Corsair Reports …","symbols":["CRSR"],"source":"benzinga"}]
/// ```
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "T")]
    tag: String,
    code: Option<u16>,
    msg: Option<String>,
}

/// The websocket, which is opened when it is first asked for and closed when this is dropped.
pub(super) struct Stream {
    login: Login,
    published: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

/// What is needed to connect.
#[derive(Clone)]
struct Login {
    provider: String,
    config: AlpacaConfig,
    key: [ApiKey; 2],
}

impl Stream {
    pub fn new(provider: &str, config: &AlpacaConfig, key: [ApiKey; 2]) -> Self {
        let login = Login { provider: provider.to_owned(), config: config.clone(), key };
        Self { login, published: Arc::new(Notify::new()), task: OnceLock::new() }
    }

    /// Waits until something was published since the last call. After a connection was opened it returns, too, because
    /// what was published before is not known.
    pub async fn published(&self) {
        self.task.get_or_init(|| tokio::spawn(follow(self.login.clone(), Arc::clone(&self.published))).abort_handle());
        self.published.notified().await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Keeps a websocket open, until an error that a retry can't help against.
async fn follow(login: Login, published: Arc<Notify>) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let error = match login.open().await {
            Ok(socket) => {
                backoff.reset();
                published.notify_one();
                login.read(socket, &published).await
            }
            Err(error) => error,
        };
        let (source, wait) = (&login.provider, backoff.next_wait());
        let said = Secrets::of_keys(&login.key).removed_from(&chain(&error));
        if !error.is_retryable() {
            tracing::error!(
                source,
                error = said,
                "the websocket of news is refused; news are polled only. Check the key and what your plan includes, or set \
                 news_stream of this provider to false"
            );
            return;
        }
        let wait_s = wait.as_secs_f64();
        tracing::warn!(source, error = said, wait_s, "the websocket of news is down; meanwhile news are polled only");
        tokio::time::sleep(wait).await;
    }
}

impl Login {
    async fn open(&self) -> Result<Socket, ProviderError> {
        let waited = self.config.login_timeout;
        let url = format!("{}/v1beta1/news", self.config.stream_url.trim_end_matches('/'));
        let mut socket = Socket::open(&self.provider, &url, waited, self.config.silence_timeout).await?;
        self.wait_for(&mut socket, "success", "connected").await?;
        let [id, secret] = &self.key;
        socket.send(&json!({"action": "auth", "key": id.expose(), "secret": secret.expose()}), waited).await?;
        self.wait_for(&mut socket, "success", "authenticated").await?;
        let named: Vec<&str> = self.config.news_symbols.iter().map(Symbol::as_str).collect();
        let wanted = if named.is_empty() { vec!["*"] } else { named };
        socket.send(&json!({"action": "subscribe", "news": wanted}), waited).await?;
        self.wait_for(&mut socket, "subscription", "").await?;
        Ok(socket)
    }

    /// Waits for a step of the log-in: a message with this tag, and this text if there is one.
    async fn wait_for(&self, socket: &mut Socket, tag: &'static str, text: &'static str) -> Result<(), ProviderError> {
        let waited = self.config.login_timeout;
        let is_it = |message: &Message| message.tag == tag && (text.is_empty() || message.msg.as_deref() == Some(text));
        let awaited = if text.is_empty() { tag } else { text };
        let arrives = async {
            while !self.receive(socket).await?.iter().any(is_it) {}
            Ok(())
        };
        timeout(waited, arrives).await.map_err(|_| ProviderError::LoginTimeout {
            provider: self.provider.clone(),
            awaited,
            waited,
        })?
    }

    /// Reads until the connection ends, and says why it did.
    async fn read(&self, mut socket: Socket, published: &Notify) -> ProviderError {
        loop {
            match self.receive(&mut socket).await {
                Ok(messages) if messages.iter().any(|message| message.tag == "n") => published.notify_one(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    async fn receive(&self, socket: &mut Socket) -> Result<Vec<Message>, ProviderError> {
        let text = socket.receive().await?;
        // A frame of another shape says nothing of news, and may be of a later version of the protocol.
        let messages: Vec<Message> = serde_json::from_str(&text).unwrap_or_default();
        match messages.iter().find(|message| message.tag == "error") {
            Some(Message { code, msg, .. }) => {
                let said = msg.clone().unwrap_or_else(|| "without a reason".into());
                Err(refusal(&self.provider, code.unwrap_or(0), said))
            }
            None => Ok(messages),
        }
    }
}
