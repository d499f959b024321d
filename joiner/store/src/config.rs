//! Settings of the connection to ClickHouse.

use crate::StoreError;
use crate::retention::{ColdConfig, RetentionConfig};
use clickhouse::{Client, RowOwned, RowRead};
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_core::Run;
use tapewire_runtime::CaCertificates;

/// The keep-alive of the `clickhouse` crate's own client.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// ClickHouse closes idle connections after 3 seconds.
const IDLE: Duration = Duration::from_secs(2);
/// Longest wait for the whole answer of a query. A connection that the network has forgotten never gets one.
const LONGEST_QUERY: Duration = Duration::from_secs(600);

/// The connection to ClickHouse.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// URL of the HTTP interface: `http://host:8123`, or with TLS `https://host:8443`.
    #[serde(deserialize_with = "http_url")]
    pub url: String,
    /// Database of all tables. `tapewire migrate` creates it.
    pub database: String,
    /// User with the rights to create and write the tables.
    pub user: String,
    /// File that holds the user's password and nothing else. Without it the user has no password.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/clickhouse_password")]
    pub password_file: Option<PathBuf>,
    /// File with the certificates, in PEM, of authorities that are trusted beside the system's to sign the server's
    /// certificate.
    #[schemars(example = &"/etc/tapewire/ca.pem")]
    pub ca_file: Option<CaCertificates>,
    /// The password, read by the caller from its variable or from `password_file`.
    #[serde(skip)]
    pub password: String,
    /// How long rows of the run `live` are kept, in days such as `400d`; without a setting for ever. Rows are removed in
    /// whole months, when the month of a row has been over for this time. Rows of replays and backfills are never removed.
    /// `tapewire migrate` applies the settings: docs/running.md.
    pub retention: RetentionConfig,
    /// Another volume of the server, such as one of slower disks, for older bars, trades and indicators of all runs.
    /// `tapewire migrate` applies the settings. What was moved stays there if they are taken away.
    pub cold: ColdConfig,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:18123".into(),
            database: "tapewire".into(),
            user: "default".into(),
            password_file: None,
            ca_file: None,
            password: String::new(),
            retention: RetentionConfig::default(),
            cold: ColdConfig::default(),
        }
    }
}

/// Refuses a URL with a user or a password in it, because errors and logs print the URL; one with a query, which the client
/// would ignore; and one without a scheme, because the client's error would say only that it is invalid.
fn http_url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme));
    // The first two messages must not quote the URL, which may hold a password.
    if url.contains('@') {
        return Err(serde::de::Error::custom(
            "the address has a user or a password in it; write http://HOST:PORT, and set clickhouse.user and \
             clickhouse.password_file",
        ));
    }
    if url.contains('?') {
        return Err(serde::de::Error::custom(
            "the address has a query, what follows the `?`, which is not used; write http://HOST:PORT, and set \
             clickhouse.user, clickhouse.password_file and clickhouse.database",
        ));
    }
    if begins("http://") || begins("https://") {
        return Ok(url);
    }
    let host = url.rsplit("//").next().unwrap_or_default();
    Err(serde::de::Error::custom(format!("`{url}` does not begin with http:// or https://; write http://{host}")))
}

/// Without the password.
impl fmt::Debug for ClickHouseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseConfig")
            .field("url", &self.url)
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl ClickHouseConfig {
    /// A client of the database.
    pub fn client(&self) -> Client {
        self.server().with_database(&self.database)
    }

    /// A client without a database, with which the database can be created.
    pub(crate) fn server(&self) -> Client {
        let client = self.ca_file.as_ref().map_or_else(Client::default, trusting);
        client
            .with_url(&self.url)
            .with_user(&self.user)
            .with_password(&self.password)
            // Otherwise an error after the first rows of an answer would only cut the answer off.
            .with_setting("wait_end_of_query", "1")
            // A time without a zone would be read in the server's.
            .with_setting("session_timezone", "UTC")
    }

    /// What a query finds of a run, which it names as `{run:String}`.
    pub(crate) async fn rows_of<T: RowOwned + RowRead>(&self, run: &Run, query: &str) -> Result<Vec<T>, StoreError> {
        self.answer(self.client().query(query).param("run", run.as_str()).fetch_all()).await
    }

    /// Waits for the answer of a query, at most [`LONGEST_QUERY`].
    ///
    /// # Errors
    /// The [errors of queries](StoreError#errors-of-queries).
    pub(crate) async fn answer<T>(
        &self,
        asked: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, StoreError> {
        self.answer_within(LONGEST_QUERY, asked).await
    }

    async fn answer_within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(limit, asked).await.unwrap_or(Err(clickhouse::error::Error::TimedOut));
        answer.map_err(|error| StoreError::from_clickhouse(error, &self.url))
    }
}

/// A client that trusts these authorities.
fn trusting(authorities: &CaCertificates) -> Client {
    let mut tcp = HttpConnector::new();
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.enforce_http(false);
    let connector = HttpsConnector::from((tcp, authorities.connector().into()));
    Client::with_http_client(HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_are_in_utc_whatever_the_zone_of_the_server() {
        use std::io::{Read as _, Write as _};
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config =
            ClickHouseConfig { url: format!("http://{}", server.local_addr().unwrap()), ..ClickHouseConfig::default() };
        let request = std::thread::spawn(move || {
            let (mut connection, _) = server.accept().unwrap();
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        });
        config.client().query("SELECT 1").execute().await.unwrap();
        let request = request.join().unwrap();
        assert!(request.lines().next().unwrap().contains("session_timezone=UTC"), "{request}");
    }

    #[tokio::test]
    async fn a_query_that_is_never_answered_ends() {
        // It accepts connections and never answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config =
            ClickHouseConfig { url: format!("http://{}", silent.local_addr().unwrap()), ..ClickHouseConfig::default() };
        let client = config.client();
        let error = config.answer_within(Duration::from_millis(200), client.query("SELECT 1").execute()).await;
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }) && error.is_retryable(), "{error}");
        assert!(error.to_string().contains("timeout expired"), "{error}");
    }

    #[test]
    fn an_address_with_a_password_or_a_query_is_refused_without_being_printed() {
        let read = |url: &str| serde_json::from_value::<ClickHouseConfig>(serde_json::json!({"url": url}));
        for (url, expected) in [
            ("http://user:s3cret@host:8123", "a user or a password"),
            ("user:s3cret@host:8123", "a user or a password"),
            ("user:s3cret@host:8123//", "a user or a password"),
            ("http://host:8123/?user=u&password=s3cret", "a query"),
            ("host:8123?password=s3cret", "a query"),
            ("host:8123", "write http://host:8123"),
        ] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{url}: {error}");
        }
        for url in ["http://host:8123", "HTTPS://host:8443/", "https://host/clickhouse"] {
            assert_eq!(read(url).unwrap().url, url);
        }
    }

    #[test]
    fn debug_output_never_shows_the_password() {
        let config = ClickHouseConfig { password: "s3cret".into(), ..ClickHouseConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
