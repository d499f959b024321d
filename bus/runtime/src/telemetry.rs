//! The HTTP endpoints that show the state of a process: `/health`, `/ready`, `/metrics`.

use crate::http::{self, HttpConfig, Token};
use crate::{RuntimeError, Shutdown, metrics};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// Which roles of this process are ready, and what each of the others waits for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, RoleState>>>);

#[derive(Debug, Clone)]
enum RoleState {
    Ready,
    /// Another process works, and this one would take over.
    StandingBy,
    /// What it waits for.
    Waiting(String),
}

impl Readiness {
    /// Notes that this role is ready.
    pub fn ready(&self, role: &str) {
        self.roles().insert(role.to_owned(), RoleState::Ready);
    }

    /// Notes that another process has this role, and that this one would take over. It counts as ready.
    pub fn standing_by(&self, role: &str) {
        self.roles().insert(role.to_owned(), RoleState::StandingBy);
    }

    /// Notes that this role is not ready, and what it waits for.
    pub fn waiting(&self, role: &str, reason: impl Into<String>) {
        self.roles().insert(role.to_owned(), RoleState::Waiting(reason.into()));
    }

    /// Removes a role, because nothing waits for it any more.
    pub fn remove(&self, role: &str) {
        self.roles().remove(role);
    }

    /// Whether every role that has announced itself is ready.
    pub fn all_ready(&self) -> bool {
        let roles = self.roles();
        !roles.is_empty() && !roles.values().any(|state| matches!(state, RoleState::Waiting(_)))
    }

    fn roles(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, RoleState>> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

/// The process's metrics and its readiness.
#[derive(Clone)]
pub struct Telemetry {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

impl Telemetry {
    /// Installs the process-wide recorder of the [metrics].
    ///
    /// # Errors
    /// [`RuntimeError::Metrics`] if another recorder is installed already.
    pub fn install() -> Result<Self, RuntimeError> {
        let metrics = metrics::with_buckets(PrometheusBuilder::new())
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| RuntimeError::Metrics(error.to_string()))?;
        metrics::describe();
        Ok(Self { metrics, readiness: Readiness::default() })
    }

    /// The readiness of the process, which roles update.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// The three endpoints. Only `/metrics` needs the token, because what starts and stops processes often has none.
    pub fn router(&self, token: Option<&Token>) -> Router {
        let metrics = get(|State(telemetry): State<Self>| async move { telemetry.render() });
        http::only_with(token, Router::new().route("/metrics", metrics))
            .route("/health", get(|| async { Json(json!({"status": "alive"})) }))
            .route("/ready", get(ready))
            .with_state(self.clone())
    }

    /// Runs the recorder's upkeep until shutdown. Without it, samples of histograms would accumulate in memory.
    pub async fn run_upkeep(self, shutdown: Shutdown) {
        while shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(5))).await.is_some() {
            self.metrics.run_upkeep();
        }
    }

    /// Listens on `address`, for [`Telemetry::serve`].
    ///
    /// # Errors
    /// [`RuntimeError::Listen`].
    pub async fn listen(&self, address: &str) -> Result<TcpListener, RuntimeError> {
        let listen = |source| RuntimeError::Listen { address: address.to_owned(), source };
        TcpListener::bind(address).await.map_err(listen)
    }

    /// Serves the three endpoints until shutdown. It does not wait for connections that are still open then.
    pub async fn serve(self, listener: TcpListener, config: &HttpConfig, shutdown: Shutdown) {
        tokio::spawn(self.clone().run_upkeep(shutdown.clone()));
        let routes = self.router(config.token.as_ref());
        shutdown.run_until_cancelled(http::serve(listener, routes, config, shutdown.clone())).await;
    }
}

async fn ready(State(telemetry): State<Telemetry>) -> (StatusCode, Json<serde_json::Value>) {
    let status = if telemetry.readiness.all_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let words = |state: &RoleState| match state {
        RoleState::Ready => "ready".to_owned(),
        RoleState::StandingBy => "standing by: another process has this role".to_owned(),
        RoleState::Waiting(reason) => reason.clone(),
    };
    let roles: BTreeMap<_, _> =
        telemetry.readiness.roles().iter().map(|(role, state)| (role.clone(), words(state))).collect();
    (status, Json(json!({"ready": status == StatusCode::OK, "roles": roles})))
}
