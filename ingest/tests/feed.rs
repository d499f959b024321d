//! The price feed against the simulated provider and a Kafka.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod common;
#[path = "feed/folding.rs"]
mod folding;
#[path = "feed/killed.rs"]
mod killed;
#[path = "feed/scripted.rs"]
mod scripted;

use common::{Kafka, PARTITIONS, Provider, SIMULATED, counted, fill_disk_of, symbol, time, until};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tapewire_bus::Topic;
use tapewire_core::record::{Print, Tape};
use tapewire_core::{Bar, HaltRecord, Symbol, TradeRecord};
use tapewire_ingest::IngestError;
use tapewire_ingest::feed::{PriceFeed, PricesConfig};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::simulate::tape::instruments;
use tapewire_ingest::simulate::{Faults, SimulatorConfig};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Readiness, Shutdown};

/// A Wednesday, a minute before the open.
const ORIGIN: &str = "2025-06-04T13:29:00Z";
const SPEED: f64 = 1200.0;

fn config() -> PricesConfig {
    PricesConfig {
        symbols: ["AAPL", "BRK-A", "nvda"].map(symbol).to_vec(),
        warmup: Duration::from_secs(24 * 3600),
        ..PricesConfig::default()
    }
}

fn market(faults: Faults) -> SimulatorConfig {
    SimulatorConfig { history_sessions: 2, faults, ..SimulatorConfig::default() }
}

fn feed(
    config: &PricesConfig,
    kafka: &Kafka,
    providers: &ProvidersConfig,
    provider: &Provider,
    state: &Path,
) -> Result<PriceFeed, IngestError> {
    let source = providers.price_source(SIMULATED, &provider.clock).unwrap();
    let (stream, producer) = (WatermarkStream::prices(0, 1, SIMULATED), kafka.producer.clone());
    let (config, clock) = (config.of(SIMULATED), provider.clock.clone());
    PriceFeed::new(config, source, stream, state, producer, clock, Readiness::default())
}

/// Runs a feed until the tape is complete to `end`.
async fn follow(config: PricesConfig, kafka: &Kafka, provider: &Provider, state: &Path, end: Timestamp) {
    let shutdown = Shutdown::new();
    let feed = feed(&config, kafka, &provider.providers, provider, state).unwrap();
    let running = tokio::spawn(feed.run(shutdown.clone()));
    until(async || running.is_finished() || watermark(&kafka.tape().await) >= Some(end)).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

/// Until when all partitions are complete.
fn watermark(tape: &[(i32, Tape)]) -> Option<Timestamp> {
    let of_partition = |wanted: i32| {
        let bodies = tape.iter().filter(move |(partition, _)| *partition == wanted).map(|(_, body)| body);
        bodies.filter_map(|body| if let Tape::Watermark(watermark) = body { Some(watermark.at) } else { None }).max()
    };
    (0..PARTITIONS).map(of_partition).min().flatten()
}

/// By key, the closes of the provider's bars of some symbols and the benchmark that start at `from` and end by `to`.
fn expected(provider: &Provider, of: &[Symbol], from: Timestamp, to: Timestamp) -> BTreeMap<(Symbol, Timestamp), f64> {
    let market = provider.simulator.market();
    let mut bars = BTreeMap::new();
    let wanted = |name: &str| name == "SPY" || of.iter().any(|symbol| symbol.as_str() == name);
    for (index, company) in instruments().enumerate().filter(|(_, company)| wanted(company.symbol)) {
        let last = to - SignedDuration::from_mins(1);
        for printed in market.bars(index, from, last, Timestamp::MAX) {
            bars.insert((symbol(company.symbol), printed.start), printed.print.close);
        }
    }
    bars
}

/// By key, the bar that counts: of several versions the one received last.
fn held(bars: Vec<Bar>) -> BTreeMap<(Symbol, Timestamp), Bar> {
    let mut held: BTreeMap<_, Bar> = BTreeMap::new();
    for bar in bars {
        let key = (bar.symbol.clone(), bar.start);
        if held.get(&key).is_none_or(|other| other.received_at <= bar.received_at) {
            held.insert(key, bar);
        }
    }
    held
}

/// Each watermark on each partition must come after every bar it vouches for.
fn check_watermarks(tape: &[(i32, Tape)], expected: &BTreeMap<(Symbol, Timestamp), f64>) {
    let mut home: BTreeMap<Symbol, i32> = BTreeMap::new();
    for (partition, body) in tape {
        if let Tape::Bar(bar) = body {
            assert_eq!(
                *home.entry(bar.symbol.clone()).or_insert(*partition),
                *partition,
                "{} is on two partitions",
                bar.symbol
            );
        }
    }
    for partition in 0..PARTITIONS {
        let mut seen = BTreeSet::new();
        let mut watermarks = 0;
        for (_, body) in tape.iter().filter(|(p, _)| *p == partition) {
            match body {
                Tape::Bar(bar) => drop(seen.insert((bar.symbol.clone(), bar.start))),
                Tape::BenchmarkBar(bar) => drop(seen.insert((bar.symbol.clone(), bar.start))),
                Tape::Watermark(w) => {
                    watermarks += 1;
                    let vouched = expected.keys().filter(|(_, start)| *start + SignedDuration::from_mins(1) <= w.at);
                    for key in vouched.filter(|(s, _)| s.as_str() == "SPY" || home[s] == partition) {
                        assert!(seen.contains(key), "partition {partition} vouched for {} without {key:?}", w.at);
                    }
                }
            }
        }
        assert!(watermarks > 0, "no watermark on partition {partition}");
    }
}

async fn nothing_is_lost_or_doubled(test: &str, faults: Faults, feed_config: PricesConfig) -> Kafka {
    let kafka = Kafka::start(test).await;
    let provider = Provider::start(market(faults), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let end = time(ORIGIN) + SignedDuration::from_mins(45);
    let symbols = feed_config.symbols.clone();
    follow(feed_config, &kafka, &provider, state.path(), end).await;

    // The warm-up begins a day before the connection, which on this clock is minutes after the origin.
    let from = time(ORIGIN) - SignedDuration::from_hours(20);
    let tape = kafka.tape().await;
    let wanted = expected(&provider, &symbols, from, watermark(&tape).unwrap());
    assert!(wanted.len() > 3 * 190);
    check_watermarks(&tape, &wanted);
    let held = held(kafka.bars().await);
    for (key, close) in &wanted {
        assert_eq!(held[key].close, *close, "{key:?}");
    }
    let known = expected(&provider, &symbols, Timestamp::MIN, Timestamp::MAX);
    for (key, bar) in &held {
        assert!(known.contains_key(key), "{key:?} was never printed");
        assert!(bar.received_at >= bar.end() || key.1 < time(ORIGIN), "{bar:?} was here before it ended");
    }
    provider.shutdown.cancel();
    kafka
}

#[tokio::test]
async fn history_and_feed_meet_without_a_hole() {
    let kafka = nothing_is_lost_or_doubled("feed", Faults::default(), config()).await;
    kafka.clean().await;
}

#[tokio::test]
async fn dropped_connections_are_healed_by_the_gap_fill() {
    let before = counted("tapewire_price_feed_reconnects_total");
    let faults = Faults { disconnect_after: 30, rate_limit_every: 5, ..Faults::default() };
    let kafka = nothing_is_lost_or_doubled("reconnect", faults, config()).await;
    assert!(counted("tapewire_price_feed_reconnects_total") > before, "the test needs a reconnect");
    kafka.clean().await;
}

#[tokio::test]
async fn dropped_frames_are_fetched_again() {
    let before = counted("tapewire_feed_dropped_total");
    // Every company, so that a minute comes in several frames at once.
    let symbols = instruments().map(|company| symbol(company.symbol)).collect();
    let config = PricesConfig { symbols, buffered_frames: 1, ..config() };
    let kafka = nothing_is_lost_or_doubled("overflow", Faults::default(), config).await;
    assert!(counted("tapewire_feed_dropped_total") > before, "the test needs dropped frames");
    kafka.clean().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on() {
    let faults = Faults { malformed_bar_every: 7, unknown_message_every: 11, ..Faults::default() };
    let kafka = nothing_is_lost_or_doubled("malformed", faults, config()).await;
    let letters = kafka.dead_letters().await;
    assert!(letters.iter().any(|letter| letter.reason.contains("no price")), "{letters:?}");
    assert!(letters.iter().any(|letter| letter.reason.contains("`XX`")));
    assert!(letters.iter().all(|letter| letter.stage == "price-feed" && letter.origin == "massive websocket"));
    kafka.clean().await;
}

#[tokio::test]
async fn the_benchmark_is_on_every_partition_and_its_bar_on_one() {
    let kafka = Kafka::start("benchmark").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    follow(config(), &kafka, &provider, state.path(), time(ORIGIN) + SignedDuration::from_mins(3)).await;
    let tape = kafka.tape().await;
    let partitions =
        |of: fn(&Tape) -> bool| tape.iter().filter(|(_, body)| of(body)).map(|(p, _)| *p).collect::<BTreeSet<_>>();
    let facts = partitions(|body| matches!(body, Tape::Bar(bar) if bar.symbol.as_str() == "SPY"));
    let copies = partitions(|body| matches!(body, Tape::BenchmarkBar(_)));
    assert_eq!((facts.len(), copies.len() as i32), (1, PARTITIONS - 1));
    assert!(facts.is_disjoint(&copies));
    assert!(tape.iter().all(|(_, body)| !matches!(body, Tape::BenchmarkBar(bar) if bar.symbol.as_str() != "SPY")));
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_restart_fetches_the_outage_and_not_the_warm_up_again() {
    let kafka = Kafka::start("restart").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let minutes = |n| time(ORIGIN) + SignedDuration::from_mins(n);
    follow(config(), &kafka, &provider, state.path(), minutes(5)).await;
    let before = kafka.bars().await.len();
    until(async || provider.clock.now() > minutes(40)).await;
    follow(config(), &kafka, &provider, state.path(), minutes(45)).await;
    let tape = kafka.tape().await;
    let wanted = expected(&provider, &config().symbols, time(ORIGIN), watermark(&tape).unwrap());
    check_watermarks(&tape, &wanted);
    let held = held(kafka.bars().await);
    assert!(wanted.keys().all(|key| held.contains_key(key)));
    let fetched = kafka.bars().await.len() - before;
    assert!(fetched < before, "{fetched} bars after the restart, {before} before");
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_full_disk_does_not_end_the_feed() {
    let kafka = Kafka::start("full").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let written_first = fill_disk_of(state.path(), "prices-massive.json");
    let end = time(ORIGIN) + SignedDuration::from_mins(5);
    follow(config(), &kafka, &provider, state.path(), end).await;
    assert!(!written_first.is_symlink(), "no state was saved while the disk was full");
    assert!(state.path().join("prices-massive.json").exists(), "the state was not saved later");
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn trades_and_halts_come_when_asked_for() {
    let kafka = Kafka::start("trades").await;
    // With every company asked for, a session has a halt with a chance of one in five: this seed has one early.
    let simulator = SimulatorConfig { seed: halting_seed(), ..market(Faults::default()) };
    let provider = Provider::start(simulator, ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let symbols = instruments().map(|company| symbol(company.symbol)).collect();
    let config = PricesConfig { symbols, trades: true, halts: true, warmup: Duration::from_secs(60), ..config() };
    follow(config, &kafka, &provider, state.path(), time(ORIGIN) + SignedDuration::from_mins(80)).await;
    let trades: Vec<_> = kafka
        .read(Topic::Trades)
        .await
        .iter()
        .map(|r| TradeRecord::decode(&r.payload).unwrap().body)
        .filter_map(Print::into_trade)
        .collect();
    assert!(trades.iter().any(|trade| trade.symbol.as_str() == "NVDA" && trade.price > 0.0 && trade.size > 0.0));
    let halts: Vec<_> =
        kafka.read(Topic::Halts).await.iter().map(|r| HaltRecord::decode(&r.payload).unwrap().body).collect();
    assert!(halts.len() >= 2, "{halts:?}");
    let (stop, go) = (&halts[0], halts.iter().find(|h| h.symbol == halts[0].symbol && !h.halted).unwrap());
    assert!(stop.halted && stop.reason == "LULD 17" && go.reason == "LULD 18");
    let within = kafka
        .bars()
        .await
        .into_iter()
        .filter(|bar| bar.symbol == stop.symbol && bar.start >= stop.at && bar.start < go.at);
    assert_eq!(within.count(), 0, "no bar while halted");
    provider.shutdown.cancel();
    kafka.clean().await;
}

/// The first seed whose market has a halt within the first hour of the day.
fn halting_seed() -> u64 {
    let day = jiff::civil::date(2025, 6, 4);
    let halts_early = |seed: &u64| {
        let config =
            SimulatorConfig { seed: *seed, history_sessions: 0, articles_per_hour: 0.0, ..SimulatorConfig::default() };
        let market = tapewire_ingest::simulate::Market::new(&config, day);
        market.tapes()[0].halts.iter().flatten().any(|(from, to)| *from < 60 && *to < 70)
    };
    (1..200).find(halts_early).expect("one session in five has a halt")
}

#[tokio::test]
async fn a_refused_key_ends_the_feed_with_the_remedy_and_without_the_key() {
    let kafka = Kafka::start("key").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let feed = feed(&config(), &kafka, &provider.with_wrong_key(), &provider, state.path()).unwrap();
    let error: IngestError = feed.run(Shutdown::new()).await.unwrap_err();
    let words = format!("{error} {error:?}");
    assert!(words.contains("TAPEWIRE_MASSIVE_API_KEY") && !words.contains("wrong-key"), "{words}");
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn an_index_as_benchmark_is_refused_at_the_start() {
    let kafka = Kafka::start("index").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let config = PricesConfig { benchmark: symbol("I:SPX"), ..config() };
    let refused = feed(&config, &kafka, &provider.providers, &provider, state.path());
    assert!(refused.err().unwrap().to_string().contains("I:SPX"));
    provider.shutdown.cancel();
    kafka.clean().await;
}
