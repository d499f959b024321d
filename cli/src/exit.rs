//! What a failure leaves: a text, and an exit code: 0 done, 1 failed, 2 usage or settings, 3 a dependency is
//! unreachable.

use tapewire_archive::ArchiveError;
use tapewire_bus::BusError;
use tapewire_ingest::IngestError;
use tapewire_joiner::JoinerError;
use tapewire_sentiment::SentimentError;
use tapewire_store::StoreError;

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
            || cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_retryable)
            || cause.downcast_ref::<JoinerError>().is_some_and(JoinerError::is_retryable)
            || cause.downcast_ref::<ArchiveError>().is_some_and(ArchiveError::is_retryable)
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

/// The error and its causes in one line. What one of them says already is not said twice.
pub fn text(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.contains(&cause) {
        true => text,
        false if text.is_empty() => cause,
        false => format!("{text}: {cause}"),
    })
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
    fn a_cause_is_said_once() {
        let refused = || std::io::Error::other("refused");
        let listening = BusError::Listen { address: "127.0.0.1:1".into(), source: refused() };
        let quoted = text(&anyhow::Error::from(listening).context("role Serve"));
        assert!(quoted.starts_with("role Serve: can't listen on 127.0.0.1:1"), "{quoted}");
        assert_eq!(quoted.matches("refused").count(), 1, "{quoted}");
        assert_eq!(text(&anyhow::Error::from(refused()).context("reading")), "reading: refused");
    }

    #[test]
    fn an_absent_server_is_told_from_a_failure() {
        let absent = StoreError::Unreachable { url: "u".into(), reason: "r".into() };
        assert_eq!(code(&anyhow::Error::from(absent).context("while migrating")), UNREACHABLE);
        assert_eq!(code(&anyhow::anyhow!("broken")), FAILED);
        let settings = toml::from_str::<toml::Table>("[").context("settings").unwrap_err();
        assert_eq!(code(&settings), USAGE);
    }
}
