//! kill -9 of each of two ClickHouse servers in the middle of a replay, and a restart: both have the rows of an
//! undisturbed replay on one server, row for row. With one server away, commands read from the other.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::process::Output;
use support::market::{ARTICLES, Market, mentions_reach};
use support::servers::Servers;
use support::{Installation, small_market, wait_until};

const SETTINGS: [(&str, &str); 4] = [
    ("TAPEWIRE_STACK_REPLICAS", "1"),
    ("TAPEWIRE_CLICKHOUSE_2_HTTP_PORT", "24124"),
    ("TAPEWIRE_CLICKHOUSE_2_TCP_PORT", "24001"),
    ("TAPEWIRE_KEEPER_PORT", "24181"),
];
const SECOND: &str = "http://127.0.0.1:24124";

/// What the log says when a server is left for the other.
const LEFT: &str = "another one is asked";

/// The rows of a replay on one server.
fn on_one(servers: &Servers, news: &Path, bars: &Path) -> String {
    let mut market = Market::start("one_server", servers, news, bars);
    market.wait_until(|market| !market.replay.is_running());
    market.content()
}

/// A replay on both servers, each of which is killed and comes back once the keeper has noticed.
fn on_two(servers: &Servers, news: &Path, bars: &Path) -> Market {
    let variables = [
        ("TAPEWIRE_KAFKA_BROKERS", servers.brokers.as_str()),
        ("TAPEWIRE_CLICKHOUSE_URL", servers.clickhouse.as_str()),
        ("TAPEWIRE_CLICKHOUSE_REPLICAS", SECOND),
    ];
    let place = Installation::with("two_servers", &servers.clickhouse, &[], &variables);
    let mut market = Market::start_in(place, news, bars);
    let active = "SELECT min(active_replicas) FROM system.replicas WHERE database = currentDatabase()";
    for (wanted, killed, left) in [(100, "clickhouse-2", servers.clickhouse.as_str()), (300, "clickhouse", SECOND)] {
        mentions_reach(&market.place, wanted);
        servers.stack(&["kill", killed]);
        market.place.ask(left);
        wait_until("the keeper knows that a server is away", || market.place.query(active) == "1");
        let rows = "SELECT count() FROM mentions";
        println!("{killed} is back at {} mentions", market.place.count(rows));
        servers.stack(&["up"]);
    }
    market.place.ask(&servers.clickhouse);
    market.wait_until(|market| !market.replay.is_running());
    market
}

/// What a command wrote to standard output, and to its log.
fn both(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// With the first server away, `doctor` says so, and commands that read ask the other.
fn one_away(servers: &Servers, place: &Installation) {
    let doctor = || both(&place.tapewire().arg("doctor").env("TAPEWIRE_MASSIVE_API_KEY", "none").output().unwrap()).0;
    let said = doctor();
    for line in [&servers.clickhouse, SECOND].map(|url| format!("answers at {url}")) {
        assert!(said.contains(&line), "{line} is not in {said}");
    }
    assert_eq!(said.matches("replicated tables, and ").count(), 2, "{said}");
    servers.stack(&["kill", "clickhouse"]);
    let said = doctor();
    for line in [format!("does not answer at {}", servers.clickhouse), format!("answers at {SECOND}")] {
        assert!(said.contains(&line), "{line} is not in {said}");
    }
    assert!(said.contains("they are read into database"), "the other server is asked for the rest: {said}");
    let (said, log) = both(&place.tapewire().args(["dead-letter", "list"]).output().unwrap());
    assert_eq!(log.matches(LEFT).count(), 1, "{log}{said}");
    assert!(log.contains(&servers.clickhouse) && log.contains(SECOND), "{log}");
    // Not while it is silent that a row is on one server alone.
    let refused = place.tapewire().args(["migrate"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", both(&refused).1);
    servers.stack(&["up"]);
}

#[test]
fn two_servers_have_the_rows_of_one_whichever_is_killed() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: replicas: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("replicas", folder.path(), ARTICLES) else { return };
    let servers = Servers::start(folder.path().join("servers"), 24_000, &SETTINGS);
    let expected = on_one(&servers, &news, &bars);
    let mut market = on_two(&servers, &news, &bars);
    assert!(market.content() == expected, "killing each server in turn changed the tables");
    assert!(market.log("join").contains(LEFT), "{}", market.log("join"));
    market.place.ask(SECOND);
    wait_until("the second server has the same rows", || market.place.content() == expected);
    market.place.ask(&servers.clickhouse);
    one_away(&servers, &market.place);
}
