//! A simulated market and news wire, which speak Massive's own REST and websocket protocols.
//!
//! Times are those of the [`Clock`] it is given, so an accelerated clock gives an accelerated market.

pub mod config;
mod headlines;
mod history;
mod listings;
pub mod market;
mod random;
pub mod reference;
mod rest;
pub mod sessions;
pub mod stories;
mod stream;
pub mod tape;
pub mod truth;
pub mod universe;

pub use config::{Faults, LAST, SimulatorConfig, check_speed};
pub use market::Market;
pub use truth::{PlantedIc, Truth};

use crate::IngestError;
use crate::providers::{ApiKey, ProvidersConfig, massive};
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::get;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rest::Refusal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tapewire_runtime::{Clock, HttpConfig, Shutdown, http};
use tokio::net::TcpListener;

/// A simulated provider. Cheap to clone.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    config: SimulatorConfig,
    clock: Clock,
    shutdown: Shutdown,
    market: Mutex<Market>,
    requests: AtomicUsize,
}

impl Simulator {
    /// A market whose first day is the clock's, with its history before it.
    pub fn new(config: SimulatorConfig, clock: Clock, shutdown: Shutdown) -> Self {
        let market = Market::new(&config, sessions::date_of(clock.now()));
        Self(Arc::new(Shared { config, clock, shutdown, market: Mutex::new(market), requests: AtomicUsize::new(0) }))
    }

    /// Takes the configured address; connections wait until [`Simulator::serve`].
    ///
    /// # Errors
    /// [`IngestError::Listen`].
    pub async fn listen(&self) -> Result<TcpListener, IngestError> {
        let address = self.0.config.listen;
        TcpListener::bind(address).await.map_err(|source| IngestError::Listen { address: address.to_string(), source })
    }

    /// Serves until shutdown.
    pub fn serve(self, listener: TcpListener) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let shutdown = self.0.shutdown.clone();
            let app = Router::new()
                .route("/v2/reference/news", get(rest::news))
                .route("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}", get(rest::aggregates))
                .route("/v2/aggs/grouped/locale/us/market/stocks/{date}", get(history::grouped))
                .route("/v2/aggs/ticker/{ticker}/prev", get(history::previous_close))
                .route("/v1/open-close/{ticker}/{date}", get(history::open_close))
                .route("/v3/trades/{ticker}", get(history::trades))
                .route("/v2/last/trade/{ticker}", get(history::last_trade))
                .route("/v2/snapshot/locale/us/markets/stocks/tickers", get(history::snapshots))
                .route("/v2/snapshot/locale/us/markets/stocks/tickers/{ticker}", get(history::snapshot))
                .route("/v2/snapshot/locale/us/markets/stocks/{direction}", get(history::movers))
                .route("/v3/reference/tickers", get(listings::tickers))
                .route("/v3/reference/tickers/types", get(listings::types))
                .route("/v3/reference/tickers/{ticker}", get(listings::ticker))
                .route("/v3/reference/exchanges", get(listings::exchanges))
                .route("/v1/marketstatus/now", get(listings::status))
                .route("/v1/marketstatus/upcoming", get(listings::holidays))
                .route("/v3/reference/splits", get(reference::splits))
                .route("/v3/reference/dividends", get(reference::dividends))
                .route("/stocks", get(stream::stocks))
                .route("/sim/truth", get(rest::truth))
                .with_state(self);
            http::serve(listener, app, &HttpConfig::default(), shutdown).await;
        })
    }

    /// What was planted in everything published so far.
    pub fn truth(&self) -> Vec<Truth> {
        self.market().truth(self.now())
    }

    /// The correlation planted over this many minutes; see [`truth`].
    pub fn planted_ic(&self, minutes: i64) -> PlantedIc {
        self.market().planted_ic(minutes)
    }

    /// The market, made up to today.
    pub fn market(&self) -> MutexGuard<'_, Market> {
        let mut market = self.0.market.lock().expect("no holder of this lock can panic");
        market.reach(sessions::date_of(self.now()));
        market
    }

    /// HTTP requests answered so far, refused ones too.
    pub fn requests(&self) -> usize {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn config(&self) -> &SimulatorConfig {
        &self.0.config
    }

    fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// Refuses a request that has the wrong key, or for which a fault is due.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let faults = self.0.config.faults;
        let due = |every: usize| every > 0 && number.is_multiple_of(every);
        let expected = format!("Bearer {}", self.0.config.api_key.expose());
        if headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(expected.as_str()) {
            Err(Refusal::Unauthorized)
        } else if due(faults.rate_limit_every) {
            Err(Refusal::RateLimited)
        } else if due(faults.error_body_every) {
            Err(Refusal::ErrorBody)
        } else {
            Ok(())
        }
    }
}

/// Name and kind of the provider whose protocol the simulator speaks.
pub const PROVIDER: &str = massive::PROVIDER.kind;

/// Points the settings of [`PROVIDER`] at a simulator that has these addresses and takes this key.
pub fn point_at(providers: &mut ProvidersConfig, rest_url: &str, websocket_url: &str, key: &ApiKey) {
    providers.set(PROVIDER, "rest_url", rest_url);
    providers.set(PROVIDER, "websocket_url", websocket_url);
    providers.entry(PROVIDER).kind = None;
    providers.entry(PROVIDER).api_key = key.clone();
}

/// Tickers of the companies in the news; the benchmark is not one of them.
pub fn symbols() -> impl Iterator<Item = &'static str> {
    universe::COMPANIES.iter().map(|company| company.symbol)
}

/// Where a simulator that listens on `address` is reached: REST root and websocket.
pub fn urls(address: SocketAddr) -> (String, String) {
    (format!("http://{address}"), format!("ws://{address}/stocks"))
}

/// Runs a simulator until shutdown.
///
/// # Errors
/// [`IngestError::Listen`].
pub async fn serve(config: SimulatorConfig, clock: Clock, shutdown: Shutdown) -> Result<(), IngestError> {
    let simulator = Simulator::new(config, clock, shutdown);
    let listener = simulator.listen().await?;
    if let Ok(address) = listener.local_addr() {
        let (rest, websocket) = urls(address);
        tracing::info!(rest, websocket, "the simulated market is open to connections");
    }
    simulator.serve(listener).await;
    Ok(())
}

#[cfg(test)]
mod tests;
