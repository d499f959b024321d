//! Days of news from a provider whose connection fails in every way, with pollers that are killed: afterwards the ids on
//! the topic are compared with those that the provider published.
//!
//! `SEED` chooses the faults, `DAYS` how many days are simulated, `SPEED` how many simulated seconds pass in one.

use crate::common::{Kafka, Provider, SIMULATED, setting, time, until};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_core::{Article, Symbol};
use tapewire_ingest::poller::{NewsPoller, NewsPollerConfig};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::simulate::SimulatorConfig;
use tapewire_ingest::simulate::stories::{self, Story};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};

/// A Tuesday night in New York.
const ORIGIN: &str = "2025-06-03T04:00:00Z";
/// Articles in a page, few enough that a look back of hours takes several.
const PAGE: usize = 100;
/// Longest wait of the poller for an answer.
const TIMEOUT: Duration = Duration::from_millis(150);

/// What stands between the poller and the provider.
struct Proxy {
    rest_url: String,
    http: reqwest::Client,
    rng: Mutex<Xoshiro256PlusPlus>,
    broken: AtomicBool,
    /// The last article of the page before.
    last: Mutex<Option<Value>>,
    /// How often each fault was made.
    made: Mutex<BTreeMap<&'static str, usize>>,
}

impl Proxy {
    /// Listens in the provider's place, and returns the address.
    async fn start(rest_url: String, seed: u64) -> (Arc<Self>, String) {
        let proxy = Arc::new(Self {
            rest_url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            rng: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
            broken: AtomicBool::new(true),
            last: Mutex::new(None),
            made: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (proxy, url)
    }

    fn fault(&self) -> &'static str {
        let number = self.rng.lock().unwrap().random_range(0..100);
        let fault = match number {
            _ if !self.broken.load(Ordering::Relaxed) => "none",
            0..4 => "429",
            4..8 => "500",
            8..12 => "disconnect",
            12 => "timeout",
            13..23 => "shift",
            _ => "none",
        };
        *self.made.lock().unwrap().entry(fault).or_default() += 1;
        fault
    }

    async fn answer(&self, uri: &Uri, headers: &HeaderMap) -> (StatusCode, Bytes) {
        let mut request = self.http.get(format!("{}{uri}", self.rest_url));
        for name in [AUTHORIZATION, HOST] {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    }

    /// The page as if everything had moved on by one article while the poller was reading: it begins with the last one of
    /// the page before.
    fn shifted(&self, body: &Bytes, shift: bool) -> Bytes {
        let Ok(mut page) = serde_json::from_slice::<Value>(body) else { return body.clone() };
        let Some(results) = page["results"].as_array_mut() else { return body.clone() };
        let before = std::mem::replace(&mut *self.last.lock().unwrap(), results.last().cloned());
        match before.filter(|_| shift && !results.is_empty()) {
            Some(before) => results.insert(0, before),
            None => return body.clone(),
        }
        page["count"] = json!(page["results"].as_array().unwrap().len());
        page.to_string().into()
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, uri: Uri, headers: HeaderMap) -> Response {
    let fault = proxy.fault();
    match fault {
        "429" => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "{}").into_response(),
        "500" => return (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response(),
        "timeout" => tokio::time::sleep(TIMEOUT * 2).await,
        _ => {}
    }
    let (status, body) = proxy.answer(&uri, &headers).await;
    if fault == "disconnect" {
        let half = body.slice(..body.len() / 2);
        let parts = stream::iter([Ok(half), Err(std::io::Error::other("the connection is cut"))]);
        return (status, Body::from_stream(parts)).into_response();
    }
    (status, [("content-type", "application/json")], proxy.shifted(&body, fault == "shift")).into_response()
}

fn poller(kafka: &Kafka, providers: &ProvidersConfig, clock: &Clock, state: &std::path::Path) -> NewsPoller {
    let (source, producer) = (providers.news_source(SIMULATED, clock).unwrap(), kafka.producer.clone());
    // The clock is so fast that a poll takes minutes of it.
    let config = NewsPollerConfig { overlap: Duration::from_secs(3 * 3600), ..NewsPollerConfig::default() };
    let stream = WatermarkStream::news(0, 1, SIMULATED);
    NewsPoller::new(config, source, stream, state, producer, clock.clone(), Readiness::default()).unwrap()
}

/// The revision of a story under one of its teasers.
fn revision(story: &Story, teaser: &str) -> u64 {
    let mut symbols: Vec<Symbol> = Vec::new();
    for ticker in &story.tickers {
        let symbol = Symbol::new(ticker).unwrap();
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    Article::fingerprint(&story.title, teaser, &symbols)
}

/// Whether a watermark says that all articles until `end` are on the topic, and those that the provider shows late, too.
async fn is_complete(kafka: &Kafka, end: Timestamp) -> bool {
    let late = SignedDuration::from_hours(6);
    kafka.news_watermarks().await.iter().any(|(_, watermark)| watermark.at >= end + late)
}

/// Runs pollers one after the other, each until it is killed, and the last one without faults until `end` is long past.
/// Each begins with a clock that is wrong by up to two minutes, and that jumps by up to ten minutes halfway. Returns how
/// many were killed.
async fn follow(
    kafka: &Kafka,
    providers: &ProvidersConfig,
    provider: &Provider,
    proxy: &Proxy,
    end: Timestamp,
) -> usize {
    let state = tempfile::tempdir().unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(proxy.rng.lock().unwrap().random());
    let mut kills = 0;
    loop {
        let quiet = provider.clock.now() >= end;
        proxy.broken.store(!quiet, Ordering::Relaxed);
        let jump = SignedDuration::from_secs(if quiet { 0 } else { rng.random_range(-120..=120) });
        let clock = Clock::accelerated(provider.clock.now() + jump, provider.clock.speed());
        let running = tokio::spawn(poller(kafka, providers, &clock, state.path()).run(Shutdown::new()));
        let until_kill = SignedDuration::from_secs(rng.random_range(2 * 3600..12 * 3600));
        let (jump_at, stop) = (provider.clock.now() + until_kill / 2, provider.clock.now() + until_kill);
        let mut jump = (!quiet).then(|| SignedDuration::from_secs(rng.random_range(-600..=600)));
        until(async || {
            if provider.clock.now() >= jump_at
                && let Some(by) = jump.take()
            {
                clock.jump(by);
            }
            let done = if quiet { is_complete(kafka, end).await } else { provider.clock.now() >= stop };
            done || running.is_finished()
        })
        .await;
        assert!(!running.is_finished(), "the poller has ended: {:?}", running.await);
        running.abort();
        let _ = running.await;
        if quiet {
            return kills;
        }
        kills += 1;
    }
}

/// How many articles were wanted, and how many records were sent a second time. Fails where one is missing or unknown.
fn compare(stories: &[Story], articles: &[Article], from: Timestamp, end: Timestamp) -> (usize, usize) {
    let mut sent: HashMap<&str, BTreeMap<u64, usize>> = HashMap::new();
    for article in articles {
        *sent.entry(&article.id).or_default().entry(article.revision).or_default() += 1;
    }
    let (mut wanted, mut twice) = (0, 0);
    for story in stories.iter().filter(|story| story.published_at >= from && story.visible_at <= end) {
        wanted += 1;
        let first = revision(story, story.description.as_deref().unwrap_or_default());
        let edit = story.edit.as_ref().map(|(at, teaser)| (*at, revision(story, teaser)));
        let last = edit.filter(|(at, _)| *at <= end).map_or(first, |(_, edited)| edited);
        let revisions = sent.get(story.id.as_str()).unwrap_or_else(|| panic!("{} is lost: {story:?}", story.id));
        assert!(revisions.contains_key(&last), "the last revision of {} is lost: {story:?}", story.id);
        for (revision, times) in revisions {
            let known = *revision == first || edit.is_some_and(|(_, edited)| edited == *revision);
            assert!(known, "{} has a revision that was never published", story.id);
            twice += times - 1;
        }
    }
    for id in sent.keys() {
        assert!(stories.iter().any(|story| story.id == *id), "{id} was never published");
    }
    (wanted, twice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_article_is_sent_once_per_revision_whatever_happens_to_the_connection_and_the_poller() {
    let (seed, days, speed) = (setting("SEED", 1), setting("DAYS", 1), setting("SPEED", 20_000));
    println!("SEED={seed} DAYS={days} SPEED={speed}");
    let kafka = Kafka::start("oracle").await;
    let wire = SimulatorConfig { history_sessions: 2, seed, ..SimulatorConfig::default() };
    let provider = Provider::start(wire, ORIGIN, speed as f64).await;
    let rest_url = provider.providers.clone().entry(SIMULATED).settings["rest_url"].as_str().unwrap().to_owned();
    let (proxy, url) = Proxy::start(rest_url, seed).await;
    let mut providers = provider.providers.clone();
    providers.set(SIMULATED, "rest_url", url);
    providers.set(SIMULATED, "request_timeout", "150ms");
    providers.set(SIMULATED, "news_page_size", PAGE);

    let end = time(ORIGIN) + SignedDuration::from_hours(24 * i64::try_from(days).unwrap());
    let kills = follow(&kafka, &providers, &provider, &proxy, end).await;
    let articles = kafka.articles().await;
    let stories = provider.simulator.market().stories().to_vec();
    let (wanted, twice) = compare(&stories, &articles, time(ORIGIN), end);
    let made = proxy.made.lock().unwrap().clone();
    println!("{wanted} articles, 0 lost, {twice} sent a second time, {kills} kills, requests by fault: {made:?}");
    assert!(wanted > 100 && kills > 0 && made.len() > 4, "the test needs articles, kills and faults");
    // A kill between the acknowledgement and the writing of the state file sends a page's articles again.
    assert!(twice <= kills * PAGE, "{twice} were sent twice, which {kills} kills do not explain");
    provider.shutdown.cancel();
    kafka.clean().await;
}

/// The news of a day, and what a poller sends of it that misses nothing.
fn day() -> (Vec<Story>, Vec<Article>) {
    let stories = stories::of_day(1, 60.0, time(ORIGIN).to_zoned(jiff::tz::TimeZone::UTC).date());
    let sent = |story: &Story| {
        let (_, teaser) =
            story.edit.clone().unwrap_or((story.visible_at, story.description.clone().unwrap_or_default()));
        let article = tapewire_testkit::article(&story.title, story.published_at);
        Article { id: story.id.clone(), revision: revision(story, &teaser), ..article }
    };
    let articles = stories.iter().map(sent).collect();
    (stories, articles)
}

#[test]
fn the_comparison_counts_what_was_sent_twice() {
    let (stories, mut articles) = day();
    assert_eq!(compare(&stories, &articles, Timestamp::MIN, Timestamp::MAX), (stories.len(), 0));
    articles.push(articles[7].clone());
    assert_eq!(compare(&stories, &articles, Timestamp::MIN, Timestamp::MAX), (stories.len(), 1));
}

#[test]
#[should_panic(expected = " is lost")]
fn the_comparison_finds_a_lost_article() {
    let (stories, mut articles) = day();
    articles.remove(7);
    compare(&stories, &articles, Timestamp::MIN, Timestamp::MAX);
}

#[test]
#[should_panic(expected = "the last revision of ")]
fn the_comparison_finds_a_lost_edit() {
    let (stories, mut articles) = day();
    let edited = stories.iter().position(|story| story.edit.is_some()).unwrap();
    articles[edited].revision = revision(&stories[edited], stories[edited].description.as_deref().unwrap_or_default());
    compare(&stories, &articles, Timestamp::MIN, Timestamp::MAX);
}

#[test]
#[should_panic(expected = "was never published")]
fn the_comparison_finds_an_id_that_was_never_published() {
    let (stories, mut articles) = day();
    articles.push(Article { id: "unknown".into(), ..articles[7].clone() });
    compare(&stories, &articles, Timestamp::MIN, Timestamp::MAX);
}
