//! Why no broker can be used: what Kafka's client library reports of its attempts to connect.
//!
//! The library answers every failed request with "broker transport failure", whether the broker is down, its certificate
//! is not trusted or the password is wrong.

use crate::BusError;
use crate::broker_log;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the library says of a login that the broker refuses: of the password, and of the mechanism.
const LOGIN_FAILED: [&str; 2] = ["SASL authentication error: ", " mechanism handshake failed: "];

/// Why a client can't use a broker. Ordered: a later variant says more about the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The broker closes connections before it has answered. A port that wants TLS or a login does that to a client that
    /// uses neither.
    Closes,
    /// The broker ends the TLS handshake, as a port without TLS does.
    NoTls,
    /// The TLS handshake fails for another reason.
    Handshake,
    /// The certificate is not trusted, or not of this host.
    Certificate,
    /// The broker refuses the user, the password or the mechanism.
    Login,
}

impl Obstacle {
    /// The obstacle that an error of the library is about.
    pub(crate) fn of(reason: &str) -> Option<Self> {
        let is_login = LOGIN_FAILED.into_iter().any(|text| reason.contains(text));
        // A connection that ends during the login says nothing about the password.
        if is_login && !reason.contains("transport failure") {
            Some(Self::Login)
        } else if reason.contains("certificate") && reason.contains("verif") {
            Some(Self::Certificate)
        } else if reason.contains("SSL handshake failed") {
            let is_without = ["Disconnected", "wrong version number"].into_iter().any(|text| reason.contains(text));
            Some(if is_without { Self::NoTls } else { Self::Handshake })
        } else if closes_at_once(reason) {
            Some(Self::Closes)
        } else {
            None
        }
    }

    /// What to do.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Closes => {
                "it closes the connection at once. A port that wants TLS or a login does that to a client that uses neither: \
                 in that case set security.protocol to SSL, SASL_SSL or SASL_PLAINTEXT in kafka.properties; otherwise see \
                 whether the broker is starting or stopping"
            }
            Self::NoTls => {
                "it ends the TLS handshake. A port without TLS does that: in that case name the broker's port for TLS in \
                 kafka.brokers, or set security.protocol to PLAINTEXT or SASL_PLAINTEXT in kafka.properties; otherwise see \
                 whether the broker is starting or stopping"
            }
            Self::Handshake => {
                "the TLS handshake fails: check the properties that begin with `ssl.` in kafka.properties (a broker may want \
                 ssl.certificate.location and ssl.key.location), and see the broker's log"
            }
            Self::Certificate => {
                "its authority has to be in the file that ssl.ca.location names in kafka.properties (without it, in the \
                 system's), and the host name in kafka.brokers, or the one that the broker advertises, in the certificate, which \
                 has to be valid now"
            }
            Self::Login => {
                "check sasl.username and sasl.mechanisms in kafka.properties, and the password in \
                 TAPEWIRE_KAFKA_SASL_PASSWORD or in the file that kafka.sasl_password_file names"
            }
        }
    }
}

/// Whether the broker has closed the connection while the client asked for its versions, as a port with TLS does, or after
/// that, as a port with a login does.
fn closes_at_once(reason: &str) -> bool {
    let is_early = ["in state APIVERSION_QUERY", "in state UP"].into_iter().any(|state| reason.contains(state));
    reason.contains("Disconnected") && is_early || reason.contains("incorrect security.protocol")
}

/// What stands between us and a broker, and what the library said of it; `None` if that is not known.
type Reported = Option<(Obstacle, String)>;

/// Remembers the brokers that could not be used, and of each the obstacle that says most, with what the library said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<BTreeMap<String, Reported>>>);

impl Attempts {
    /// The error of a client to which no broker answered: `fallback`, if nothing more is known. A refused login or
    /// certificate is the error only if that is so of every broker that was tried: another one may be restarting.
    pub(crate) fn explain(&self, brokers: &str, fallback: BusError) -> BusError {
        let known = std::mem::take(&mut *self.0.lock().expect("no holder of this lock can panic"));
        let is_refusal =
            |known: &Reported| known.as_ref().is_some_and(|(obstacle, _)| *obstacle >= Obstacle::Certificate);
        let all_refuse = known.values().all(is_refusal);
        let brokers = brokers.to_owned();
        match (known.into_values().flatten().max(), fallback) {
            (Some((Obstacle::Login, reason)), _) if all_refuse => BusError::Login { brokers, reason },
            (Some((Obstacle::Certificate, _)), _) if all_refuse => BusError::Certificate { brokers },
            (Some((obstacle, _)), BusError::Unreachable { source, .. }) => {
                BusError::Unreachable { brokers, remedy: obstacle.remedy(), source }
            }
            (_, fallback) => fallback,
        }
    }

    /// Notes what stands between us and a broker; `None` if that is not known.
    fn note(&self, obstacle: Option<Obstacle>, said: &str) {
        let (broker, text) = broker_log::place_and_text(said);
        if broker.is_empty() {
            return;
        }
        let mut known = self.0.lock().expect("no holder of this lock can panic");
        let of_broker = known.entry(broker.to_owned()).or_default();
        let is_worse = |obstacle: &Obstacle| of_broker.as_ref().is_none_or(|(before, _)| before <= obstacle);
        if let Some(obstacle) = obstacle.filter(is_worse) {
            *of_broker = Some((obstacle, text.trim_start_matches(LOGIN_FAILED[0]).to_owned()));
        }
    }
}

impl ClientContext for Attempts {
    fn log(&self, _: RDKafkaLogLevel, fac: &str, message: &str) {
        tracing::debug!(target: "librdkafka", "{fac} {message}");
        // That a connection was closed is reported here only.
        if closes_at_once(message) {
            self.note(Some(Obstacle::Closes), message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
        let is_login = error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication);
        self.note(Obstacle::of(reason).filter(|obstacle| *obstacle != Obstacle::Login || is_login), reason);
    }
}

impl ProducerContext for Attempts {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    const AT: &str = "sasl_ssl://kafka-1:9093/bootstrap: ";
    const LOGIN: &str = "SASL authentication error: Authentication failed during authentication due to invalid \
                         credentials with SASL mechanism SCRAM-SHA-512 (after 305ms in state AUTH_REQ)";
    const MECHANISM: &str = "SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's \
                             supported mechanisms: SCRAM-SHA-512,PLAIN (after 9ms in state AUTH_HANDSHAKE)";
    const CERTIFICATE: &str = "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                               certificate could not be verified, verify that ssl.ca.location is correctly configured or \
                               root CA certificates are installed (install ca-certificates package) (after 5ms in state \
                               SSL_HANDSHAKE)";
    const NO_TLS: &str = "SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 5ms)";
    const ENDS: &str = "SSL handshake failed: Disconnected: connection closed by peer: connecting to a PLAINTEXT broker \
                        listener? (after 3ms in state SSL_HANDSHAKE)";
    const WANTS_CERTIFICATE: &str = "SSL handshake failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: \
                                     SSL alert number 116 (after 5ms in state SSL_HANDSHAKE)";
    const CLOSES: &str = "Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol \
                          configuration (connecting to a SSL listener?) or broker version is < 0.10 (see \
                          api.version.request) (after 1ms in state APIVERSION_QUERY)";

    fn heard(all: &[(RDKafkaErrorCode, &str)]) -> BusError {
        let attempts = Attempts::default();
        for (code, text) in all {
            ClientContext::error(&attempts, KafkaError::Global(*code), &format!("{AT}{text}"));
        }
        let source = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure).into();
        let fallback = BusError::Unreachable { brokers: String::new(), remedy: "", source };
        attempts.explain("kafka-1:9093", fallback)
    }

    #[test]
    fn the_remedy_is_that_of_what_the_library_says() {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, BrokerTransportFailure, SSL};
        let login = heard(&[(Authentication, LOGIN), (AllBrokersDown, "1/1 brokers are down")]);
        let said = login.to_string();
        assert!(matches!(login, BusError::Login { .. }) && !login.is_retryable(), "{said}");
        assert!(said.contains("kafka at kafka-1:9093 refuses the login (Authentication failed during"), "{said}");
        assert!(said.contains("mechanism SCRAM-SHA-512)") && said.contains("kafka.sasl_password_file"), "{said}");
        let mechanism = heard(&[(Authentication, MECHANISM)]).to_string();
        assert!(mechanism.contains("supported mechanisms: SCRAM-SHA-512,PLAIN); check sasl.username"), "{mechanism}");
        let certificate = heard(&[(SSL, CERTIFICATE), (SSL, NO_TLS)]);
        assert!(matches!(certificate, BusError::Certificate { .. }) && !certificate.is_retryable(), "{certificate}");
        for (code, text, remedy) in [
            (SSL, NO_TLS, "A port without TLS"),
            (BrokerTransportFailure, ENDS, "A port without TLS"),
            (BrokerTransportFailure, CLOSES, "A port that wants TLS or a login"),
            (SSL, WANTS_CERTIFICATE, "ssl.certificate.location"),
        ] {
            let error = heard(&[(code, text)]);
            assert!(error.is_retryable() && error.to_string().contains(remedy), "{error}");
        }
    }

    #[test]
    fn one_broker_that_refuses_does_not_end_the_wait_for_the_others() {
        use RDKafkaErrorCode::{Authentication, BrokerTransportFailure};
        let down = "sasl_ssl://kafka-2:9093/bootstrap: Connect to ipv4#10.0.0.2:9093 failed: Connection refused";
        let attempts = Attempts::default();
        attempts.error(KafkaError::Global(Authentication), &format!("{AT}{LOGIN}"));
        attempts.error(KafkaError::Global(BrokerTransportFailure), down);
        let source = KafkaError::MetadataFetch(BrokerTransportFailure).into();
        let error = attempts.explain("b", BusError::Unreachable { brokers: String::new(), remedy: "", source });
        assert!(error.is_retryable() && error.to_string().contains("sasl.username"), "{error}");
    }

    #[test]
    fn a_closed_connection_is_taken_from_the_log() {
        let (attempts, closed) =
            (Attempts::default(), "Disconnected: connection closed by peer: receive 0 after POLLIN");
        let fallback = || {
            let source = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure).into();
            BusError::Unreachable { brokers: String::new(), remedy: "otherwise", source }
        };
        let log = |state| format!("[thrd:{AT}]: {AT}{closed} (after 1ms in state {state})");
        attempts.log(RDKafkaLogLevel::Info, "FAIL", &log("CONNECT"));
        assert!(attempts.explain("b", fallback()).to_string().ends_with("otherwise"));
        for state in ["APIVERSION_QUERY", "UP"] {
            attempts.log(RDKafkaLogLevel::Info, "FAIL", &log(state));
            let said = attempts.explain("b", fallback()).to_string();
            assert!(said.contains("set security.protocol to SSL, SASL_SSL"), "{said}");
        }
    }

    #[test]
    fn a_connection_that_ends_during_the_login_is_no_refusal() {
        for ended in
            ["SASL authentication error: SaslAuthenticateRequest failed: ", "SASL PLAIN mechanism handshake failed: "]
        {
            let ended = format!("{ended}Local: Broker transport failure");
            let error = heard(&[(RDKafkaErrorCode::Authentication, &ended)]);
            assert!(matches!(error, BusError::Unreachable { .. }), "{error}");
        }
    }
}
