//! What the end-to-end tests share: an installation of tapewire for each test, on real servers.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod market;
pub mod provider;
pub mod servers;
pub mod small_disks;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Topics and a database of one test, on the servers that the environment names.
pub struct Installation {
    name: String,
    environment: Vec<(String, String)>,
    clickhouse: String,
    curl: Vec<String>,
    pub folder: tempfile::TempDir,
}

impl Installation {
    /// An installation on the servers that the environment names. Without them prints that the test is skipped, and
    /// returns `None`.
    pub fn new(name: &str) -> Option<Self> {
        match (std::env::var("TAPEWIRE_KAFKA_BROKERS"), std::env::var("TAPEWIRE_CLICKHOUSE_URL")) {
            (Ok(brokers), Ok(url)) => Some(Self::on(name, &brokers, &url)),
            _ => {
                println!("skipped: {name}: TAPEWIRE_KAFKA_BROKERS and TAPEWIRE_CLICKHOUSE_URL are not set");
                None
            }
        }
    }

    /// An installation on the given servers.
    pub fn on(name: &str, brokers: &str, clickhouse: &str) -> Self {
        Self::with(
            name,
            clickhouse,
            &[],
            &[("TAPEWIRE_KAFKA_BROKERS", brokers), ("TAPEWIRE_CLICKHOUSE_URL", clickhouse)],
        )
    }

    /// An installation with these variables, on servers that they name. `curl` is what curl needs to ask ClickHouse.
    pub fn with(name: &str, clickhouse: &str, curl: &[&str], variables: &[(&str, &str)]) -> Self {
        let name = format!("e2e_{name}_{}", std::process::id());
        let prefix = format!("{name}-");
        let own = [
            ("TAPEWIRE_KAFKA_PREFIX", prefix.as_str()),
            ("TAPEWIRE_KAFKA_PARTITIONS", "3"),
            ("TAPEWIRE_CLICKHOUSE_DATABASE", &name),
            ("TAPEWIRE_LISTEN", "127.0.0.1:0"),
        ];
        let environment = variables.iter().chain(&own).map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let curl = curl.iter().map(|&argument| argument.to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let installation = Self { name, environment, clickhouse: clickhouse.to_owned(), curl, folder };
        succeeded(installation.tapewire().arg("migrate").output().unwrap());
        installation
    }

    /// Adds a setting, as a variable of the environment.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.name
    }

    /// ClickHouse's address.
    pub fn clickhouse(&self) -> &str {
        &self.clickhouse
    }

    /// The binary, with this installation's settings.
    pub fn tapewire(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
        command.current_dir(self.folder.path()).envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Starts a role as a process of its own, which is killed at the end of the test.
    pub fn role(&self, role: &str) -> Process {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join(format!("{role}.log")));
        let child =
            self.tapewire().args(["run", "--role", role]).stderr(log.unwrap()).stdin(Stdio::null()).spawn().unwrap();
        Process(child)
    }

    /// The answer to a query, lines of tab-separated values; empty while the server is away.
    pub fn query(&self, sql: &str) -> String {
        let url = format!("{}/?database={}", self.clickhouse, self.name);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "--noproxy", "*", "--data-binary", sql, &url]).args(&self.curl);
        let output = curl.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The number a query gives; 0 while the server is away.
    pub fn count(&self, sql: &str) -> u64 {
        self.query(sql).parse().unwrap_or(0)
    }

    /// The rows of all tables that must be the same whatever was killed or repeated, without positions in topics.
    pub fn content(&self) -> String {
        let tables = [
            ("articles", "* EXCEPT seq", "article_id"),
            ("mentions", "* EXCEPT seq", "symbol, article_id"),
            ("bars", "*", "symbol, start"),
            ("impact", "* EXCEPT version", "symbol, article_id"),
            ("report", "*", "symbol, article_id"),
            ("bars_1m", "*", "symbol, start"),
            ("bars_5m", "*", "symbol, start"),
        ];
        let dump = |(table, columns, order): (&str, &str, &str)| {
            let last = if ["report", "bars_1m", "bars_5m"].contains(&table) { "" } else { "FINAL" };
            let rows =
                self.query(&format!("SELECT {columns} FROM {table} {last} ORDER BY {order} FORMAT TSVWithNames"));
            assert!(rows.lines().count() > 1, "{table} is empty: {rows}");
            format!("{table}\n{rows}\n")
        };
        tables.map(dump).concat()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // After a failure the rows and logs are kept for whoever investigates it.
        if std::thread::panicking() {
            eprintln!("database {} is left as it was", self.name);
        } else {
            self.query(&format!("DROP DATABASE {}", self.name));
        }
    }
}

/// A child process that is killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// SIGKILL: no chance to write or commit anything.
    pub fn kill_9(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and waits until it has finished what it had begun.
    pub fn stop(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// How it has ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Stops it for a while; it then goes on.
    pub fn pause(&self, time: Duration) {
        servers::pause(&self.0.id().to_string(), time);
    }

    /// Sends it a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number from the environment, for tests that can be made longer by hand.
pub fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Panics with the first rows that differ, unless the contents of two installations are the same.
pub fn assert_same(what: &str, found: &str, expected: &str) {
    if found == expected {
        return;
    }
    let differ = found.lines().zip(expected.lines()).filter(|(found, expected)| found != expected);
    let shown: Vec<String> =
        differ.take(5).map(|(found, expected)| format!("found    {found}\nexpected {expected}")).collect();
    let (rows, wanted) = (found.lines().count(), expected.lines().count());
    panic!(
        "{what}: the tables differ from those of an undisturbed replay, {rows} lines instead of {wanted}:\n{}",
        shown.join("\n")
    );
}

/// The output of a command that must have succeeded.
pub fn succeeded(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Waits until `condition` is true. After three minutes, which a busy machine may need, panics with a message that
/// contains `what`.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_mins(3), "not true within three minutes: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The command that computes outcomes independently, in the Python environment that `TAPEWIRE_OUTCOMES` names.
/// Without it prints that the test is skipped, and returns `None`.
pub fn outcomes(test: &str) -> Option<Command> {
    python(test, "outcomes.py")
}

/// The command that runs a program of the folder `outcomes` in the Python environment that `TAPEWIRE_OUTCOMES` names.
/// Without it prints that the test is skipped, and returns `None`.
pub fn python(test: &str, program: &str) -> Option<Command> {
    let Ok(environment) = std::env::var("TAPEWIRE_OUTCOMES") else {
        println!("skipped: {test}: TAPEWIRE_OUTCOMES is not set; scripts/outcomes_env.py makes it");
        return None;
    };
    let mut command = Command::new(Path::new(&environment).join("bin/python"));
    command.arg(repository().join("cli/tests/outcomes").join(program));
    Some(command)
}

/// Generates a small market with this many articles; returns the files of its news and bars.
pub fn small_market(test: &str, folder: &Path, articles: usize) -> Option<(PathBuf, PathBuf)> {
    let mut command = outcomes(test)?;
    succeeded(command.arg("generate").arg(folder).args(["--articles", &articles.to_string()]).output().unwrap());
    Some((folder.join("news.jsonl"), folder.join("bars.csv")))
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
