//! What can go wrong in this crate, and errors as one line of text.

use std::error::Error;
use std::fmt;

/// An error of the pages for health and metrics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The address could not be listened on.
    #[error("can't listen on {address} for health and metrics; set TAPEWIRE_LISTEN to a free address")]
    Listen {
        /// Address as configured.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The process-wide metrics recorder was installed twice.
    #[error("the metrics recorder can't be installed: {0}")]
    Metrics(String),
}

/// An error and its causes on one line, for a log: `what failed: why: why that`.
///
/// ```
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = tapewire_runtime::RuntimeError::Listen { address: "127.0.0.1:80".into(), source: refused };
/// assert!(tapewire_runtime::chain(&error).to_string().ends_with("free address: connection refused"));
/// ```
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        causes.into_iter().try_for_each(|cause| write!(f, ": {cause}"))
    })
}
