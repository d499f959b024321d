//! Certificates of authorities that may have signed a server's certificate.

use native_tls::{Certificate, TlsConnector};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

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

    /// What connects by TLS and trusts these authorities.
    pub fn connector(&self) -> TlsConnector {
        self.tls.clone()
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
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

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
