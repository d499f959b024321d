//! A provider's HTTP interface on loopback, which answers what a test has put down.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answered {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    is_cut: bool,
}

impl Answered {
    pub fn status(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), is_cut: false }
    }

    pub fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Half a body, then the connection breaks.
    pub fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        if !self.is_cut {
            return response.body(Body::from(self.body)).unwrap();
        }
        let half = Ok(self.body[..self.body.len() / 2].to_owned());
        let broken = Err(std::io::Error::other("the cable is cut"));
        response.body(Body::from_stream(futures_util::stream::iter([half, broken]))).unwrap()
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub query: String,
    pub user_agent: String,
    pub if_none_match: String,
    pub if_modified_since: String,
    /// Of headers that hold the parts of a key.
    pub keys: Vec<String>,
    headers: axum::http::HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Shared {
    answers: HashMap<String, VecDeque<Answered>>,
    requests: Vec<Asked>,
}

/// The server. The answers of a path are sent in order, the last one again and again.
pub struct Server {
    url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    pub async fn start(answers: &[(&str, Answered)]) -> Self {
        let mut shared = Shared::default();
        for (path, answer) in answers {
            shared.answers.entry((*path).to_owned()).or_default().push_back(answer.clone());
        }
        let shared = Arc::new(Mutex::new(shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, shared }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn requests(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().requests.clone()
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let asked = Asked {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        user_agent: header("user-agent"),
        if_none_match: header("if-none-match"),
        if_modified_since: header("if-modified-since"),
        keys: ["apca-api-key-id", "apca-api-secret-key"].map(header).to_vec(),
        headers: request.headers().clone(),
    };
    let mut shared = shared.lock().unwrap();
    let answers = shared.answers.get_mut(&asked.path);
    let answer =
        answers.and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() });
    shared.requests.push(asked);
    answer.unwrap_or_else(|| Answered::status(404, "not recorded")).into_response()
}

/// A file of the folder that `TAPEWIRE_FIXTURES` names.
pub fn fixture(path: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("TAPEWIRE_FIXTURES") else {
        println!("skipped: {path}: TAPEWIRE_FIXTURES is not set");
        return None;
    };
    Some(std::fs::read(std::path::Path::new(&folder).join(path)).unwrap())
}

/// What a scripted websocket does next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Waits for a message.
    Hear,
    /// Sends a text.
    Say(String),
    /// Closes the connection.
    Close,
    /// Does not even answer pings any more.
    Deafen,
}

/// A websocket on loopback: each connection follows the next script, and stays open and quiet at its end.
pub struct Stream {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Stream {
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let state = (Arc::new(Mutex::new(VecDeque::from(scripts))), Arc::clone(&heard));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(upgrade).with_state(state);
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, heard }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What all connections have sent.
    pub fn received(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

type Scripts = Arc<Mutex<VecDeque<Vec<Step>>>>;

async fn upgrade(
    State((scripts, heard)): State<(Scripts, Arc<Mutex<Vec<String>>>)>,
    upgrade: axum::extract::ws::WebSocketUpgrade,
) -> Response {
    use axum::extract::ws::Message;
    let script = scripts.lock().unwrap().pop_front().unwrap_or_default();
    upgrade.on_upgrade(async move |mut socket| {
        for step in script {
            match step {
                Step::Hear => {
                    let Some(Ok(Message::Text(text))) = socket.recv().await else { return };
                    heard.lock().unwrap().push(text.as_str().to_owned());
                }
                Step::Say(text) => socket.send(Message::Text(text.into())).await.unwrap(),
                Step::Close => return,
                Step::Deafen => return std::future::pending().await,
            }
        }
        // Pings are answered while it is read.
        while let Some(Ok(_)) = socket.recv().await {}
        std::future::pending().await
    })
}
