//! What can go wrong in this crate.

use tapewire_store::StoreError;

/// An error of the alerts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// An error of ClickHouse.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address that no alert can be sent to. It is a secret, so the message does not have it.
    #[error("the address of `{target}` can't be used: {problem}; it has to begin with https:// or http://")]
    Address {
        /// Name of the target.
        target: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built: {0}")]
    Client(String),
}

impl AlertError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}
