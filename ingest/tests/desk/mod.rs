//! A second provider, as small as one can be: "the desk". Its messages are made up and recorded here; a server on
//! loopback sends them. What it needs of the crate is what any provider needs: the traits and the shared HTTP client.

use async_trait::async_trait;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tapewire_core::{Article, Bar, Symbol};
use tapewire_ingest::providers::http::{Credentials, HttpClient};
use tapewire_ingest::providers::{
    ApiKey, Cursor, Frame, MarketEvent, NewsRequest, NewsSource, Page, PriceConnection, PriceSource, ProviderError,
    Reject, Subscription,
};
use tapewire_runtime::{Clock, Shutdown};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Its configured name.
pub const NAME: &str = "desk";

const KEY: &str = "desk-key";

// ---- what the desk is to tapewire -----------------------------------------------------------------------------------

/// `{"ref":"a1","ts":1749049200,"head":"Maker lifts its outlook","companies":["MKR"]}`
#[derive(Deserialize)]
struct Headline {
    r#ref: String,
    ts: i64,
    head: String,
    companies: Vec<String>,
}

/// `{"items":[…],"more":"2"}`
#[derive(Deserialize)]
struct Answer {
    items: Vec<Value>,
    more: Option<String>,
}

/// `{"s":"MKR","m":1749049200,"p":[10.0,10.2,9.9,10.1],"n":300.0}`
#[derive(Deserialize)]
struct Print {
    s: String,
    m: i64,
    p: [f64; 4],
    n: f64,
}

/// The desk as a source of news and of prices.
#[derive(Clone)]
pub struct Desk {
    http: HttpClient,
}

impl Desk {
    pub fn new(address: SocketAddr, clock: &Clock) -> Self {
        let (base, credentials) = (format!("http://{address}"), Credentials::Header("x-desk-key", ApiKey::new(KEY)));
        let timeout = Duration::from_secs(5);
        Self { http: HttpClient::new(NAME, ("url", &base), timeout, credentials, clock.clone()).unwrap() }
    }

    async fn ask(&self, path: &str, cursor: Option<&Cursor>) -> Result<Answer, ProviderError> {
        let mut url = self.http.url(&[path]);
        if let Some(Cursor(page)) = cursor {
            url.query_pairs_mut().append_pair("page", page);
        }
        let body = self.http.get(&url).await?;
        serde_json::from_slice(&body).map_err(|error| ProviderError::Unreadable {
            provider: NAME.into(),
            path: path.into(),
            reason: error.to_string(),
        })
    }
}

/// Reads each item by itself, so that one that can't be read costs nothing but itself.
fn page<T>(path: &str, answer: Answer, read: impl Fn(&Value) -> Result<T, String>) -> Page<T> {
    let mut page = Page { items: vec![], rejects: vec![], origin: path.into(), next: answer.more.map(Cursor) };
    for item in answer.items {
        match read(&item) {
            Ok(item) => page.items.push(item),
            Err(reason) => page.rejects.push(Reject::new(&item.to_string(), reason)),
        }
    }
    page
}

fn headline(item: &Value, received_at: Timestamp) -> Result<Article, String> {
    let item: Headline = serde_json::from_value(item.clone()).map_err(|error| error.to_string())?;
    let symbols: Result<Vec<_>, _> = item.companies.iter().map(|ticker| Symbol::new(ticker)).collect();
    let symbols = symbols.map_err(|error| error.to_string())?;
    Ok(Article {
        id: item.r#ref,
        revision: Article::fingerprint(&item.head, "", &symbols),
        provider: NAME.into(),
        publisher: "The Desk".into(),
        author: String::new(),
        title: item.head,
        description: String::new(),
        url: String::new(),
        symbols,
        keywords: vec![],
        published_at: Timestamp::from_second(item.ts).map_err(|error| error.to_string())?,
        received_at,
    })
}

fn bar(item: &Value, received_at: Timestamp) -> Result<Bar, String> {
    let item: Print = serde_json::from_value(item.clone()).map_err(|error| error.to_string())?;
    let [open, high, low, close] = item.p;
    Ok(Bar {
        symbol: Symbol::new(&item.s).map_err(|error| error.to_string())?,
        start: Timestamp::from_second(item.m).map_err(|error| error.to_string())?,
        width_s: 60,
        open,
        high,
        low,
        close,
        volume: item.n,
        vwap: None,
        trades: None,
        received_at,
    })
}

#[async_trait]
impl NewsSource for Desk {
    fn name(&self) -> &str {
        NAME
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let cursor = if let NewsRequest::Next(cursor) = request { Some(cursor) } else { None };
        let answer = self.ask("headlines", cursor).await?;
        let now = self.http.clock().now();
        Ok(page("/headlines", answer, |item| headline(item, now)))
    }
}

#[async_trait]
impl PriceSource for Desk {
    fn name(&self) -> &str {
        NAME
    }

    fn check(&self, _: &Subscription) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn connect(&self, _: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        self.ask("prints", None).await?;
        Ok(Box::new(Polling { desk: self.clone(), seen: 0 }))
    }

    async fn bars_page(
        &self,
        symbol: &Symbol,
        _: Timestamp,
        _: Timestamp,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Bar>, ProviderError> {
        let answer = self.ask("prints", cursor).await?;
        let now = self.http.clock().now();
        let mut page = page("/prints", answer, |item| bar(item, now));
        page.items.retain(|bar| bar.symbol == *symbol);
        Ok(page)
    }
}

/// A connection that asks again and again: the desk has no websocket.
struct Polling {
    desk: Desk,
    seen: usize,
}

#[async_trait]
impl PriceConnection for Polling {
    fn origin(&self) -> &str {
        "polling"
    }

    async fn next(&mut self) -> Result<Frame, ProviderError> {
        loop {
            let answer = self.desk.ask("prints", None).await?;
            let now = self.desk.http.clock().now();
            let new: Vec<Value> = answer.items.into_iter().skip(self.seen).collect();
            self.seen += new.len();
            let page = page("/prints", Answer { items: new, more: None }, |item| bar(item, now));
            let events = page.items.into_iter().map(MarketEvent::Bar).collect();
            let frame = Frame { events, rejects: page.rejects };
            if !frame.is_empty() {
                return Ok(frame);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

// ---- the desk itself ------------------------------------------------------------------------------------------------

/// The desk's server: what it has to say, and whether it is up.
pub struct DeskServer {
    pub address: SocketAddr,
    recorded: HashMap<&'static str, Vec<Value>>,
    running: Option<(Shutdown, JoinHandle<()>)>,
}

impl DeskServer {
    /// A desk that has these headlines, on two pages, and prints.
    pub async fn start(headlines: Vec<Value>, prints: Vec<Value>) -> Self {
        let recorded = HashMap::from([("/headlines", headlines), ("/prints", prints)]);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address, recorded, running: None };
        server.go_on().await;
        server
    }

    /// Serves, after a stop at the same address again.
    pub async fn go_on(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let app = Router::new()
            .route("/headlines", get(answer))
            .route("/prints", get(answer))
            .with_state(self.recorded.clone());
        let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        self.running = Some((shutdown, task));
    }

    /// Closes its connections and takes no new ones.
    pub async fn stop(&mut self) {
        let (shutdown, task) = self.running.take().unwrap();
        shutdown.cancel();
        task.await.unwrap();
    }
}

/// Two items a page; the second page is the last.
async fn answer(
    State(recorded): State<HashMap<&'static str, Vec<Value>>>,
    Query(query): Query<HashMap<String, String>>,
    headers: axum::http::HeaderMap,
    uri: axum::http::Uri,
) -> (axum::http::StatusCode, Json<Value>) {
    if headers.get("x-desk-key").and_then(|key| key.to_str().ok()) != Some(KEY) {
        return (axum::http::StatusCode::UNAUTHORIZED, Json(json!({"error": "who are you?"})));
    }
    let items = &recorded[uri.path()];
    let answer = match query.get("page") {
        None if items.len() > 2 => json!({"items": items[..2], "more": "2"}),
        None => json!({"items": items, "more": null}),
        Some(_) => json!({"items": items[2..], "more": null}),
    };
    (axum::http::StatusCode::OK, Json(answer))
}
