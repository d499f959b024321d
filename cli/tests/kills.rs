//! kill -9 of a stage or of a server in the middle of a replay, then a restart; a broker that is paused; members that join a
//! stage and leave it: the tables are those of an undisturbed replay, row for row.
//!
//! The servers are this test's own, because it kills them. Its ClickHouse is in New York, so that a server's time zone
//! changes nothing either.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::time::Duration;
use support::market::{ARTICLES, JOIN, Market, ROLES, SENTIMENT};
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
    let killed = disturbed("roles", &servers, &news, &bars, |market| {
        for (wanted, role) in [(1, JOIN), (100, SENTIMENT), (200, JOIN), (300, SENTIMENT), (400, JOIN)] {
            mentions_reach(&market.place, wanted);
            market.kill(role);
        }
    });
    assert!(killed == undisturbed, "killing the worker and the joiner changed the tables");
    let killed = disturbed("servers", &servers, &news, &bars, |market| {
        for (wanted, server) in [(100, "clickhouse"), (300, "kafka")] {
            mentions_reach(&market.place, wanted);
            servers.kill(server);
        }
    });
    assert!(killed == undisturbed, "killing a server changed the tables");
    let shared = disturbed("members", &servers, &news, &bars, |market| {
        mentions_reach(&market.place, 100);
        // Two members of each role share the work, until the first ones leave.
        let others = ROLES.map(|role| market.place.role(role));
        mentions_reach(&market.place, 300);
        for (role, mut first) in std::mem::replace(&mut market.roles, others).into_iter().enumerate() {
            first.signal("-TERM");
            wait_until("a role that is told to stop ends", || !first.is_running());
            assert!(first.ended().unwrap().success(), "{}", market.log(ROLES[role]));
        }
    });
    assert!(shared == undisturbed, "members that joined and left changed the tables");
    let paused = disturbed("paused", &servers, &news, &bars, |market| {
        for wanted in [100, 300] {
            mentions_reach(&market.place, wanted);
            servers.pause("kafka", PAUSE);
        }
    });
    assert!(paused == undisturbed, "pausing kafka changed the tables");
}
