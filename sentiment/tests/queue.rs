//! The queue in front of the shipped model.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{report, shipped};
use futures_util::future::join_all;
use proptest::prelude::*;
use std::collections::HashSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tapewire_sentiment::companies::Company;
use tapewire_sentiment::queue::{Answer, Full};
use tapewire_sentiment::{Queue, QueueConfig, Request};
use tokio::runtime::Runtime;

/// More than any text below needs.
const CAPACITY: u32 = 50_000;

/// Small batches and no cache, so that texts share batches.
fn queue() -> Queue {
    let config = QueueConfig {
        batch_tokens_per_thread: NonZeroUsize::new(150).unwrap(),
        capacity_tokens: NonZeroU32::new(CAPACITY).unwrap(),
        cache_entries: 0,
    };
    Queue::new(shipped(), &config).unwrap()
}

/// Takes about a second to compute, and all of the queue's capacity.
fn occupying() -> Request {
    Request::new(report(40_000, 1), None)
}

/// Waits until the queue refuses requests that are not cached.
async fn until_full(queue: &Queue) {
    let full = async {
        let mut seed = 0;
        while queue.try_submit_all(vec![Request::new(report(9, seed), None)]).await.is_ok() {
            seed += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), full).await.expect("the text is submitted");
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let company = prop::option::of(prop::sample::select(vec!["Northgate", "Selby Trust"]));
    let words = prop_oneof![8 => 0usize..60, 1 => 400usize..900];
    let request = (words, any::<u64>(), company).prop_map(|(words, seed, company)| {
        Request::new(report(words, seed), company.map(|name| Arc::new(Company::named(name))))
    });
    prop::collection::vec(request, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_score_does_not_depend_on_its_batch(requests in requests(), one_by_one: bool) {
        static PARTS: LazyLock<(Runtime, Queue)> = LazyLock::new(|| (Runtime::new().unwrap(), queue()));
        let (runtime, queue) = &*PARTS;
        let together = runtime.block_on(async {
            if one_by_one {
                join_all(requests.iter().cloned().map(|request| queue.submit(request))).await
            } else {
                queue.submit_all(requests.clone()).await
            }
        });
        for (request, scored) in requests.iter().zip(together) {
            prop_assert_eq!(scored, shipped().score(&[request.input()]).remove(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_or_waits_and_a_cancelled_request_releases_its_capacity() {
    let queue = queue();
    let (holder, held) = (queue.clone(), occupying());
    let holding = tokio::spawn(async move { holder.submit(held).await });
    until_full(&queue).await;
    let request = Request::new("Profit rose", None);
    assert_eq!(queue.try_submit_all(vec![request.clone()]).await, Err(Full));
    {
        let waiting = queue.submit(request.clone());
        let waited = tokio::time::timeout(Duration::from_millis(20), waiting).await;
        assert!(waited.is_err(), "it was admitted although the queue is full");
    }
    holding.abort();
    let scored = queue.submit(request.clone()).await;
    assert_eq!(scored, shipped().score(&[request.input()]).remove(0));
    assert_eq!(queue.try_submit_all(vec![request]).await, Ok(vec![scored]));
}

/// Tokenizing continues after its caller has gone away, so its capacity must not be released meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_being_tokenized_keeps_its_capacity_when_its_caller_goes_away() {
    let queue = queue();
    // Tokenizing it takes a large part of a second, and the assertion comes at once.
    let mut held = Box::pin(queue.submit(Request::new(report(300_000, 1), None)));
    assert!(futures_util::poll!(held.as_mut()).is_pending());
    drop(held);
    let request = Request::new("Profit rose", None);
    assert_eq!(queue.try_submit_all(vec![request.clone()]).await, Err(Full));
    assert!(queue.submit(request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_score_needs_no_capacity_and_is_the_same() {
    let config = QueueConfig { capacity_tokens: NonZeroU32::new(CAPACITY).unwrap(), ..QueueConfig::default() };
    let queue = Queue::new(shipped(), &config).unwrap();
    let about = |name: &str| Request::new("Northgate gains, Selby sinks", Some(Arc::new(Company::named(name))));
    let first = queue.submit_all(vec![about("Northgate"), about("Selby")]).await;
    assert_ne!(first[0], first[1]);

    let (holder, held) = (queue.clone(), occupying());
    let holding = tokio::spawn(async move { holder.submit(held).await });
    until_full(&queue).await;
    let again = queue.try_submit_all(vec![about("Selby"), about("Northgate")]).await.unwrap();
    assert_eq!(again, [first[1].clone(), first[0].clone()]);
    assert_eq!(queue.try_submit_all(vec![about("Northgate"), about("Orsay")]).await, Err(Full));
    holding.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_when_the_engine_computed_it_and_a_cached_one_does_not() {
    let queue = Queue::new(shipped(), &QueueConfig::default()).unwrap();
    // One of many windows, and one of a single window.
    let requests = vec![Request::new(report(1_200, 3), None), Request::new("Profit rose", None)];
    let before = Instant::now();
    let answers = queue.answer_all(requests.clone()).await;
    let after = Instant::now();
    for answer in &answers {
        let computed = answer.computed.expect("nothing is cached");
        assert!(answer.score.is_ok() && before <= computed.from, "{answer:?}");
        assert!(computed.from <= computed.to && computed.to <= after, "{answer:?}");
    }
    let cached = queue.answer_all(requests).await;
    assert!(cached.iter().all(|answer| answer.computed.is_none()), "{cached:?}");
    let scores = |answers: Vec<Answer>| answers.into_iter().map(|answer| answer.score).collect::<Vec<_>>();
    assert_eq!(scores(cached), scores(answers));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_queue_loses_no_answer_and_ends_its_threads() {
    let engine = Arc::clone(&shipped());
    let before = Arc::strong_count(&engine);
    let queue = queue();
    let submitted: Vec<_> = (0..20)
        .map(|seed| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.submit(Request::new(report(30, seed), None)).await })
        })
        .collect();
    drop(queue);
    for scored in join_all(submitted).await {
        assert!(scored.unwrap().is_ok());
    }
    let ended = async {
        while Arc::strong_count(&engine) > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the threads end with the last handle");
}

/// Each company is named in one place of a text of many windows.
#[tokio::test]
async fn the_companies_of_a_long_article_share_the_windows_that_name_none_of_them() {
    let names: Vec<String> = (0..40)
        .map(|n| format!("Northgate {}", char::from(b'A' + n % 26).to_string().repeat(3 + usize::from(n / 26))))
        .collect();
    let text: String = names.iter().map(|name| format!("{name} cut costs. {} ", report(180, 7))).collect();
    let text: Arc<str> = text.into();
    let requests: Vec<Request> =
        names.iter().map(|name| Request::new(Arc::clone(&text), Some(Arc::new(Company::named(name))))).collect();
    let windows: Vec<Vec<_>> = requests.iter().map(|request| shipped().windows(&request.input()).unwrap()).collect();
    let distinct: HashSet<_> = windows.iter().flatten().map(|window| &window.encoding).collect();
    let count = windows[0].len();
    assert!(count > 15, "the test needs a long text: {count}");
    assert!(distinct.len() <= count + 2 * names.len(), "{} of {}", distinct.len(), count * names.len());

    let few = [0, 20, 39].map(|at| requests[at].clone());
    let scores = queue().submit_all(few.to_vec()).await;
    for (request, scored) in few.iter().zip(scores) {
        assert_eq!(scored, shipped().score(&[request.input()]).remove(0));
    }
}
