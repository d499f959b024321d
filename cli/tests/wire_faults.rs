//! A provider that misbehaves: records that can't be read become dead letters with their bytes, and the rest reaches
//! the tables.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::process::Stdio;
use support::provider::Provider;
use support::{Installation, Process, wait_until};

#[test]
fn unreadable_input_from_the_wire_is_kept_and_the_rest_goes_on() {
    let Some(place) = Installation::new("wire") else { return };
    // A Monday at two in the afternoon in New York: the market is open, so news and bars arrive from the start.
    let faults = [
        "simulator.articles_per_hour=600",
        "simulator.faults.malformed_article_every=7",
        "simulator.faults.malformed_bar_every=2",
        "simulator.faults.unknown_message_every=3",
    ];
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "30", &faults);
    let mut run = place.tapewire();
    provider.with(run.arg("run"));
    for setting in [
        "prices.symbols=[\"AAPL\", \"MSFT\"]",
        "prices.warmup=1h",
        // This process uses the wall clock, by which the simulated day is far in the past.
        "news.lookback=24000h",
    ] {
        run.args(["--set", setting]);
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
