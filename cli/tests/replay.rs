//! A replay through real Kafka and ClickHouse, checked against a second computation of every outcome.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "replay/fold.rs"]
mod fold;
mod support;

use std::io::Write as _;
use std::path::PathBuf;
use support::{Installation, outcomes, small_market, succeeded};

#[test]
fn every_outcome_of_the_small_market_is_what_pandas_computes() {
    let Some(place) = Installation::new("small") else { return };
    let Some((news, bars)) = small_market("small", place.folder.path(), 80) else { return };
    let command = || {
        let mut command = place.tapewire();
        command.arg("replay").arg("--news").arg(&news).arg("--bars").arg(&bars);
        command.args(["--run", "small", "--benchmark", "MKT"]);
        command
    };
    let said = succeeded(command().output().unwrap());
    assert!(said.contains("sent 80 articles"), "{said}");
    let check = |place: &Installation| {
        let mut check = outcomes("small").unwrap();
        check.arg("check").arg("--news").arg(&news).arg("--bars").arg(&bars);
        check.args(["--clickhouse", place.clickhouse(), "--database", place.database(), "--run", "small"]);
        succeeded(check.output().unwrap())
    };
    println!("{}", check(&place));
    let first = place.content();
    succeeded(command().output().unwrap());
    assert_eq!(place.content(), first, "the same replay again changes nothing");
    println!("{}", check(&place));
}

/// The 689 articles of May 2025 with hourly bars. They must not be committed to the repository.
#[test]
fn every_article_of_the_real_data_is_accounted_for() {
    let Ok(data) = std::env::var("TAPEWIRE_REAL_DATA") else {
        println!("skipped: real data: TAPEWIRE_REAL_DATA names no folder with news.jsonl and bars_1h.csv");
        return;
    };
    let Some(place) = Installation::new("real") else { return };
    let Some(mut check) = outcomes("real") else { return };
    let (news, bars) = (PathBuf::from(&data).join("news.jsonl"), PathBuf::from(&data).join("bars_1h.csv"));
    let mut replay = place.tapewire();
    replay.arg("replay").arg("--news").arg(&news).arg("--bars").arg(&bars);
    println!(
        "{}",
        succeeded(replay.args(["--run", "real", "--benchmark", "SPX", "--alias", "GOOG=GOOGL"]).output().unwrap())
    );
    check.arg("check").arg("--news").arg(&news).arg("--bars").arg(&bars).args(["--alias", "GOOG=GOOGL"]);
    check.args(["--clickhouse", place.clickhouse(), "--database", place.database(), "--run", "real"]);
    println!("{}", succeeded(check.output().unwrap()));
    let articles = std::fs::read_to_string(&news).unwrap().lines().count() as u64;
    assert_eq!(place.count("SELECT uniqExact(article_id) FROM impact"), articles);
}

#[test]
fn bad_lines_are_kept_whole_and_the_rest_goes_on() {
    let Some(place) = Installation::new("bad") else { return };
    let Some((news, bars)) = small_market("bad", place.folder.path(), 30) else { return };
    let append = |path: &PathBuf, lines: &[u8]| {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(lines).unwrap();
    };
    append(&news, b"{\"id\": \"cut off\n{\"id\": \"no-title\", \"published_at\": \"2024-11-26T15:00:00Z\", \"symbols\": []}\n\xff\xfe\n");
    append(&bars, b"AAA,2024-11-26T15:00:00Z,1,2,3\nAAA,yesterday,1,1,1,1,5\nAAA,2024-11-26T15:00:00Z,-1,1,1,1,5\n");
    let mut replay = place.tapewire();
    replay.arg("replay").arg("--news").arg(&news).arg("--bars").arg(&bars);
    let said = succeeded(replay.args(["--run", "bad", "--benchmark", "MKT"]).output().unwrap());
    assert!(said.contains("sent 31 articles"), "{said}");
    let letters = place.query("SELECT origin, reason, hex(bytes) FROM dead_letters FINAL ORDER BY origin");
    println!("{letters}");
    for (origin, bytes) in [
        ("news.jsonl line 31", hex(b"{\"id\": \"cut off")),
        ("news.jsonl line 33", hex(b"\xff\xfe")),
        ("", hex(b"AAA,2024-11-26T15:00:00Z,1,2,3")),
        ("", hex(b"AAA,yesterday,1,1,1,1,5")),
        ("", hex(b"AAA,2024-11-26T15:00:00Z,-1,1,1,1,5")),
    ] {
        let found = letters.lines().find(|line| line.contains(&bytes));
        let line = found.unwrap_or_else(|| panic!("nothing keeps {bytes}"));
        assert!(line.contains(origin), "{line}");
        assert!(!line.split('\t').nth(1).unwrap().is_empty(), "no reason: {line}");
    }
    assert_eq!(letters.lines().count(), 5);
    // The article can be read but has nothing to score: it is listed with the reason.
    assert_eq!(
        place.query("SELECT unscored, reason FROM impact FINAL WHERE article_id = 'no-title'"),
        "empty_text\tno_symbol"
    );
    assert_eq!(place.count("SELECT uniqExact(article_id) FROM impact"), 31);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
