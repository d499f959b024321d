//! What can go wrong in this crate, and errors as one line of text.

use std::error::Error;

/// An error of the endpoints for health and metrics, or of the traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The process could not listen on the address.
    #[error("can't listen on {address} for health and metrics; set TAPEWIRE_LISTEN to a free address")]
    Listen {
        /// Address as configured.
        address: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The process-wide metrics recorder was installed twice.
    #[error("the metrics recorder can't be installed: {0}")]
    Metrics(String),
    /// A setting of the traces can't be used.
    #[error("traces.{setting} can't be used: {reason}")]
    TracesSetting {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong, and what to do. It never quotes a secret.
        reason: String,
    },
    /// Traces can't be sent.
    #[error("traces can't be sent: {0}")]
    Traces(String),
}

/// An error and its causes on one line, for logs and readiness: `error: its cause: the cause of that`.
///
/// ```
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = tapewire_runtime::RuntimeError::Listen { address: "127.0.0.1:80".into(), source: refused };
/// assert!(tapewire_runtime::chain(&error).ends_with("free address: connection refused"));
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
