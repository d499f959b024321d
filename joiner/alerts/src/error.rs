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
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
}

impl AlertError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_client_has_its_causes() {
        // Its own text is only "builder error".
        let cause = reqwest::Client::new().get("no address").build().unwrap_err();
        let text = tapewire_runtime::chain(&AlertError::Client(cause));
        assert!(text.starts_with("the HTTP client could not be built: ") && text.ends_with("without a base"), "{text}");
    }
}
