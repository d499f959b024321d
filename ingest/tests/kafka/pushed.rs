//! A source that says when something was published is polled at once, long before its next turn.

use crate::common::{self, Kafka};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_ingest::poller::{self, NewsConfig};
use tapewire_ingest::providers::{ApiKey, ProvidersConfig};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Alpaca's list of news, and when to say on the websocket that there is more.
#[derive(Clone, Default)]
struct Alpaca {
    listed: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<usize>>,
    say: Arc<Notify>,
}

async fn news(State(alpaca): State<Alpaca>, _: Request) -> String {
    *alpaca.requests.lock().unwrap() += 1;
    format!("{{\"news\":[{}],\"next_page_token\":null}}", alpaca.listed.lock().unwrap().join(","))
}

async fn stream(State(alpaca): State<Alpaca>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let say = async |socket: &mut WebSocket, text: &str| socket.send(Message::Text(text.into())).await.unwrap();
        say(&mut socket, r#"[{"T":"success","msg":"connected"}]"#).await;
        socket.recv().await.unwrap().unwrap();
        say(&mut socket, r#"[{"T":"success","msg":"authenticated"}]"#).await;
        socket.recv().await.unwrap().unwrap();
        say(&mut socket, r#"[{"T":"subscription","news":["*"]}]"#).await;
        alpaca.say.notified().await;
        say(&mut socket, r#"[{"T":"n","id":2,"headline":"Maker rises","symbols":["MKR"]}]"#).await;
        std::future::pending::<()>().await;
    })
}

async fn until(what: &str, done: impl AsyncFnMut() -> bool) {
    tokio::time::timeout(Duration::from_secs(60), common::until(done)).await.expect(what);
}

fn item(id: u32) -> String {
    let at = Clock::wall().now();
    format!(
        "{{\"id\":{id},\"headline\":\"Story {id}\",\"created_at\":\"{at}\",\"updated_at\":\"{at}\",\"symbols\":[\"MKR\"]}}"
    )
}

#[tokio::test]
async fn news_are_polled_when_the_websocket_says_that_there_are_some() {
    let kafka = Kafka::start("pushed").await;
    let alpaca = Alpaca::default();
    alpaca.listed.lock().unwrap().push(item(1));
    let app = Router::new()
        .route("/v1beta1/news", get(news))
        .route("/stream/v1beta1/news", get(stream))
        .with_state(alpaca.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    let mut providers = ProvidersConfig::default();
    providers.set("alpaca", "rest_url", format!("http://{address}"));
    providers.set("alpaca", "stream_url", format!("ws://{address}/stream"));
    providers.entry("alpaca").api_key = ApiKey::new("PK1:s3cret");
    let config =
        NewsConfig { sources: vec!["alpaca".into()], every: Duration::from_secs(24 * 3600), ..NewsConfig::default() };
    let (state, shutdown) = (tempfile::tempdir().unwrap(), Shutdown::new());
    let (folder, producer, stop) = (state.path().to_owned(), kafka.producer.clone(), shutdown.clone());
    let polling = tokio::spawn(async move {
        poller::run(&config, &providers, &folder, producer, Clock::wall(), Readiness::default(), stop).await
    });

    // The poll at the start, and one for what was published until the websocket was open.
    until("it is polled twice", async || *alpaca.requests.lock().unwrap() == 2).await;
    assert_eq!(kafka.articles().await.len(), 1);
    alpaca.listed.lock().unwrap().push(item(2));
    alpaca.say.notify_one();
    until("the second article is sent", async || kafka.articles().await.len() == 2).await;
    assert_eq!(*alpaca.requests.lock().unwrap(), 3, "nothing else makes it poll");
    shutdown.cancel();
    polling.await.unwrap().unwrap();
    kafka.clean().await;
}
