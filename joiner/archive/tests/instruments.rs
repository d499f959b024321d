//! Instruments from their topic to their table, on the servers that `TAPEWIRE_KAFKA_BROKERS` and
//! `TAPEWIRE_CLICKHOUSE_URL` name.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;
use tapewire_bus::{Producer, Topic, Topics, lag::lag};
use tapewire_core::instrument::Kind;
use tapewire_core::record::ListedInstrument;
use tapewire_core::{Instrument, InstrumentRecord, Run};
use tapewire_runtime::{Clock, Shutdown};
use tapewire_store::migrate;
use tapewire_testkit::{at, symbol};

/// Instruments of two lists, with the list's name and the time at which it was seen.
fn listed() -> [(Instrument, &'static str, &'static str); 4] {
    let day = |text: &str| Some(text.parse().unwrap());
    let former = Instrument { valid_to: day("2022-06-08"), ..Instrument::new(symbol("FB"), "Meta Platforms") };
    let apple = Instrument { aliases: vec!["iPhone maker".into()], ..Instrument::new(symbol("AAPL"), "Apple") };
    let listed = Instrument {
        kind: Kind::Stock,
        exchange: "Nasdaq".into(),
        cik: Some(320_193),
        figi: Some("BBG000B9XRY4".into()),
        ..Instrument::new(symbol("AAPL"), "Apple Inc.")
    };
    let fund =
        Instrument { kind: Kind::Fund, valid_from: day("2023-01-03"), ..Instrument::new(symbol("FB"), "A Fund") };
    [
        (listed, "sec", "2025-06-04T12:00:00Z"),
        // Sent after the list of 4 June but seen before it, so it does not replace that list's instrument.
        (apple, "builtin", "2025-06-03T12:00:00Z"),
        (former, "builtin", "2025-06-03T12:00:00Z"),
        (fund, "sec", "2025-06-04T12:00:00Z"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_list_replaces_an_instrument_but_not_another_one_with_the_same_ticker() {
    let Some(kafka) = tapewire_testkit::kafka("instruments", 2).await else { return };
    let Some(clickhouse) = tapewire_testkit::clickhouse("instruments") else { return };
    migrate(&clickhouse).await.unwrap();
    let producer = Producer::new(&kafka).unwrap();
    for (instrument, source, seen_at) in listed() {
        let listed = ListedInstrument { instrument, source: source.into(), seen_at: at(seen_at) };
        let key = listed.key();
        let record = InstrumentRecord::new(Run::live(), listed).encode();
        producer.send(Topic::Instruments, &key, &record).await.unwrap();
    }
    producer.send(Topic::Instruments, "torn", b"{\"v\":1").await.unwrap();

    let shutdown = Shutdown::new();
    let running = tokio::spawn({
        let (kafka, clickhouse, shutdown) = (kafka.clone(), clickhouse.clone(), shutdown.clone());
        async move { tapewire_archive::run(&kafka, &clickhouse, Clock::wall(), shutdown).await }
    });
    let client = clickhouse.client();
    let rows = "SELECT symbol, name, kind, ifNull(toString(cik), '-'), ifNull(figi, '-'), toString(valid_from), \
                ifNull(toString(valid_to), '-'), source FROM instruments FINAL ORDER BY symbol, valid_from";
    let letters = "SELECT count() FROM dead_letters FINAL";
    while lag(&kafka, tapewire_archive::GROUP, &tapewire_archive::TOPICS).await.unwrap() > 0
        || client.query(letters).fetch_one::<u64>().await.unwrap() == 0
    {
        assert!(!running.is_finished(), "{:?}", running.await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
    type Row = (String, String, String, String, String, String, String, String);
    let found = client.query(rows).fetch_all::<Row>().await.unwrap();
    let found: Vec<String> =
        found.into_iter().map(|(a, b, c, d, e, f, g, h)| [a, b, c, d, e, f, g, h].join("|")).collect();
    assert_eq!(
        found,
        [
            "AAPL|Apple Inc.|stock|320193|BBG000B9XRY4|1900-01-01|-|sec",
            "FB|Meta Platforms|other|-|-|1900-01-01|2022-06-08|builtin",
            "FB|A Fund|fund|-|-|2023-01-03|-|sec",
        ]
    );
    client.query(&format!("DROP DATABASE `{}`", clickhouse.database)).execute().await.unwrap();
    Topics::new(&kafka).delete().await.unwrap();
}
