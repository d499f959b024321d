//! Settings of the traces.

use crate::RuntimeError;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

/// Traces of articles through every stage, sent by OpenTelemetry's protocol: docs/traces.md.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// Address of what receives OTLP over HTTP: an OpenTelemetry Collector, Jaeger, Tempo. The path `/v1/traces` is
    /// added. Without an address there are no traces.
    #[serde(deserialize_with = "address")]
    #[schemars(example = &"http://127.0.0.1:4318")]
    pub otlp_endpoint: Option<String>,
    /// File that holds the headers of every request to it and nothing else, as `name=value,name=value`, where a value
    /// is percent-encoded: `authorization=Bearer%20TOKEN`.
    #[schemars(extend("x-secret" = true), example = &"/run/secrets/otlp_headers")]
    pub otlp_headers_file: Option<PathBuf>,
    /// Share of the articles that get a trace, 0 to 1. It counts where a trace begins: in the role `news`, and in
    /// commands that send articles.
    #[serde(deserialize_with = "share")]
    pub sample_ratio: f64,
    /// The headers, read by the caller from their variable or from `otlp_headers_file`.
    #[serde(skip)]
    pub otlp_headers: Option<OtlpHeaders>,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, otlp_headers_file: None, sample_ratio: 1.0, otlp_headers: None }
    }
}

/// Refuses what is no address of a server, and an address with a user or a password in it, because logs print the
/// address.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    // The first message must not quote the address, which may hold a password.
    if text.contains('@') {
        return Err(D::Error::custom(
            "the address has a user or a password in it; write http://HOST:PORT, and put what authorizes the requests \
             into the file that traces.otlp_headers_file names",
        ));
    }
    let is_server = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    if is_server {
        return Ok(Some(text));
    }
    Err(D::Error::custom(format!("`{text}` is no address of a receiver; write for example http://127.0.0.1:4318")))
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(D::Error::custom(format!(
        "{share} is no share; write a number from 0 to 1, such as 0.1 for every tenth article"
    )))
}

/// The address to which spans are posted.
pub(super) fn traces_url(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.ends_with("/v1/traces") { endpoint.to_owned() } else { format!("{endpoint}/v1/traces") }
}

/// Headers that authorize requests, as in the variable OTEL_EXPORTER_OTLP_HEADERS of other programs. They can't be
/// printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpHeaders(String);

impl OtlpHeaders {
    /// The headers that this text lists as `name=value`, separated by commas or the ends of lines.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The headers by name.
    ///
    /// # Errors
    /// [`RuntimeError::TracesSetting`] names the header by its place in the list, and never its value.
    pub(super) fn parsed(&self) -> Result<HashMap<String, String>, RuntimeError> {
        let listed = self.0.split([',', '\n']).map(str::trim).filter(|header| !header.is_empty());
        let parsed = listed.enumerate().map(|(index, header)| {
            parsed(header).ok_or_else(|| RuntimeError::TracesSetting {
                setting: "otlp_headers_file",
                reason: format!(
                    "header {} of the file, or of TAPEWIRE_TRACES_OTLP_HEADERS, is no `name=value` with a \
                     percent-encoded value, such as `authorization=Bearer%20TOKEN`",
                    index + 1
                ),
            })
        });
        parsed.collect()
    }
}

fn parsed(header: &str) -> Option<(String, String)> {
    let (name, value) = header.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
    let is_valid = !value.is_empty() && HeaderValue::from_str(&value).is_ok();
    is_valid.then(|| (name.as_str().to_owned(), value.into_owned()))
}

impl fmt::Debug for OtlpHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtlpHeaders")
    }
}
