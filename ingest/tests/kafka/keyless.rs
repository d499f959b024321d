//! Sources without a key, through the real poller and the real feed to the topics.

use crate::common::{self, Kafka, time, until};
use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tapewire_core::Symbol;
use tapewire_core::record::Tape;
use tapewire_ingest::feed::{PriceFeed, PricesConfig};
use tapewire_ingest::poller::{NewsConfig, NewsPoller};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::providers::finding::CompanyFinder;
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tokio::net::TcpListener;

/// A feed that a test changes, and the conditions of the requests for it.
type SharedFeed = Arc<Mutex<(String, Vec<bool>)>>;

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address.to_string()
}

fn rss(items: &[(&str, &str, &str)]) -> String {
    let item = |(id, title, at): &(&str, &str, &str)| {
        format!(
            "<item><guid>{id}</guid><title>{title}</title><pubDate>{at}</pubDate>\
             <category domain=\"https://www.globenewswire.com/rss/stock\">Nasdaq:MKR</category></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    format!("<?xml version=\"1.0\"?><rss><channel>{items}<item><title>No id</title></item></channel></rss>")
}

/// The feed with its version, or 304 for who has it.
async fn feed(State(shared): State<SharedFeed>, request: Request) -> Response {
    let mut shared = shared.lock().unwrap();
    let version = format!("\"{}\"", shared.0.len());
    let has_it = request.headers().get("if-none-match").is_some_and(|known| known.as_bytes() == version.as_bytes());
    shared.1.push(has_it);
    match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([("etag", version)], shared.0.clone()).into_response(),
    }
}

#[tokio::test]
async fn an_article_of_a_feed_is_sent_once_also_across_a_restart_and_an_edit_once_more() {
    let kafka = Kafka::start("keyless-news").await;
    let first = [
        ("a", "Maker opens a plant", "Mon, 02 Jun 2025 13:50 GMT"),
        ("b", "Maker rises", "Mon, 02 Jun 2025 13:40 GMT"),
    ];
    let shared: SharedFeed = Arc::new(Mutex::new((rss(&first), Vec::new())));
    let app = Router::new().route("/rss", get(feed)).with_state(Arc::clone(&shared));
    let mut providers = ProvidersConfig::default();
    providers.set("globenewswire", "feed_url", format!("http://{}/rss", serve(app).await));
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::accelerated(time("2025-06-02T14:00:00Z"), 1.0);
    let poller = || {
        let source = providers.news_source("globenewswire", &clock).unwrap();
        let (config, stream) =
            (NewsConfig::default().of("globenewswire"), WatermarkStream::news(0, 1, "globenewswire"));
        let (producer, clock) = (kafka.producer.clone(), clock.clone());
        NewsPoller::new(config, source, stream, state.path(), producer, clock, Readiness::default()).unwrap()
    };
    let mut running = poller();
    let sent = async |poller: &mut NewsPoller| {
        let polled = poller.poll().await.unwrap();
        (polled.sent, polled.rejected)
    };
    assert_eq!(sent(&mut running).await, (2, 1));
    assert_eq!(sent(&mut running).await, (0, 0), "nothing has changed");
    let mut running = poller();
    assert_eq!(sent(&mut running).await, (0, 1), "a restart sends what is unreadable again, and no article");
    let edited = [("c", "Maker falls", "Mon, 02 Jun 2025 13:59 GMT"), ("a", "Maker opens a big plant", first[0].2)];
    shared.lock().unwrap().0 = rss(&edited);
    assert_eq!(sent(&mut running).await, (2, 0));
    assert_eq!(shared.lock().unwrap().1, [false, true, false, false]);

    let mut titles: Vec<String> = kafka.articles().await.into_iter().map(|article| article.title).collect();
    titles.sort();
    assert_eq!(titles, ["Maker falls", "Maker opens a big plant", "Maker opens a plant", "Maker rises"]);
    assert!(kafka.articles().await.iter().all(|article| article.symbols == [Symbol::new("MKR").unwrap()]));
    let letters = kafka.dead_letters().await;
    assert!(letters.iter().all(|letter| letter.reason.contains("guid")), "{letters:?}");
    kafka.clean().await;
}

fn candle(start: i64, closed: bool) -> String {
    format!(
        "{{\"e\":\"kline\",\"s\":\"BTCUSDT\",\"k\":{{\"t\":{start},\"T\":{},\"i\":\"1m\",\"o\":\"10\",\"h\":\"12\",\"l\":\"9\",\
         \"c\":\"11\",\"v\":\"3\",\"n\":5,\"x\":{closed},\"q\":\"32\"}}}}",
        start + 59_999
    )
}

/// Confirms the subscription, sends an open and a finished candle and a trade, and closes the connection.
async fn stream(State(start): State<i64>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let Some(Ok(Message::Text(_))) = socket.recv().await else { return };
        let trade = format!(
            "{{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":7,\"p\":\"11\",\"q\":\"0.5\",\"a\":1,\"T\":{}}}",
            start + 120_500
        );
        let texts =
            ["{\"result\":null,\"id\":1}".into(), candle(start + 60_000, true), candle(start + 120_000, false), trade];
        for text in texts {
            socket.send(Message::Text(text.into())).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    })
}

#[tokio::test]
async fn bars_of_the_past_and_of_the_stream_are_one_tape_and_no_open_candle_is_on_it() {
    let kafka = Kafka::start("keyless-prices").await;
    let origin = "2025-06-07T14:03:00Z";
    // A Saturday: coins are traded on it. Three minutes before the clock's time.
    let start = time("2025-06-07T14:00:00Z").as_millisecond();
    let rows = format!("[[{start},\"9\",\"12\",\"9\",\"10\",\"2\",{},\"20\",4,\"1\",\"1\",\"0\"]]", start + 59_999);
    let app = Router::new().route("/stream", get(stream)).with_state(start).route("/api/v3/klines", get(async || rows));
    let address = serve(app).await;
    let mut providers = ProvidersConfig::default();
    providers.set("binance", "stream_url", format!("ws://{address}/stream"));
    providers.set("binance", "rest_url", format!("http://{address}"));
    let config: PricesConfig =
        toml::from_str("sources = ['binance']\nbenchmark = 'X:BTCUSDT'\ntrades = true\nwarmup = '1h'").unwrap();
    let (clock, shutdown) = (Clock::accelerated(time(origin), 1.0), Shutdown::new());
    let state = tempfile::tempdir().unwrap();
    let source = providers.price_source("binance", &clock).unwrap();
    let (producer, readiness) = (kafka.producer.clone(), Readiness::default());
    let stream = WatermarkStream::prices(0, 1, "binance");
    let feed = PriceFeed::new(config.of("binance"), source, stream, state.path(), producer, clock, readiness).unwrap();
    let running = tokio::spawn(feed.run(shutdown.clone()));
    // The connection breaks after each round, and is opened and subscribed again.
    until(async || kafka.read(tapewire_bus::Topic::Trades).await.len() >= 2).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let bars = kafka.bars().await;
    let mut starts: Vec<i64> = bars.iter().map(|bar| (bar.start.as_millisecond() - start) / 60_000).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts, [0, 1], "{bars:?}");
    assert!(bars.iter().all(|bar| bar.symbol.as_str() == "X:BTCUSDT"), "{bars:?}");
    kafka.clean().await;
}

/// Two feeds, each with a switch that breaks it and a count of the requests for it.
type Switches = Arc<Mutex<[(bool, usize); 2]>>;

async fn switched(State((switches, index)): State<(Switches, usize)>) -> Response {
    let mut switches = switches.lock().unwrap();
    let (broken, count) = &mut switches[index];
    *count += 1;
    match *broken {
        true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        false => {
            let old = ("old", "Maker rises", "Mon, 02 Jun 2025 12:00 GMT");
            rss(&[old, ("new", "Maker opens a plant", "Wed, 04 Jun 2025 13:59 GMT")]).into_response()
        }
    }
}

#[tokio::test]
async fn a_source_that_stands_in_is_polled_only_while_the_other_fails() {
    let kafka = Kafka::start("stand-in").await;
    let switches: Switches = Arc::default();
    let router = |index| Router::new().route("/rss", get(switched)).with_state((Arc::clone(&switches), index));
    let mut providers = ProvidersConfig::default();
    for (index, name) in ["globenewswire", "prnewswire"].into_iter().enumerate() {
        providers.set(name, "feed_url", format!("http://{}/rss", serve(router(index)).await));
    }
    let config: NewsConfig = toml::from_str(
        "sources = ['globenewswire', 'prnewswire']\nlookback = '12h'\noverlap = '5m'\n[override.prnewswire]\n\
         fallback_for = 'globenewswire'",
    )
    .unwrap();
    let state = tempfile::tempdir().unwrap();
    // The idle timeout of five minutes is half a second.
    let (clock, shutdown) = (Clock::accelerated(time("2025-06-02T14:00:00Z"), 600.0), Shutdown::new());
    let (path, producer, until_then) = (state.path().to_owned(), kafka.producer.clone(), shutdown.clone());
    let running = tokio::spawn(async move {
        tapewire_ingest::poller::run(&config, &providers, &path, producer, clock, Readiness::default(), until_then)
            .await
    });
    let counts = || switches.lock().unwrap().map(|(_, count)| count);
    let sent = async |name: &str| {
        let articles = kafka.articles().await;
        articles.iter().filter(|article| article.provider == name).map(|article| article.id.clone()).collect::<Vec<_>>()
    };
    let is_idle = async || {
        let watermarks = kafka.news_watermarks().await;
        watermarks.iter().rfind(|(_, watermark)| watermark.index == 1).is_some_and(|(_, watermark)| watermark.idle)
    };
    until(async || sent("globenewswire").await.len() == 2 && is_idle().await).await;
    assert_eq!(counts()[1], 0, "the other works");

    switches.lock().unwrap()[0].0 = true;
    until(async || !is_idle().await).await;
    // What the other had before it failed is left to it.
    assert_eq!(sent("prnewswire").await, ["new"]);

    switches.lock().unwrap()[0].0 = false;
    until(is_idle).await;
    let (before, other) = (counts(), counts()[0]);
    until(async || counts()[0] > other + 3).await;
    assert!(counts()[1] <= before[1] + 1, "it is no longer polled: {before:?}, {:?}", counts());
    shutdown.cancel();
    running.await.unwrap().unwrap();
    kafka.clean().await;
}

#[tokio::test]
async fn the_requests_of_a_day_are_counted_across_a_restart() {
    let kafka = Kafka::start("budget").await;
    let switches: Switches = Arc::default();
    let router = Router::new().route("/rss", get(switched)).with_state((Arc::clone(&switches), 0));
    let mut providers = ProvidersConfig::default();
    providers.set("globenewswire", "feed_url", format!("http://{}/rss", serve(router).await));
    let config: NewsConfig = toml::from_str("sources = ['globenewswire']\nrequests_a_day = 5").unwrap();
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::accelerated(time("2025-06-02T14:00:00Z"), 1.0);
    let poller = || {
        let source = providers.news_source("globenewswire", &clock).unwrap();
        let (stream, producer) = (WatermarkStream::news(0, 1, "globenewswire"), kafka.producer.clone());
        let readiness = Readiness::default();
        NewsPoller::new(config.of("globenewswire"), source, stream, state.path(), producer, clock.clone(), readiness)
            .unwrap()
    };
    poller().poll().await.unwrap();
    let mut restarted = poller();
    let second = tokio::time::timeout(std::time::Duration::from_millis(300), restarted.poll()).await;
    assert!(second.is_err(), "the next request is due in hours");
    assert_eq!(switches.lock().unwrap()[0].1, 1);
    kafka.clean().await;
}

/// A chart whose bars have the close 1 until a minute and a half after their end, and then 2.
async fn chart(State(clock): State<Clock>, request: Request) -> String {
    let number = |name: &str| {
        let query = request.uri().query().unwrap_or_default();
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<i64>().ok()).unwrap()
    };
    let symbol = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let (now, open) = (clock.now().as_second(), time("2025-06-02T13:30:00Z").as_second());
    let first = (number("period1=").max(open) + 59) / 60 * 60;
    let starts: Vec<i64> = (first..number("period2=").min(now)).step_by(60).collect();
    let column =
        |value: &dyn Fn(i64) -> i64| starts.iter().map(|start| value(*start).to_string()).collect::<Vec<_>>().join(",");
    let price = column(&|start| if now - (start + 60) < 90 { 1 } else { 2 });
    format!(
        "{{\"chart\":{{\"result\":[{{\"meta\":{{\"currency\":\"USD\",\"symbol\":\"{symbol}\",\"dataGranularity\":\"1m\"}},\
         \"timestamp\":[{}],\"indicators\":{{\"quote\":[{{\"open\":[{price}],\"high\":[{price}],\"low\":[{price}],\
         \"close\":[{price}],\"volume\":[{}]}}]}}}}],\"error\":null}}}}",
        column(&|start| start),
        column(&|_| 100)
    )
}

/// On a partition, a watermark comes after all bars of these symbols that end by it, and a bar has the close to which it
/// settled. Returns how many bars were looked for.
fn assert_promises_are_kept(tape: &[&Tape], symbols: &BTreeSet<Symbol>) -> usize {
    let minute = jiff::SignedDuration::from_mins(1);
    let (mut checked, mut sent, mut promised) = (0, BTreeSet::new(), None);
    for body in tape {
        match body {
            Tape::Bar(bar) => {
                assert_eq!(bar.close, 2.0, "{bar:?} had not settled");
                let is_new = sent.insert((bar.symbol.clone(), bar.start));
                assert!(!is_new || promised.is_none_or(|at| bar.end() > at), "{bar:?} comes after {promised:?}");
            }
            Tape::Watermark(watermark) => {
                promised = Some(watermark.at);
                for symbol in symbols {
                    let mut start = time("2025-06-02T13:30:00Z");
                    while start + minute <= watermark.at {
                        let is_there = sent.contains(&(symbol.clone(), start));
                        assert!(is_there, "{symbol} {start} before {}", watermark.at);
                        start += minute;
                        checked += 1;
                    }
                }
            }
            _ => {}
        }
    }
    checked
}

#[tokio::test]
async fn a_minute_of_polled_bars_is_promised_only_once_its_bars_are_sent_and_settled() {
    let kafka = Kafka::start("yahoo").await;
    // A minute is a second.
    let (clock, shutdown) = (Clock::accelerated(time("2025-06-02T14:00:20Z"), 60.0), Shutdown::new());
    let app = Router::new().route("/v8/finance/chart/{symbol}", get(chart)).with_state(clock.clone());
    let mut providers = ProvidersConfig::default();
    providers.set("yahoo", "rest_url", format!("http://{}", serve(app).await));
    let config: PricesConfig =
        toml::from_str("sources = ['yahoo']\nsymbols = ['AAPL', 'BRK.B', 'MSFT']\nwarmup = '31m'").unwrap();
    let state = tempfile::tempdir().unwrap();
    let source = providers.price_source("yahoo", &clock).unwrap();
    let (producer, readiness, stream) =
        (kafka.producer.clone(), Readiness::default(), WatermarkStream::prices(0, 1, "yahoo"));
    let feed =
        PriceFeed::new(config.of("yahoo"), source, stream, state.path(), producer, clock.clone(), readiness).unwrap();
    let running = tokio::spawn(feed.run(shutdown.clone()));
    let wanted = time("2025-06-02T14:02:00Z");
    let promised = async || {
        let marks = kafka.tape().await;
        marks.iter().any(|(_, body)| matches!(body, Tape::Watermark(watermark) if watermark.at >= wanted))
    };
    until(promised).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();

    let (mut checked, mut symbols) = (0, BTreeSet::new());
    let tape = kafka.tape().await;
    for partition in 0..common::PARTITIONS {
        let own: Vec<&Tape> = tape.iter().filter(|(number, _)| *number == partition).map(|(_, body)| body).collect();
        let here =
            own.iter().filter_map(|body| if let Tape::Bar(bar) = body { Some(bar.symbol.clone()) } else { None });
        let here: BTreeSet<Symbol> = here.collect();
        checked += assert_promises_are_kept(&own, &here);
        symbols.extend(here);
    }
    assert_eq!(symbols.len(), 4, "{symbols:?}");
    assert!(checked > 100, "{checked}");
    kafka.clean().await;
}

/// The provider names no company, so the one that the headline names is found, until an edit names none.
#[tokio::test]
async fn an_edit_withdraws_a_company_that_was_found_in_the_text() {
    let kafka = Kafka::start("found").await;
    let feed_with = |title: &str| {
        let item =
            format!("<item><guid>a</guid><title>{title}</title><pubDate>Mon, 02 Jun 2025 13:50 GMT</pubDate></item>");
        format!("<?xml version=\"1.0\"?><rss><channel>{item}</channel></rss>")
    };
    let shared: SharedFeed = Arc::new(Mutex::new((feed_with("Maker rises"), Vec::new())));
    let app = Router::new().route("/rss", get(feed)).with_state(Arc::clone(&shared));
    let mut providers = ProvidersConfig::default();
    providers.set("prnewswire", "feed_url", format!("http://{}/rss", serve(app).await));
    let maker = Symbol::new("MKR").unwrap();
    let found = maker.clone();
    let providers = providers.finding(CompanyFinder::new(move |article| {
        if article.title.starts_with("Maker") { vec![found.clone()] } else { Vec::new() }
    }));
    let config: NewsConfig = toml::from_str("sources = ['prnewswire']").unwrap();
    let state = tempfile::tempdir().unwrap();
    let (clock, shutdown) = (Clock::accelerated(time("2025-06-02T14:00:00Z"), 100.0), Shutdown::new());
    let (path, producer, until_then) = (state.path().to_owned(), kafka.producer.clone(), shutdown.clone());
    let running = tokio::spawn(async move {
        tapewire_ingest::poller::run(&config, &providers, &path, producer, clock, Readiness::default(), until_then)
            .await
    });
    until(async || kafka.articles().await.len() == 1).await;
    shared.lock().unwrap().0 = feed_with("Nobody in particular rises");
    until(async || kafka.articles().await.len() == 2).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();

    let articles = kafka.articles().await;
    assert_eq!((&articles[0].symbols[..], articles[0].symbols_found), (&[maker.clone()][..], true));
    assert_eq!((&articles[1].symbols[..], articles[1].symbols_found), (&[][..], false));
    assert_eq!(articles[1].withdrawn, [Some(maker)]);
    kafka.clean().await;
}
