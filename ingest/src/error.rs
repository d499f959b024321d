//! What can go wrong in this crate.

use crate::providers::ProviderError;
use std::path::{Path, PathBuf};
use tapewire_bus::BusError;

/// An error of ingest. Messages name the place and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// A provider, or the way to it.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Kafka.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A setting can't be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The state file, which holds how far the source has been read, can't be read or written.
    #[error("state file {}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A state file can't be written because its disk is full. What was saved before is still in it.
    #[error(
        "the disk of folder {} is full, and the state file {} can't be written; make room there, or stop this process and \
         move the folder to another disk, which state_dir names",
        path.parent().unwrap_or(Path::new(".")).display(),
        path.file_name().unwrap_or_default().display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An input file can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An input file can't be opened, or its rows can't be told apart.
    #[error(transparent)]
    Format(#[from] tapewire_formats::FormatError),
    /// An input file does not have a shape that can be read.
    #[error("{}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Whoever waits for it has told it to stop.
    #[error("stopped")]
    Stopped,
    /// The simulator can't listen.
    #[error("the simulator can't listen on {address}; choose a free address")]
    Listen {
        /// Address as configured.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A price feed has stopped silently.
    #[error("{provider}: no bar of {reference} for {minutes} minutes of an open session although the connection is up")]
    Stalled {
        /// Name of the price source.
        provider: String,
        /// The symbol that trades every minute.
        reference: String,
        /// How long.
        minutes: i64,
    },
}

impl IngestError {
    /// Whether the same attempt can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Provider(error) => error.is_retryable(),
            Self::Bus(error) => error.is_retryable(),
            Self::Stalled { .. } | Self::DiskFull { .. } => true,
            Self::Config(_)
            | Self::State { .. }
            | Self::File { .. }
            | Self::Format(_)
            | Self::Shape { .. }
            | Self::Stopped
            | Self::Listen { .. } => false,
        }
    }

    /// Whether the provider is what failed, not Kafka nor this machine.
    pub(crate) fn is_of_provider(&self) -> bool {
        matches!(self, Self::Provider(_) | Self::Stalled { .. })
    }

    /// How long the provider asks us to wait before the next attempt.
    pub(crate) fn retry_after(&self) -> Option<std::time::Duration> {
        if let Self::Provider(error) = self { error.retry_after() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_runtime::chain;

    #[test]
    fn the_chain_says_each_cause_once() {
        let error = IngestError::File { path: "/a/key".into(), source: std::io::Error::other("no such file") };
        assert_eq!(chain(&error), "can't read /a/key: no such file");
        let provider = ProviderError::websocket(
            "wire",
            tokio_tungstenite::tungstenite::Error::Io(std::io::Error::other("the cable is cut")),
        );
        let text = chain(&IngestError::from(provider));
        assert_eq!(text.matches("wire's websocket broke").count(), 1, "{text}");
        assert!(text.contains("the cable is cut"), "{text}");
    }
}
