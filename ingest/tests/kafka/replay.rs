//! Replays of files against a Kafka.

use crate::common::{Kafka, PARTITIONS, symbol, time};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tapewire_core::record::{News, Tape};
use tapewire_core::{NewsRecord, TapeRecord, Watermark};
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::{Inputs, ReplayOptions, ReplayProgress, Stage, Summary, prepare};
use tapewire_runtime::Clock;

const NEWS: &str = r#"{"id":"a","title":"One","source":"S","published_ms":1748872800000,"symbols":["AAPL","MSFT"]}
not json

{"id":"b","title":"Two","published_at":"2025-06-02T15:00:00Z","symbols":[]}
{"id":"a","title":"One, edited","published_ms":1748872800000,"updated_at":"2025-06-02T14:30:00Z","symbols":["AAPL"]}
{"id":"c","published_utc":"2025-06-02T15:10:00Z","title":"Three","tickers":["GOOG","?!"]}
"#;

const BARS: &str = "symbol,start,open,high,low,close,volume
AAPL,2025-06-02T13:30:00Z,10,11,9,10,100
AAPL,2025-06-02T14:30:00Z,10,11,9,10,100
SPX,2025-06-02T13:30:00Z,10,11,9,10,0
SPX,2025-06-02T14:30:00Z,10,11,9,10,0
AAPL,2025-06-02T15:30:00Z,10,8,9,10,100
";

fn files(folder: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    let (news, bars) = (folder.path().join("news.jsonl"), folder.path().join("bars.csv"));
    std::fs::write(&news, NEWS).unwrap();
    std::fs::write(&bars, BARS).unwrap();
    (news, bars)
}

fn options() -> ReplayOptions {
    let aliases = [(symbol("GOOG"), symbol("GOOGL"))].into_iter().collect();
    ReplayOptions { aliases, benchmark: Some(symbol("SPX")), ..ReplayOptions::default() }
}

/// Reads one file of news and one of bars, and sends them.
async fn replay(
    news: &Path,
    bars: &Path,
    options: &ReplayOptions,
    kafka: &Kafka,
    mut report: impl FnMut(ReplayProgress),
) -> Result<Summary, IngestError> {
    let inputs = Inputs { news: vec![news.to_owned()], bars: vec![bars.to_owned()] };
    let prepared = prepare(&inputs, options, |progress| {
        report(progress);
        Ok(())
    })?;
    prepared.send(kafka.producer.clone(), Clock::wall(), report).await
}

async fn run(kafka: &Kafka, options: &ReplayOptions, mut report: impl FnMut(ReplayProgress)) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    let (news, bars) = files(&folder);
    replay(&news, &bars, options, kafka, &mut report).await.unwrap()
}

#[tokio::test]
async fn files_become_a_run_of_their_own_with_both_watermarks_at_the_end() {
    let kafka = Kafka::start("replay").await;
    let mut last = None;
    let summary = run(&kafka, &options(), |progress| last = Some(progress)).await;
    assert_eq!((summary.articles, summary.mentions, summary.bars), (4, 3, 4));
    assert_eq!((summary.unreadable, summary.in_part), (2, 1));
    assert_eq!(summary.tape_end, Some(time("2025-06-02T15:30:00Z")));
    assert!(summary.run.as_str().starts_with("replay-") && summary.run.as_str().len() == "replay-".len() + 12);
    let total = 4 + 4 + 3;
    assert_eq!(last, Some(ReplayProgress { stage: Stage::Sending, done: total, total }));

    let articles = kafka.articles().await;
    let a = articles.iter().filter(|article| article.id == "a").collect::<Vec<_>>();
    assert_eq!(a.iter().map(|article| article.title.as_str()).collect::<Vec<_>>(), ["One", "One, edited"]);
    assert_eq!(a[0].received_at, time("2025-06-02T14:00:01Z"));
    assert_eq!((a[1].received_at, &a[1].withdrawn[..]), (time("2025-06-02T14:30:01Z"), &[Some(symbol("MSFT"))][..]));
    let c = articles.iter().find(|article| article.id == "c").unwrap();
    assert_eq!(c.symbols, [symbol("GOOGL")]);
    for record in kafka.read(tapewire_bus::Topic::Bars).await {
        assert_eq!(TapeRecord::decode(&record.payload).unwrap().run, summary.run);
    }

    // On every partition the watermark comes last.
    for partition in 0..PARTITIONS {
        let news = kafka.read(tapewire_bus::Topic::News).await;
        let last = news.iter().rfind(|record| record.partition == partition).unwrap();
        let News::Watermark(news) = NewsRecord::decode(&last.payload).unwrap().body else { panic!() };
        let tape = kafka.tape().await;
        let Some((_, Tape::Watermark(tape))) = tape.iter().rfind(|(p, _)| *p == partition) else { panic!() };
        assert_eq!((tape.at, news.at), (Watermark::END, Watermark::END));
    }
    let copies = kafka.tape().await.into_iter().filter(|(_, body)| matches!(body, Tape::BenchmarkBar(_))).count();
    assert_eq!(copies, 2 * (PARTITIONS as usize - 1));
    for bar in kafka.bars().await {
        assert_eq!((bar.width_s, bar.received_at), (3600, bar.end()));
    }
    let letters = kafka.dead_letters().await;
    let lines: BTreeSet<_> =
        letters.iter().map(|letter| letter.origin.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["bars.csv line 6", "news.jsonl line 2", "news.jsonl line 6"].map(str::to_owned).into());
    kafka.clean().await;
}

#[tokio::test]
async fn the_same_files_give_the_same_records_and_name() {
    let kafka = Kafka::start("again").await;
    let first = run(&kafka, &options(), |_| {}).await;
    let after_one = kafka.articles().await;
    let second = run(&kafka, &options(), |_| {}).await;
    assert_eq!(first, second);
    let mut twice = kafka.articles().await;
    assert_eq!(twice.len(), 2 * after_one.len());
    twice.dedup();
    assert!(twice.iter().all(|article| after_one.contains(article)));
    kafka.clean().await;
}

#[tokio::test]
async fn a_line_too_large_for_kafka_stops_nothing() {
    let kafka = Kafka::start("large").await;
    let folder = tempfile::tempdir().unwrap();
    let (news, bars) = files(&folder);
    let endless = format!("{{\"id\":\"x\",\"published_ms\":1,\"title\":\"{}\"}}\n", "x".repeat(1_500_000));
    std::fs::write(&news, endless + NEWS).unwrap();
    let summary = replay(&news, &bars, &options(), &kafka, |_| {}).await.unwrap();
    assert_eq!((summary.articles, summary.unreadable, summary.in_part), (4, 3, 1));
    let letters = kafka.dead_letters().await;
    assert!(
        letters.iter().any(|letter| letter.origin.ends_with("news.jsonl line 1") && letter.reason.contains("are kept"))
    );
    kafka.clean().await;
}

#[tokio::test]
async fn a_replay_is_never_taken_for_live_data() {
    let kafka = Kafka::start("name").await;
    let folder = tempfile::tempdir().unwrap();
    let (news, bars) = files(&folder);
    for name in ["live", " live ", ""] {
        let options = ReplayOptions { run: Some(name.into()), ..options() };
        let refused = replay(&news, &bars, &options, &kafka, |_| {}).await;
        assert!(refused.unwrap_err().to_string().contains("name of a replay"), "{name}");
    }
    kafka.clean().await;
}

/// Real headlines and real hourly bars, where they are available.
#[tokio::test]
async fn real_files_are_read_whole() {
    let Some(folder) = std::env::var_os("TAPEWIRE_REAL_DATA").map(PathBuf::from) else {
        println!("skipped: TAPEWIRE_REAL_DATA names no folder with news.jsonl and bars_1h.csv");
        return;
    };
    let kafka = Kafka::start("real").await;
    let (news, bars) = (folder.join("news.jsonl"), folder.join("bars_1h.csv"));
    let summary = replay(&news, &bars, &options(), &kafka, |_| {}).await.unwrap();
    println!("{summary:?}");
    let lines = |path: &PathBuf| std::fs::read_to_string(path).unwrap().lines().count() as u64;
    assert_eq!(summary.articles, lines(&news));
    assert_eq!(summary.bars, lines(&bars) - 1);
    assert_eq!((summary.unreadable, summary.in_part), (0, 0));
    let bars = kafka.bars().await;
    assert_eq!(bars.len() as u64, summary.bars);
    assert!(bars.iter().all(|bar| bar.width_s == 3600));
    kafka.clean().await;
}
