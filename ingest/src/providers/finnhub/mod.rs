//! Finnhub: news of companies over REST.

mod config;
pub mod news;
#[cfg(test)]
mod tests;

pub use config::FinnhubConfig;

use super::registry::{Provider, SettingsType};
use std::sync::Arc;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "finnhub",
    needs_key: true,
    settings: SettingsType::of::<FinnhubConfig>(),
    news: Some(|account| Ok(Arc::new(news::CompanyNews::new(account)?))),
    prices: None,
    replay_line: None,
};
