//! What every process needs, whichever stage it runs: the clock, shutdown, waits between retries, and the pages that say
//! how it is doing.
//!
//! It knows no stage, no Kafka and no ClickHouse.

pub mod backoff;
pub mod clock;
pub mod error;
pub mod telemetry;

pub use backoff::Backoff;
pub use clock::Clock;
pub use error::{RuntimeError, chain};
pub use telemetry::{Readiness, Telemetry};

/// Tells every task of a process to stop taking new work, finish what it holds and return.
pub type Shutdown = tokio_util::sync::CancellationToken;
