//! What can go wrong in this crate.

use crate::providers::massive::MassiveError;
use std::path::PathBuf;
use tapewire_bus::BusError;

/// An error of ingest. Messages name the place and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The provider, or the way to it.
    #[error(transparent)]
    Massive(#[from] MassiveError),
    /// Kafka.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A setting can't be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The note on how far we had come can't be read or written.
    #[error("state file {}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An input file can't be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An input file has not the shape we read.
    #[error("{}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The simulator can't listen.
    #[error("the simulator can't listen on {address}: {source}; choose a free address")]
    Listen {
        /// Address as configured.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The price feed has stopped silently.
    #[error("no bar of the benchmark for {minutes} minutes of an open session although the websocket is up")]
    Stalled {
        /// How long.
        minutes: i64,
    },
}

impl IngestError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Massive(error) => error.is_retryable(),
            Self::Bus(error) => error.is_retryable(),
            Self::Stalled { .. } => true,
            Self::Config(_) | Self::State { .. } | Self::File { .. } | Self::Shape { .. } | Self::Listen { .. } => {
                false
            }
        }
    }
}
