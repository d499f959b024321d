//! What can go wrong in this crate.

use tapewire_bus::BusError;
use tapewire_store::StoreError;

/// An error of the joiner. Messages name the place and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinerError {
    /// Kafka.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// ClickHouse.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting is out of range.
    #[error("setting {name}: {reason}")]
    Setting {
        /// Its name, with the section.
        name: &'static str,
        /// What it may be.
        reason: &'static str,
    },
    /// Row versions are full.
    #[error(
        "a partition holds more records than a row's version can count (2^28 of sentiment, 2^36 of bars, halts and actions); \
         go on with new topics and a new run or database"
    )]
    TooManyRecords,
}

impl JoinerError {
    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Bus(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            Self::Setting { .. } | Self::TooManyRecords => false,
        }
    }
}
