//! The worker between real topics: `TAPEWIRE_KAFKA_BROKERS` names a broker (`make stack` starts one).
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use base64::Engine as _;
use common::{LABELS, STANDARD, TINY};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::lag::lag;
use tapewire_bus::{Commit, Consumer, Event, KafkaConfig, Producer, Received, Topic, Topics};
use tapewire_core::record::{News, Scored};
use tapewire_core::{Article, DeadLetter, Mention, NewsRecord, Run, SentimentRecord, Symbol, Unscored, Watermark};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_sentiment::worker::{self, WorkerConfig};
use tapewire_sentiment::{Engine, EngineConfig, Queue, QueueConfig, Request};
use tapewire_testkit::all_records;
use tokio::task::JoinHandle;

const PARTITIONS: i32 = 3;
const ARTICLES: usize = 60;

fn queue() -> Queue {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{LABELS}, \"tapewire_reads_company\": true");
    let files = common::write(folder.path(), &TINY, STANDARD, 8.0, &more);
    let engine = Engine::load(&files, &EngineConfig::default()).unwrap();
    Queue::new(Arc::new(engine), &QueueConfig::default()).unwrap()
}

/// A worker with batches of a few articles, so that there are many of them.
fn start(config: &KafkaConfig, queue: &Queue, companies: &std::path::Path) -> (Shutdown, JoinHandle<()>) {
    let shutdown = Shutdown::new();
    let settings = WorkerConfig {
        batch_tokens: 100.try_into().unwrap(),
        companies: Some(companies.to_owned()),
        ..WorkerConfig::default()
    };
    let (config, queue, stop) = (config.clone(), queue.clone(), shutdown.clone());
    let running = tokio::spawn(async move {
        worker::run(queue, &config, &settings, Clock::wall(), Readiness::default(), stop).await.unwrap();
    });
    (shutdown, running)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn article(number: usize, text: &str, symbols: &[&str]) -> Article {
    let symbols: Vec<Symbol> = symbols.iter().map(|symbol| Symbol::new(symbol).unwrap()).collect();
    Article {
        id: format!("article-{number}"),
        revision: Article::fingerprint(text, "", &symbols),
        publisher: "The Test".into(),
        url: format!("https://example.com/{number}"),
        symbols,
        received_at: at(number as i64 + 5),
        ..tapewire_testkit::article(text, at(number as i64))
    }
}

/// Articles about none to three companies, one without text, one asked about a company whose name is too long.
fn articles() -> Vec<Article> {
    let word = |n: usize| char::from(b'a' + (n % 26) as u8);
    let symbols = ["AAA", "BBB", "CCC"];
    let mut articles: Vec<Article> = (0..ARTICLES)
        .map(|n| article(n, &format!("{} {} {}", word(n), word(n / 3), word(n * 7)), &symbols[..n % 4]))
        .collect();
    articles.push(article(ARTICLES, "  ", &["AAA"]));
    articles.push(article(ARTICLES + 1, "a b c", &["WORDY"]));
    articles
}

async fn drained(config: &KafkaConfig) {
    let caught_up = async {
        while lag(config, worker::GROUP, &[Topic::News]).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), caught_up).await.expect("the worker keeps up");
}

async fn send(producer: &Producer, run: &Run, body: News) {
    let key = match &body {
        News::Article(article) => article.key(),
        News::Watermark(_) => {
            return producer
                .broadcast(Topic::News, "watermark", &NewsRecord::new(run.clone(), body).encode())
                .await
                .unwrap();
        }
    };
    producer.send(Topic::News, &key, &NewsRecord::new(run.clone(), body).encode()).await.unwrap();
}

/// All mentions of a pair of article and symbol.
type Mentions = BTreeMap<(String, Option<String>), Vec<Mention>>;

fn mentions(records: &[Received]) -> Mentions {
    let mut found = Mentions::new();
    for record in records {
        if let Scored::Mention(mention) = SentimentRecord::decode(&record.payload).unwrap().body {
            let symbol = mention.symbol.as_ref().map(|symbol| symbol.to_string());
            found.entry((mention.article_id.clone(), symbol)).or_default().push(mention);
        }
    }
    found
}

fn expected() -> BTreeSet<(String, Option<String>)> {
    articles()
        .iter()
        .flat_map(|article| match article.symbols.is_empty() {
            true => vec![(article.id.clone(), None)],
            false => article.symbols.iter().map(|symbol| (article.id.clone(), Some(symbol.to_string()))).collect(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn articles_become_the_same_mentions_again_after_a_kill() {
    let Some(config) = tapewire_testkit::kafka("replay", PARTITIONS).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let companies = folder.path().join("companies.csv");
    std::fs::write(&companies, format!("symbol,name,aliases\nWORDY,{},\n", "q ".repeat(50).trim())).unwrap();
    let (queue, run) = (queue(), Run::named("replay"));
    let producer = Producer::new(&config).unwrap();
    for article in articles() {
        send(&producer, &run, News::Article(article)).await;
    }
    producer.send(Topic::News, "broken", b"{\"v\":1,").await.unwrap();
    send(&producer, &run, News::Watermark(Watermark::new(0, 1, at(99)))).await;

    // Killed somewhere on the way, then started again.
    let (_, running) = start(&config, &queue, &companies);
    while mentions(&all_records(&config, Topic::Sentiment).await).is_empty() {}
    running.abort();
    let (shutdown, running) = start(&config, &queue, &companies);
    drained(&config).await;
    shutdown.cancel();
    running.await.unwrap();

    let first = all_records(&config, Topic::Sentiment).await;
    let found = mentions(&first);
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), expected());
    for mention in found.values().flatten() {
        assert_eq!(mention.scored_at, mention.received_at, "in a replay, an article is scored when it is received");
        let why = match mention.article_id.trim_start_matches("article-").parse::<usize>().unwrap() {
            n if n < ARTICLES => None,
            ARTICLES => Some(Unscored::EmptyText),
            _ => Some(Unscored::ModelFailed),
        };
        assert_eq!(mention.sentiment.as_ref().err().copied(), why, "{mention:?}");
    }
    watermarks_come_last(&all_records(&config, Topic::News).await, &first);
    let of_this_run = |record: &Received| SentimentRecord::decode(&record.payload).unwrap().run == run;
    assert!(first.iter().all(of_this_run));

    // As after a kill between the acknowledgements and the commit: all is there, nothing committed.
    rewind(&config).await;
    let (shutdown, running) = start(&config, &queue, &companies);
    drained(&config).await;
    shutdown.cancel();
    running.await.unwrap();
    let again = mentions(&all_records(&config, Topic::Sentiment).await);
    assert_eq!(again.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (pair, all) in &again {
        assert!(all.len() > found[pair].len(), "{pair:?} was not scored again");
        assert!(all.iter().all(|mention| *mention == all[0]), "{all:?}");
    }

    let letters = all_records(&config, Topic::DeadLetter).await;
    assert!(letters.len() >= 2, "one for each time the broken record was read");
    letters.iter().for_each(assert_is_of_the_broken_record);
    Topics::new(&config).delete().await.unwrap();
}

/// A dead letter names the place of the record that can't be read, and has its bytes.
fn assert_is_of_the_broken_record(letter: &Received) {
    let letter: DeadLetter = serde_json::from_slice(&letter.payload).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(&letter.bytes).unwrap();
    assert_eq!(bytes, b"{\"v\":1,");
    assert!(letter.origin.starts_with("topic news, partition ") && letter.origin.contains(", offset "), "{letter:?}");
    assert_eq!(letter.stage, "sentiment-worker");
}

/// On each partition of `sentiment`, the watermark of a partition of `news` comes after every mention of the articles
/// that precede it there.
fn watermarks_come_last(news: &[Received], records: &[Received]) {
    let home: BTreeMap<String, u32> = news
        .iter()
        .filter_map(|record| match NewsRecord::decode(&record.payload).ok()?.body {
            News::Article(article) => Some((article.id, record.partition as u32)),
            News::Watermark(_) => None,
        })
        .collect();
    for partition in 0..PARTITIONS {
        let (mut complete, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for record in records.iter().filter(|record| record.partition == partition) {
            match SentimentRecord::decode(&record.payload).unwrap().body {
                Scored::Watermark(watermark) => {
                    assert_eq!((watermark.count, watermark.at), (PARTITIONS as u32, at(99)));
                    complete.insert(watermark.index);
                }
                Scored::Mention(mention) => {
                    let is_new = seen.insert((mention.article_id.clone(), mention.symbol.clone()));
                    assert!(
                        !is_new || !complete.contains(&home[&mention.article_id]),
                        "{mention:?} after its watermark"
                    );
                }
            }
        }
        assert_eq!(complete.len(), PARTITIONS as usize, "watermarks on partition {partition}: {complete:?}");
    }
}

/// Commits the start of the topic for the worker's group.
async fn rewind(config: &KafkaConfig) {
    let mut consumer = Consumer::new(config, worker::GROUP, &[Topic::News], |committed, _| committed).unwrap();
    let assigned = loop {
        match tokio::time::timeout(Duration::from_secs(30), consumer.next()).await.unwrap().unwrap() {
            Event::Assigned(assigned) if !assigned.is_empty() => break assigned,
            _ => {}
        }
    };
    let start = |partition| Commit { topic: Topic::News, partition, next: 0, metadata: String::new() };
    let positions: Vec<Commit> = assigned.iter().map(|assigned| start(assigned.partition)).collect();
    assert_eq!(positions.len(), PARTITIONS as usize);
    consumer.commit(&positions).await.unwrap();
}

/// A submission that is not polled keeps its share of the queue's capacity, so the worker's first batch waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_batch_is_collected_while_one_is_scored_and_committed_after_it() {
    let Some(config) = tapewire_testkit::kafka("ahead", PARTITIONS).await else { return };
    let (queue, run) = (queue(), Run::named("r"));
    let folder = tempfile::tempdir().unwrap();
    let companies = folder.path().join("companies.csv");
    std::fs::write(&companies, "symbol,name,aliases\n").unwrap();
    let producer = Producer::new(&config).unwrap();
    let whole_queue = "a ".repeat(4 * queue.capacity());
    let mut held = Box::pin(queue.submit(Request::new(whole_queue, None)));
    assert!(futures_util::poll!(held.as_mut()).is_pending());

    // All of one key, so on one partition. The first is a batch by itself.
    let send = async |payload: Vec<u8>| producer.send(Topic::News, "k", &payload).await.unwrap();
    let article = |number| NewsRecord::new(run.clone(), News::Article(article(number, &"a b ".repeat(200), &["AAA"])));
    send(article(1).encode()).await;
    send(b"broken".to_vec()).await;
    send(article(2).encode()).await;
    let (shutdown, running) = start(&config, &queue, &companies);
    let collected = async { while all_records(&config, Topic::DeadLetter).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(60), collected).await.expect("the record after the batch is read");
    assert_eq!(lag(&config, worker::GROUP, &[Topic::News]).await.unwrap(), 3, "committed what is not scored");
    assert!(all_records(&config, Topic::Sentiment).await.is_empty());

    drop(held);
    drained(&config).await;
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(mentions(&all_records(&config, Topic::Sentiment).await).len(), 2);
    assert_eq!(all_records(&config, Topic::DeadLetter).await.len(), 1);
    Topics::new(&config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_run_carries_the_moment_of_its_score_and_a_watermark_of_two_pollers_waits_for_both() {
    let Some(config) = tapewire_testkit::kafka("live", PARTITIONS).await else { return };
    let (queue, run) = (queue(), Run::live());
    let folder = tempfile::tempdir().unwrap();
    let companies = folder.path().join("companies.csv");
    std::fs::write(&companies, "symbol,name,aliases\n").unwrap();
    let producer = Producer::new(&config).unwrap();
    let before = Clock::wall().now();
    let (shutdown, running) = start(&config, &queue, &companies);
    send(&producer, &run, News::Article(article(1, "a b", &["AAA"]))).await;
    send(&producer, &run, News::Watermark(Watermark::new(0, 2, at(50)))).await;
    drained(&config).await;
    let records = all_records(&config, Topic::Sentiment).await;
    assert_eq!(records.len(), 1, "the second poller has sent no watermark");
    let mention = mentions(&records).into_values().flatten().next().unwrap();
    assert!(mention.scored_at >= before && mention.scored_at <= Clock::wall().now());

    send(&producer, &run, News::Watermark(Watermark::new(1, 2, at(40)))).await;
    drained(&config).await;
    shutdown.cancel();
    running.await.unwrap();
    for record in all_records(&config, Topic::Sentiment).await {
        if let Scored::Watermark(watermark) = SentimentRecord::decode(&record.payload).unwrap().body {
            assert_eq!((watermark.count, watermark.at), (3, at(40)));
        }
    }
    Topics::new(&config).delete().await.unwrap();
}

/// The times of the watermarks of partition `of` of `news` on the first partition of `sentiment`, in order.
fn forwarded(records: &[Received], of: u32) -> Vec<Timestamp> {
    let on_first = records.iter().filter(|record| record.partition == 0);
    let bodies = on_first.map(|record| SentimentRecord::decode(&record.payload).unwrap().body);
    let watermarks =
        bodies.filter_map(|body| if let Scored::Watermark(watermark) = body { Some(watermark) } else { None });
    watermarks.filter(|watermark| watermark.index == of).map(|watermark| watermark.at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_source_is_not_waited_for_and_no_forwarded_watermark_moves_back() {
    let Some(config) = tapewire_testkit::kafka("idle", PARTITIONS).await else { return };
    let (queue, run) = (queue(), Run::live());
    let folder = tempfile::tempdir().unwrap();
    let companies = folder.path().join("companies.csv");
    std::fs::write(&companies, "symbol,name,aliases\n").unwrap();
    let producer = Producer::new(&config).unwrap();
    let (shutdown, running) = start(&config, &queue, &companies);
    let of =
        |index, count, second| Watermark { source: format!("s{index}"), ..Watermark::new(index, count, at(second)) };
    let idle = |watermark| Watermark { idle: true, ..watermark };
    let mut forwarded_at = Vec::new();
    // Each with the time of the watermark that is forwarded because of it, if one is.
    for (watermark, complete) in [
        (of(0, 2, 50), None),
        (idle(of(1, 2, 10)), Some(50)),
        (of(0, 2, 60), Some(60)),
        // Back, but behind the last forwarded watermark: nothing is forwarded until it has caught up.
        (of(1, 2, 20), None),
        (of(0, 2, 70), None),
        (of(1, 2, 65), Some(65)),
        // All are idle: nothing is forwarded.
        (idle(of(0, 2, 70)), None),
        (idle(of(1, 2, 65)), None),
        (of(1, 2, 66), Some(66)),
        // A third source is waited for once it is configured, and no longer once it is not.
        (of(0, 3, 80), None),
        (of(1, 3, 81), None),
        (of(2, 3, 79), Some(79)),
        (of(0, 1, 90), Some(90)),
    ] {
        send(&producer, &run, News::Watermark(watermark)).await;
        drained(&config).await;
        forwarded_at.extend(complete.map(at));
        for partition in 0..PARTITIONS as u32 {
            assert_eq!(forwarded(&all_records(&config, Topic::Sentiment).await, partition), forwarded_at);
        }
    }
    shutdown.cancel();
    running.await.unwrap();
    Topics::new(&config).delete().await.unwrap();
}
