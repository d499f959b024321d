//! kill -9 of a stage or of a server in the middle of a replay, then a restart, or a broker that is paused: the tables
//! are those of an undisturbed replay, row for row.
//!
//! The servers are this test's own, because it kills them. Its ClickHouse is in New York, so that a server's time zone
//! changes nothing either.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::servers::Servers;
use support::{Installation, Process, small_market, succeeded, wait_until};

const ARTICLES: usize = 600;

/// Longer than `broker.session.timeout.ms`: afterwards the controller takes the broker's partitions away, and gives them
/// back once the broker answers. Meanwhile the broker says that the cluster has no brokers.
const PAUSE: Duration = Duration::from_secs(5);

/// After this long without a new row a replay counts as stalled.
const STALLED: Duration = Duration::from_mins(3);

fn send(place: &Installation, news: &Path, bars: &Path) -> Process {
    let mut replay = place.tapewire();
    replay.args(["replay", "--send-only", "--run", "kills", "--benchmark", "MKT"]);
    let log = std::fs::File::create(place.folder.path().join("replay.log")).unwrap();
    replay.arg("--news").arg(news).arg("--bars").arg(bars).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    replay.spawn().unwrap().into()
}

/// Runs a replay with each role in a process of its own, and disturbs it once it has begun to write.
fn disturbed(
    name: &str,
    servers: &Servers,
    news: &Path,
    bars: &Path,
    disturb: impl Fn(&Installation, &mut Process, &mut Process),
) -> String {
    let mut place = Installation::on(name, &servers.brokers, &servers.clickhouse);
    place.set("TAPEWIRE_PRICES_BENCHMARK", "MKT");
    // Small batches, so that a role can be killed in the middle of its work.
    place.set("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "128");
    // Which model scores does not matter here, and this one takes half the time.
    place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
    let (mut worker, mut joiner) = (place.role("sentiment"), place.role("join"));
    let mut replay = send(&place, news, bars);
    disturb(&place, &mut worker, &mut joiner);
    wait_for_end(name, &place, &mut replay);
    let log = log(&place, "replay");
    assert_eq!(place.count("SELECT uniqExact(article_id) FROM impact"), ARTICLES as u64, "{name}: {log}");
    assert!(worker.is_running() && joiner.is_running(), "{name}: a role has ended");
    place.content()
}

/// Waits until the replay has ended, which takes minutes on a busy machine. Panics once no row was written for [`STALLED`].
fn wait_for_end(name: &str, place: &Installation, replay: &mut Process) {
    let (mut rows, mut since) = (0, Instant::now());
    while replay.is_running() {
        // 0 while the server is away.
        let now = place.count("SELECT (SELECT count() FROM mentions) + (SELECT count() FROM impact)");
        if now != rows {
            (rows, since) = (now, Instant::now());
        }
        let logs = || ["replay", "sentiment", "join"].map(|of| format!("{of}:\n{}", log(place, of))).join("\n");
        assert!(since.elapsed() < STALLED, "{name}: the replay stands at {rows} rows\n{}", logs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a process of this installation has written to its log.
fn log(place: &Installation, of: &str) -> String {
    std::fs::read_to_string(place.folder.path().join(format!("{of}.log"))).unwrap()
}

/// What `tapewire migrate` says of the server's zone, and that times are stored and read back as they are in UTC.
fn assert_zone(servers: &Servers, news: &Path, content: &str) {
    let place = Installation::on("zone", &servers.brokers, &servers.clickhouse);
    let said = succeeded(place.tapewire().arg("migrate").output().unwrap());
    assert!(said.contains("this ClickHouse is in America/New_York"), "{said}");
    assert_eq!(place.query("SELECT toDateTime(0)"), "1969-12-31 19:00:00");
    // The columns are of UTC, whatever the server's zone is.
    let text = std::fs::read_to_string(news).unwrap();
    let (_, rest) = text.split_once("\"published_at\": \"").unwrap();
    let (day, time) = rest.split_once('T').unwrap();
    assert!(content.contains(&format!("{day} {}", &time[..8])), "{rest:.40} is not among the rows");
}

fn mentions_reach(place: &Installation, wanted: u64) {
    wait_until("mentions are being written", || place.count("SELECT count() FROM mentions") >= wanted);
    let mentions = place.count("SELECT count() FROM mentions");
    println!("disturbing at {mentions} mentions");
}

#[test]
fn tables_are_the_same_whatever_is_killed() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: kills: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("kills", folder.path(), ARTICLES) else { return };
    let servers =
        Servers::start(folder.path().join("servers"), 25_000, &[("TAPEWIRE_CLICKHOUSE_ZONE", "America/New_York")]);

    let undisturbed = disturbed("undisturbed", &servers, &news, &bars, |_, _, _| {});
    assert_zone(&servers, &news, &undisturbed);
    let joiner = disturbed("joiner", &servers, &news, &bars, |place, _, joiner| {
        for wanted in [1, 200, 400] {
            mentions_reach(place, wanted);
            joiner.kill_9();
            *joiner = place.role("join");
        }
    });
    assert!(joiner == undisturbed, "killing the joiner changed the tables");
    let worker = disturbed("worker", &servers, &news, &bars, |place, worker, _| {
        for wanted in [1, 300] {
            mentions_reach(place, wanted);
            worker.kill_9();
            *worker = place.role("sentiment");
        }
    });
    assert!(worker == undisturbed, "killing the worker changed the tables");
    for server in ["clickhouse", "kafka"] {
        let content = disturbed(server, &servers, &news, &bars, |place, _, _| {
            mentions_reach(place, 100);
            servers.kill(server);
        });
        assert!(content == undisturbed, "killing {server} changed the tables");
    }
    let paused = disturbed("paused", &servers, &news, &bars, |place, _, _| {
        for wanted in [100, 300] {
            mentions_reach(place, wanted);
            servers.pause("kafka", PAUSE);
        }
    });
    assert!(paused == undisturbed, "pausing kafka changed the tables");
}
