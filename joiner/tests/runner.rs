//! The joiner between real servers: `TAPEWIRE_KAFKA_BROKERS` and `TAPEWIRE_CLICKHOUSE_URL` name them
//! (`make stack` starts both).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::time::Duration;
use tapewire_bus::{KafkaConfig, Producer, Topic, Topics, lag::lag};
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Bar, Halt, HaltRecord, Run, SentimentRecord, Symbol, TapeRecord, Watermark};
use tapewire_indicators::{Put, Series};
use tapewire_joiner::join::JoinConfig;
use tapewire_joiner::{indicators, runner};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_store::indicators::{IndicatorRow, newest};
use tapewire_store::{ClickHouseConfig, migrate};
use tapewire_testkit::Dice;

/// Empty topics of one partition and an empty database, or `None` and a line of output if a variable is not set.
async fn installation(name: &str) -> Option<(KafkaConfig, ClickHouseConfig)> {
    let (kafka, clickhouse) = (tapewire_testkit::kafka(name, 1).await?, tapewire_testkit::clickhouse(name)?);
    migrate(&clickhouse).await.unwrap();
    Some((kafka, clickhouse))
}

fn at(second: i64) -> Timestamp {
    // From 10:00 in New York, within a session.
    "2024-07-01T14:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn mention() -> Vec<u8> {
    let mention = tapewire_testkit::mention("AAA", at(0));
    SentimentRecord::new(Run::live(), Scored::Mention(mention)).encode()
}

fn bar(start: Timestamp) -> Vec<u8> {
    let bar = tapewire_testkit::bar("AAA", start, 10.0);
    TapeRecord::new(Run::live(), Tape::Bar(bar)).encode()
}

/// The halt's reason is text that does not compress, so that one fetch does not bring many halts.
fn halt(symbol: &str, at: Timestamp) -> Vec<u8> {
    let reason = format!("{:?}", sha2::Sha512::digest(at.to_string()));
    let halt = Halt { symbol: Symbol::new(symbol).unwrap(), at, halted: true, reason, received_at: at };
    HaltRecord::new(Run::live(), halt).encode()
}

/// News and tape have long passed the mention's last horizon, but its halt, which comes after many others, has not been
/// read: the row must not be evicted before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_not_evicted_before_its_halt_was_read() {
    let Some((kafka, clickhouse)) = installation("late_halt").await else { return };
    let producer = Producer::new(&kafka).unwrap();
    for second in 0..200_000 {
        // Not awaited: one partition keeps the order, so these are acknowledged before the last one, which is awaited.
        drop(producer.enqueue(Topic::Halts, "BBB", &halt("BBB", at(second))).await.unwrap());
    }
    producer.send(Topic::Halts, "AAA", &halt("AAA", at(120))).await.unwrap();
    producer.send(Topic::Sentiment, "AAA", &mention()).await.unwrap();
    for minute in 0..10 {
        producer.send(Topic::Bars, "AAA", &bar(at(60 * minute))).await.unwrap();
    }
    let watermark = Watermark::new(0, 1, at(30 * 24 * 3600));
    let news = SentimentRecord::new(Run::live(), Scored::Watermark(watermark.clone())).encode();
    producer.send(Topic::Sentiment, "watermark", &news).await.unwrap();
    let tape = TapeRecord::new(Run::live(), Tape::Watermark(watermark)).encode();
    producer.send(Topic::Bars, "watermark", &tape).await.unwrap();

    let shutdown = Shutdown::new();
    let joining = tokio::spawn({
        let (kafka, clickhouse, shutdown) = (kafka.clone(), clickhouse.clone(), shutdown.clone());
        let config = JoinConfig { benchmark: Symbol::new("MKT").unwrap(), ..JoinConfig::default() };
        async move { runner::run(&kafka, &clickhouse, &config, Clock::wall(), Readiness::default(), shutdown).await }
    });
    while lag(&kafka, runner::GROUP, &[Topic::Sentiment, Topic::Bars, Topic::Halts]).await.unwrap() > 0 {
        assert!(!joining.is_finished(), "{:?}", joining.await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shutdown.cancel();
    joining.await.unwrap().unwrap();

    let client = clickhouse.client();
    let query = "SELECT status, flag_halted FROM impact FINAL";
    let rows = client.query(query).fetch_all::<(String, bool)>().await.unwrap();
    assert_eq!(rows, [("final".to_owned(), true)]);
    client.query(&format!("DROP DATABASE `{}`", clickhouse.database)).execute().await.unwrap();
    Topics::new(&kafka).delete().await.unwrap();
}

/// Minute bars of two symbols, of which some come late, some twice and some are corrected.
fn minutes() -> Vec<Bar> {
    let mut dice = Dice(5);
    let mut bars = Vec::new();
    for minute in 0..160_i64 {
        for ticker in ["AAA", "BBB"] {
            let bar = tapewire_testkit::bar(ticker, at(60 * minute), 10.0 + dice.below(100) as f64 / 100.0);
            let late = if dice.chance(10) { dice.below(40) as i64 } else { 0 };
            bars.push((minute + late, bar.clone()));
            if dice.chance(10) {
                let (close, received_at) = (bar.low, bar.received_at + SignedDuration::from_secs(1));
                bars.push((minute + late + dice.below(3) as i64, Bar { close, received_at, volume: 7.0, ..bar }));
            }
        }
    }
    bars.sort_by_key(|(when, _)| *when);
    bars.into_iter().map(|(_, bar)| bar).collect()
}

/// What a row of indicators is compared by: start, version, number, and values to the bit.
type Compared = (i64, u64, u64, Vec<Option<u64>>, Option<bool>);

fn compared(row: &IndicatorRow) -> Compared {
    let values = [row.sma_20, row.ema_20, row.rsi_14, row.macd_signal, row.vwap, row.robust_z_60, row.momentum_10];
    (row.start, row.version, row.number, values.map(|value| value.map(f64::to_bits)).to_vec(), row.is_anomaly)
}

/// The rows of a process that nothing stops, computed without servers.
fn uninterrupted(sent: &[(u64, Bar)], ticker: &str) -> Vec<Compared> {
    let (mut series, mut rows) = (Series::new(Market::NewYork.calendar(), 60), BTreeMap::new());
    for (position, bar) in sent.iter().filter(|(_, bar)| bar.symbol.as_str() == ticker) {
        assert_eq!(series.put(bar, *position), Put::Taken);
        for point in series.take_changed() {
            let found = point.indicators;
            let values =
                [found.sma, found.ema, found.rsi, found.macd_signal, found.vwap, found.robust_z, found.momentum];
            let values = values.map(|value| value.map(f64::to_bits)).to_vec();
            let start = point.start.as_microsecond();
            rows.insert(start, (start, point.version, point.carried.number, values, found.is_anomaly));
        }
    }
    rows.into_values().collect()
}

/// The rows of each symbol are those of a process that nothing stops, and the newest of them can be read alone.
async fn assert_are_uninterrupted(clickhouse: &ClickHouseConfig, sent: &[(u64, Bar)]) {
    for ticker in ["AAA", "BBB"] {
        let rows = newest(clickhouse, "live", 60, &[ticker], None, 1_000).await.unwrap();
        let found: Vec<Compared> = rows.iter().map(compared).collect();
        let expected = uninterrupted(sent, ticker);
        assert_eq!(expected.len(), 160);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{ticker}");
        }
        assert_eq!(found.len(), expected.len());
    }
    let held = newest(clickhouse, "live", 60, &["AAA", "BBB"], Some(at(60 * 100).as_microsecond()), 20).await.unwrap();
    let starts: Vec<i64> = held.iter().filter(|row| row.symbol == "BBB").map(|row| row.start).collect();
    let expected: Vec<i64> = (140..160).map(|minute| at(60 * minute).as_microsecond()).collect();
    assert_eq!((held.len(), starts), (40, expected), "the newest of each symbol, the oldest first");
}

/// The role is ended without a chance to finish, several times and as soon as it has written something.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_the_indicators_are_those_of_a_process_that_nothing_stops() {
    let Some((kafka, clickhouse)) = installation("indicators").await else { return };
    let producer = Producer::new(&kafka).unwrap();
    let client = clickhouse.client();
    let (mut sent, mut position) = (Vec::new(), 0);
    let written = "SELECT count() FROM indicators";
    // The last part has no bars: it is only read to the end.
    let (bars, parts) = (minutes(), 4);
    for part in 0..=parts {
        let of_part = bars.len() * part / parts..(bars.len() * (part + 1) / parts).min(bars.len());
        // Neither a copy of a benchmark's bar nor a record that can't be read has a row, and neither stops the others.
        let copy = tapewire_testkit::bar("AAA", at(0), 99.0);
        let copy = TapeRecord::new(Run::live(), Tape::BenchmarkBar(copy)).encode();
        for other in [copy, b"{\"v\":1".to_vec()] {
            producer.send(Topic::Bars, "AAA", &other).await.unwrap();
            position += 1;
        }
        for bar in bars.get(of_part).unwrap_or_default() {
            let record = TapeRecord::new(Run::live(), Tape::Bar(bar.clone())).encode();
            producer.send(Topic::Bars, "AAA", &record).await.unwrap();
            sent.push((position, bar.clone()));
            position += 1;
        }
        let before: u64 = client.query(written).fetch_one().await.unwrap();
        let shutdown = Shutdown::new();
        let running = tokio::spawn({
            let (kafka, clickhouse, shutdown) = (kafka.clone(), clickhouse.clone(), shutdown.clone());
            let calendars = Calendars::default();
            async move { indicators::run(&kafka, &clickhouse, &calendars, Readiness::default(), shutdown).await }
        });
        loop {
            assert!(!running.is_finished(), "{:?}", running.await);
            if part < parts && client.query(written).fetch_one::<u64>().await.unwrap() > before {
                running.abort();
                break;
            }
            if part == parts && lag(&kafka, indicators::GROUP, &indicators::TOPICS).await.unwrap() == 0 {
                shutdown.cancel();
                running.await.unwrap().unwrap();
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_are_uninterrupted(&clickhouse, &sent).await;
    client.query(&format!("DROP DATABASE `{}`", clickhouse.database)).execute().await.unwrap();
    Topics::new(&kafka).delete().await.unwrap();
}
