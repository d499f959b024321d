//! The log: which lines are written, and how.

use crate::ending;
use crate::exit::UsageError;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable of the log's filter.
const VARIABLE: &str = "TAPEWIRE_LOG";

/// Libraries that write requests and messages into the log at finer levels, and with them keys. Whatever the filter
/// says, they log warnings and errors only.
const CAPPED: [&str; 8] =
    ["tungstenite", "tokio_tungstenite", "hyper", "hyper_util", "h2", "reqwest", "native_tls", "rustls"];

/// Starts the log with this filter, unless `TAPEWIRE_LOG` says another.
///
/// # Errors
/// [`UsageError`] if `TAPEWIRE_LOG` is not a filter.
pub fn start(json: bool, default: LevelFilter) -> Result<(), UsageError> {
    let filter = filter(std::env::var_os(VARIABLE), default)?;
    // A line that can't be written, as on a full disk, is left out: telling of it on standard error would panic there.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| ending::LogWriter).log_internal_errors(false);
    // Colours are for people; the library honours NO_COLOR.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    if json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(())
}

/// The filter that the variable's value describes: levels of targets, and one for the others, by default `default`.
/// Without a value, or with an empty one, it is `default`.
fn filter(value: Option<OsString>, default: LevelFilter) -> Result<EnvFilter, UsageError> {
    let directives = directives(value, default)?;
    EnvFilter::try_new(&directives).map_err(|error| UsageError(format!("{VARIABLE}: {error}")))
}

/// The directives of [`filter`], as the library reads them.
fn directives(value: Option<OsString>, default: LevelFilter) -> Result<String, UsageError> {
    let value = value.unwrap_or_default();
    let text = value.to_str().ok_or_else(|| UsageError(format!("the variable {VARIABLE} is not UTF-8 text")))?;
    let (mut others, mut targets, mut finest) = (default, Vec::new(), default);
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            None => others = level(part, part)?,
            Some((target, word)) => {
                let target = target.trim();
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
                if target.is_empty() || !target.chars().all(is_plain) {
                    return Err(refused(part));
                }
                let level = level(word.trim(), part)?;
                let is_capped = CAPPED.iter().any(|capped| target.starts_with(capped));
                let level = if is_capped { level.min(LevelFilter::WARN) } else { level };
                finest = finest.max(level);
                targets.push(format!("{target}={level}"));
            }
        }
    }
    if others.max(finest) > LevelFilter::INFO {
        let is_named = |capped: &&&str| !targets.iter().any(|target| target.starts_with(&format!("{capped}=")));
        let capped: Vec<String> = CAPPED.iter().filter(is_named).map(|capped| format!("{capped}=warn")).collect();
        targets.extend(capped);
    }
    targets.insert(0, others.to_string());
    Ok(targets.join(","))
}

fn level(word: &str, part: &str) -> Result<LevelFilter, UsageError> {
    match word.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(refused(part)),
    }
}

fn refused(part: &str) -> UsageError {
    UsageError(format!(
        "{VARIABLE}: `{part}` is not a filter; write a level (off, error, warn, info, debug, trace), or levels of modules \
         such as info,tapewire_joiner=debug"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        filter(Some(text.into()), LevelFilter::INFO).map_err(|error| error.to_string())?;
        directives(Some(text.into()), LevelFilter::INFO).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_filter_is_none() {
        assert_eq!(directives(None, LevelFilter::WARN).unwrap(), "warn");
        assert_eq!(read("").unwrap(), "info");
        assert_eq!(read(" , ").unwrap(), "info");
    }

    #[test]
    fn what_is_no_level_is_refused_with_the_levels() {
        for wrong in ["warning", "info,x=banana", "banana", "x=", "=info", "[span]=trace", "tapewire_joiner"] {
            let error = read(wrong).unwrap_err();
            assert!(error.starts_with("TAPEWIRE_LOG: `") && error.contains("error, warn, info"), "{wrong}: {error}");
        }
        assert_eq!(read("WARN").unwrap(), "warn");
        assert_eq!(read("error, tapewire_joiner = info").unwrap(), "error,tapewire_joiner=info");
    }

    /// These print the frames and addresses that they send, with the keys in them.
    #[test]
    fn libraries_that_print_requests_do_not_log_finely_whatever_is_asked_for() {
        for wanted in
            ["trace", "debug", "tapewire_joiner=trace", "info,tungstenite::protocol=trace", "hyper=debug,trace"]
        {
            let directives = read(wanted).unwrap();
            for capped in CAPPED {
                let of_it = directives.split(',').filter(|directive| directive.starts_with(capped));
                let levels: Vec<&str> = of_it.filter_map(|directive| Some(directive.split_once('=')?.1)).collect();
                let is_silent = !directives.contains("trace") && !directives.contains("debug");
                assert!(levels.iter().all(|&level| level == "warn"), "{wanted}: {directives}");
                assert!(!levels.is_empty() || is_silent, "{wanted}: {directives}");
            }
        }
        assert_eq!(read("info,tungstenite::protocol=trace").unwrap(), "info,tungstenite::protocol=warn");
    }
}
