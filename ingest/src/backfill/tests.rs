//! Backfills from servers on loopback to librdkafka's mock cluster.

use super::*;
use crate::providers::ApiKey;
use crate::providers::testing::{Answered, Server};
use jiff::civil::date;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::collections::BTreeMap;
use tapewire_bus::{Consumer, Event, KafkaConfig, Topic, Topics};
use tapewire_core::record::{News, Tape};
use tapewire_core::{Bar, NewsRecord, TapeRecord};
use tapewire_testkit::{at, symbol};

fn kafka() -> (MockCluster<'static, DefaultProducerContext>, KafkaConfig) {
    let cluster = MockCluster::new(1).unwrap();
    let config = KafkaConfig { brokers: cluster.bootstrap_servers(), partitions: 1, ..KafkaConfig::default() };
    for topic in Topic::ALL {
        cluster.create_topic(&Topics::new(&config).name(topic), 1, 1).unwrap();
    }
    (cluster, config)
}

fn options(from: Date, to: Date) -> BackfillOptions {
    BackfillOptions {
        run: Run::named("days"),
        from,
        to,
        delay: Duration::from_secs(1),
        pause: Duration::ZERO,
        widths: [BarWidth::Minute].into(),
        daily_from: from,
        calendars: Calendars::default(),
        benchmarks: Vec::new(),
        find_companies: Vec::new(),
        again: false,
    }
}

/// When each article of the topic counts as known, up to the end of the run.
async fn known(config: &KafkaConfig) -> BTreeMap<String, Timestamp> {
    let mut consumer = Consumer::new(config, "readers", &[Topic::News], |committed, _| committed).unwrap();
    let mut known = BTreeMap::new();
    loop {
        let Event::Record(record) = consumer.next().await.unwrap() else { continue };
        match NewsRecord::decode(&record.payload).unwrap().body {
            News::Article(article) => drop(known.insert(article.id, article.received_at)),
            News::Watermark(_) => return known,
        }
    }
}

#[tokio::test]
async fn an_article_does_not_count_as_known_before_its_provider_had_it_as_it_is() {
    let crawled = |id: u32, published: &str, crawled: &str| {
        format!("{{\"id\":{id},\"title\":\"Story\",\"publishedDate\":\"{published}\",\"crawlDate\":{crawled}}}")
    };
    let tiingo = [
        crawled(1, "2016-01-11T23:13:00Z", "\"2016-01-12T21:07:28Z\""),
        crawled(2, "2016-01-11T10:00:00Z", "\"2016-01-11T09:59:00Z\""),
        crawled(3, "2016-01-11T09:00:00Z", "null"),
        crawled(4, "2016-01-11T08:00:00Z", "\"soon\""),
    ];
    let alpaca = r#"{"news":[{"id":5,"headline":"Story","created_at":"2016-01-11T22:00:37Z",
        "updated_at":"2016-01-12T08:00:00Z"}],"next_page_token":null}"#;
    let answers =
        [("/tiingo/news", Answered::ok(&format!("[{}]", tiingo.join(",")))), ("/v1beta1/news", Answered::ok(alpaca))];
    let server = Server::start(&answers).await;
    let mut providers = ProvidersConfig::default();
    for (name, key) in [("tiingo", "0123456789abcdef"), ("alpaca", "ID:SECRET")] {
        providers.set(name, "rest_url", server.url());
        providers.entry(name).api_key = ApiKey::new(key);
    }
    let (_cluster, config) = kafka();
    let sources = Sources { news: vec!["tiingo".into(), "alpaca".into()], prices: Vec::new() };
    let (state, producer) = (tempfile::tempdir().unwrap(), Producer::new(&config).unwrap());
    let clock = Clock::accelerated(at("2016-02-01T00:00:00Z"), 1.0);
    let options = options(date(2016, 1, 11), date(2016, 1, 11));
    run(options, sources, &providers, state.path(), producer, clock, |_| {}).await.unwrap();
    let expected = [
        ("1", "2016-01-12T21:07:29Z"),
        ("2", "2016-01-11T10:00:01Z"),
        ("3", "2016-01-11T09:00:01Z"),
        ("4", "2016-01-11T08:00:01Z"),
        ("5", "2016-01-12T08:00:01Z"),
    ];
    assert_eq!(known(&config).await, expected.map(|(id, time)| (id.to_owned(), at(time))).into());
}

#[tokio::test]
async fn days_that_a_price_source_has_no_longer_are_said_and_not_noted_as_done() {
    let start = at("2026-07-03T19:20:00Z").as_second();
    let row = format!("[{start},\"30306.1\",\"30307.2\",\"30305.7\",\"30306\",\"30306.1\",\"3.39\",23]");
    let body = format!("{{\"error\":[],\"result\":{{\"XXBTZUSD\":[{row}],\"last\":{start}}}}}");
    let server = Server::start(&[("/0/public/OHLC", Answered::ok(&body))]).await;
    let mut providers = ProvidersConfig::default();
    providers.set("kraken", "rest_url", server.url());
    let (_cluster, config) = kafka();
    let (state, producer) = (tempfile::tempdir().unwrap(), Producer::new(&config).unwrap());
    let backfill = async |from: Date, to: Date, folder: &str| {
        let sources = Sources { news: Vec::new(), prices: vec![("kraken".into(), vec![symbol("X:BTCUSD")])] };
        // Kraken has the 12 hours before, so since 18:00.
        let clock = Clock::accelerated(at("2026-07-04T06:00:00Z"), 1.0);
        let folder = state.path().join(folder);
        run(options(from, to), sources, &providers, &folder, producer.clone(), clock, |_| {}).await
    };
    for _ in 0..2 {
        let filled = backfill(date(2026, 7, 1), date(2026, 7, 3), "some").await.unwrap();
        assert_eq!((filled.bars, filled.was_complete), (1, false), "the second time, too");
        let said = &filled.remarks[filled.remarks.len() - 1];
        assert!(said.starts_with("kraken has bars since 2026-07-03T18:0"), "{said}");
        assert!(said.ends_with("earlier days of X:BTCUSD are missing, and not noted as done"), "{said}");
    }
    let error = backfill(date(2026, 7, 1), date(2026, 7, 2), "none").await.unwrap_err().to_string();
    assert!(error.contains("none of 2026-07-01 to 2026-07-02: leave it out of --prices"), "{error}");
}

/// The bars of the topic, up to the end of the run: symbol, width, start, receipt.
async fn bars(config: &KafkaConfig) -> Vec<(String, u32, Timestamp, Timestamp)> {
    let mut consumer = Consumer::new(config, "readers", &[Topic::Bars], |committed, _| committed).unwrap();
    let mut bars = Vec::new();
    loop {
        let Event::Record(record) = consumer.next().await.unwrap() else { continue };
        match TapeRecord::decode(&record.payload).unwrap().body {
            Tape::Bar(bar) => bars.push((bar.symbol.to_string(), bar.width_s, bar.start, bar.received_at)),
            Tape::BenchmarkBar(_) => {}
            Tape::Watermark(_) => return bars,
        }
    }
}

/// A chart of Yahoo with a bar for each of these times.
fn chart(times: &[&str]) -> String {
    let seconds: Vec<String> = times.iter().map(|time| at(time).as_second().to_string()).collect();
    let column = vec!["200"; times.len()].join(",");
    let columns = ["open", "high", "low", "close", "volume"].map(|name| format!("\"{name}\":[{column}]")).join(",");
    format!(
        "{{\"chart\":{{\"result\":[{{\"meta\":{{\"currency\":\"USD\",\"symbol\":\"AAPL\",\"dataGranularity\":\"1d\"}},\
         \"timestamp\":[{}],\"indicators\":{{\"quote\":[{{{columns}}}]}}}}],\"error\":null}}}}",
        seconds.join(",")
    )
}

#[tokio::test]
async fn daily_bars_are_asked_for_by_the_year_and_that_of_the_day_under_way_is_not_sent() {
    // A Saturday, too, which has no session, and the last trade of a session that is not over.
    let times = ["2024-06-03T13:30:00Z", "2025-05-30T13:30:00Z", "2025-05-31T13:30:00Z", "2025-06-03T18:00:00Z"];
    let server = Server::start(&[("/v8/finance/chart/AAPL", Answered::ok(&chart(&times)))]).await;
    let mut providers = ProvidersConfig::default();
    providers.set("yahoo", "rest_url", server.url());
    let (_cluster, config) = kafka();
    let (state, producer) = (tempfile::tempdir().unwrap(), Producer::new(&config).unwrap());
    let backfill = async |clock: &str| {
        let sources = Sources { news: Vec::new(), prices: vec![("yahoo".into(), vec![symbol("AAPL")])] };
        let options = options(date(2024, 6, 3), date(2025, 6, 3));
        let options = BackfillOptions { widths: [BarWidth::Day].into(), ..options };
        let clock = Clock::accelerated(at(clock), 1.0);
        let mut days = Vec::new();
        let report = |progress: &Progress| days.push((progress.what.clone(), progress.day, progress.total));
        let filled = run(options, sources, &providers, state.path(), producer.clone(), clock, report).await.unwrap();
        (filled, days)
    };
    let (filled, days) = backfill("2025-06-03T18:00:01Z").await;
    assert_eq!((filled.bars, filled.dead_letters, filled.was_complete), (2, 1, false));
    let named = |day| ("yahoo AAPL daily".to_owned(), day, 366);
    assert_eq!(days, [named(date(2025, 6, 3))], "the last day is missing");
    let asked = server.requests();
    assert_eq!(asked.len(), 3, "splits, dividends, and a year of bars: {asked:?}");
    let sent = bars(&config).await;
    let day = |open: &str, close: &str| ("AAPL".to_owned(), Bar::DAY_S, at(open), at(close));
    let expected =
        [day("2024-06-03T13:30:00Z", "2024-06-03T20:00:00Z"), day("2025-05-30T13:30:00Z", "2025-05-30T20:00:00Z")];
    assert_eq!(sent, expected, "from the open, and received at the close");

    // The same command on the next day fetches what is missing, and then nothing.
    let (filled, days) = backfill("2025-06-04T01:00:00Z").await;
    assert_eq!((filled.bars, days), (1, vec![named(date(2025, 6, 4))]));
    assert!(backfill("2025-06-04T01:00:00Z").await.0.was_complete);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_year_that_is_refused_as_a_whole_is_not_noted_as_done_and_other_symbols_go_on() {
    let times = ["2025-05-29T13:30:00Z", "2025-05-30T13:30:00Z"];
    let of_weeks = chart(&times).replace("\"1d\"", "\"1wk\"").replace("AAPL", "MSFT");
    let answers =
        [("/v8/finance/chart/AAPL", Answered::ok(&chart(&times))), ("/v8/finance/chart/MSFT", Answered::ok(&of_weeks))];
    let server = Server::start(&answers).await;
    let mut providers = ProvidersConfig::default();
    providers.set("yahoo", "rest_url", server.url());
    let (_cluster, config) = kafka();
    let (state, producer) = (tempfile::tempdir().unwrap(), Producer::new(&config).unwrap());
    for bars in [2, 0] {
        let symbols = vec![symbol("MSFT"), symbol("AAPL")];
        let sources = Sources { news: Vec::new(), prices: vec![("yahoo".into(), symbols)] };
        let options = options(date(2025, 5, 29), date(2025, 5, 30));
        let options = BackfillOptions { widths: [BarWidth::Day].into(), ..options };
        let clock = Clock::accelerated(at("2025-06-03T18:00:00Z"), 1.0);
        let filled = run(options, sources, &providers, state.path(), producer.clone(), clock, |_| {}).await.unwrap();
        assert_eq!((filled.bars, filled.was_complete), (bars, false), "the second time, too");
        let said = "yahoo has no daily bars of MSFT since 2025-05-29 that can be read";
        assert!(filled.remarks.iter().any(|remark| remark.starts_with(said)), "{:?}", filled.remarks);
    }
}

#[tokio::test]
async fn a_source_without_daily_bars_is_refused_and_those_that_have_them_are_named() {
    let (_cluster, config) = kafka();
    let (state, producer) = (tempfile::tempdir().unwrap(), Producer::new(&config).unwrap());
    let sources = Sources { news: Vec::new(), prices: vec![("nasdaq_halts".into(), vec![symbol("AAPL")])] };
    let options = options(date(2025, 6, 2), date(2025, 6, 3));
    let options = BackfillOptions { widths: [BarWidth::Minute, BarWidth::Day].into(), ..options };
    let providers = ProvidersConfig::default();
    let error = run(options, sources, &providers, state.path(), producer, Clock::wall(), |_| {}).await.unwrap_err();
    let expected = "nasdaq_halts has no daily bars; leave it out of --prices. These have daily bars: alpaca, alpaca_crypto, \
                    binance, coinbase, kraken, massive, yahoo";
    assert!(error.to_string().contains(expected), "{error}");
}
