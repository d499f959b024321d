//! A network that is slow, stands still, is cut, or forgets connections, in the middle of a replay: between tapewire's
//! processes and Kafka, and between them and ClickHouse. The tables are those of an undisturbed replay, row for row.
//!
//! ```text
//! BLACK_HOLE_S=150 cargo test --release --locked --workspace --test network -- --nocapture
//! ```
//!
//! also has black holes that last longer than the time-outs by which a process gives up a connection: 60 s with Kafka,
//! 120 s with ClickHouse. It takes eight minutes.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::time::{Duration, Instant};
use support::market::{ARTICLES, Market, ROLES};
use support::servers::Servers;
use support::{assert_same, number, small_market, wait_until};
use tapewire_testkit::Network;

/// How long the network is another one.
const DISTURBED: Duration = Duration::from_secs(3);

/// The way to Kafka between two disturbances. The worker waits for Kafka twice for each article, so the replay lasts
/// long enough for all of them, however fast the machine is.
const FAR: Network = Network::Slow { latency: Duration::from_millis(5), bytes_per_s: 100 << 20 };

/// As from one continent to another, over a line that others use, too.
const SLOW: Network = Network::Slow { latency: Duration::from_millis(150), bytes_per_s: 128 << 10 };

/// Number of mentions between the beginnings of two disturbances.
const MENTIONS_BETWEEN: u64 = 80;

/// Longest time for a role to end that is told to.
const END: Duration = Duration::from_secs(10);

/// The server to which the network is another one, how it is, and for how long.
struct Disturbance {
    to: &'static str,
    network: Network,
    time: Duration,
}

/// What is done, one after the other. `black_hole` is the length of the long black holes; without it there are none.
fn disturbances(black_hole: Duration) -> Vec<Disturbance> {
    let mut all = Vec::new();
    for to in ["kafka", "clickhouse"] {
        for network in [SLOW, Network::Held, Network::Cut] {
            all.push(Disturbance { to, network, time: DISTURBED });
        }
        // ClickHouse's time-out of two minutes is no setting.
        let time = if to == "kafka" { black_hole.max(DISTURBED) } else { black_hole };
        if !time.is_zero() {
            all.push(Disturbance { to, network: Network::BlackHole, time });
        }
    }
    all
}

/// Changes the network for a while, and waits until mentions arrive again.
fn disturb(market: &mut Market, servers: &Servers, Disturbance { to, network, time }: &Disturbance) {
    let link = servers.links().to(to);
    wait_until(&format!("a connection to {to} is open"), || link.connections() > 0);
    let (struck, began_at) = (link.struck(), market.mentions());
    servers.links().disturb(to, *network, *time);
    link.set(if *to == "kafka" { FAR } else { Network::Whole });
    if matches!(network, Network::Cut | Network::BlackHole) {
        assert!(link.struck() > struck, "{network:?} struck no connection to {to}");
    }
    let (before, whole) = (market.mentions(), Instant::now());
    market.wait_until(|market| market.has_ended() || market.mentions() > before);
    (0..ROLES.len()).for_each(|role| market.assert_running(role));
    println!(
        "  at {began_at} mentions: {to} {network:?} for {} s; then there were {before}, and the next came {:.1} s later",
        time.as_secs(),
        whole.elapsed().as_secs_f64()
    );
}

/// Panics unless each role ends soon when it is told to.
fn assert_nothing_hangs(market: &mut Market) {
    let asked = Instant::now();
    market.roles.iter().for_each(|role| role.signal("-TERM"));
    for (role, name) in ROLES.into_iter().enumerate() {
        wait_until(&format!("the role {name} ends when it is told to"), || !market.roles[role].is_running());
        let status = market.roles[role].ended().unwrap();
        assert!(status.success(), "the role {name} ended with {status}:\n{}", market.log(name));
    }
    assert!(asked.elapsed() < END, "the roles took {:?} to end:\n{}", asked.elapsed(), market.logs());
}

#[test]
fn tables_are_the_same_whatever_the_network_does() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: network: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("network", folder.path(), ARTICLES) else { return };
    let servers = Servers::behind_links(folder.path().join("servers"), 22_000);
    let mut calm = Market::start("network_calm", &servers, &news, &bars);
    calm.wait_until(Market::has_ended);
    let expected = calm.content();
    drop(calm);

    let black_hole = Duration::from_secs(number("BLACK_HOLE_S", 0));
    // Each article is a batch of its own.
    let mut settings = vec![("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "1")];
    if black_hole.is_zero() {
        // Otherwise it would take up to half a minute until a lost connection is given up.
        settings.push(("TAPEWIRE_KAFKA_PROPERTIES_SOCKET_TIMEOUT_MS", "6000"));
    }
    servers.links().to("kafka").set(FAR);
    let mut market = Market::start_with("network", &servers, &news, &bars, &settings);
    for (number, disturbance) in (0..).zip(disturbances(black_hole)) {
        market.mentions_reach(1 + number * MENTIONS_BETWEEN);
        disturb(&mut market, &servers, &disturbance);
    }
    market.wait_until(Market::has_ended);
    assert_same("after disturbances of the network", &market.content(), &expected);
    market.assert_no_dead_letters();
    assert_nothing_hangs(&mut market);
}
