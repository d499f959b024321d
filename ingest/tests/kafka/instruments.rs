//! Lists of instruments on their topic.

use crate::common::{Kafka, fill_disk_of, symbol, until};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_bus::Topic;
use tapewire_core::{Instrument, InstrumentRecord};
use tapewire_ingest::instruments::{self, InstrumentsConfig};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_runtime::{Clock, Shutdown};

const FIRST: &str = r#"{"fields":["cik","name","ticker","exchange"],"data":[
    [320193,"Apple Inc.","AAPL","Nasdaq"],[1,"No ticker",null,"OTC"]]}"#;
const SECOND: &str = r#"{"fields":["cik","name","ticker","exchange"],"data":[
    [320193,"Apple Inc.","AAPL","Nasdaq"],[2,"NEW LISTING CORP","NEWL","NYSE"]]}"#;

const SECOND_WITH_ANOTHER_FAULT: &str = r#"{"fields":["cik","name","ticker","exchange"],"data":[
    [320193,"Apple Inc.","AAPL","Nasdaq"],[1,"No ticker",null,"OTC"],[2,"NEW LISTING CORP","NEWL","NYSE"]]}"#;

/// What is on the topic: `sec AAPL Apple Inc.`.
async fn published(kafka: &Kafka) -> Vec<String> {
    let mut all: Vec<_> = kafka
        .read(Topic::Instruments)
        .await
        .iter()
        .map(|record| InstrumentRecord::decode(&record.payload).unwrap().body)
        .collect();
    all.sort_by_key(|listed| listed.seen_at);
    all.iter().map(|one| format!("{} {} {}", one.source, one.instrument.symbol, one.instrument.name)).collect()
}

/// A server that answers as the text says, or fails while no text is set. Its address.
async fn sec(body: Arc<Mutex<Option<&'static str>>>) -> String {
    let answer = move || {
        let body = *body.lock().unwrap();
        async move { body.ok_or(axum::http::StatusCode::SERVICE_UNAVAILABLE) }
    };
    let routes = axum::Router::new().route("/files/company_tickers_exchange.json", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, routes).await });
    address
}

async fn follow(
    kafka: &Kafka,
    clock: &Clock,
    config: &InstrumentsConfig,
    built_in: &str,
    state: &Path,
    done: impl AsyncFnMut() -> bool,
) {
    let (shutdown, clock) = (Shutdown::new(), clock.clone());
    let running = tokio::spawn({
        let (config, state, shutdown) = (config.clone(), state.to_owned(), shutdown.clone());
        let (producer, list) = (kafka.producer.clone(), vec![Instrument::new(symbol("AAPL"), built_in)]);
        async move { instruments::run(&config, &ProvidersConfig::default(), list, &state, producer, clock, shutdown).await }
    });
    let mut done = done;
    until(async || running.is_finished() || done().await).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_list_is_published_when_it_has_changed_and_overrides_those_before_it() {
    let kafka = Kafka::start("instruments").await;
    let clock = Clock::accelerated("2025-06-04T12:00:00Z".parse().unwrap(), 20_000.0);
    let state = tempfile::tempdir().unwrap();
    let body = Arc::new(Mutex::new(None));
    let config = InstrumentsConfig {
        sources: vec!["builtin".into(), "sec".into()],
        every: Duration::from_secs(3600),
        sec_url: sec(body.clone()).await,
        sec_user_agent: Some("Example admin@example.com".into()),
        ..InstrumentsConfig::default()
    };
    let builtin = InstrumentsConfig { sources: vec!["builtin".into()], ..config.clone() };
    follow(&kafka, &clock, &builtin, "Apple", state.path(), async || !published(&kafka).await.is_empty()).await;
    assert_eq!(published(&kafka).await, ["builtin AAPL Apple"]);

    // The SEC does not answer at first, then lists more and more; what is built in is not sent again.
    let mut polls = 0;
    let done = async || {
        polls += 1;
        if polls == 3 {
            *body.lock().unwrap() = Some(FIRST);
        }
        let count = published(&kafka).await.len();
        if count == 2 {
            *body.lock().unwrap() = Some(SECOND);
        }
        count >= 4
    };
    follow(&kafka, &clock, &config, "Apple", state.path(), done).await;
    let expected = ["builtin AAPL Apple", "sec AAPL Apple Inc.", "sec AAPL Apple Inc.", "sec NEWL NEW LISTING CORP"];
    assert_eq!(published(&kafka).await, expected);
    let letters = kafka.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].origin == "sec" && letters[0].reason.contains("no ticker"), "{letters:?}");

    // Another build has another list; the SEC's comes after it again, although it is as it was.
    follow(&kafka, &clock, &config, "Apple Computer", state.path(), async || published(&kafka).await.len() >= 7).await;
    let found = published(&kafka).await;
    assert_eq!(found[4..], ["builtin AAPL Apple Computer", "sec AAPL Apple Inc.", "sec NEWL NEW LISTING CORP"]);

    // The same while the SEC does not answer: its list comes again once it does.
    *body.lock().unwrap() = None;
    let done = async || {
        let count = published(&kafka).await.len();
        if count == 8 {
            *body.lock().unwrap() = Some(SECOND);
        }
        count >= 10
    };
    follow(&kafka, &clock, &config, "Macintosh", state.path(), done).await;
    let found = published(&kafka).await;
    assert_eq!(found[7..], ["builtin AAPL Macintosh", "sec AAPL Apple Inc.", "sec NEWL NEW LISTING CORP"]);

    // A list that can't be fetched does not hold back the next one.
    *body.lock().unwrap() = None;
    let turned = InstrumentsConfig { sources: vec!["sec".into(), "builtin".into()], ..config.clone() };
    follow(&kafka, &clock, &turned, "Lisa", state.path(), async || published(&kafka).await.len() >= 11).await;
    assert_eq!(published(&kafka).await[10..], ["builtin AAPL Lisa"]);

    // The same instruments with another row that can't be read: the row becomes a dead letter.
    *body.lock().unwrap() = Some(SECOND_WITH_ANOTHER_FAULT);
    let sec = InstrumentsConfig { sources: vec!["sec".into()], ..config };
    follow(&kafka, &clock, &sec, "Lisa", state.path(), async || kafka.dead_letters().await.len() >= 2).await;
    kafka.clean().await;
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (text, part) in [
        ("sources = ['edgar']", "there are: builtin, sec, massive"),
        ("sources = ['sec']", "instruments.sec_user_agent"),
        ("every = '0s'", "instruments.every"),
    ] {
        let error = toml::from_str::<InstrumentsConfig>(text).unwrap().check().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    InstrumentsConfig::default().check().unwrap();
}

#[tokio::test]
async fn a_full_disk_delays_a_list_and_ends_nothing() {
    let kafka = Kafka::start("instruments_full").await;
    let clock = Clock::accelerated("2025-06-04T12:00:00Z".parse().unwrap(), 20_000.0);
    let state = tempfile::tempdir().unwrap();
    let config = InstrumentsConfig { sources: vec!["builtin".into()], ..InstrumentsConfig::default() };
    let written_first = fill_disk_of(state.path(), "instruments.json");
    follow(&kafka, &clock, &config, "Apple", state.path(), async || !published(&kafka).await.is_empty()).await;
    assert!(!written_first.is_symlink(), "nothing was saved while the disk was full");
    assert_eq!(published(&kafka).await, ["builtin AAPL Apple"]);
    kafka.clean().await;
}
