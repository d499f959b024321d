//! Alpaca: news over REST. An account has two secrets, a key and its secret.

mod config;
pub mod news;
#[cfg(test)]
mod tests;

pub use config::AlpacaConfig;

use super::registry::{Provider, SettingsType};
use std::sync::Arc;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "alpaca",
    needs_key: true,
    settings: SettingsType::of::<AlpacaConfig>(),
    news: Some(|account| Ok(Arc::new(news::News::new(account)?))),
    prices: None,
    replay_line: None,
};
