//! Settings of the worker.

use crate::companies::Companies;
use crate::{EngineConfig, QueueConfig, SentimentError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_core::exchange::Calendars;

/// The sentiment worker.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Number of tokens at which a batch is complete. It limits memory, and how much has to be scored again after a
    /// kill.
    pub batch_tokens: NonZeroUsize,
    /// How long an article waits for more articles to fill its batch, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub longest_wait: Duration,
    /// CSV file with further companies, with the columns `symbol,name,aliases`, and `valid_from,valid_to` for tickers that
    /// changed. It overrides what is built in.
    #[schemars(example = &"companies.csv")]
    pub companies: Option<PathBuf>,
    /// CSV file with all instruments and their legal names, with the columns `symbol,name`. It replaces the built-in
    /// list of the SEC.
    #[schemars(example = &"instruments.csv")]
    pub instruments: Option<PathBuf>,
    /// From the join's settings: which symbols are coins.
    #[serde(skip)]
    pub calendars: Calendars,
    /// The inference engine.
    pub engine: EngineConfig,
    /// The queue in front of the engine.
    pub queue: QueueConfig,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            batch_tokens: NonZeroUsize::new(8192).expect("8192 is not zero"),
            longest_wait: Duration::from_millis(20),
            companies: None,
            instruments: None,
            calendars: Calendars::default(),
            engine: EngineConfig::default(),
            queue: QueueConfig::default(),
        }
    }
}

impl WorkerConfig {
    /// The tables of companies that the settings name.
    ///
    /// # Errors
    /// [`SentimentError::Companies`].
    pub fn companies(&self) -> Result<Companies, SentimentError> {
        let companies = Companies::with_instruments(self.companies.as_deref(), self.instruments.as_deref())?;
        Ok(companies.with_markets(self.calendars.clone()))
    }
}
