//! Logs what Kafka's client library reports about its connections, in plain words, with repeated lines folded into one.
//!
//! Every client of the process tries a broker that is down several times a second. Without folding, each attempt would
//! be a line of the log.

use crate::attempts::Obstacle;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

/// Within this time after a line, the same line is only counted.
const QUIET: Duration = Duration::from_secs(12);
/// How many different lines are remembered; more are not expected.
const REMEMBERED: usize = 200;

/// The context of all clients: it logs. `Rebalances` is what a member of a group does when partitions come or go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged<Rebalances = ()>(pub Rebalances);

impl<Rebalances: Send + Sync + 'static> ClientContext for Logged<Rebalances> {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self::error(&error, reason);
    }
}

impl ConsumerContext for Logged {}

/// A line of the library's log.
pub(crate) fn log(level: RDKafkaLogLevel, fac: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", "{fac} {message}");
        }
        _ => match in_words(fac, message) {
            Some(words) => say(&words),
            None => tracing::debug!(target: "librdkafka", "{fac} {message}"),
        },
    }
}

/// An error that the library reports beside its log.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    if is_broker_unreachable(error) {
        // A line of the library's log has said this already, with the address and the cause.
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    } else {
        say(&format!("kafka: {}", in_words("", reason).unwrap_or_else(|| reason.to_owned())));
    }
}

/// Whether an error says no more than that a broker can't be reached.
pub(crate) fn is_broker_unreachable(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    let code = error.rdkafka_error_code();
    matches!(code, Some(AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve))
}

/// Logs a line, or counts it if the same was logged a moment ago.
pub(crate) fn say(line: &str) {
    static FOLDS: LazyLock<Mutex<Folds>> = LazyLock::new(Mutex::default);
    // The lock is held for no longer than the count takes; logging may be slow.
    let line = FOLDS.lock().expect("no holder of this lock can panic").fold(line, Instant::now());
    if let Some(line) = line {
        tracing::warn!("{line}");
    }
}

/// What is known of each line.
#[derive(Default)]
struct Folds(HashMap<String, Fold>);

/// How often a line has occurred since it was last logged.
struct Fold {
    logged: Instant,
    last: Instant,
    more: u64,
}

impl Folds {
    /// Counts the line, and returns what to log now, if anything.
    fn fold(&mut self, line: &str, now: Instant) -> Option<String> {
        let Some(fold) = self.0.get_mut(line) else {
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
            self.0.insert(line.to_owned(), Fold { logged: now, last: now, more: 0 });
            return Some(line.to_owned());
        };
        // After a pause the line is a new one, and what was counted belongs to the time before the pause.
        let is_new = now.duration_since(fold.last) >= QUIET;
        let until = if is_new { fold.last } else { now };
        fold.more += u64::from(!is_new);
        fold.last = now;
        let passed = until.duration_since(fold.logged);
        if !is_new && passed < QUIET {
            return None;
        }
        let text = match (is_new, fold.more) {
            (true, 0) => line.to_owned(),
            (true, more) => format!("{line}; {more} more such messages in {} s before a pause", passed.as_secs()),
            (false, more) => format!("{line}; {more} more such messages in {} s", passed.as_secs()),
        };
        (fold.logged, fold.more) = (now, 0);
        Some(text)
    }
}

/// The message without the parts that change each time (local ports, milliseconds, counts). `None` if other messages
/// already say the same.
///
/// ```text
/// [thrd:10.0.0.1:9092/bootstrap]: 10.0.0.1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT, 3 identical error(s) suppressed)
/// ```
fn in_words(fac: &str, message: &str) -> Option<String> {
    if message.contains("brokers are down") {
        return None;
    }
    let (broker, text) = place_and_text(message);
    let again = "check the setting kafka.brokers and that the broker runs; tapewire keeps trying";
    let reason = |text: &str| text.rsplit(": ").next().unwrap_or(text).to_lowercase();
    Some(if text.starts_with("Connect to ") {
        format!("kafka at {broker} does not answer ({}); {again}", reason(text))
    } else if text.starts_with("Failed to resolve") {
        format!("the host name of kafka's broker {broker} can't be resolved ({}); {again}", reason(text))
    } else if text.starts_with("Connection setup timed out") {
        format!("kafka at {broker} does not answer (no connection in time); {again}")
    } else if let Some(obstacle) = Obstacle::of(text) {
        let remedy = obstacle.remedy();
        match obstacle {
            Obstacle::Login => format!("kafka at {broker} refuses the login ({text}); {remedy}"),
            Obstacle::Certificate => format!("the certificate of kafka at {broker} is not accepted: {remedy}"),
            Obstacle::Handshake | Obstacle::NoTls | Obstacle::Closes => {
                format!("kafka at {broker} can't be used: {remedy}")
            }
        }
    } else if text.starts_with("Disconnected") {
        format!("kafka at {broker} closed the connection; tapewire connects again")
    } else if text.contains("request(s) timed out") || text.contains("timed out (") {
        format!("kafka at {broker} does not answer requests in time; tapewire sends them again")
    } else if broker.is_empty() {
        format!("kafka: {text}")
    } else {
        let fac = if fac.is_empty() || fac == "FAIL" { String::new() } else { format!(" [{fac}]") };
        format!("kafka at {broker}: {text}{fac}")
    })
}

/// The broker and the text of a message, without the thread and the times.
pub(crate) fn place_and_text(message: &str) -> (&str, &str) {
    let text = match message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")) {
        Some((_, text)) => text,
        None => message,
    };
    let text = text.split(" (after ").next().unwrap_or(text).trim_end_matches(['.', ' ']);
    let (place, text) = text.split_once(": ").unwrap_or(("", text));
    // `sasl_ssl://10.0.0.1:9093/bootstrap`, also at the end of a sentence
    let place = place.split_once("://").map_or(place, |(_, place)| place);
    (place.split('/').next().filter(|place| place.contains(':')).unwrap_or(place), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_to_connect_are_one_line_however_often_they_are_made() {
        let attempts = [
            "[thrd:127.0.0.1:9/bootstrap]: 127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)",
            "[thrd:127.0.0.1:9/bootstrap]: 127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 3ms in state CONNECT, 30 identical error(s) suppressed)",
        ];
        let mut folds = Folds::default();
        let began = Instant::now();
        let mut logged = Vec::new();
        for step in 0..130 {
            let words = in_words("FAIL", attempts[step % 2]).unwrap();
            logged.extend(folds.fold(&words, began + Duration::from_millis(100 * step as u64)));
        }
        assert_eq!(logged.len(), 2, "{logged:?}");
        assert!(
            logged[0].starts_with("kafka at 127.0.0.1:9 does not answer (connection refused); check"),
            "{logged:?}"
        );
        assert!(logged[1].ends_with("; 120 more such messages in 12 s"), "{logged:?}");
        assert_eq!(in_words("ERROR", "[thrd:127.0.0.1:9/bootstrap]: 1/1 brokers are down"), None);
    }

    #[test]
    fn a_refused_login_and_a_certificate_are_reported_with_their_remedy() {
        let at = "[thrd:sasl_ssl://127.0.0.1:9093/bootstrap]: sasl_ssl://127.0.0.1:9093/bootstrap: ";
        let said = |text: &str| in_words("FAIL", &format!("{at}{text}")).unwrap();
        let login = said("SASL authentication error: Authentication failed (after 305ms in state AUTH_REQ)");
        assert!(
            login.starts_with("kafka at 127.0.0.1:9093 refuses the login (SASL authentication error: Authentication failed); check sasl.username"),
            "{login}"
        );
        let certificate =
            said("SSL handshake failed: certificate verify failed: broker certificate could not be verified");
        assert!(
            certificate.contains("kafka at 127.0.0.1:9093 is not accepted") && certificate.contains("ssl.ca.location")
        );
        let closes =
            said("Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol configuration");
        assert!(closes.contains("set security.protocol to SSL, SASL_SSL"), "{closes}");
    }

    #[test]
    fn a_host_name_that_cannot_be_resolved_is_reported_as_the_cause() {
        let said = "[thrd:nowhere.invalid:9092/bootstrap]: nowhere.invalid:9092/bootstrap: Failed to resolve \
                    'nowhere.invalid:9092': Name or service not known (after 12ms in state CONNECT)";
        let words = in_words("FAIL", said).unwrap();
        assert!(
            words.starts_with("the host name of kafka's broker nowhere.invalid:9092 can't be resolved (name or"),
            "{words}"
        );
    }

    #[test]
    fn a_line_that_comes_again_after_a_pause_does_not_say_that_it_came_all_the_time() {
        let (mut folds, began) = (Folds::default(), Instant::now());
        let mut at = |seconds| folds.fold("down", began + Duration::from_secs(seconds));
        assert_eq!((at(0).as_deref(), at(10_800).as_deref()), (Some("down"), Some("down")));
        assert_eq!((at(10_801), at(10_805)), (None, None));
        assert_eq!(at(20_000).as_deref(), Some("down; 2 more such messages in 5 s before a pause"));
        assert_eq!((at(20_006), at(20_012).as_deref()), (None, Some("down; 2 more such messages in 12 s")));
    }

    #[test]
    fn different_lines_are_each_logged() {
        let mut folds = Folds::default();
        let now = Instant::now();
        assert!(
            folds.fold("one", now).is_some() && folds.fold("two", now).is_some() && folds.fold("one", now).is_none()
        );
    }
}
