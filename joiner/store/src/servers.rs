//! Several servers that have the same tables: which of them is asked, and what is asked when it can't be reached.

use crate::error::with_causes;
use hyper::Uri;
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

/// Longest wait for a connection, with its TLS, before another server is tried.
const CONNECTING: Duration = Duration::from_secs(10);

type Connector = HttpsConnector<HttpConnector>;
type BoxError = Box<dyn Error + Send + Sync>;

/// Addresses of servers, and the place of the one that is asked. Clones ask the same one.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    urls: Vec<String>,
    asked: Arc<AtomicUsize>,
}

impl Servers {
    /// `urls` has at least one.
    pub(crate) fn new(urls: Vec<String>, asked: Arc<AtomicUsize>) -> Self {
        Self { urls, asked }
    }

    pub(crate) fn place(&self) -> usize {
        self.asked.load(Ordering::Relaxed) % self.urls.len()
    }

    /// From now on asks the server at `to`, unless another than the one at `from` is asked already. Says so once.
    pub(crate) fn go_on(&self, from: usize, to: usize, reason: &str) {
        let (count, to) = (self.urls.len(), to % self.urls.len());
        let next = |asked: usize| (asked % count == from && to != from).then_some(to);
        if self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            let (from, to) = (&self.urls[from], &self.urls[to]);
            tracing::warn!(%from, %to, reason, "a ClickHouse server does not answer; nothing is lost, another one is asked");
        }
    }

    /// A connection to the server that is asked or, if it can't be reached, to the first after it that can.
    async fn connect(self, mut connector: Connector) -> Result<<Connector as Service<Uri>>::Response, BoxError> {
        let first = self.place();
        let mut reasons = Vec::new();
        for step in 0..self.urls.len() {
            let place = (first + step) % self.urls.len();
            let connecting = connector.call(self.urls[place].parse()?);
            let error = match tokio::time::timeout(CONNECTING, connecting).await {
                Ok(Ok(connection)) => {
                    self.go_on(first, place, &reasons.join("; "));
                    return Ok(connection);
                }
                Ok(Err(error)) => with_causes(&*error),
                Err(_) => format!("no connection within {} s", CONNECTING.as_secs()),
            };
            reasons.push(format!("{}: {error}", self.urls[place]));
        }
        Err(reasons.join("; ").into())
    }
}

/// Connects to one of the servers, whichever of them a request is for: their tables are the same.
#[derive(Clone)]
pub(crate) struct AnyServer {
    pub servers: Servers,
    pub connector: Connector,
}

impl Service<Uri> for AnyServer {
    type Response = <Connector as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.servers.clone().connect(self.connector.clone()))
    }
}

#[cfg(test)]
mod tests {
    use crate::ClickHouseConfig;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers each request with this text.
    fn serve(body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (mut connection, mut bytes) = (connection.unwrap(), [0; 4096]);
                let _ = connection.read(&mut bytes).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        url
    }

    /// Addresses at which nobody listens.
    const NOBODY: [&str; 2] = ["http://127.0.0.1:1", "http://127.0.0.1:2"];

    async fn answer(config: &ClickHouseConfig) -> Result<String, clickhouse::error::Error> {
        let client = config.client().with_compression(clickhouse::Compression::None);
        let bytes = client.query("SELECT 1").fetch_bytes("TSV")?.collect().await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_left_by_all_clones_and_is_not_tried_first_again() {
        let second = serve("second");
        let config =
            ClickHouseConfig { url: NOBODY[0].into(), replicas: vec![second.clone()], ..ClickHouseConfig::default() };
        let clone = config.clone();
        assert_eq!((config.place(), config.asked()), (0, config.url.as_str()));
        assert_eq!(answer(&config).await.unwrap(), "second");
        assert_eq!((clone.place(), clone.asked()), (1, second.as_str()));
        assert_eq!(answer(&clone).await.unwrap(), "second");
        assert_eq!(answer(&config.only(1)).await.unwrap(), "second");
        let error = answer(&config.only(0)).await.unwrap_err();
        assert!(config.only(0).failed(error).is_retryable(), "of one server alone it is not another that answers");
    }

    #[tokio::test]
    async fn one_that_is_silent_is_left_once_however_many_requests_it_keeps_waiting() {
        let replicas = vec![serve("second"), serve("third")];
        let config = ClickHouseConfig { url: serve("first"), replicas, ..ClickHouseConfig::default() };
        assert_eq!(answer(&config).await.unwrap(), "first");
        config.leave(0);
        config.leave(0);
        assert_eq!(answer(&config).await.unwrap(), "second");
        config.leave(1);
        config.leave(2);
        assert_eq!(answer(&config).await.unwrap(), "first");
    }

    #[tokio::test]
    async fn every_server_that_does_not_answer_is_named() {
        let [url, second] = NOBODY.map(str::to_owned);
        let config = ClickHouseConfig { url, replicas: vec![second], ..ClickHouseConfig::default() };
        let error = config.failed(answer(&config).await.unwrap_err());
        let text = error.to_string();
        assert!(error.is_retryable() && text.contains("does not answer"), "{text}");
        assert!(text.contains(&config.url) && text.contains(&config.replicas[0]), "{text}");
    }
}
