//! Disks that are full for a while: those of ClickHouse and Kafka in the middle of a replay, that of the state files
//! while news are polled, and that of the log. Nothing is lost, and everything goes on by itself once there is room.
//! Only Kafka, which ends when its disk is full, has to be started again.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::market::{ARTICLES, JOIN, Market, ROLES};
use support::provider::Provider;
use support::servers::Servers;
use support::small_disks::SmallDisks;
use support::{Installation, Process, assert_same, small_market, wait_until};

/// How long a disk stays full after somebody has noticed it.
const FULL: Duration = Duration::from_secs(3);

/// Disks at these folders, which are made. Where none can be mounted prints that the test is skipped, and returns
/// `None`.
fn disks(test: &str, folders: &[&Path]) -> Option<SmallDisks> {
    folders.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    match SmallDisks::mount(folders) {
        Ok(disks) => Some(disks),
        Err(reason) => {
            println!("skipped: {test}: no small file system can be mounted here ({reason})");
            None
        }
    }
}

/// Keeps a disk full, whatever is removed from it meanwhile.
fn keep_full(servers: &Servers, disk: &Path, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        servers.disks().fill_again(disk);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The joiner waits for room on ClickHouse's disk, and says so.
fn clickhouse_is_full(servers: &Servers, disk: &Path, news: &Path, bars: &Path) -> String {
    let mut market = Market::start("clickhouse_full", servers, news, bars);
    market.mentions_reach(100);
    servers.disks().fill(disk);
    let url = format!("the disk of clickhouse at {} is full", servers.clickhouse);
    let line = market.line_with("join", &["ERROR", "nothing is lost", &url, "make room there"]);
    println!("  {line}");
    keep_full(servers, disk, FULL);
    assert!(!market.has_ended(), "the replay is over although ClickHouse had no room");
    market.assert_running(JOIN);
    servers.disks().free(disk);
    market.wait_until(Market::has_ended);
    market.assert_no_dead_letters();
    market.content()
}

/// Kafka ends when its disk is full. All wait until it is started again.
fn kafka_is_full(servers: &Servers, disk: &Path, news: &Path, bars: &Path) -> String {
    let mut market = Market::start("kafka_full", servers, news, bars);
    market.mentions_reach(100);
    servers.disks().fill(disk);
    let began = Instant::now();
    while !servers.status("kafka").starts_with("kafka: crashed") {
        let waited = began.elapsed();
        assert!(waited < Duration::from_mins(1), "Kafka goes on on a full disk:\n{}", servers.last_words("kafka"));
        keep_full(servers, disk, Duration::from_millis(500));
    }
    std::thread::sleep(FULL);
    (0..ROLES.len()).for_each(|role| market.assert_running(role));
    servers.disks().free(disk);
    servers.stack(&["up"]);
    market.wait_until(Market::has_ended);
    market.assert_no_dead_letters();
    market.content()
}

#[test]
fn tables_are_the_same_after_the_disks_of_the_servers_were_full() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: disks: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let servers = folder.path().join("servers");
    let [kafka, clickhouse]: [PathBuf; 2] = ["kafka/data", "clickhouse/data"].map(|data| servers.join(data));
    let Some(disks) = disks("disks of servers", &[&kafka, &clickhouse]) else { return };
    let Some((news, bars)) = small_market("disks", folder.path(), ARTICLES) else { return };
    let servers = Servers::on_disks(servers, 24_000, disks);
    let mut calm = Market::start("disks_calm", &servers, &news, &bars);
    calm.wait_until(Market::has_ended);
    let expected = calm.content();
    drop(calm);

    let found = clickhouse_is_full(&servers, &clickhouse, &news, &bars);
    assert_same("after ClickHouse's disk was full", &found, &expected);
    let found = kafka_is_full(&servers, &kafka, &news, &bars);
    assert_same("after Kafka's disk was full", &found, &expected);
}

/// Articles are sent while the state file can't be written, which the log says. The file keeps what was in it, and is
/// written again once there is room.
#[test]
fn a_full_state_folder_holds_no_article_back() {
    let Some(place) = Installation::new("state_full") else { return };
    let state = place.folder.path().join("state");
    let Some(disks) = disks("disk of the state files", &[&state]) else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "30", &["simulator.articles_per_hour=200"]);
    let _join = place.role("join");
    let mut command = place.tapewire();
    provider.with(command.args(["run", "--role", "news", "--set", &format!("state_dir={}", state.display())]));
    // This process uses the wall clock, by which the simulated day is far in the past.
    for setting in ["news.lookback=24000h", "news.every=1s"] {
        command.args(["--set", setting]);
    }
    let log = place.folder.path().join("news.log");
    let to_log = std::fs::File::create(&log).unwrap();
    let mut news: Process =
        disks.within(&command).stdin(Stdio::null()).stderr(to_log).spawn().map(Process::from).unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    let stored = || place.count("SELECT uniqExact(article_id) FROM articles");
    let file = disks.seen(&state.join("news-massive.json"));
    let content = || std::fs::read(&file).unwrap();

    wait_until("a state file is written", || file.exists());
    disks.fill(&state);
    let full = format!("the disk of folder {} is full", state.display());
    let is_said =
        |line: &str| ["ERROR", &full, "news-massive.json", "make room there"].iter().all(|p| line.contains(p));
    wait_until("the full disk is in the log", || {
        // What a save that has just succeeded replaces makes room for the next one.
        disks.fill_again(&state);
        said().lines().any(is_said)
    });
    let (before, stored_before) = (content(), stored());
    wait_until("articles are stored while the disk is full", || stored() > stored_before + 5);
    assert!(news.is_running(), "the role news has ended by itself:\n{}", said());
    assert!(content() == before, "the state file has changed on a full disk:\n{}", said());

    disks.free(&state);
    wait_until("the state file is written once there is room", || content() != before);
    provider.assert_complete(&place);
    // One is there for a moment whenever the state is saved.
    wait_until("no file that could be written only in part is left", || {
        let mut names = std::fs::read_dir(disks.seen(&state)).unwrap().map(|entry| entry.unwrap().file_name());
        !names.any(|name| name.to_string_lossy().ends_with(".new"))
    });
    let asked = Instant::now();
    news.signal("-TERM");
    wait_until("the role news ends when it is told to", || !news.is_running());
    assert!(news.ended().unwrap().success() && asked.elapsed() < Duration::from_secs(10), "{}", said());
}

#[test]
fn a_log_on_a_full_disk_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command
        .args(["run", "--role", "join"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(full())
        .stderr(full());
    // Nobody answers there, and the log says so again and again.
    command.env("TAPEWIRE_KAFKA_BROKERS", "127.0.0.1:9").env("TAPEWIRE_CLICKHOUSE_URL", "http://127.0.0.1:9");
    let mut role: Process = command.env("TAPEWIRE_LISTEN", "127.0.0.1:0").spawn().map(Process::from).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    assert!(role.is_running(), "it ended because its log can't be written: {:?}", role.ended());
    role.signal("-TERM");
    wait_until("it ends when it is told to", || !role.is_running());
    assert!(role.ended().unwrap().success(), "{:?}", role.ended());
}
