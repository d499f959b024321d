//! The news poller against the simulated provider and a Kafka.

use crate::common::{self, Kafka, PARTITIONS, Provider, SIMULATED, until};
use jiff::{SignedDuration, Timestamp};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;
use tapewire_core::Article;
use tapewire_ingest::IngestError;
use tapewire_ingest::poller::{NewsPoller, NewsPollerConfig};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::simulate::stories::Story;
use tapewire_ingest::simulate::{Faults, SimulatorConfig};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};

const ORIGIN: &str = "2025-06-04T15:00:00Z";

/// A clock that practically stands still, so that the provider's news is the same however long the test takes.
const STILL: f64 = 1e-6;

fn config() -> NewsPollerConfig {
    NewsPollerConfig { lookback: Duration::from_secs(2 * 3600), ..NewsPollerConfig::default() }
}

fn wire(faults: Faults) -> SimulatorConfig {
    SimulatorConfig { history_sessions: 2, faults, ..SimulatorConfig::default() }
}

fn poller(kafka: &Kafka, providers: &ProvidersConfig, clock: &Clock, state: &Path) -> NewsPoller {
    reporting_poller(kafka, providers, clock, state, Readiness::default())
}

/// Pages of seven articles, so that there are several of them.
fn reporting_poller(
    kafka: &Kafka,
    providers: &ProvidersConfig,
    clock: &Clock,
    state: &Path,
    readiness: Readiness,
) -> NewsPoller {
    let mut providers = providers.clone();
    providers.set(SIMULATED, "news_page_size", 7);
    let source = providers.news_source(SIMULATED, clock).unwrap();
    let (stream, producer) = (WatermarkStream::news(0, 1, SIMULATED), kafka.producer.clone());
    NewsPoller::new(config(), source, stream, state, producer, clock.clone(), readiness).unwrap()
}

/// What the provider shows at `now` of what was published since `from`.
fn shown(provider: &Provider, from: Timestamp, now: Timestamp) -> Vec<Story> {
    let market = provider.simulator.market();
    market.stories().iter().filter(|story| story.published_at >= from && story.visible_at <= now).cloned().collect()
}

fn ids<'a>(articles: impl IntoIterator<Item = &'a Article>) -> Vec<&'a str> {
    let mut ids: Vec<&str> = articles.into_iter().map(|article| article.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn every_page_is_followed_and_every_article_sent_once_with_its_watermark_after_it() {
    let kafka = Kafka::start("paging").await;
    let provider = Provider::start(wire(Faults::default()), ORIGIN, STILL).await;
    let state = tempfile::tempdir().unwrap();
    let mut poller = poller(&kafka, &provider.providers, &provider.clock, state.path());
    let from = common::time(ORIGIN) - SignedDuration::from_hours(2);
    let expected = shown(&provider, from, common::time(ORIGIN));
    let first = poller.poll().await.unwrap();
    assert_eq!(first.sent, expected.len());
    assert_eq!(first.pages, expected.len().div_ceil(7));
    assert!(first.pages > 5, "the test needs several pages");
    let again = poller.poll().await.unwrap();
    assert_eq!((again.sent, again.rejected), (0, 0));

    let articles = kafka.articles().await;
    let mut wanted: Vec<&str> = expected.iter().map(|story| story.id.as_str()).collect();
    wanted.sort_unstable();
    assert_eq!(ids(&articles), wanted);
    for article in &articles {
        let story = expected.iter().find(|story| story.id == article.id).unwrap();
        assert_eq!((article.published_at, &article.title), (story.published_at, &story.title));
        assert!(article.received_at >= common::time(ORIGIN));
        let unique: BTreeSet<&str> = story.tickers.iter().copied().collect();
        assert_eq!(article.symbols.iter().map(|s| s.as_str()).collect::<BTreeSet<_>>(), unique);
        assert_eq!(article.symbols.len(), unique.len());
    }
    let watermarks = kafka.news_watermarks().await;
    assert_eq!(watermarks.iter().map(|(p, _)| *p).collect::<BTreeSet<_>>(), (0..PARTITIONS).collect());
    // The start of the poll less `news.wire_delay`.
    let promised = common::time(ORIGIN) - SignedDuration::from_secs(60);
    assert!(watermarks.iter().all(|(_, w)| w.index == 0
        && w.count == 1
        && w.source == SIMULATED
        && !w.idle
        && w.at.duration_since(promised).as_secs() == 0));
    provider.shutdown.cancel();
    kafka.clean().await;
}

/// The same wire at each of 40 minutes, with a new poller each time.
#[tokio::test]
async fn late_articles_and_edits_are_seen_within_the_overlap() {
    let kafka = Kafka::start("edits").await;
    let state = tempfile::tempdir().unwrap();
    let origin = common::time(ORIGIN);
    let polls: Vec<Timestamp> = (0..40).map(|minute| origin + SignedDuration::from_mins(minute)).collect();
    let mut stories = Vec::new();
    for poll in &polls {
        let provider = Provider::start(wire(Faults::default()), &poll.to_string(), STILL).await;
        poller(&kafka, &provider.providers, &provider.clock, state.path()).poll().await.unwrap();
        stories = shown(&provider, origin - SignedDuration::from_hours(2), *poll);
        provider.shutdown.cancel();
    }
    let mut revisions: HashMap<String, Vec<Article>> = HashMap::new();
    for article in kafka.articles().await {
        revisions.entry(article.id.clone()).or_default().push(article);
    }
    assert_eq!(revisions.len(), stories.len());
    let (mut late, mut edited) = (0, 0);
    for story in &stories {
        let seen = &revisions[&story.id];
        let first_seen = polls.iter().copied().find(|poll| *poll >= story.visible_at).unwrap();
        late += usize::from(
            first_seen.duration_since(story.published_at) > SignedDuration::from_mins(2) && first_seen > origin,
        );
        match &story.edit {
            Some((at, teaser)) if first_seen < *at && *at <= *polls.last().unwrap() => {
                edited += 1;
                assert_eq!(seen.len(), 2, "{seen:?}");
                assert_ne!(seen[0].revision, seen[1].revision);
                assert_eq!(seen[1].description, *teaser);
                assert!(seen[1].received_at > seen[0].received_at);
            }
            _ => assert_eq!(seen.len(), 1, "sent more than once: {seen:?}"),
        }
    }
    assert!(late > 0 && edited > 0, "the test needs late articles and edits: {late}, {edited}");
    kafka.clean().await;
}

#[tokio::test]
async fn refusals_and_failures_are_waited_out_and_lose_nothing() {
    for faults in
        [Faults { rate_limit_every: 3, ..Faults::default() }, Faults { error_body_every: 4, ..Faults::default() }]
    {
        let kafka = Kafka::start("refusals").await;
        let provider = Provider::start(wire(faults), ORIGIN, 60.0).await;
        let state = tempfile::tempdir().unwrap();
        let readiness = Readiness::default();
        let shutdown = Shutdown::new();
        let poller = reporting_poller(&kafka, &provider.providers, &provider.clock, state.path(), readiness.clone());
        let running = tokio::spawn(poller.run(shutdown.clone()));
        until(async || !kafka.news_watermarks().await.is_empty()).await;
        shutdown.cancel();
        running.await.unwrap().unwrap();
        let articles = kafka.articles().await;
        let sent: BTreeSet<&str> = ids(&articles).into_iter().collect();
        // The clock is fast: a poller that is slow to start looks back from a later moment.
        let from = common::time(ORIGIN) - SignedDuration::from_mins(60);
        for story in shown(&provider, from, common::time(ORIGIN)) {
            assert!(sent.contains(story.id.as_str()), "{} is missing", story.id);
        }
        assert!(provider.simulator.requests() > 10);
        provider.shutdown.cancel();
        kafka.clean().await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_once_and_the_page_goes_on() {
    let kafka = Kafka::start("malformed").await;
    let provider =
        Provider::start(wire(Faults { malformed_article_every: 5, ..Faults::default() }), ORIGIN, STILL).await;
    let state = tempfile::tempdir().unwrap();
    let mut poller = poller(&kafka, &provider.providers, &provider.clock, state.path());
    let from = common::time(ORIGIN) - SignedDuration::from_hours(2);
    let first = poller.poll().await.unwrap();
    assert_eq!(first.sent, shown(&provider, from, common::time(ORIGIN)).len());
    assert!(first.rejected >= first.pages - 1, "{first:?}");
    let letters = kafka.dead_letters().await;
    assert_eq!(letters.len(), first.rejected);
    for letter in &letters {
        assert_eq!((letter.stage.as_str(), letter.origin.as_str()), ("news-poller", "massive /v2/reference/news"));
        assert!(!letter.reason.is_empty() && !letter.bytes.is_empty());
    }
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_and_without_its_state_file_looks_back() {
    let kafka = Kafka::start("restart").await;
    let provider = Provider::start(wire(Faults::default()), ORIGIN, STILL).await;
    let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = poller(&kafka, &provider.providers, &provider.clock, state.path()).poll().await.unwrap().sent;
    assert!(sent > 30);
    assert_eq!(poller(&kafka, &provider.providers, &provider.clock, state.path()).poll().await.unwrap().sent, 0);
    assert_eq!(poller(&kafka, &provider.providers, &provider.clock, other.path()).poll().await.unwrap().sent, sent);
    provider.shutdown.cancel();
    kafka.clean().await;
}

/// The watermark must not move while the broker has not acknowledged, and moves once it has.
#[tokio::test]
async fn the_watermark_moves_only_after_the_broker_has_acknowledged() {
    let kafka = Kafka::mocked();
    let mock = kafka.mock.as_ref().unwrap();
    let provider = Provider::start(wire(Faults::default()), ORIGIN, STILL).await;
    let state = tempfile::tempdir().unwrap();
    let mut poller = poller(&kafka, &provider.providers, &provider.clock, state.path());
    let state_file = state.path().join("news-massive.json");
    let refusals = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 1000];
    mock.request_errors(RDKafkaApiKey::Produce, &refusals);
    let cut_short = tokio::time::timeout(Duration::from_secs(2), poller.poll()).await;
    assert!(cut_short.is_err(), "the poll ended although nothing was acknowledged");
    assert!(!state_file.exists(), "the watermark moved although nothing was acknowledged");
    mock.clear_request_errors(RDKafkaApiKey::Produce);
    poller.poll().await.unwrap();
    assert!(state_file.exists());
    // At least once: the poll that was cut short may have gone through after all.
    let articles = kafka.articles().await;
    let from = common::time(ORIGIN) - SignedDuration::from_hours(2);
    let expected: BTreeSet<String> =
        shown(&provider, from, common::time(ORIGIN)).into_iter().map(|story| story.id).collect();
    assert_eq!(articles.iter().map(|article| article.id.clone()).collect::<BTreeSet<_>>(), expected);
    let mut revisions: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for article in &articles {
        revisions.entry(&article.id).or_default().insert(article.revision);
    }
    assert!(revisions.values().all(|revisions| revisions.len() == 1));
    provider.shutdown.cancel();
}

#[tokio::test]
async fn a_refused_key_ends_the_poller_with_the_remedy_and_without_the_key() {
    let kafka = Kafka::start("key").await;
    let provider = Provider::start(wire(Faults::default()), ORIGIN, STILL).await;
    let state = tempfile::tempdir().unwrap();
    let poller = poller(&kafka, &provider.with_wrong_key(), &provider.clock, state.path());
    let error: IngestError = poller.run(Shutdown::new()).await.unwrap_err();
    let words = format!("{error} {error:?}");
    assert!(words.contains("TAPEWIRE_MASSIVE_API_KEY") && words.contains("Unknown API Key"), "{words}");
    assert!(!words.contains("wrong-key"), "{words}");
    assert!(!error.is_retryable());
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_full_disk_stops_no_poll_and_the_state_is_written_when_there_is_room() {
    let kafka = Kafka::start("full").await;
    let provider = Provider::start(wire(Faults::default()), ORIGIN, STILL).await;
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("news-massive.json");
    let mut providers = provider.providers.clone();
    // One page, so that nothing is saved between the failure and the end of the poll.
    providers.set(SIMULATED, "news_page_size", 1000);
    let new_poller = || {
        let source = providers.news_source(SIMULATED, &provider.clock).unwrap();
        let (stream, producer) = (WatermarkStream::news(0, 1, SIMULATED), kafka.producer.clone());
        let (clock, readiness) = (provider.clock.clone(), Readiness::default());
        NewsPoller::new(config(), source, stream, state.path(), producer, clock, readiness).unwrap()
    };
    let mut poller = new_poller();
    let written_first = common::fill_disk_of(state.path(), "news-massive.json");
    let first = poller.poll().await.unwrap();
    assert!(first.sent > 30 && first.pages == 1, "{first:?}");
    assert!(!file.exists() && !written_first.exists(), "the disk was not full");
    assert!(!kafka.news_watermarks().await.is_empty(), "the watermark waits for the disk");
    // Nothing is new, and the state is saved all the same.
    assert_eq!(poller.poll().await.unwrap().sent, 0);
    assert!(file.exists());
    assert_eq!(new_poller().poll().await.unwrap().sent, 0);
    provider.shutdown.cancel();
    kafka.clean().await;
}
