//! Kafka, ClickHouse and a schema registry of one test, because it kills them or sets them up in another way.

use super::{repository, succeeded};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The servers, on ports of their own. They are stopped at the end of the test.
pub struct Servers {
    /// Where their data and logs are.
    pub folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    /// Address of Kafka.
    pub brokers: String,
    /// Address of ClickHouse.
    pub clickhouse: String,
}

impl Servers {
    /// Starts Kafka and ClickHouse, and the registry if a variable says so. Their ports are `ports` and up to 123 more;
    /// further settings of the stack are `variables`.
    pub fn start(folder: PathBuf, ports: u16, variables: &[(&'static str, &str)]) -> Self {
        let port = |own: u16| (ports + own).to_string();
        let mut settings = vec![
            ("TAPEWIRE_KAFKA_PORT", port(92)),
            ("TAPEWIRE_KAFKA_CONTROLLER_PORT", port(93)),
            ("TAPEWIRE_CLICKHOUSE_HTTP_PORT", port(123)),
            ("TAPEWIRE_CLICKHOUSE_TCP_PORT", port(0)),
            ("TAPEWIRE_REGISTRY_PORT", port(81)),
            ("TAPEWIRE_STACK_REGISTRY", "0".to_owned()),
        ];
        settings.extend(variables.iter().map(|&(name, value)| (name, value.to_owned())));
        let brokers = format!("127.0.0.1:{}", port(92));
        let clickhouse = format!("http://127.0.0.1:{}", port(123));
        let servers = Self { folder, settings, brokers, clickhouse };
        servers.stack(&["up"]);
        servers
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.args(["-m", "stack"]).args(arguments).current_dir(repository());
        command.env("TAPEWIRE_STACK_DIR", &self.folder).envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a command of `python3 -m stack` printed.
    pub fn stack(&self, arguments: &[&str]) -> String {
        succeeded(self.command(arguments).output().unwrap())
    }

    /// kill -9 of a server, which is then started again.
    pub fn kill(&self, server: &str) {
        self.stack(&["kill", server]);
        self.stack(&["up"]);
    }

    /// Stops a server for a while, as a machine out of memory or a snapshot of it does.
    pub fn pause(&self, server: &str, time: Duration) {
        // It fails where a server does not answer, as one that was paused a moment ago.
        let status = String::from_utf8(self.command(&["status"]).output().unwrap().stdout).unwrap();
        // `kafka: up, 127.0.0.1:25092, process 4711, log /tmp/...`
        let line = status.lines().find(|line| line.starts_with(server)).unwrap();
        let process = line.split_once("process ").unwrap().1.split(',').next().unwrap();
        pause(process, time);
    }
}

/// Stops a process, by its number, for a while.
pub fn pause(process: &str, time: Duration) {
    let signal = |name| assert!(Command::new("kill").args([name, process]).status().unwrap().success());
    signal("-STOP");
    std::thread::sleep(time);
    signal("-CONT");
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.command(&["down"]).output();
    }
}
