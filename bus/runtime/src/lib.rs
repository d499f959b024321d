//! What every process needs, whichever stage it runs: the clock, shutdown, waits between retries, HTTP servers, the
//! endpoints for health and metrics, traces, and the certificates of private authorities.
//!
//! This crate knows nothing of stages, Kafka or ClickHouse.

pub mod authorities;
pub mod backoff;
pub mod clock;
pub mod error;
pub mod http;
pub mod metrics;
pub mod telemetry;
pub mod traces;

pub use authorities::CaCertificates;
pub use backoff::Backoff;
pub use clock::Clock;
pub use error::{RuntimeError, chain};
pub use http::HttpConfig;
pub use telemetry::{Readiness, Telemetry};
pub use traces::{Traces, TracesConfig};

/// Tells every task of a process to stop taking new work, finish what it holds and return.
pub type Shutdown = tokio_util::sync::CancellationToken;
