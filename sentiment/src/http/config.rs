//! Settings of the HTTP server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::time::Duration;

/// The HTTP server of `tapewire serve`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeConfig {
    /// Address to listen on. Beyond loopback, set `http.token_file`, and put a proxy with TLS in front.
    pub listen: String,
    /// Largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// Largest number of texts in a request; a text counts once for each of its companies.
    pub max_batch: NonZeroUsize,
    /// How long the server waits for pending requests when it shuts down.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub longest_drain: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            max_body_bytes: 2 * 1024 * 1024,
            max_batch: NonZeroUsize::new(256).expect("256 is not zero"),
            longest_drain: Duration::from_secs(8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_loopback() {
        let address: std::net::SocketAddr = ServeConfig::default().listen.parse().unwrap();
        assert!(address.ip().is_loopback());
    }
}
