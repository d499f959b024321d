//! kill -9 of a stage or of a server in the middle of a replay, then a restart, or a broker that is paused: the tables
//! are those of an undisturbed replay, row for row.
//!
//! The servers are this test's own, because it kills them. Its ClickHouse is in New York, so that a server's time zone
//! changes nothing either.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::time::Duration;
use support::market::{ARTICLES, JOIN, Market, SENTIMENT};
use support::servers::Servers;
use support::{Installation, small_market, succeeded, wait_until};

/// Longer than `broker.session.timeout.ms`: afterwards the controller takes the broker's partitions away, and gives them
/// back once the broker answers. Meanwhile the broker says that the cluster has no brokers.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs a replay and disturbs it once it has begun to write; returns the rows of all tables.
fn disturbed(name: &str, servers: &Servers, news: &Path, bars: &Path, disturb: impl Fn(&mut Market)) -> String {
    let mut market = Market::start(name, servers, news, bars);
    disturb(&mut market);
    market.wait_until(|market| !market.replay.is_running());
    market.content()
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

    let undisturbed = disturbed("undisturbed", &servers, &news, &bars, |_| {});
    assert_zone(&servers, &news, &undisturbed);
    let joiner = disturbed("joiner", &servers, &news, &bars, |market| {
        for wanted in [1, 200, 400] {
            mentions_reach(&market.place, wanted);
            market.kill(JOIN);
        }
    });
    assert!(joiner == undisturbed, "killing the joiner changed the tables");
    let worker = disturbed("worker", &servers, &news, &bars, |market| {
        for wanted in [1, 300] {
            mentions_reach(&market.place, wanted);
            market.kill(SENTIMENT);
        }
    });
    assert!(worker == undisturbed, "killing the worker changed the tables");
    for server in ["clickhouse", "kafka"] {
        let content = disturbed(server, &servers, &news, &bars, |market| {
            mentions_reach(&market.place, 100);
            servers.kill(server);
        });
        assert!(content == undisturbed, "killing {server} changed the tables");
    }
    let paused = disturbed("paused", &servers, &news, &bars, |market| {
        for wanted in [100, 300] {
            mentions_reach(&market.place, wanted);
            servers.pause("kafka", PAUSE);
        }
    });
    assert!(paused == undisturbed, "pausing kafka changed the tables");
}
