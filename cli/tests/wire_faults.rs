//! A provider that misbehaves: records that can't be read become dead letters with their bytes, and the rest reaches
//! the tables.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::process::Stdio;
use support::{Installation, Process, wait_until};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn simulator(place: &Installation, address: &str) -> Process {
    let mut command = place.tapewire();
    // A Monday at two in the afternoon in New York: the market is open, so news and bars arrive from the start.
    command.args(["simulate", "--from", "2025-06-02T18:00:00Z", "--speed", "30"]);
    for setting in [
        format!("simulator.listen={address}"),
        "simulator.articles_per_hour=600".into(),
        "simulator.faults.malformed_article_every=7".into(),
        "simulator.faults.malformed_bar_every=2".into(),
        "simulator.faults.unknown_message_every=3".into(),
    ] {
        command.args(["--set", &setting]);
    }
    let log = std::fs::File::create(place.folder.path().join("simulator.log")).unwrap();
    command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into()
}

#[test]
fn unreadable_input_from_the_wire_is_kept_and_the_rest_goes_on() {
    let Some(place) = Installation::new("wire") else { return };
    let address = format!("127.0.0.1:{}", free_port());
    let _simulator = simulator(&place, &address);
    let mut run = place.tapewire();
    run.arg("run").env("TAPEWIRE_MASSIVE_API_KEY", "simulated");
    for setting in [
        format!("providers.massive.rest_url=http://{address}"),
        format!("providers.massive.websocket_url=ws://{address}/stocks"),
        "prices.symbols=[\"AAPL\", \"MSFT\"]".into(),
        "prices.warmup=1h".into(),
        // This process uses the wall clock, by which the simulated day is far in the past.
        "news.lookback=24000h".into(),
    ] {
        run.args(["--set", &setting]);
    }
    let log = std::fs::File::create(place.folder.path().join("run.log")).unwrap();
    let mut pipeline: Process = run.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
    let letters = |stage: &str, what: &str| {
        format!(
            "SELECT count() FROM dead_letters FINAL WHERE stage = '{stage}' AND {what} AND origin != '' AND reason != ''"
        )
    };
    for (what, sql) in [
        ("a malformed article becomes a dead letter", letters("news-poller", "bytes != ''")),
        ("a malformed bar becomes a dead letter", letters("price-feed", "position(bytes, '\"AM\"') > 0")),
        ("an unknown message becomes a dead letter", letters("price-feed", "position(bytes, '\"AM\"') = 0")),
        ("articles are joined", "SELECT count() FROM impact FINAL".into()),
        ("bars are written", "SELECT count() FROM bars FINAL".into()),
    ] {
        wait_until(what, || place.count(&sql) > 0);
    }
    assert!(pipeline.is_running(), "the pipeline has ended");
    println!(
        "{}",
        place.query("SELECT stage, origin, reason, bytes FROM dead_letters FINAL LIMIT 1 BY stage FORMAT Vertical")
    );
}
