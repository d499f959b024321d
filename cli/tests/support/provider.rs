//! The simulated provider, as a process of its own.

use super::{Installation, Process, wait_until};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A simulated provider that other processes reach, on a Monday.
pub struct Provider {
    pub address: String,
    _process: Process,
}

impl Provider {
    /// Starts it at this simulated time, with these settings.
    pub fn start(place: &Installation, from: &str, speed: &str, settings: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = place.tapewire();
        command.args(["simulate", "--from", from, "--speed", speed, "--set", &format!("simulator.listen={address}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let log = std::fs::File::create(place.folder.path().join("simulator.log")).unwrap();
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
        wait_until("the simulator listens", || std::net::TcpStream::connect(&address).is_ok());
        Self { address, _process: process }
    }

    /// The command with this provider as Massive.
    pub fn with<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("TAPEWIRE_MASSIVE_API_KEY", "simulated")
            .env("TAPEWIRE_PROVIDERS_MASSIVE_REST_URL", format!("http://{}", self.address))
            .env("TAPEWIRE_PROVIDERS_MASSIVE_WEBSOCKET_URL", format!("ws://{}/stocks", self.address))
    }

    /// Waits until the provider has shown some articles and the table has all that it has shown by then.
    pub fn assert_complete(&self, place: &Installation) {
        let path = "/v2/reference/news?order=asc&published_utc.gte=2025-06-02T18:00:00Z&limit=1000";
        let shown = || -> BTreeSet<String> {
            let answer = get(&format!("http://{}{path}", self.address));
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            let id = |article: &serde_json::Value| article["id"].as_str().unwrap().to_owned();
            answer["results"].as_array().unwrap().iter().map(id).collect()
        };
        // How many there are depends on how long the test took.
        wait_until("the provider has shown articles", || shown().len() > 5);
        let shown = shown();
        assert!(shown.len() < 1000, "a page has no more: {}", shown.len());
        let stored = || -> BTreeSet<String> {
            place.query("SELECT article_id FROM articles").lines().map(str::to_owned).collect()
        };
        wait_until("every article is stored", || shown.is_subset(&stored()));
    }
}

/// The answer of a server, empty without one.
pub fn get(url: &str) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "10", "--noproxy", "*", "-H", "authorization: Bearer simulated", url])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
