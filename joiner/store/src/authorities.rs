//! Certificates of authorities that may have signed a server's certificate.

use crate::servers::{AnyServer, Servers};
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use native_tls::{Certificate, TlsConnector};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The keep-alive of the `clickhouse` crate's own client.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// ClickHouse closes idle connections after 3 seconds.
const IDLE: Duration = Duration::from_secs(2);

/// A file of certificates in PEM, read when the settings are. Certificates of the system's authorities are trusted as well.
#[derive(Clone)]
pub struct CaCertificates {
    file: PathBuf,
    tls: TlsConnector,
}

impl CaCertificates {
    /// Reads the file.
    ///
    /// # Errors
    /// A text for people: the file can't be read, or holds no certificate.
    pub fn read(file: PathBuf) -> Result<Self, String> {
        let name = file.display().to_string();
        let text = std::fs::read(&file).map_err(|error| format!("can't read {name}: {error}"))?;
        let no_certificate = || {
            format!(
                "{name} has no certificate; it has to be a file in PEM, which has a line -----BEGIN CERTIFICATE-----"
            )
        };
        let certificates = Certificate::stack_from_pem(&text).map_err(|_| no_certificate())?;
        if certificates.is_empty() {
            return Err(no_certificate());
        }
        let mut tls = TlsConnector::builder();
        for certificate in certificates {
            tls.add_root_certificate(certificate);
        }
        let tls = tls.build().map_err(|error| format!("the certificates in {name} can't be used: {error}"))?;
        Ok(Self { file, tls })
    }

    /// Connects to servers, and trusts these authorities.
    fn connector(&self) -> HttpsConnector<HttpConnector> {
        HttpsConnector::from((tcp(), self.tls.clone().into()))
    }
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.enforce_http(false);
    tcp
}

/// A client of ClickHouse that trusts the system's authorities and `more`, and asks one of `servers` if there are
/// several.
pub(crate) fn client(more: Option<&CaCertificates>, servers: Option<Servers>) -> clickhouse::Client {
    let builder = || {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE);
        builder
    };
    match (more, servers) {
        (None, None) => clickhouse::Client::default(),
        (Some(more), None) => clickhouse::Client::with_http_client(builder().build(more.connector())),
        (more, Some(servers)) => {
            let connector = more.map_or_else(|| HttpsConnector::new_with_connector(tcp()), CaCertificates::connector);
            clickhouse::Client::with_http_client(builder().build(AnyServer { servers, connector }))
        }
    }
}

impl fmt::Debug for CaCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl<'de> Deserialize<'de> for CaCertificates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(PathBuf::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The file's name.
impl Serialize for CaCertificates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

/// The schema of a path, because a setting names the file.
impl JsonSchema for CaCertificates {
    fn schema_name() -> Cow<'static, str> {
        PathBuf::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        PathBuf::json_schema(generator)
    }

    fn inline_schema() -> bool {
        PathBuf::inline_schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_has_no_certificate_is_named() {
        let read = |text: &[u8]| {
            let file = std::env::temp_dir().join(format!("tapewire_authorities_{}", std::process::id()));
            std::fs::write(&file, text).unwrap();
            let error = CaCertificates::read(file.clone()).unwrap_err();
            std::fs::remove_file(&file).unwrap();
            assert!(error.contains(file.to_str().unwrap()), "{error}");
            error
        };
        for text in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(read(text.as_bytes()).contains("BEGIN CERTIFICATE"), "{text}");
        }
        let missing = CaCertificates::read("/nowhere/ca.pem".into()).unwrap_err();
        assert!(missing.contains("can't read /nowhere/ca.pem"), "{missing}");
    }
}
