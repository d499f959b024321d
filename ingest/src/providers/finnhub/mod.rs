//! Finnhub's stream: trades of shares in the United States and of coins. It has no bars: bars are made of the trades, by the
//! stage [`crate::fold`], and there are none of the past.
//!
//! News are over REST, company by company.
//!
//! A share is its ticker. The pair of coins `BINANCE:BTCUSDT` is the symbol `X:BTCUSDT`; the coins of other exchanges are not
//! taken, because a symbol comes from one place.

mod conditions;
mod config;
mod connection;
pub mod news;
pub mod parse;
#[cfg(test)]
mod tests;

pub use config::FinnhubConfig;

use super::registry::{Account, Provider, SettingsType};
use super::{BarsRequest, Cursor, Page, PriceConnection, PriceSource, ProviderError, Subscription};
use async_trait::async_trait;
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, Symbol};

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "finnhub",
    needs_key: true,
    settings: SettingsType::of::<FinnhubConfig>(),
    news: Some(|account| Ok(Arc::new(news::CompanyNews::new(account)?))),
    prices: Some(|account| Ok(Arc::new(Finnhub { config: account.settings()?, account: account.clone() }))),
    replay_line: None,
};

struct Finnhub {
    account: Account,
    config: FinnhubConfig,
}

/// The exchange whose trades of coins are taken, in Finnhub's spelling. It has those of many, and a symbol comes from one.
const COIN_EXCHANGE: &str = "BINANCE";

/// Finnhub's name of a symbol.
fn name_of(provider: &str, symbol: &Symbol) -> Result<String, ProviderError> {
    match (symbol.asset_class(), symbol.as_str().strip_prefix("X:")) {
        (AssetClass::Equity, _) => Ok(symbol.to_string()),
        (AssetClass::Crypto, Some(pair)) => Ok(format!("{COIN_EXCHANGE}:{pair}")),
        _ => Err(ProviderError::Unsupported {
            provider: provider.to_owned(),
            what: format!("{symbol} on this stream; it has shares and coins, such as AAPL and X:BTCUSDT"),
        }),
    }
}

#[async_trait]
impl PriceSource for Finnhub {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        let name = &self.account.name;
        if subscription.bars {
            let what = format!("bars; set prices.override.{name}.fold_trades = true, and they are made of its trades");
            return Err(ProviderError::Unsupported { provider: name.clone(), what });
        }
        subscription.symbols.iter().try_for_each(|symbol| name_of(name, symbol).map(drop))?;
        super::without_halts(name, subscription)
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(connection::Connection::open(&self.account, &self.config, subscription).await?))
    }

    async fn probe(&self, _: &Subscription, _: Timestamp) -> Result<(), ProviderError> {
        news::CompanyNews::new(&self.account)?.market_status().await
    }

    async fn bars_page(&self, _: &BarsRequest, _: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: "/".into(), next: None })
    }
}
