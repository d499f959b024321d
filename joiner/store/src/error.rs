//! What can go wrong with the tables.

/// An error of the store. Messages name the place and, where there is one, the remedy.
///
/// # Errors of queries
/// [`Unreachable`](Self::Unreachable), [`Certificate`](Self::Certificate), [`Login`](Self::Login), [`Busy`](Self::Busy),
/// [`DiskFull`](Self::DiskFull), [`NotMigrated`](Self::NotMigrated) (not where no database is needed),
/// [`ClickHouse`](Self::ClickHouse).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// ClickHouse does not answer.
    #[error("clickhouse does not answer at {url}: {reason}; {}", remedy(url, reason))]
    Unreachable {
        /// Address as configured.
        url: String,
        /// What the client said.
        reason: String,
    },
    /// The server's certificate is not trusted, or is that of another host.
    #[error("the certificate of clickhouse at {url} is not accepted ({reason}): {}", certificate_remedy(reason))]
    Certificate {
        /// Address as configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refuses the user or the password.
    #[error(
        "clickhouse at {url} refuses the login ({reason}); check clickhouse.user, and the password in \
         TAPEWIRE_CLICKHOUSE_PASSWORD or in the file that clickhouse.password_file names"
    )]
    Login {
        /// Address as configured.
        url: String,
        /// What the server said.
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
    /// ClickHouse has no room on its disk.
    #[error("the disk of clickhouse at {url} is full ({reason}); make room there, or give the server a larger disk")]
    DiskFull {
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
    /// The server does not have the volume for older rows, or a table can't use it.
    #[error("{setting}: {reason}; `SELECT * FROM system.storage_policies` shows what the server has")]
    Cold {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
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
/// Its code for a disk that has no room for a part.
const NO_ROOM: u32 = 243;
/// What the system says of a file that can't grow. ClickHouse quotes it with several codes.
const DISK_FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
/// Its codes for a user that is not known or not allowed from here, and a password that is wrong or missing.
const LOGIN: [u32; 4] = [192, 193, 194, 516];
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

/// What to do if there is no answer.
fn remedy(url: &str, reason: &str) -> &'static str {
    let is_https = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    if is_https && reason.contains("wrong version number") {
        "the port does not speak TLS: name the port for HTTPS in clickhouse.url, or write http://"
    } else if !is_https && reason.contains("connection closed before message completed") {
        "if the port is the one for HTTPS, write https:// in clickhouse.url; otherwise see whether it is up"
    } else {
        "is it up (`make stack` starts a local one)?"
    }
}

/// What to do with a certificate that is not accepted.
fn certificate_remedy(reason: &str) -> &'static str {
    if reason.contains("mismatch") {
        "write the host name that is in the certificate in clickhouse.url"
    } else if reason.contains("expired") || reason.contains("not yet valid") {
        "give the server a certificate that is valid now, and see that this machine's clock is right"
    } else {
        "name the file with the certificate of its authority in clickhouse.ca_file"
    }
}

/// What OpenSSL says of a certificate: `... certificate verify failed:../ssl/x.c:1889: (hostname mismatch): ...`.
fn about_certificate(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("certificate verify failed")?;
    Some(
        rest.split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or("it can't be verified", |(said, _)| said),
    )
}

impl StoreError {
    /// Classifies an error of the client.
    pub(crate) fn from_clickhouse(error: clickhouse::error::Error, url: &str) -> Self {
        use clickhouse::error::Error;
        let (url, reason, code) = (url.to_owned(), with_causes(&error), code(&error));
        if let (Error::Network(_), Some(said)) = (&error, about_certificate(&reason)) {
            return Self::Certificate { url, reason: said.to_owned() };
        }
        match (error, code) {
            (Error::Network(_) | Error::TimedOut, _) => Self::Unreachable { url, reason },
            // The client compares a row's columns with the table's before it sends any.
            (Error::SchemaMismatch(_), _) => Self::NotMigrated { url, reason },
            (_, Some(code)) if code == NO_ROOM || DISK_FULL.iter().any(|said| reason.contains(said)) => {
                Self::DiskFull { url, reason: reason.lines().next().unwrap_or_default().to_owned() }
            }
            (_, Some(252)) if reason.contains(TOO_MANY_PARTITIONS) => Self::ClickHouse { url, reason },
            (_, Some(code)) if LOGIN.contains(&code) => {
                // What follows is about passwords in files of the server.
                Self::Login { url, reason: reason.lines().next().unwrap_or_default().to_owned() }
            }
            (_, Some(code)) if BUSY.contains(&code) => Self::Busy { url, reason },
            (_, Some(code)) if NOT_MIGRATED.contains(&code) => Self::NotMigrated { url, reason },
            _ => Self::ClickHouse { url, reason },
        }
    }

    /// Whether doing the same again later can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. } | Self::DiskFull { .. })
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
        let login = sorted("Code: 516. DB::Exception: x: Authentication failed: password is incorrect\n\nIf you use");
        assert!(matches!(login, StoreError::Login { .. }), "{login}");
        let text = login.to_string();
        assert!(
            text.contains("password is incorrect); check clickhouse.user") && !text.contains("If you use"),
            "{text}"
        );
        assert!(matches!(sorted("not an answer of ClickHouse"), StoreError::ClickHouse { .. }));
        assert!(StoreError::from_clickhouse(Error::TimedOut, "u").is_retryable());
    }

    #[test]
    fn a_full_disk_is_waited_for_and_named() {
        for text in [
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
            "Code: 75. DB::ErrnoException: Cannot write to file /x: , errno: 28, strerror: No space left on device",
            "Code: 1001. DB::Exception: filesystem error: in create_directories: No space left on device",
            "Code: 76. DB::ErrnoException: Cannot open file /x/a: , errno: 122, strerror: Disk quota exceeded",
        ] {
            let error = StoreError::from_clickhouse(Error::BadResponse(text.into()), "http://h:8123");
            assert!(matches!(error, StoreError::DiskFull { .. }) && error.is_retryable(), "{error}");
            let said = error.to_string();
            assert!(said.starts_with("the disk of clickhouse at http://h:8123 is full ("), "{said}");
            assert!(said.contains(text) && said.contains("make room there"), "{said}");
        }
        // This machine's disk is not the server's.
        let own = Error::Network(std::io::Error::from_raw_os_error(28).into());
        assert!(matches!(StoreError::from_clickhouse(own, "u"), StoreError::Unreachable { .. }));
    }

    #[test]
    fn a_connection_that_fails_has_the_remedy_of_its_cause() {
        let failed = |url: &str, said: &str| {
            let error = StoreError::from_clickhouse(Error::Network(said.to_owned().into()), url);
            (error.to_string(), error.is_retryable())
        };
        let verify =
            "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/s.c:1:";
        for (said, expected) in [
            ("(unable to get local issuer certificate)", "(unable to get local issuer certificate): name the file"),
            ("(IP address mismatch): error", "(IP address mismatch): write the host name"),
            ("(certificate has expired)", "(certificate has expired): give the server"),
            ("", "(it can't be verified): name the file"),
        ] {
            let (text, is_retryable) = failed("https://h:8443", &format!("{verify} {said}"));
            assert!(text.contains(expected) && text.contains("https://h:8443") && !is_retryable, "{text}");
        }
        for (url, said, expected) in [
            ("https://h:8123", "error:0A00010B:SSL routines:ssl3_get_record:wrong version number", "write http://"),
            ("http://h:8443", "connection closed before message completed", "write https://"),
            ("https://h:8443", "connection closed before message completed", "is it up"),
            ("http://h:8123", "Connection refused (os error 111)", "is it up"),
        ] {
            let (text, is_retryable) = failed(url, said);
            assert!(text.contains(expected) && is_retryable, "{text}");
        }
    }
}
