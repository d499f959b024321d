//! A server that behaves like the hub: it serves model info by revision and files with commit, entity tag and range,
//! and redirects large files to a second host.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream::{self, StreamExt as _};
use sha1::{Digest as _, Sha1};
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};

pub const COMMIT: &str = "4556d13015211d73dccd3fdd39d39232506f3e43";
const REPOSITORY: &str = "ProsusAI/finbert";

const WEIGHTS: &[u8] = b"abc";
/// SHA-256 of the weights served, as the hub announces it for large files.
pub const WEIGHTS_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

const FILES: [(&str, &[u8]); 5] = [
    ("config.json", br#"{"model_type":"bert"}"#),
    ("flax_model.msgpack", b"the same weights once more"),
    ("pytorch_model.bin", WEIGHTS),
    ("tokenizer_config.json", br#"{"do_lower_case":true}"#),
    ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n"),
];

#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// Answers only to this token.
    WantsToken(&'static str),
    /// Sends this file with other bytes than announced.
    Damaged(&'static str),
    /// Closes the connection after one byte of a large file, for every request.
    BreaksOff,
    /// Answers 503 to everything.
    Unavailable,
}

struct Shared {
    fault: Fault,
    requests: Mutex<Vec<String>>,
    /// Whether a token was sent to the second host.
    token_reached_second_host: Mutex<bool>,
    address: String,
    cdn: String,
}

pub struct FakeHub {
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeHub {
    pub fn start(fault: Fault) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Clients that compare only hosts treat another address as another host.
        let listen = |address| runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let (listener, cdn_listener) = (listen("127.0.0.1:0"), listen("127.0.0.2:0"));
        let [address, cdn] = [&listener, &cdn_listener].map(|listener| listener.local_addr().unwrap().to_string());
        let (requests, token_reached_second_host) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { fault, requests, token_reached_second_host, address, cdn });
        let routes = Router::new()
            .route("/api/models/{owner}/{name}/revision/{revision}", get(info))
            .route("/{owner}/{name}/resolve/{revision}/{file}", get(file))
            .with_state(shared.clone());
        let cdn_routes = Router::new().route("/{file}", get(large_file)).with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        runtime.spawn(async move { axum::serve(cdn_listener, cdn_routes).await });
        Self { shared, _runtime: runtime }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Whether a token was sent to the host of the large files.
    pub fn token_reached_second_host(&self) -> bool {
        *self.shared.token_reached_second_host.lock().unwrap()
    }

    /// Requests in order: `info REVISION`, the name of a file, or `cdn RANGE`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn bytes(&self, file: &str) -> &'static [u8] {
        bytes_of(file).unwrap()
    }
}

fn bytes_of(file: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == file).map(|(_, bytes)| *bytes)
}

impl Shared {
    /// Records the request; returns a response if it is refused.
    fn admit(&self, asked: String, headers: &HeaderMap) -> Option<Response> {
        self.requests.lock().unwrap().push(asked);
        let sent = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        match self.fault {
            Fault::Unavailable => Some(status(StatusCode::SERVICE_UNAVAILABLE)),
            Fault::WantsToken(token) if sent != Some(format!("Bearer {token}")) => {
                Some(status(StatusCode::UNAUTHORIZED))
            }
            _ => None,
        }
    }
}

fn status(code: StatusCode) -> Response {
    Response::builder().status(code).body(Body::empty()).unwrap()
}

async fn info(
    State(hub): State<Arc<Shared>>,
    Path((owner, name, revision)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = hub.admit(format!("info {revision}"), &headers) {
        return refusal;
    }
    if format!("{owner}/{name}") != REPOSITORY || !["main", COMMIT].contains(&revision.as_str()) {
        return status(StatusCode::NOT_FOUND);
    }
    let siblings: Vec<_> = FILES.iter().map(|(name, _)| serde_json::json!({ "rfilename": name })).collect();
    Response::new(Body::from(serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string()))
}

async fn file(
    State(hub): State<Arc<Shared>>,
    Path((_, _, revision, file)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = hub.admit(file.clone(), &headers) {
        return refusal;
    }
    let Some(bytes) = bytes_of(&file).filter(|_| revision == COMMIT) else { return status(StatusCode::NOT_FOUND) };
    if bytes == WEIGHTS {
        return Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, format!("http://{}/{file}", hub.cdn))
            .header("x-repo-commit", COMMIT)
            .header("x-linked-etag", format!("\"{WEIGHTS_SHA256}\""))
            .body(Body::empty())
            .unwrap();
    }
    let tag =
        format!("\"{:x}\"", Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize());
    ranged(sent(&hub, &file), &headers, &[("x-repo-commit", COMMIT), ("etag", &tag)])
}

async fn large_file(State(hub): State<Arc<Shared>>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let range = headers[header::RANGE].to_str().unwrap();
    hub.requests.lock().unwrap().push(format!("cdn {range}"));
    *hub.token_reached_second_host.lock().unwrap() |= headers.contains_key(header::AUTHORIZATION);
    let response = ranged(sent(&hub, &file), &headers, &[]);
    if hub.fault != Fault::BreaksOff || response.status() != StatusCode::PARTIAL_CONTENT {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    // The byte is sent before the connection breaks.
    let breaks = async {
        tokio::task::yield_now().await;
        Err(Error::from(ErrorKind::ConnectionReset))
    };
    let sent = stream::iter([Ok(bytes.slice(..1))]);
    Response::from_parts(parts, Body::from_stream(sent.chain(stream::once(Box::pin(breaks)))))
}

/// The bytes that are sent for a file.
fn sent(hub: &Shared, file: &str) -> &'static [u8] {
    let bytes = bytes_of(file).unwrap();
    if matches!(hub.fault, Fault::Damaged(damaged) if damaged == file) {
        &b"xyzxyzxyzxyzxyzxyzxyzxyz"[..bytes.len()]
    } else {
        bytes
    }
}

/// The part that a header `Range: bytes=A-` or `bytes=A-B` requests.
fn ranged(bytes: &'static [u8], headers: &HeaderMap, more: &[(&str, &str)]) -> Response {
    let range = headers.get(header::RANGE).unwrap().to_str().unwrap().trim_start_matches("bytes=").to_owned();
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    if first >= bytes.len() {
        return status(StatusCode::RANGE_NOT_SATISFIABLE);
    }
    let last = last.parse().unwrap_or(bytes.len() - 1);
    let mut response = Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", bytes.len()));
    for (name, value) in more {
        response = response.header(*name, *value);
    }
    response.body(Body::from(&bytes[first..=last])).unwrap()
}
