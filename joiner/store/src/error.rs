//! What can go wrong with the tables.

/// An error of the store. Messages name the place and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// ClickHouse does not answer.
    #[error("clickhouse does not answer at {url}: {reason}; is it up (`make stack` starts a local one)?")]
    Unreachable {
        /// Address as configured.
        url: String,
        /// What the client said.
        reason: String,
    },
    /// ClickHouse is overloaded or restarting.
    #[error("clickhouse at {url} can't take requests now: {reason}")]
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
    /// A table, a column or the database is missing.
    #[error("clickhouse at {url} lacks tables or columns of this build ({reason}); run `tapewire migrate`")]
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
    /// The database was migrated by an older build.
    #[error("database {database} has schema version {version}, this build needs {wanted}; run `tapewire migrate`")]
    OlderSchema {
        /// Database.
        database: String,
        /// Version found.
        version: u32,
        /// Version of this build.
        wanted: u32,
    },
    /// The database was migrated by a newer build.
    #[error("database {database} has schema version {version}, which this build does not know; upgrade tapewire")]
    NewerSchema {
        /// Database.
        database: String,
        /// Version found.
        version: u32,
    },
}

/// ClickHouse's codes for "try again later": timeout, no free connection, network, memory, too many parts or
/// queries, read-only for now, shutting down.
const BUSY: [u32; 10] = [159, 202, 203, 209, 210, 236, 241, 242, 252, 745];
/// Its codes for a missing table, database or column.
const NOT_MIGRATED: [u32; 3] = [60, 81, 16];
/// What code 252 says beside "too many parts", which merges reduce: the rows of one insert are of more partitions than
/// the server allows, and that stays so.
const TOO_MANY_PARTITIONS: &str = "Too many partitions";

/// The code in a server's answer: `Code: 60. DB::Exception: ...`.
pub(crate) fn code(error: &clickhouse::error::Error) -> Option<u32> {
    let clickhouse::error::Error::BadResponse(text) = error else { return None };
    text.split("Code: ").nth(1)?.split('.').next()?.parse().ok()
}

/// An error and those causes that its text does not have: `network error: client error (Connect): tcp connect error:
/// Connection refused (os error 111)`.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl StoreError {
    /// Classifies an error of the client.
    pub(crate) fn from_clickhouse(error: clickhouse::error::Error, url: &str) -> Self {
        use clickhouse::error::Error;
        let (url, reason, code) = (url.to_owned(), with_causes(&error), code(&error));
        match (error, code) {
            (Error::Network(_) | Error::TimedOut, _) => Self::Unreachable { url, reason },
            // The client compares a row's columns with the table's before it sends any.
            (Error::SchemaMismatch(_), _) => Self::NotMigrated { url, reason },
            (_, Some(252)) if reason.contains(TOO_MANY_PARTITIONS) => Self::ClickHouse { url, reason },
            (_, Some(code)) if BUSY.contains(&code) => Self::Busy { url, reason },
            (_, Some(code)) if NOT_MIGRATED.contains(&code) => Self::NotMigrated { url, reason },
            _ => Self::ClickHouse { url, reason },
        }
    }

    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::error::Error;

    #[test]
    fn a_servers_answer_is_sorted_by_its_code() {
        let sorted = |text: &str| StoreError::from_clickhouse(Error::BadResponse(text.into()), "u");
        assert!(matches!(sorted("Code: 60. DB::Exception: Table x does not exist"), StoreError::NotMigrated { .. }));
        assert!(matches!(sorted("Code: 241. DB::Exception: Memory limit"), StoreError::Busy { .. }));
        assert!(matches!(sorted("Code: 62. DB::Exception: Syntax error"), StoreError::ClickHouse { .. }));
        let parts = "Code: 252. DB::Exception: Too many parts (3000 with average size of 1.00 KiB) in table 'x'";
        assert!(matches!(sorted(parts), StoreError::Busy { .. }));
        let partitions = "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100)";
        assert!(matches!(sorted(partitions), StoreError::ClickHouse { .. }));
        assert!(matches!(sorted("not an answer of ClickHouse"), StoreError::ClickHouse { .. }));
        assert!(StoreError::from_clickhouse(Error::TimedOut, "u").is_retryable());
    }
}
