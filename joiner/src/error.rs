//! What can go wrong in this crate.

use tapewire_bus::BusError;

/// An error of the joiner. Messages name the place and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinerError {
    /// Kafka.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// ClickHouse does not answer.
    #[error("clickhouse does not answer at {url}: {reason}; is it up (`make stack` starts a local one)?")]
    Unreachable {
        /// Address as configured.
        url: String,
        /// What the client said.
        reason: String,
    },
    /// ClickHouse is overloaded or restarting.
    #[error("clickhouse at {url} can't take it now: {reason}")]
    Busy {
        /// Address as configured.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// ClickHouse refused.
    #[error("clickhouse at {url} refused: {reason}")]
    ClickHouse {
        /// Address as configured.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// The tables are not there.
    #[error("clickhouse at {url} has not the tables of this build ({reason}); run `tapewire migrate`")]
    NotMigrated {
        /// Address as configured.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// An applied migration's file was edited.
    #[error(
        "database {database}: migration {name} was applied with another text than this build has; \
         an applied migration is never changed, put the change into a new one"
    )]
    ChangedMigration {
        /// Database.
        database: String,
        /// Migration's name.
        name: String,
    },
    /// A setting is out of range.
    #[error("setting {name}: {reason}")]
    Setting {
        /// Its name, with the section.
        name: &'static str,
        /// What it may be.
        reason: &'static str,
    },
    /// Row versions are full.
    #[error(
        "a partition holds more records than a row's version can count (2^28 of sentiment, 2^36 of bars and halts); \
         go on with new topics and a new run or database"
    )]
    TooManyRecords,
    /// The database was migrated by a newer build.
    #[error("database {database} has schema version {version}, which this build does not know; upgrade tapewire")]
    NewerSchema {
        /// Database.
        database: String,
        /// Version found.
        version: u32,
    },
}

/// ClickHouse's codes for "later": timeout, no free connection, network, memory, too many parts or
/// queries, read-only for now, shutting down.
const BUSY: [&str; 10] = ["159", "202", "203", "209", "210", "236", "241", "242", "252", "745"];
/// Its codes for a missing table, database or column.
const NOT_MIGRATED: [&str; 3] = ["60", "81", "16"];

impl JoinerError {
    /// Sorts an error of the client.
    pub(crate) fn from_clickhouse(error: clickhouse::error::Error, url: &str) -> Self {
        use clickhouse::error::Error;
        let url = url.to_owned();
        let reason = error.to_string();
        match error {
            Error::Network(_) | Error::TimedOut => Self::Unreachable { url, reason },
            Error::BadResponse(text) => {
                let code = text.split("Code: ").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
                if BUSY.contains(&code) {
                    Self::Busy { url, reason }
                } else if NOT_MIGRATED.contains(&code) {
                    Self::NotMigrated { url, reason }
                } else {
                    Self::ClickHouse { url, reason }
                }
            }
            _ => Self::ClickHouse { url, reason },
        }
    }

    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Bus(error) => error.is_retryable(),
            Self::Unreachable { .. } | Self::Busy { .. } => true,
            _ => false,
        }
    }
}
