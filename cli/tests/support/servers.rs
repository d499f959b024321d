//! Kafka, ClickHouse and a schema registry of one test, because it kills them, disturbs the way to them, fills their
//! disks or sets them up in another way.

use super::small_disks::SmallDisks;
use super::{Installation, repository, succeeded};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tapewire_testkit::{Network, Proxy};

/// The ways from tapewire's processes to the servers.
pub struct Links {
    kafka: Proxy,
    clickhouse: Proxy,
}

impl Links {
    /// The way to a server.
    pub fn to(&self, server: &str) -> &Proxy {
        match server {
            "kafka" => &self.kafka,
            "clickhouse" => &self.clickhouse,
            _ => panic!("there is no way to {server}"),
        }
    }

    /// Makes the network to a server another one for a while; then it is whole.
    pub fn disturb(&self, server: &str, network: Network, time: Duration) {
        self.to(server).set(network);
        std::thread::sleep(time);
        self.to(server).set(Network::Whole);
    }
}

/// The servers, on ports of their own. They are stopped at the end of the test.
pub struct Servers {
    /// Where their data and logs are.
    pub folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    /// Address of Kafka, or of the proxy before it.
    pub brokers: String,
    /// Address of ClickHouse, without a proxy: the test itself asks it there.
    pub clickhouse: String,
    links: Option<Links>,
    disks: Option<SmallDisks>,
}

impl Servers {
    /// Starts Kafka and ClickHouse, and the registry if a variable says so. Their ports are `ports` and up to 124 more;
    /// further settings of the stack are `variables`.
    pub fn start(folder: PathBuf, ports: u16, variables: &[(&'static str, &str)]) -> Self {
        Self::with(folder, ports, variables, None, None)
    }

    /// Starts Kafka and ClickHouse, each with a proxy before it.
    pub fn behind_links(folder: PathBuf, ports: u16) -> Self {
        let at = |own: u16| SocketAddr::from(([127, 0, 0, 1], ports + own));
        let links =
            Links { kafka: Proxy::start(at(94), at(92)).unwrap(), clickhouse: Proxy::start(at(124), at(123)).unwrap() };
        let advertised = (ports + 94).to_string();
        Self::with(folder, ports, &[("TAPEWIRE_KAFKA_ADVERTISED_PORT", advertised.as_str())], Some(links), None)
    }

    /// Starts Kafka and ClickHouse where they see these disks.
    pub fn on_disks(folder: PathBuf, ports: u16, disks: SmallDisks) -> Self {
        Self::with(folder, ports, &[], None, Some(disks))
    }

    fn with(
        folder: PathBuf,
        ports: u16,
        variables: &[(&'static str, &str)],
        links: Option<Links>,
        disks: Option<SmallDisks>,
    ) -> Self {
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
        let direct = format!("127.0.0.1:{}", port(92));
        let brokers = links.as_ref().map_or(direct, |links| links.kafka.address().to_string());
        let clickhouse = format!("http://127.0.0.1:{}", port(123));
        let servers = Self { folder, settings, brokers, clickhouse, links, disks };
        servers.stack(&["up"]);
        servers
    }

    /// The ways to the servers.
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("these servers are behind links")
    }

    /// The disks that the servers see.
    pub fn disks(&self) -> &SmallDisks {
        self.disks.as_ref().expect("these servers are on small disks")
    }

    /// An installation on these servers, whose processes reach them by the links, where there are links.
    pub fn place(&self, name: &str) -> Installation {
        let through = |links: &Links| format!("http://{}", links.clickhouse.address());
        let url = self.links.as_ref().map_or_else(|| self.clickhouse.clone(), through);
        let variables = [("TAPEWIRE_KAFKA_BROKERS", self.brokers.as_str()), ("TAPEWIRE_CLICKHOUSE_URL", &url)];
        Installation::with(name, &self.clickhouse, &[], &variables)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.args(["-m", "stack"]).args(arguments).current_dir(repository());
        command.env("TAPEWIRE_STACK_DIR", &self.folder).envs(self.settings.iter().map(|(name, value)| (name, value)));
        match &self.disks {
            Some(disks) => disks.within(&command),
            None => command,
        }
    }

    /// What a command of `python3 -m stack` printed.
    pub fn stack(&self, arguments: &[&str]) -> String {
        succeeded(self.command(arguments).output().unwrap())
    }

    /// What `status` says of a server, whether it answers or not: `kafka: up, 127.0.0.1:25092, process 4711, ...`.
    pub fn status(&self, server: &str) -> String {
        // The command fails where the server does not answer, as one that was paused a moment ago.
        let output = self.command(&["status", "--service", server]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find(|line| line.starts_with(server)).unwrap_or_default().to_owned()
    }

    /// kill -9 of a server, which is then started again.
    pub fn kill(&self, server: &str) {
        self.stack(&["kill", server]);
        self.stack(&["up"]);
    }

    /// Stops a server for a while, as a machine out of memory or a snapshot of it does.
    pub fn pause(&self, server: &str, time: Duration) {
        let status = self.status(server);
        let process = status.split_once("process ").expect("the server runs").1.split(',').next().unwrap();
        pause(process, time);
    }

    /// The last lines of a server's log.
    pub fn last_words(&self, server: &str) -> String {
        let log = self.folder.join(server).join(format!("{server}.log"));
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
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
