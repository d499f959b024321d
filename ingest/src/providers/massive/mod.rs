//! Massive (formerly Polygon.io): news and bars over REST, bars, trades and halts over websocket.
//!
//! Formats: the provider's OpenAPI and websocket specifications (`massive-com/client-python`,
//! folder `.massive`).

pub mod config;
pub mod error;
pub mod messages;
pub mod parse;
pub mod rest;
pub mod websocket;

pub use config::{ApiKey, MassiveConfig};
pub use error::MassiveError;
pub use rest::RestClient;
pub use websocket::Session;

/// Name of this provider in [`tapewire_core::Article::provider`].
pub const PROVIDER: &str = "massive";
