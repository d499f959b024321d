//! Articles, and how far each news source has been followed, from topic `news` to their tables, on the servers that
//! `TAPEWIRE_KAFKA_BROKERS` and `TAPEWIRE_CLICKHOUSE_URL` name.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;
use tapewire_bus::{Producer, Topic, Topics, lag::lag};
use tapewire_core::record::News;
use tapewire_core::{Article, NewsRecord, Run, Watermark};
use tapewire_runtime::{Clock, Shutdown};
use tapewire_store::migrate;
use tapewire_testkit::{article, at, symbol};

fn watermark(source: &str, index: u32, time: &str, idle: bool) -> Watermark {
    Watermark { index, count: 2, source: source.into(), idle, at: at(time) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_watermark_of_each_source_and_an_article_with_its_found_symbols_reach_their_tables() {
    let Some(kafka) = tapewire_testkit::kafka("progress", 2).await else { return };
    let Some(clickhouse) = tapewire_testkit::clickhouse("progress") else { return };
    migrate(&clickhouse).await.unwrap();
    let producer = Producer::new(&kafka).unwrap();
    let send = async |run: &Run, partition: i32, body: News| {
        let record = NewsRecord::new(run.clone(), body).encode();
        producer.enqueue_to(Topic::News, partition, "", &record).await.unwrap().acknowledged().await.unwrap();
    };
    let live = Run::live();
    let found = Article {
        symbols: vec![symbol("AAPL")],
        symbols_found: true,
        ..article("Apple rises", at("2025-06-04T11:59:00Z"))
    };
    send(&live, 1, News::Article(found)).await;
    for (source, index, time, idle) in [
        ("wire", 0, "2025-06-04T12:00:00Z", false),
        ("other", 1, "2025-06-04T11:00:00Z", false),
        ("wire", 0, "2025-06-04T12:00:20Z", false),
        ("other", 1, "2025-06-04T11:00:00Z", true),
    ] {
        for partition in [0, 1] {
            send(&live, partition, News::Watermark(watermark(source, index, time, idle))).await;
        }
    }
    // The end of a replay is not a time that a source has reached.
    let end = Watermark { at: Watermark::END, ..watermark("replay", 0, "2025-06-04T12:00:00Z", false) };
    send(&Run::named("may"), 0, News::Watermark(end)).await;

    let shutdown = Shutdown::new();
    let running = tokio::spawn({
        let (kafka, clickhouse, shutdown) = (kafka.clone(), clickhouse.clone(), shutdown.clone());
        async move { tapewire_archive::run(&kafka, &clickhouse, Clock::wall(), shutdown).await }
    });
    while lag(&kafka, tapewire_archive::GROUP, &tapewire_archive::TOPICS).await.unwrap() > 0 {
        assert!(!running.is_finished(), "{:?}", running.await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();

    let client = clickhouse.client();
    let sources = "SELECT concat(run, ' ', kind, ' ', source, ' ', toString(watermark), if(idle, ' idle', ''))
        FROM source_progress FINAL ORDER BY source";
    assert_eq!(
        client.query(sources).fetch_all::<String>().await.unwrap(),
        ["live news other 2025-06-04 11:00:00.000000 idle", "live news wire 2025-06-04 12:00:20.000000"]
    );
    let articles =
        "SELECT concat(title, ' ', arrayStringConcat(symbols, ','), ' ', toString(symbols_found)) FROM articles FINAL";
    assert_eq!(client.query(articles).fetch_all::<String>().await.unwrap(), ["Apple rises AAPL true"]);
    client.query(&format!("DROP DATABASE `{}`", clickhouse.database)).execute().await.unwrap();
    Topics::new(&kafka).delete().await.unwrap();
}
