//! The desk itself: a server on loopback that sends what was recorded.

use super::KIND;
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use tapewire_ingest::providers::{Account, ApiKey};
use tapewire_runtime::{Clock, Shutdown};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The key that the desk knows.
pub const KEY: &str = "desk-key";

/// A key whose rate limit is reached.
pub const BUSY: &str = "busy-key";

/// The desk's server: what it sends, and whether it is up.
pub struct DeskServer {
    address: SocketAddr,
    recorded: HashMap<&'static str, Vec<Value>>,
    running: Option<(Shutdown, JoinHandle<()>)>,
}

impl DeskServer {
    /// A desk that has these headlines and prints.
    pub async fn start(headlines: Vec<Value>, prints: Vec<Value>) -> Self {
        let recorded = HashMap::from([("/headlines", headlines), ("/prints", prints)]);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address, recorded, running: None };
        server.go_on().await;
        server
    }

    /// An account with this desk, which has this key.
    pub fn account(&self, key: &str, clock: &Clock) -> Account {
        let settings = Map::from_iter([("url".to_owned(), format!("http://{}", self.address).into())]);
        Account { name: KIND.to_owned(), settings, key: ApiKey::new(key), clock: clock.clone() }
    }

    /// Starts serving; after a stop, at the same address as before.
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

/// Two items a page.
async fn answer(
    State(recorded): State<HashMap<&'static str, Vec<Value>>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match headers.get("x-desk-key").and_then(|key| key.to_str().ok()) {
        Some(KEY) => {}
        Some(BUSY) => return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "7")]).into_response(),
        _ => return (StatusCode::UNAUTHORIZED, Json(json!({"error": "who are you?"}))).into_response(),
    }
    if uri.path() == "/headlines" && !query.contains_key("since") {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "since when?"}))).into_response();
    }
    let page = query.get("page").map_or(1, |page| page.parse::<usize>().unwrap());
    let pages: Vec<&[Value]> = recorded[uri.path()].chunks(2).collect();
    let items = pages.get(page - 1).copied().unwrap_or_default();
    let more = (page < pages.len()).then(|| (page + 1).to_string());
    Json(json!({"items": items, "more": more})).into_response()
}
