//! Of two processes of the roles `news` and `prices` one works. When it is killed, or stands still, the other takes over, and
//! no article and no bar is missing.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use support::provider::{Provider, free_port};
use support::{Installation, Process, wait_until};

/// The answer of a server, empty without one.
fn get(url: &str) -> String {
    let output = Command::new("curl").args(["-sS", "--max-time", "10", "--noproxy", "*", url]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One of the processes.
struct Member {
    address: String,
    process: Process,
}

impl Member {
    fn start(place: &Installation, provider: &Provider, name: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = place.tapewire();
        provider.with(command.args(["run", "--role", "news,prices", "--set", &format!("listen={address}")]));
        // These processes use the wall clock, by which the simulated day is far in the past.
        for setting in ["prices.symbols=[\"AAPL\"]", "prices.warmup=1h", "news.lookback=24000h", "news.every=1s"] {
            command.args(["--set", setting]);
        }
        let log = std::fs::File::create(place.folder.path().join(format!("{name}.log"))).unwrap();
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
        Self { address, process }
    }

    /// Whether it has both roles, or stands by for both.
    fn is(&self, active: bool) -> bool {
        let metrics = get(&format!("http://{}/metrics", self.address));
        let role = |name: &str| {
            let value = format!("tapewire_role_active{{role=\"{name}\"}} {}", u8::from(active));
            metrics.lines().any(|line| line == value)
        };
        let ready = get(&format!("http://{}/ready", self.address));
        let standing_by = ready.matches("standing by").count();
        role("news") && role("prices") && ready.contains("\"ready\":true") && standing_by == if active { 0 } else { 2 }
    }
}

/// What the provider has shown so far: ids of articles, and starts of bars in microseconds.
fn shown(provider: &Provider) -> (BTreeSet<String>, BTreeSet<String>) {
    let ask = |path: &str| -> serde_json::Value {
        serde_json::from_str(&get(&format!("http://{}{path}limit=50000&apiKey=simulated", provider.address))).unwrap()
    };
    let results = |answer: &serde_json::Value| answer["results"].as_array().unwrap().clone();
    let news = ask("/v2/reference/news?order=asc&published_utc.gte=2025-06-02T18:00:00Z&");
    let bars = ask("/v2/aggs/ticker/AAPL/range/1/minute/2025-06-02/2025-06-02?");
    let start = |bar: serde_json::Value| (bar["t"].as_i64().unwrap() >= OPEN_MS).then(|| bar["t"].to_string());
    (
        results(&news).iter().map(|article| article["id"].as_str().unwrap().to_owned()).collect(),
        results(&bars).into_iter().filter_map(start).collect(),
    )
}

/// When the first process starts, in market time and milliseconds: 2025-06-02T18:00:00Z.
const OPEN_MS: i64 = 1_748_887_200_000;

/// Waits until the tables have all that the provider has shown by now.
fn assert_complete(place: &Installation, provider: &Provider) {
    let (news, bars) = shown(provider);
    assert!(news.len() > 5 && bars.len() > 1, "{news:?} {bars:?}");
    let stored = |sql: &str| place.query(sql).lines().map(str::to_owned).collect::<BTreeSet<_>>();
    wait_until("every article is stored", || news.is_subset(&stored("SELECT article_id FROM articles")));
    let starts = "SELECT toUnixTimestamp64Milli(start) FROM bars WHERE symbol = 'AAPL'";
    wait_until("every bar is stored", || bars.is_subset(&stored(starts)));
}

#[test]
fn of_two_processes_one_works_and_the_other_takes_over() {
    let Some(place) = Installation::new("standby") else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "30", &["simulator.articles_per_hour=200"]);
    let _join = place.role("join");

    let mut first = Member::start(&place, &provider, "first");
    wait_until("the first process works", || first.is(true));
    let second = Member::start(&place, &provider, "second");
    wait_until("the second process stands by", || second.is(false));
    wait_until("the first process still works", || first.is(true));
    wait_until("articles arrive", || place.count("SELECT count() FROM articles") > 5);

    first.process.kill_9();
    wait_until("the second process takes over", || second.is(true));
    assert_complete(&place, &provider);

    let third = Member::start(&place, &provider, "third");
    wait_until("the third process stands by", || third.is(false));
    second.process.signal("-STOP");
    wait_until("the third process takes over", || third.is(true));
    second.process.signal("-CONT");
    wait_until("the second process stands by", || second.is(false));
    assert!(third.is(true));
    assert_complete(&place, &provider);

    // One that is told to stop hands over at once.
    third.process.signal("-TERM");
    wait_until("the second process works again", || second.is(true));
    assert_complete(&place, &provider);
}
