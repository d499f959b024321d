//! How a failure is reported: a line of text, and an exit code: 0 done, 1 failed, 2 usage or settings, 3 a dependency
//! is unreachable, or a disk is full, 141 nobody reads the results any more.

use crate::settings;
use tapewire_alerts::AlertError;
use tapewire_archive::ArchiveError;
use tapewire_bus::BusError;
use tapewire_ingest::IngestError;
use tapewire_joiner::JoinerError;
use tapewire_models::ModelError;
use tapewire_runtime::RuntimeError;
use tapewire_sentiment::SentimentError;
use tapewire_store::StoreError;

/// Failed.
pub const FAILED: u8 = 1;
/// Usage or settings. It is also the code that clap exits with.
pub const USAGE: u8 = 2;
/// A dependency is unreachable, or a disk is full: the same command may succeed later.
pub const UNREACHABLE: u8 = 3;

/// Nobody reads the standard output any more: the code that shells give for the signal SIGPIPE.
pub const CLOSED: u8 = 141;

/// The exit code of an error: that of the first cause in its chain that has one of its own.
pub fn code(error: &anyhow::Error) -> u8 {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        let retryable = cause.downcast_ref::<BusError>().is_some_and(is_unreachable)
            || cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_retryable)
            || cause.downcast_ref::<JoinerError>().is_some_and(JoinerError::is_retryable)
            || cause.downcast_ref::<AlertError>().is_some_and(AlertError::is_retryable)
            || cause.downcast_ref::<ArchiveError>().is_some_and(ArchiveError::is_retryable)
            || cause.downcast_ref::<IngestError>().is_some_and(IngestError::is_retryable)
            || cause.downcast_ref::<ModelError>().is_some_and(ModelError::is_retryable)
            || cause.downcast_ref::<SentimentError>().is_some_and(SentimentError::is_retryable);
        if retryable {
            Some(UNREACHABLE)
        } else if cause.is::<settings::Error>() || cause.is::<UsageError>() || is_setting(cause) {
            Some(USAGE)
        } else {
            None
        }
    };
    error.chain().find_map(code).unwrap_or(FAILED)
}

/// Whether a broker or the schema registry does not answer, or does not answer this client.
fn is_unreachable(error: &BusError) -> bool {
    match error {
        BusError::Unreachable { .. } | BusError::CutOff { .. } => true,
        BusError::Registry(error) => error.is_retryable(),
        _ => false,
    }
}

/// Whether a flag or a setting of files, sources, the join, alerts, the model, Kafka, the schema registry or the
/// traces can't be used.
fn is_setting(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(IngestError::Config(_)))
        || matches!(cause.downcast_ref(), Some(JoinerError::Setting { .. }))
        || matches!(cause.downcast_ref(), Some(AlertError::Address { .. }))
        || matches!(cause.downcast_ref(), Some(ModelError::NotASource { .. }))
        || matches!(cause.downcast_ref(), Some(BusError::Config(_)))
        || matches!(cause.downcast_ref(), Some(RuntimeError::TracesSetting { .. }))
        || matches!(cause.downcast_ref(), Some(BusError::Registry(error)) if error.is_setting())
}

/// Longest line of an error, in characters. Some errors quote a line of a file, which can have any length.
const LONGEST_LINE: usize = 600;

/// The error and its causes in one line, or in several if a cause has several.
pub fn text(error: &anyhow::Error) -> String {
    let cut = |line: &str| match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{} [... {} bytes]", &line[..end], line.len()),
        None => line.to_owned(),
    };
    format!("{error:#}").lines().map(cut).collect::<Vec<_>>().join("\n")
}

/// A wrong argument that clap can't recognise as wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let refused = || std::io::Error::other("refused");
        let listening = RuntimeError::Listen { address: "127.0.0.1:1".into(), source: refused() };
        let quoted = text(&anyhow::Error::from(listening).context("role Serve"));
        assert!(quoted.starts_with("role Serve: can't listen on 127.0.0.1:1"), "{quoted}");
        assert_eq!(quoted.matches("refused").count(), 1, "{quoted}");
        assert_eq!(text(&anyhow::Error::from(refused()).context("reading")), "reading: refused");
    }

    #[test]
    fn a_long_line_of_a_file_is_quoted_in_part() {
        let quoted = text(&anyhow::anyhow!("line 1:\n{}\nis wrong", "ä".repeat(300_000)));
        assert!(quoted.starts_with("line 1:\nää") && quoted.ends_with("ä [... 600000 bytes]\nis wrong"), "{quoted}");
    }

    #[test]
    fn an_unreachable_server_has_its_own_exit_code() {
        let absent = StoreError::Unreachable { url: "u".into(), reason: "r".into() };
        assert_eq!(code(&anyhow::Error::from(absent).context("while migrating")), UNREACHABLE);
        // A role whose lease is cut off from the brokers is started again, with a new client.
        assert_eq!(code(&anyhow::Error::from(BusError::CutOff { brokers: "b".into() })), UNREACHABLE);
        assert_eq!(code(&anyhow::anyhow!("broken")), FAILED);
        let settings = settings::Error::Flag("no value".into());
        assert_eq!(code(&anyhow::Error::from(settings).context("settings")), USAGE);
        let flag = IngestError::Config("--news-columns: there is no `foo`".into());
        assert_eq!(code(&anyhow::Error::from(flag).context("role poll")), USAGE);
        assert_eq!(code(&anyhow::Error::from(IngestError::Stopped)), FAILED);
    }
}
