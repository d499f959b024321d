//! The news poller against sources that show articles late, shift their pages while they are read, never end, or refuse.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod common;
#[path = "misbehaving/refusals.rs"]
mod refusals;

use async_trait::async_trait;
use common::{Kafka, time};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_core::Article;
use tapewire_ingest::poller::{NewsPoller, NewsPollerConfig};
use tapewire_ingest::providers::{Cursor, NewsRequest, NewsSource, Page, ProviderError};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness};

const NAME: &str = "desk";
const ORIGIN: &str = "2025-06-04T15:00:00Z";

fn at(seconds: i64) -> Timestamp {
    time(ORIGIN) + SignedDuration::from_secs(seconds)
}

fn article(id: &str, published: i64) -> Article {
    Article { id: id.into(), provider: NAME.into(), ..tapewire_testkit::article(id, at(published)) }
}

fn page(items: Vec<Article>, next: Option<String>) -> Page<Article> {
    Page { items, rejects: Vec::new(), origin: "/news".into(), next: next.map(Cursor) }
}

/// A source whose answers a test computes. Its number of requests so far is the first argument.
struct Scripted<Answer> {
    answer: Answer,
    requests: Mutex<usize>,
}

#[async_trait]
impl<Answer> NewsSource for Scripted<Answer>
where
    Answer: Fn(usize, &NewsRequest) -> Page<Article> + Send + Sync,
{
    fn name(&self) -> &str {
        NAME
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let mut requests = self.requests.lock().unwrap();
        *requests += 1;
        Ok((self.answer)(*requests - 1, request))
    }
}

/// A poller of the source. Its clock stands still, long after everything the source shows.
fn poller(
    kafka: &Kafka,
    state: &Path,
    answer: impl Fn(usize, &NewsRequest) -> Page<Article> + Send + Sync + 'static,
) -> NewsPoller {
    let clock = Clock::accelerated(at(365 * 86_400), 1e-9);
    let config = NewsPollerConfig { lookback: Duration::from_secs(400 * 86_400), ..NewsPollerConfig::default() };
    let source = Arc::new(Scripted { answer, requests: Mutex::new(0) });
    let stream = WatermarkStream::news(0, 1, NAME);
    NewsPoller::new(config, source, stream, state, kafka.producer.clone(), clock, Readiness::default()).unwrap()
}

/// How often each article is on the topic.
async fn sent(kafka: &Kafka) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for article in kafka.articles().await {
        *sent.entry(article.id).or_default() += 1;
    }
    sent
}

/// An article a minute, shown at once; every 20 seconds a poll. One article is shown 20 minutes after its publication,
/// another 10 hours after.
#[tokio::test]
async fn an_article_shown_long_after_its_publication_is_found_counted_and_sent_once() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let hidden = [("late", 60, 20 * 60), ("very-late", 120, 10 * 3600)];
    let mut poller = poller(&kafka, state.path(), move |poll, request| {
        let NewsRequest::Since(from) = request else { panic!("there is one page") };
        let now = poll as i64 * 20;
        let prompt = (0..=now / 60).map(|minute| article(&format!("prompt-{minute}"), minute * 60));
        let late = hidden.iter().filter(|(_, published, delay)| published + delay <= now);
        let mut shown: Vec<Article> = prompt.chain(late.map(|(id, published, _)| article(id, *published))).collect();
        shown.retain(|article| article.published_at >= *from);
        shown.sort_by_key(|article| article.published_at);
        page(shown, None)
    });
    let before = common::counted("tapewire_late_articles_total");
    let mut found = Vec::new();
    for poll in 0..12 * 180 {
        let polled = poller.poll().await.unwrap();
        found.extend((0..polled.late).map(|_| poll * 20));
    }
    let [late, very_late] = found[..] else { panic!("two late articles: {found:?}") };
    // The look-back reaches 20 minutes with every fourth poll, and 10 hours with every 64th.
    assert!((21 * 60..=21 * 60 + 4 * 20).contains(&late), "{late}");
    assert!((602 * 60..=602 * 60 + 64 * 20).contains(&very_late), "{very_late}");
    assert_eq!(common::counted("tapewire_late_articles_total") - before, 2.0);
    let sent = sent(&kafka).await;
    assert_eq!(sent.len(), 12 * 60 + 2);
    assert!(sent.values().all(|&times| times == 1), "{sent:?}");
}

/// Pages by number, newest first: an article published between two requests moves the last of each page to the next.
#[tokio::test]
async fn pages_that_shift_while_they_are_read_lose_and_double_nothing() {
    let kafka = Kafka::mocked();
    let state = tempfile::tempdir().unwrap();
    let mut poller = poller(&kafka, state.path(), |requests, request| {
        let number: usize = match request {
            NewsRequest::Since(_) => 0,
            NewsRequest::Next(cursor) => cursor.0.parse().unwrap(),
        };
        let newest = 40 + requests as i64;
        let shown = (0..=newest).rev().skip(number * 10).take(10);
        let items: Vec<Article> = shown.map(|second| article(&format!("a{second}"), second)).collect();
        let next = (items.len() == 10).then(|| (number + 1).to_string());
        page(items, next)
    });
    for _ in 0..3 {
        poller.poll().await.unwrap();
    }
    let sent = sent(&kafka).await;
    // What appeared during the last poll belongs to the next one.
    for second in 0..=50 {
        assert_eq!(sent.get(&format!("a{second}")), Some(&1), "a{second}");
    }
    assert!(sent.values().all(|&times| times == 1), "{sent:?}");
}

#[tokio::test]
async fn pages_in_a_circle_end_the_poll_with_an_error_and_what_they_showed_is_sent() {
    for length in [1, 3, 40] {
        let kafka = Kafka::mocked();
        let state = tempfile::tempdir().unwrap();
        let mut poller = poller(&kafka, state.path(), move |_, request| {
            let number: i64 = match request {
                NewsRequest::Since(_) => 0,
                NewsRequest::Next(cursor) => cursor.0.parse().unwrap(),
            };
            page(vec![article(&format!("a{number}"), number)], Some(((number + 1) % length).to_string()))
        });
        let error = poller.poll().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("circle"), "{error}");
        assert_eq!(sent(&kafka).await.len(), usize::try_from(length).unwrap());
        assert_eq!(kafka.news_watermarks().await, [], "the list was not read to its end");
    }
}
