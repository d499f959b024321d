//! Settings of the format of records, and of the schema registry.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_runtime::CaCertificates;

/// How records are written to topics. Readers read both, whatever the setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON, which every tool reads.
    #[default]
    Json,
    /// Avro, by schemas in a registry.
    Avro,
}

/// The connection to the schema registry.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaRegistryConfig {
    /// Root of the registry's API: `http://host:8081`, of Apicurio `http://host:8080/apis/ccompat/v7`.
    #[serde(deserialize_with = "http_url")]
    #[schemars(example = &"http://127.0.0.1:18081/apis/ccompat/v7")]
    pub url: Option<String>,
    /// User, if the registry wants a password (HTTP's Basic authentication).
    #[schemars(example = &"tapewire")]
    pub user: Option<String>,
    /// File that holds the user's password and nothing else.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/registry_password")]
    pub password_file: Option<PathBuf>,
    /// File that holds a token and nothing else, if the registry wants one (`Authorization: Bearer TOKEN`).
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/registry_token")]
    pub token_file: Option<PathBuf>,
    /// File with the certificates, in PEM, of authorities that are trusted beside the system's to sign the registry's
    /// certificate.
    #[schemars(example = &"/etc/tapewire/ca.pem")]
    pub ca_file: Option<CaCertificates>,
    /// Longest wait for one answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
    /// The password, read by the caller from its variable or from `password_file`.
    #[serde(skip)]
    pub password: Option<String>,
    /// The token, read by the caller from its variable or from `token_file`.
    #[serde(skip)]
    pub token: Option<String>,
}

impl Default for SchemaRegistryConfig {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password_file: None,
            token_file: None,
            ca_file: None,
            request_timeout: Duration::from_secs(10),
            password: None,
            token: None,
        }
    }
}

/// Without password and token.
impl fmt::Debug for SchemaRegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRegistryConfig").field("url", &self.url).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Refuses a URL with a user or a password in it, because errors and logs print the URL, one with a query, and one
/// without a scheme.
fn http_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(url) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    // The first message must not quote the URL, which may hold a password.
    if url.contains(['@', '?', '#']) {
        return Err(serde::de::Error::custom(
            "the address has a user, a password or a query in it; write http://HOST:PORT, and set \
             kafka.schema_registry.user and kafka.schema_registry.password_file",
        ));
    }
    let has_scheme = url
        .split_once("://")
        .is_some_and(|(scheme, _)| ["http", "https"].into_iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    match has_scheme && reqwest::Url::parse(&url).is_ok() {
        true => Ok(Some(url)),
        false => Err(serde::de::Error::custom(format!("`{url}` is not an address such as http://HOST:PORT"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<SchemaRegistryConfig, serde_json::Error> {
        serde_json::from_value(serde_json::json!({"url": url}))
    }

    #[test]
    fn an_address_with_a_password_or_without_a_scheme_is_refused() {
        for url in ["http://user:s3cret@host:8081", "http://host:8081/?token=s3cret", "user:s3cret@host"] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains("kafka.schema_registry.user") && !error.contains("s3cret"), "{error}");
        }
        for url in ["host:8081", "ftp://host", "http://", "http://ho st"] {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains("http://HOST:PORT"), "{error}");
        }
        for url in ["http://host:8081", "HTTPS://host/apis/ccompat/v7/"] {
            assert_eq!(read(url).unwrap().url.as_deref(), Some(url));
        }
    }

    #[test]
    fn debug_output_never_shows_a_secret() {
        let secret = Some("s3cret".to_owned());
        let config =
            SchemaRegistryConfig { password: secret.clone(), token: secret, ..SchemaRegistryConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
