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
        Self::start_with(name, servers, news, bars, &[])
    }

    /// As [`Market::start`], with further settings as variables.
    pub fn start_with(name: &str, servers: &Servers, news: &Path, bars: &Path, settings: &[(&str, &str)]) -> Self {
        let mut place = servers.place(name);
        place.set("TAPEWIRE_PRICES_BENCHMARK", "MKT");
        // Small batches, so that a role can be killed in the middle of its work.
        place.set("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "128");
        // Which model scores does not matter here, and this one takes half the time.
        place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
        settings.iter().for_each(|(variable, value)| place.set(variable, value));
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
            let now = self.rows();
            if now != rows {
                (rows, since) = (now, Instant::now());
            }
            let name = self.place.database();
            assert!(since.elapsed() < STALLED, "{name}: the replay stands at {rows} rows\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Number of mentions and joined rows, with those that others replace; 0 while the server is away.
    pub fn rows(&self) -> u64 {
        self.place.count("SELECT (SELECT count() FROM mentions) + (SELECT count() FROM impact)")
    }

    /// Number of mentions; 0 while the server is away.
    pub fn mentions(&self) -> u64 {
        self.place.count("SELECT uniqExact(symbol, article_id) FROM mentions")
    }

    /// Whether the replay has succeeded. One that failed, because it lost its server, is started again.
    pub fn has_ended(&mut self) -> bool {
        let Some(status) = self.replay.ended() else { return false };
        if !status.success() {
            let log = self.log("replay");
            let error = log.lines().last().unwrap_or_default();
            println!("  the replay ended with an error, and is started again: {error}");
            self.send_again();
        }
        status.success()
    }

    /// Waits until this number of mentions is written. Panics if the replay ends before: then nothing is disturbed any
    /// more.
    pub fn mentions_reach(&mut self, wanted: u64) {
        self.wait_until(|market| {
            assert!(
                !market.has_ended(),
                "the replay was over before {wanted} mentions, and nothing is left to disturb"
            );
            market.mentions() >= wanted
        });
    }

    /// The rows of all tables, once every article is joined and no role has ended by itself.
    pub fn content(&mut self) -> String {
        let articles = self.place.count("SELECT uniqExact(article_id) FROM impact");
        assert_eq!(articles, ARTICLES as u64, "{}: {}", self.place.database(), self.log("replay"));
        (0..ROLES.len()).for_each(|role| self.assert_running(role));
        self.place.content()
    }

    /// Panics if there is a dead letter.
    pub fn assert_no_dead_letters(&self) {
        let letters = self.place.query("SELECT stage, origin, reason FROM dead_letters LIMIT 5");
        assert!(letters.is_empty(), "{}: there are dead letters:\n{letters}", self.place.database());
    }

    /// A line of a process's log with all of these parts, for which it is waited for a minute.
    pub fn line_with(&self, of: &str, parts: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let log = self.log(of);
            if let Some(line) = log.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.to_owned();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "no line of {of}.log has {parts:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The logs of the replay and of both roles.
    pub fn logs(&self) -> String {
        ["replay", "sentiment", "join"].map(|of| format!("{of}:\n{}", self.log(of))).join("\n")
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
