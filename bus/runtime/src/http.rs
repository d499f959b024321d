//! The HTTP servers of tapewire: limits on what a client may occupy, and the token that requests need.

use crate::Shutdown;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// The HTTP servers of `tapewire run` and `tapewire serve`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// File that holds a token and nothing else. Requests then need the header `Authorization: Bearer TOKEN`, except
    /// those for `/health` and `/ready`. Without it anyone who reaches the address may ask.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/http_token")]
    pub token_file: Option<PathBuf>,
    /// How long a client may take to send the headers of a request, and how long to send its body. A connection
    /// without a request is closed after this time.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub read_timeout: Duration,
    /// Largest number of open connections. Further clients wait until one of them is closed.
    pub max_connections: NonZeroUsize,
    /// The token, read by the caller from its variable or from `token_file`.
    #[serde(skip)]
    pub token: Option<Token>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            token_file: None,
            read_timeout: Duration::from_secs(30),
            max_connections: NonZeroUsize::new(512).expect("512 is not zero"),
            token: None,
        }
    }
}

/// A token that requests have to carry. Only its digest is kept: it can't be printed, and how long a comparison takes
/// says nothing about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that this text is.
    pub fn new(text: &str) -> Self {
        Self::of(text.as_bytes())
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Whether the request has the header `Authorization: Bearer TOKEN`. The scheme's letter case does not count
    /// (RFC 9110, section 11.1).
    fn is_in(&self, request: &Request) -> bool {
        let header = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
        let given = header.and_then(|value| value.split_at_checked("Bearer ".len()));
        given.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case(b"Bearer ") && Self::of(token) == *self)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The routes so far, with a refusal (401) of every request without the token. Routes that are added later are open.
pub fn only_with<S: Clone + Send + Sync + 'static>(token: Option<&Token>, routes: Router<S>) -> Router<S> {
    match token {
        Some(token) => routes.route_layer(middleware::from_fn_with_state(token.clone(), check)),
        None => routes,
    }
}

async fn check(State(token): State<Token>, request: Request, next: Next) -> Response {
    if token.is_in(&request) {
        return next.run(request).await;
    }
    let problem = concat!(
        r#"{"error":"this needs the header `Authorization: Bearer TOKEN`, with the token of the server's setting"#,
        r#" http.token_file","error_type":"Unauthorized"}"#
    );
    let headers = [(WWW_AUTHENTICATE, "Bearer"), (axum::http::header::CONTENT_TYPE, "application/json")];
    (StatusCode::UNAUTHORIZED, headers, problem).into_response()
}

/// Serves `routes` until shutdown. Then it accepts no more connections, answers the requests that it has begun to read,
/// and returns.
pub async fn serve(listener: TcpListener, routes: Router, config: &HttpConfig, shutdown: Shutdown) {
    let free = Arc::new(Semaphore::new(config.max_connections.get()));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(config.read_timeout);
    let open = TaskTracker::new();
    while let Some((stream, permit)) = shutdown.run_until_cancelled(accept(&listener, &free)).await {
        let service = TowerToHyperService::new(routes.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let shutdown = shutdown.clone();
        open.spawn(async move {
            let mut connection = pin!(connection);
            if shutdown.run_until_cancelled(connection.as_mut()).await.is_none() {
                connection.as_mut().graceful_shutdown();
                // An error here or before is the client's: it went away, was too slow, or speaks something else.
                let _ = connection.await;
            }
            drop(permit);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// The next connection, once one may be opened.
async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = Arc::clone(free).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // Either this client has gone, or the process has no file left for it; neither ends the server.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; the next attempt is in a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    async fn start(config: HttpConfig, shutdown: &Shutdown) -> (SocketAddr, JoinHandle<()>) {
        let secret = Router::new().route("/secret", get(|| async { "told" })).route("/late", get(late));
        let routes = only_with(config.token.as_ref(), secret).route("/open", post(|| async { "open" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = shutdown.clone();
        (address, tokio::spawn(async move { serve(listener, routes, &config, shutdown).await }))
    }

    async fn late() -> &'static str {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "late"
    }

    async fn send(address: SocketAddr, bytes: &str) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(bytes.as_bytes()).await.unwrap();
        connection
    }

    async fn rest(mut connection: TcpStream) -> String {
        let mut answer = String::new();
        let read = connection.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("the server closes the connection").unwrap();
        answer
    }

    async fn ask(address: SocketAddr, request: &str, authorization: &str) -> String {
        let headers = format!("host: test\r\nconnection: close\r\n{authorization}content-length: 0");
        rest(send(address, &format!("{request} HTTP/1.1\r\n{headers}\r\n\r\n")).await).await
    }

    #[tokio::test]
    async fn a_request_needs_the_token_and_nothing_but_the_token() {
        let config = HttpConfig { token: Some(Token::new("s3cret")), ..HttpConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
        let (address, _running) = start(config, &Shutdown::new()).await;
        for header in [
            "",
            "authorization: Bearer\r\n",
            "authorization: Bearer \r\n",
            "authorization: Bearer s3cre\r\n",
            "authorization: Bearer s3cret2\r\n",
            "authorization: Basic s3cret\r\n",
            "authorization: s3cret\r\n",
            "authorization: \u{e4}\u{e4}\u{e4}\u{e4} s3cret\r\n",
        ] {
            let answer = ask(address, "GET /secret", header).await;
            assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("www-authenticate: Bearer"), "{answer}");
            assert!(!answer.contains("told"), "{answer}");
        }
        for header in ["authorization: Bearer s3cret\r\n", "Authorization: bearer s3cret\r\n"] {
            let answer = ask(address, "GET /secret", header).await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("told"), "{answer}");
        }
        assert!(ask(address, "POST /open", "").await.starts_with("HTTP/1.1 200"));
        let (address, _running) = start(HttpConfig::default(), &Shutdown::new()).await;
        assert!(ask(address, "GET /secret", "").await.starts_with("HTTP/1.1 200"), "no token is set");
    }

    #[tokio::test]
    async fn slow_clients_are_cut_off_and_do_not_keep_others_out() {
        let read_timeout = Duration::from_millis(500);
        let max_connections = NonZeroUsize::new(2).unwrap();
        let config = HttpConfig { read_timeout, max_connections, ..HttpConfig::default() };
        let (address, _running) = start(config, &Shutdown::new()).await;
        let mut slow = Vec::new();
        for _ in 0..4 {
            slow.push(send(address, "GET /secret HTTP/1.1\r\nhost: te").await);
        }
        let answer = ask(address, "GET /secret", "").await;
        assert!(answer.ends_with("told"), "{answer}");
        for connection in slow {
            assert!(!rest(connection).await.contains("told"));
        }
    }

    #[tokio::test]
    async fn a_client_beyond_the_limit_waits_until_a_connection_is_closed() {
        let max_connections = NonZeroUsize::new(1).unwrap();
        let (address, _running) =
            start(HttpConfig { max_connections, ..HttpConfig::default() }, &Shutdown::new()).await;
        let open = send(address, "GET /secret HTTP/1.1\r\nhost: te").await;
        let mut waiting = tokio::spawn(async move { ask(address, "GET /secret", "").await });
        assert!(tokio::time::timeout(Duration::from_millis(500), &mut waiting).await.is_err(), "it has to wait");
        drop(open);
        assert!(waiting.await.unwrap().ends_with("told"));
    }

    #[tokio::test]
    async fn at_shutdown_a_request_is_answered_and_a_new_connection_is_refused() {
        let shutdown = Shutdown::new();
        let (address, running) = start(HttpConfig::default(), &shutdown).await;
        let _idle = send(address, "").await;
        let pending = send(address, "GET /late HTTP/1.1\r\nhost: test\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.cancel();
        assert!(rest(pending).await.ends_with("late"));
        tokio::time::timeout(Duration::from_secs(10), running).await.expect("the server ends").unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
