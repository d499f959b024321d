//! A small market that is replayed with each role in a process of its own, so that a test can disturb it.

use super::servers::Servers;
use super::{Installation, Process};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The roles that have a process each, by their places in [`Market::roles`].
pub const ROLES: [&str; 2] = ["sentiment", "join"];
/// The places.
pub const SENTIMENT: usize = 0;
pub const JOIN: usize = 1;

/// Number of articles that a disturbed replay has.
pub const ARTICLES: usize = 600;

/// After this long without a new row a replay counts as stalled.
pub const STALLED: Duration = Duration::from_mins(3);

/// A replay of [`small_market`](super::small_market)'s files.
pub struct Market {
    pub place: Installation,
    pub roles: [Process; 2],
    pub replay: Process,
    pub news: PathBuf,
    pub bars: PathBuf,
}

impl Market {
    /// Starts both roles and the replay.
    pub fn start(name: &str, servers: &Servers, news: &Path, bars: &Path) -> Self {
        let mut place = Installation::on(name, &servers.brokers, &servers.clickhouse);
        place.set("TAPEWIRE_PRICES_BENCHMARK", "MKT");
        // Small batches, so that a role can be killed in the middle of its work.
        place.set("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "128");
        // Which model scores does not matter here, and this one takes half the time.
        place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
        let roles = ROLES.map(|role| place.role(role));
        let replay = send(&place, "market", news, bars);
        Self { place, roles, replay, news: news.into(), bars: bars.into() }
    }

    /// kill -9 of the process of a role; another one is started.
    pub fn kill(&mut self, role: usize) {
        self.roles[role].kill_9();
        self.roles[role] = self.place.role(ROLES[role]);
    }

    /// Starts to send the replay again.
    pub fn send_again(&mut self) {
        self.replay = send(&self.place, "market", &self.news, &self.bars);
    }

    /// Starts to send other news, as a run of this name.
    pub fn send_others(&self, run: &str, news: &Path) -> Process {
        send(&self.place, run, news, &self.bars)
    }

    /// Panics if a role has ended by itself.
    pub fn assert_running(&mut self, role: usize) {
        let name = ROLES[role];
        assert!(self.roles[role].is_running(), "the role {name} has ended by itself\n{}", self.log(name));
    }

    /// Waits until the replay has ended, which takes minutes on a busy machine. Panics once no row was written for [`STALLED`].
    pub fn wait_until(&mut self, mut has_ended: impl FnMut(&mut Self) -> bool) {
        let (mut rows, mut since) = (0, Instant::now());
        while !has_ended(self) {
            // 0 while the server is away.
            let now = self.place.count("SELECT (SELECT count() FROM mentions) + (SELECT count() FROM impact)");
            if now != rows {
                (rows, since) = (now, Instant::now());
            }
            let logs = || ["replay", "sentiment", "join"].map(|of| format!("{of}:\n{}", self.log(of))).join("\n");
            let name = self.place.database();
            assert!(since.elapsed() < STALLED, "{name}: the replay stands at {rows} rows\n{}", logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The rows of all tables, once every article is joined and no role has ended by itself.
    pub fn content(&mut self) -> String {
        let articles = self.place.count("SELECT uniqExact(article_id) FROM impact");
        assert_eq!(articles, ARTICLES as u64, "{}: {}", self.place.database(), self.log("replay"));
        (0..ROLES.len()).for_each(|role| self.assert_running(role));
        self.place.content()
    }

    /// What a process has written to its log.
    pub fn log(&self, of: &str) -> String {
        std::fs::read_to_string(self.place.folder.path().join(format!("{of}.log"))).unwrap()
    }
}

/// Starts to send a replay.
fn send(place: &Installation, run: &str, news: &Path, bars: &Path) -> Process {
    let mut replay = place.tapewire();
    replay.args(["replay", "--send-only", "--benchmark", "MKT", "--run", run]);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(place.folder.path().join("replay.log"));
    replay.arg("--news").arg(news).arg("--bars").arg(bars);
    replay.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap().into()
}
