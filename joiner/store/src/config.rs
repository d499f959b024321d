//! How to reach ClickHouse.

use clickhouse::Client;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// Address, database and user. TLS is an `https` URL.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// HTTP interface: `http://host:8123` or `https://host:8443`.
    pub url: String,
    /// Database of all tables; `tapewire migrate` creates it.
    pub database: String,
    /// User that may create and write the tables.
    pub user: String,
    /// File that holds the user's password and nothing else. Without it the user has no password.
    pub password_file: Option<PathBuf>,
    /// The password itself, read from `password_file` by the caller.
    #[serde(skip)]
    pub password: String,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:18123".into(),
            database: "tapewire".into(),
            user: "default".into(),
            password_file: None,
            password: String::new(),
        }
    }
}

/// The password is left out.
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

    /// A client that names no database, to create it.
    pub(crate) fn server(&self) -> Client {
        Client::default()
            .with_url(&self.url)
            .with_user(&self.user)
            .with_password(&self.password)
            // Otherwise an error after the first rows would show as a truncated answer.
            .with_setting("wait_end_of_query", "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_never_prints() {
        let config = ClickHouseConfig { password: "s3cret".into(), ..ClickHouseConfig::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
