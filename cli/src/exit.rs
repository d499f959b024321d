//! Exit codes: 0 done, 1 failed, 2 usage or settings, 3 a dependency is unreachable.

use tapewire_bus::BusError;
use tapewire_ingest::IngestError;
use tapewire_joiner::JoinerError;
use tapewire_sentiment::SentimentError;

/// Failed.
pub const FAILED: u8 = 1;
/// Usage or settings; what clap exits with, too.
pub const USAGE: u8 = 2;
/// A dependency is unreachable.
pub const UNREACHABLE: u8 = 3;

/// The code of an error, by the first cause in its chain that tells.
pub fn code(error: &anyhow::Error) -> u8 {
    let tells = |cause: &(dyn std::error::Error + 'static)| {
        let retryable = cause.downcast_ref::<BusError>().is_some_and(|e| matches!(e, BusError::Unreachable { .. }))
            || cause.downcast_ref::<JoinerError>().is_some_and(JoinerError::is_retryable)
            || cause.downcast_ref::<IngestError>().is_some_and(IngestError::is_retryable)
            || cause.downcast_ref::<SentimentError>().is_some_and(SentimentError::is_retryable);
        if retryable {
            Some(UNREACHABLE)
        } else if cause.is::<toml::de::Error>() || cause.is::<UsageError>() {
            Some(USAGE)
        } else {
            None
        }
    };
    error.chain().find_map(tells).unwrap_or(FAILED)
}

/// A wrong word or setting that clap could not know to be wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn an_absent_server_is_told_from_a_failure() {
        let absent = JoinerError::Unreachable { url: "u".into(), reason: "r".into() };
        assert_eq!(code(&anyhow::Error::from(absent).context("while migrating")), UNREACHABLE);
        assert_eq!(code(&anyhow::anyhow!("broken")), FAILED);
        let settings = toml::from_str::<toml::Table>("[").context("settings").unwrap_err();
        assert_eq!(code(&settings), USAGE);
    }
}
