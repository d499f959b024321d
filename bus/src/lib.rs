//! The bus between the stages: Kafka with the few promises tapewire needs from it,
//! the clock everyone shares, metrics and health.
//!
//! | module | holds |
//! |---|---|
//! | [`backoff`] | [`Backoff`]: how long to wait before a retry |
//! | [`clock`] | [`Clock`]: the one place that asks the time |
//! | [`config`] | [`KafkaConfig`]: brokers, TLS, SASL |
//! | [`topic`] | the topics, and [`Topics`]: their names and creation |
//! | [`partitioner`] | which partition a key leads to (Java's default) |
//! | [`producer`] | [`Producer`]: a send resolves when the broker has it |
//! | [`consumer`] | [`Consumer`]: commits only what it is told to, starts where the caller says |
//! | [`lag`] | how far a group is behind |
//! | [`dead_letter`] | [`DeadLetters`]: where unreadable input goes |
//! | [`telemetry`] | `/health`, `/ready`, `/metrics` |

pub mod backoff;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod dead_letter;
pub mod error;
pub mod lag;
pub mod partitioner;
pub mod producer;
pub mod telemetry;
pub mod topic;

pub use backoff::Backoff;
pub use clock::Clock;
pub use config::KafkaConfig;
pub use consumer::{Commit, Consumer, Event, Received, StartAt};
pub use dead_letter::DeadLetters;
pub use error::{BusError, chain};
pub use producer::{Delivery, Producer};
pub use telemetry::{Readiness, Telemetry};
pub use topic::{Topic, Topics};

/// Tells every task of a process to stop taking new work, finish what it holds and return.
pub type Shutdown = tokio_util::sync::CancellationToken;
