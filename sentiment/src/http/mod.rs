//! The engine over HTTP: `POST /predict` is the API of text-embeddings-inference, `POST /v1/score` scores texts for
//! companies, `GET /info` describes the model.
//!
//! `/openapi.json` describes all routes. `/health`, `/ready` and `/metrics` are the same as in every other role.

pub mod config;
pub mod error;
pub mod info;
pub mod predict;
pub mod score;

pub use config::ServeConfig;

use crate::companies::Companies;
use crate::{Queue, Request, SentimentError, TextScore};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request as HttpRequest};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use error::{ApiError, ErrorType};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_core::text::readable;
use tapewire_runtime::http::{HttpConfig, Token, only_with, serve as accept};
use tapewire_runtime::{Shutdown, Telemetry};
use tokio::net::TcpListener;

/// The description of the routes, in OpenAPI's format.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Name of the role, for readiness.
const STAGE: &str = "serve";

/// State shared by the routes.
#[derive(Clone)]
pub struct Api {
    queue: Queue,
    companies: Arc<Companies>,
    max_batch: usize,
    max_body_bytes: usize,
    read_timeout: Duration,
}

impl Api {
    /// An API that scores through `queue`.
    pub fn new(queue: Queue, companies: Companies, config: &ServeConfig, http: &HttpConfig) -> Self {
        let ServeConfig { max_batch, max_body_bytes, .. } = *config;
        let (companies, read_timeout) = (Arc::new(companies), http.read_timeout);
        Self { queue, companies, max_batch: max_batch.get(), max_body_bytes, read_timeout }
    }

    fn router(self, telemetry: &Telemetry, token: Option<&Token>) -> Router {
        let limit = DefaultBodyLimit::max(self.max_body_bytes);
        let routes = Router::new()
            .route("/predict", post(predict::predict))
            .route("/v1/score", post(score::score))
            .route("/info", get(info::info))
            .route("/openapi.json", get(|| async { ([(CONTENT_TYPE, "application/json")], OPENAPI) }));
        only_with(token, routes)
            .route_layer(middleware::from_fn(measure))
            .layer(limit)
            .with_state(self)
            .merge(telemetry.router(token))
            .method_not_allowed_fallback(wrong_method)
            .fallback(no_route)
    }

    fn check_batch(&self, texts: usize) -> Result<(), ApiError> {
        if texts <= self.max_batch {
            return Ok(());
        }
        let problem = format!("batch size {texts} > maximum allowed batch size {}", self.max_batch);
        Err(ApiError::new(ErrorType::Validation, problem))
    }

    /// All scores of a request, or the first error. `place` names a text of the request in the error.
    async fn score(&self, requests: Vec<Request>, place: impl Fn(usize) -> String) -> Result<Vec<TextScore>, ApiError> {
        self.check_batch(requests.len())?;
        let (tokens, capacity) = (requests.iter().map(Request::tokens).sum::<usize>(), self.queue.capacity());
        if tokens > capacity {
            let problem = format!(
                "the request has about {tokens} tokens, counting each text once for each company; at most {capacity} \
                 are allowed (sentiment.queue.capacity_tokens): split the request"
            );
            return Err(ApiError::new(ErrorType::Validation, problem));
        }
        let scores = self.queue.try_submit_all(requests).await?.into_iter().enumerate();
        scores.map(|(at, score)| score.map_err(|error| ApiError::of_text(&place(at), &error))).collect()
    }
}

/// Listens on an address.
///
/// # Errors
/// [`SentimentError::Listen`].
pub async fn listen(address: &str) -> Result<TcpListener, SentimentError> {
    let failed = |source| SentimentError::Listen { address: address.to_owned(), source };
    TcpListener::bind(address).await.map_err(failed)
}

/// Serves until shutdown. Then it accepts no more connections, answers pending requests for at most `longest_drain`,
/// and returns.
///
/// # Errors
/// [`SentimentError::Listen`] if the listener has no address.
pub fn serve<'a>(
    listener: TcpListener,
    api: Api,
    telemetry: Telemetry,
    config: &'a ServeConfig,
    http: &'a HttpConfig,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), SentimentError>> {
    Box::pin(async move {
        let failed = |source| SentimentError::Listen { address: config.listen.clone(), source };
        let (address, engine) = (listener.local_addr().map_err(failed)?, api.queue.engine());
        tracing::info!(%address, model = engine.name(), engine = engine.runs_in(), "serving");
        tokio::spawn(telemetry.clone().run_upkeep(shutdown.clone()));
        let readiness = telemetry.readiness();
        readiness.ready(STAGE);
        let router = api.router(&telemetry, http.token.as_ref());
        let serving = accept(listener, router, http, shutdown.clone());
        let overdue = async {
            shutdown.cancelled().await;
            readiness.waiting(STAGE, "stopping");
            tokio::time::sleep(config.longest_drain).await;
        };
        tokio::select! {
            () = serving => {}
            () = overdue => {
                tracing::error!(
                    after_s = config.longest_drain.as_secs_f64(),
                    "stopped before all requests were answered; a larger serve.longest_drain gives them more time"
                );
            }
        }
        Ok(())
    })
}

async fn measure(path: MatchedPath, request: HttpRequest, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let (route, status) = (path.as_str().to_owned(), response.status().as_str().to_owned());
    metrics::counter!("tapewire_http_requests_total", "route" => route.clone(), "status" => status).increment(1);
    metrics::histogram!("tapewire_http_seconds", "route" => route).record(started.elapsed().as_secs_f64());
    response
}

async fn no_route(uri: Uri) -> ApiError {
    ApiError::invalid(
        StatusCode::NOT_FOUND,
        format!("there is no route {}; /openapi.json lists all routes", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let problem = format!("{} does not support {method}; /openapi.json lists the methods", uri.path());
    ApiError::invalid(StatusCode::METHOD_NOT_ALLOWED, problem)
}

/// The text as a reader sees it; refuses one in which a reader sees nothing.
fn text(place: &str, text: &str) -> Result<String, ApiError> {
    let text = readable(text);
    if text.trim().is_empty() {
        return Err(ApiError::new(ErrorType::Empty, format!("{place}: the text is empty")));
    }
    Ok(text.into_owned())
}

/// Refuses an empty name or ticker.
fn company(place: &str, word: String) -> Result<String, ApiError> {
    if word.trim().is_empty() {
        return Err(ApiError::new(ErrorType::Empty, format!("{place}: the company is empty")));
    }
    Ok(word)
}
