//! What can go wrong in this crate.

use tapewire_bus::BusError;
use tapewire_store::StoreError;

/// An error of the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// An error of Kafka.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// An error of ClickHouse.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ArchiveError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Bus(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
        }
    }
}
