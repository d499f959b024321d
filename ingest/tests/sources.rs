//! Two providers at once: the simulated one and a small second one, through the real poller and the real feed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod common;
mod desk;

use common::{Kafka, PARTITIONS, Provider, SIMULATED, counted, symbol, time, until};
use desk::server::{DeskServer, KEY};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tapewire_core::record::Tape;
use tapewire_core::{Watermark, Watermarks};
use tapewire_ingest::feed::{PriceFeed, PricesConfig};
use tapewire_ingest::poller::{NewsConfig, NewsPoller};
use tapewire_ingest::simulate::SimulatorConfig;
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Readiness, Shutdown};

/// A Wednesday, after the open.
const ORIGIN: &str = "2025-06-04T15:00:00Z";

/// So that the idle timeout of five minutes is half a second.
const SPEED: f64 = 600.0;

/// The latest watermark of each stream on one partition, and the time up to which a reader takes both as complete.
struct Seen {
    last: [Option<Watermark>; 2],
    minimum: Option<Timestamp>,
}

impl Seen {
    fn on(partition: i32, watermarks: &[(i32, Watermark)]) -> Self {
        let (mut last, mut all) = ([None, None], Watermarks::default());
        for (_, watermark) in watermarks.iter().filter(|(p, _)| *p == partition) {
            assert_eq!(watermark.count, 2);
            assert_eq!(watermark.source, [SIMULATED, desk::KIND][watermark.index as usize]);
            all.observe(watermark);
            last[watermark.index as usize] = Some(watermark.clone());
        }
        Self { last, minimum: all.minimum() }
    }

    fn at(&self, stream: usize) -> Option<Timestamp> {
        self.last[stream].as_ref().map(|watermark| watermark.at)
    }

    fn desk_is_idle(&self) -> bool {
        self.last[1].as_ref().is_some_and(|watermark| watermark.idle)
    }

    /// Both are followed, and the desk, which takes longer, decides.
    fn desk_decides(&self) -> bool {
        !self.desk_is_idle() && self.minimum.is_some() && self.minimum == self.at(1) && self.minimum < self.at(0)
    }

    /// The desk is idle, and the other source alone decides.
    fn desk_is_not_waited_for(&self) -> bool {
        self.desk_is_idle() && self.minimum == self.at(0) && self.minimum > self.at(1)
    }
}

/// Waits until `so` is true of what a reader of each partition has seen.
async fn until_seen(watermarks: impl AsyncFn() -> Vec<(i32, Watermark)>, so: fn(&Seen) -> bool) {
    until(async || {
        let watermarks = watermarks().await;
        (0..PARTITIONS).all(|partition| so(&Seen::on(partition, &watermarks)))
    })
    .await;
}

/// What happens in both tests: the slower source decides, is shut down, is not waited for, and comes back.
async fn a_source_goes_and_comes_back(
    kind: &str,
    desk: &mut DeskServer,
    readiness: &Readiness,
    watermarks: impl AsyncFn() -> Vec<(i32, Watermark)>,
) {
    until_seen(&watermarks, Seen::desk_decides).await;
    until(async || readiness.all_ready()).await;
    assert_eq!(idle(kind), 0.0);
    let times = counted("tapewire_source_outages_total");

    desk.stop().await;
    until_seen(&watermarks, Seen::desk_is_not_waited_for).await;
    assert!(!readiness.all_ready());
    assert_eq!(idle(kind), 1.0);
    assert!(counted("tapewire_source_outages_total") > times);
    // Said again after further failures, for readers that were restarted meanwhile.
    let said = async || watermarks().await.iter().filter(|(p, w)| *p == 0 && w.idle).count();
    let before = said().await;
    until(async || said().await > before).await;

    desk.go_on().await;
    until_seen(&watermarks, Seen::desk_decides).await;
    until(async || readiness.all_ready()).await;
    assert_eq!(idle(kind), 0.0);
}

/// The desk's gauge `tapewire_source_idle`.
fn idle(kind: &str) -> f64 {
    let with = |labels: &str| counted(&format!("tapewire_source_idle{{{labels}}}"));
    with(&format!("source=\"desk\",kind=\"{kind}\"")) + with(&format!("kind=\"{kind}\",source=\"desk\""))
}

#[tokio::test]
async fn two_news_sources_are_two_streams_and_an_id_of_both_is_two_articles() {
    counted("installs the recorder");
    let kafka = Kafka::start("news-sources").await;
    let simulator = SimulatorConfig { history_sessions: 2, ..SimulatorConfig::default() };
    let provider = Provider::start(simulator, ORIGIN, SPEED).await;
    let published = |story: &&tapewire_ingest::simulate::stories::Story| {
        story.visible_at < time(ORIGIN) && story.published_at > time("2025-06-04T14:00:00Z")
    };
    let shared = provider.simulator.market().stories().iter().find(published).unwrap().id.clone();
    let ts = time("2025-06-04T14:30:00Z").as_second();
    let headlines = vec![
        json!({"ref": shared, "ts": ts, "head": "Maker lifts its outlook", "companies": ["MKR"]}),
        json!({"ref": "torn", "ts": "noon"}),
        json!({"ref": "desk-2", "ts": ts + 60, "head": "Maker opens a plant", "companies": []}),
    ];
    let mut desk = DeskServer::start(headlines, vec![]).await;
    let config: NewsConfig = toml::from_str(&format!(
        "sources = ['{SIMULATED}', 'desk']\n[override.desk]\nwire_delay = '20m'\nevery = '1m'"
    ))
    .unwrap();
    config.check().unwrap();
    let (state, readiness, shutdown) = (tempfile::tempdir().unwrap(), Readiness::default(), Shutdown::new());
    let poller = |stream: WatermarkStream, source| {
        let config = config.of(&stream.source);
        let (producer, clock) = (kafka.producer.clone(), provider.clock.clone());
        NewsPoller::new(config, source, stream, state.path(), producer, clock, readiness.clone()).unwrap()
    };
    let first = poller(
        WatermarkStream::news(0, 2, SIMULATED),
        provider.providers.news_source(SIMULATED, &provider.clock).unwrap(),
    );
    let make = desk::PROVIDER.news.unwrap();
    let second = poller(WatermarkStream::news(1, 2, desk::KIND), make(&desk.account(KEY, &provider.clock)).unwrap());
    let running = [tokio::spawn(first.run(shutdown.clone())), tokio::spawn(second.run(shutdown.clone()))];

    a_source_goes_and_comes_back("news", &mut desk, &readiness, async || kafka.news_watermarks().await).await;
    shutdown.cancel();
    for running in running {
        running.await.unwrap().unwrap();
    }

    let articles = kafka.articles().await;
    let of_both: Vec<_> = articles.iter().filter(|article| article.id == shared).collect();
    let keys: BTreeSet<String> = of_both.iter().map(|article| article.key()).collect();
    assert_eq!(keys, [format!("{SIMULATED}/{shared}"), format!("desk/{shared}")].into());
    let by_desk = articles.iter().filter(|article| article.provider == desk::KIND).count();
    assert_eq!(by_desk, 2, "each once, although every poll shows them");
    let letters = kafka.dead_letters().await;
    assert_eq!(
        letters.iter().map(|letter| letter.origin.as_str()).collect::<BTreeSet<_>>(),
        ["desk /headlines"].into()
    );
    let files = ["news-massive.json", "news-desk.json"];
    assert!(files.iter().all(|file| state.path().join(file).exists()));
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn two_price_sources_are_two_streams() {
    counted("installs the recorder");
    let kafka = Kafka::start("price-sources").await;
    let simulator = SimulatorConfig { history_sessions: 2, ..SimulatorConfig::default() };
    let provider = Provider::start(simulator, ORIGIN, SPEED).await;
    let minute = time("2025-06-04T14:59:00Z").as_second();
    let prints = vec![
        json!({"s": "MKR", "m": minute, "p": [10.0, 10.2, 9.9, 10.1], "n": 300.0}),
        json!({"s": "MKR", "m": minute + 60}),
    ];
    let mut desk = DeskServer::start(vec![], prints).await;
    let config: PricesConfig = toml::from_str(&format!(
        "sources = ['{SIMULATED}', 'desk']\nsymbols = ['AAPL']\nwarmup = '1h'\n\
         [override.desk]\nsymbols = ['MKR']\ngrace = '20m'"
    ))
    .unwrap();
    config.check().unwrap();
    let (state, readiness, shutdown) = (tempfile::tempdir().unwrap(), Readiness::default(), Shutdown::new());
    let feed = |stream: WatermarkStream, source| {
        let config = config.of(&stream.source);
        let (producer, clock) = (kafka.producer.clone(), provider.clock.clone());
        PriceFeed::new(config, source, stream, state.path(), producer, clock, readiness.clone()).unwrap()
    };
    let first = feed(
        WatermarkStream::prices(0, 2, SIMULATED),
        provider.providers.price_source(SIMULATED, &provider.clock).unwrap(),
    );
    let make = desk::PROVIDER.prices.unwrap();
    let second = feed(WatermarkStream::prices(1, 2, desk::KIND), make(&desk.account(KEY, &provider.clock)).unwrap());
    let running = [tokio::spawn(first.run(shutdown.clone())), tokio::spawn(second.run(shutdown.clone()))];

    let watermarks = async || {
        let tape = kafka.tape().await.into_iter();
        tape.filter_map(|(p, body)| if let Tape::Watermark(w) = body { Some((p, w)) } else { None }).collect()
    };
    a_source_goes_and_comes_back("prices", &mut desk, &readiness, watermarks).await;
    shutdown.cancel();
    for running in running {
        running.await.unwrap().unwrap();
    }

    let bars = kafka.bars().await;
    let symbols: BTreeSet<&str> = bars.iter().map(|bar| bar.symbol.as_str()).collect();
    assert_eq!(symbols, ["AAPL", "MKR", "SPY"].into());
    let printed = bars.iter().find(|bar| bar.symbol == symbol("MKR")).unwrap();
    assert_eq!((printed.start, printed.close), (Timestamp::from_second(minute).unwrap(), 10.1));
    let letters = kafka.dead_letters().await;
    let origins: BTreeSet<&str> = letters.iter().map(|letter| letter.origin.as_str()).collect();
    assert!(origins.is_subset(&["desk polling", "desk /prints"].into()) && !origins.is_empty(), "{origins:?}");
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_fatal_error_of_one_source_stops_all_with_its_name() {
    let kafka = Kafka::start("fatal").await;
    let provider = Provider::start(SimulatorConfig::default(), ORIGIN, SPEED).await;
    let mut providers = provider.with_wrong_key();
    let table = providers.entry(SIMULATED).clone();
    let good = provider.providers.clone().entry(SIMULATED).clone();
    *providers.entry("first") = good;
    providers.entry("first").kind = Some(SIMULATED.into());
    *providers.entry("second") = table;
    providers.entry("second").kind = Some(SIMULATED.into());
    let config = NewsConfig { sources: vec!["first".into(), "second".into()], ..NewsConfig::default() };
    let state = tempfile::tempdir().unwrap();
    let (producer, clock) = (kafka.producer.clone(), provider.clock.clone());
    let ran = tapewire_ingest::poller::run(
        &config,
        &providers,
        state.path(),
        producer,
        clock,
        Readiness::default(),
        Shutdown::new(),
    );
    let error = tokio::time::timeout(Duration::from_secs(60), ran).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("second refuses the api key") && error.contains("TAPEWIRE_SECOND_API_KEY"), "{error}");
    provider.shutdown.cancel();
    kafka.clean().await;
}
