//! Settings of the connection to ClickHouse.

use crate::retention::{ColdConfig, RetentionConfig};
use crate::servers::Servers;
use crate::{StoreError, connection};
use clickhouse::{Client, RowOwned, RowRead};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tapewire_core::Run;
use tapewire_runtime::CaCertificates;

/// How long a server waits until all others have a row, in milliseconds: less than [`crate::Writer`] waits for an
/// answer.
const QUORUM_TIMEOUT_MS: &str = "60000";

/// The connection to ClickHouse.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// URL of the HTTP interface: `http://host:8123`, or with TLS `https://host:8443`.
    #[serde(deserialize_with = "http_url")]
    pub url: String,
    /// Addresses of further servers with the same tables: `migrate` then creates a database whose tables are
    /// replicated. A row counts as written when all servers have it. Whichever answers is asked. docs/running.md has
    /// the set-up.
    #[serde(deserialize_with = "http_urls")]
    pub replicas: Vec<String>,
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
    /// Which of the servers is asked; clones share it.
    #[serde(skip)]
    pub current: Arc<AtomicUsize>,
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
            replicas: Vec::new(),
            database: "tapewire".into(),
            user: "default".into(),
            password_file: None,
            ca_file: None,
            password: String::new(),
            current: Arc::default(),
            retention: RetentionConfig::default(),
            cold: ColdConfig::default(),
        }
    }
}

/// Refuses a URL with a user or a password in it, because errors and logs print the URL; one with a query, which the client
/// would ignore; and one without a scheme, because the client's error would say only that it is invalid.
fn http_url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?)
}

fn http_urls<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.into_iter().map(checked).collect()
}

fn checked<E: serde::de::Error>(url: String) -> Result<String, E> {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme));
    // The first two messages must not quote the URL, which may hold a password.
    if url.contains('@') {
        return Err(E::custom(
            "the address has a user or a password in it; write http://HOST:PORT, and set clickhouse.user and \
             clickhouse.password_file",
        ));
    }
    if url.contains('?') {
        return Err(E::custom(
            "the address has a query, what follows the `?`, which is not used; write http://HOST:PORT, and set \
             clickhouse.user, clickhouse.password_file and clickhouse.database",
        ));
    }
    if begins("http://") || begins("https://") {
        return Ok(url);
    }
    let host = url.rsplit("//").next().unwrap_or_default();
    Err(E::custom(format!("`{url}` does not begin with http:// or https://; write http://{host}")))
}

/// Without the password.
impl fmt::Debug for ClickHouseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseConfig")
            .field("url", &self.url)
            .field("replicas", &self.replicas)
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl ClickHouseConfig {
    /// The addresses of all servers.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.url).chain(&self.replicas).map(String::as_str)
    }

    /// The address of the server that is asked now.
    pub fn asked(&self) -> &str {
        self.urls().nth(self.place()).unwrap_or(&self.url)
    }

    /// The place in [`urls`](Self::urls) of the server that is asked now.
    pub fn place(&self) -> usize {
        self.servers().place()
    }

    /// Asks the server at `place` from now on.
    pub fn ask(&self, place: usize) {
        self.current.store(place, Ordering::Relaxed);
    }

    /// Says that the server at `place` does not answer: if it is still the one that is asked, and there are others, the
    /// next request goes to another.
    pub fn leave(&self, place: usize) {
        self.servers().go_on(place, place + 1, "it is silent");
    }

    /// The settings of the server at `place` alone.
    #[must_use]
    pub fn only(&self, place: usize) -> Self {
        let url = self.urls().nth(place).unwrap_or(&self.url).to_owned();
        Self { url, replicas: Vec::new(), current: Arc::default(), ..self.clone() }
    }

    fn servers(&self) -> Servers {
        Servers::new(self.urls().map(str::to_owned).collect(), self.current.clone())
    }

    /// An error of the client, with the server that is asked.
    pub(crate) fn failed(&self, error: clickhouse::error::Error) -> StoreError {
        StoreError::from_clickhouse(error, self.asked())
    }

    /// A client of the database.
    pub fn client(&self) -> Client {
        self.server().with_database(&self.database)
    }

    /// A client without a database, with which the database can be created.
    pub(crate) fn server(&self) -> Client {
        let several = (!self.replicas.is_empty()).then(|| self.servers());
        let mut client = connection::client(self.ca_file.as_ref(), several).with_url(self.asked());
        if !self.replicas.is_empty() {
            client = client
                // A row that one server alone has could be lost with it.
                .with_setting("insert_quorum", (1 + self.replicas.len()).to_string())
                .with_setting("insert_quorum_timeout", QUORUM_TIMEOUT_MS)
                // A server that is away changes its tables when it is back.
                .with_setting("distributed_ddl_output_mode", "none_only_active");
        }
        client
            .with_user(&self.user)
            .with_password(&self.password)
            // Otherwise an error after the first rows of an answer would only cut the answer off.
            .with_setting("wait_end_of_query", "1")
            // A time without a zone would be read in the server's.
            .with_setting("session_timezone", "UTC")
    }

    /// What a query finds of a run, which it names as `{run:String}`.
    pub(crate) async fn rows_of<T: RowOwned + RowRead>(&self, run: &Run, query: &str) -> Result<Vec<T>, StoreError> {
        let rows = self.client().query(query).param("run", run.as_str()).fetch_all().await;
        rows.map_err(|error| self.failed(error))
    }
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
        let replicas = serde_json::json!({"replicas": ["http://host:8123", "http://user:s3cret@host:8123"]});
        let error = serde_json::from_value::<ClickHouseConfig>(replicas).unwrap_err().to_string();
        assert!(error.contains("a user or a password") && !error.contains("s3cret"), "{error}");
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
