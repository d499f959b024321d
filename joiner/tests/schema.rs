//! The schema on a real ClickHouse: `TAPEWIRE_CLICKHOUSE_URL` names it (`make stack` starts one).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use clickhouse::Client;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use tapewire_bus::Shutdown;
use tapewire_core::{Bar, Run, Symbol};
use tapewire_joiner::JoinerError;
use tapewire_joiner::tables::rows::BarRow;
use tapewire_joiner::tables::{ClickHouseConfig, Writer, migrate};

/// A database of its own for one test, or `None` with a line that says so.
fn database(name: &str) -> Option<ClickHouseConfig> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(url) = std::env::var("TAPEWIRE_CLICKHOUSE_URL") else {
        println!("skipped: {name}: TAPEWIRE_CLICKHOUSE_URL is not set");
        return None;
    };
    let database = format!("test_{name}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Some(ClickHouseConfig { url, database, ..ClickHouseConfig::default() })
}

async fn drop_database(config: &ClickHouseConfig) {
    config.client().query(&format!("DROP DATABASE `{}`", config.database)).execute().await.unwrap();
}

async fn text(client: &Client, query: &str) -> String {
    let bytes = client.query(query).fetch_bytes("TSV").unwrap().collect().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().trim_end().replace('\t', " ")
}

#[tokio::test]
async fn migrating_is_safe_twice_and_by_two_at_once() {
    let Some(config) = database("twice") else { return };
    let (one, two) = tokio::join!(migrate(&config), migrate(&config));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.version, two.version), (4, 4));
    assert!(!one.applied.is_empty() || !two.applied.is_empty());
    assert!(migrate(&config).await.unwrap().applied.is_empty(), "a third run has nothing to do");
    let ledger = text(&config.client(), "SELECT version, name FROM schema_migrations FINAL ORDER BY version").await;
    assert_eq!(ledger, "1 0001_facts\n2 0002_read_models\n3 0003_windows\n4 0004_novelty");
    drop_database(&config).await;
}

#[tokio::test]
async fn an_edited_or_newer_migration_is_refused() {
    let Some(config) = database("edited") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let newer = "INSERT INTO schema_migrations (version, name, checksum) VALUES (9000, '9000_future', 'x')";
    client.query(newer).execute().await.unwrap();
    let error = migrate(&config).await.unwrap_err();
    assert!(matches!(error, JoinerError::NewerSchema { version: 9000, .. }), "{error}");
    client.query("TRUNCATE TABLE schema_migrations").execute().await.unwrap();
    let edited = "INSERT INTO schema_migrations (version, name, checksum) VALUES (1, '0001_facts', 'other')";
    client.query(edited).execute().await.unwrap();
    let error = migrate(&config).await.unwrap_err();
    assert!(error.to_string().contains("0001_facts"), "{error}");
    drop_database(&config).await;
}

fn bar(start: &str, received: &str, close: f64, volume: f64) -> BarRow {
    let bar = Bar {
        symbol: Symbol::new("AAPL").unwrap(),
        start: start.parse().unwrap(),
        width_s: 60,
        open: 10.0,
        high: close.max(10.0),
        low: 9.0,
        close,
        volume,
        vwap: None,
        trades: Some(3),
        received_at: received.parse().unwrap(),
    };
    BarRow::new(&Run::live(), &bar)
}

#[tokio::test]
async fn a_bar_sent_again_corrects_and_never_doubles() {
    let Some(config) = database("bars") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let writer = Writer::new(&config, Shutdown::new());
    let first = [
        bar("2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", 11.0, 100.0),
        bar("2025-06-02T13:31:00Z", "2025-06-02T13:32:00Z", 12.0, 50.0),
    ];
    writer.insert("bars", &first).await.unwrap();
    writer.insert("bars", &first).await.unwrap();
    assert_eq!(text(&client, "SELECT count() FROM bars").await, "2", "a repeated batch is recognised");
    let reordered = [first[1].clone(), first[0].clone()];
    writer.insert("bars", &reordered).await.unwrap();
    let corrected = [bar("2025-06-02T13:31:00Z", "2025-06-02T13:40:00Z", 13.0, 75.0)];
    writer.insert("bars", &corrected).await.unwrap();
    // An old version that comes late changes nothing.
    writer.insert("bars", &first).await.unwrap();

    assert_eq!(text(&client, "SELECT count(), sum(volume) FROM bars FINAL").await, "2 175");
    assert_eq!(text(&client, "SELECT count(), sum(volume), max(close) FROM bars_1m").await, "2 175 13");
    assert_eq!(text(&client, "SELECT open, high, low, close, volume FROM bars_5m").await, "10 13 9 13 175");
    assert_eq!(text(&client, "SELECT price, at FROM latest_price").await, "13 2025-06-02 13:32:00.000000");
    drop_database(&config).await;
}

/// `(run, symbol, available_at in microseconds, article_id, title)`.
type Told = (&'static str, &'static str, i64, String, String);

/// Titles of few words, close together in time, so that many are alike and some are told at once.
fn told() -> Vec<Told> {
    const WORDS: [&str; 9] = ["Acme", "ÖLPREIS", "gains", "as", "profit", "Q3", "2025", "jumps", "--"];
    const DAY: u64 = 86_400_000_000;
    let mut state = 7u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let article = |number: u64| {
        let at = 1_750_000_000_000_000 + draw(60) * DAY / 20 + draw(3) * 100_000;
        let title: Vec<&str> = (0..draw(6)).map(|_| WORDS[draw(9) as usize]).collect();
        let run = ["live", "r"][draw(2) as usize];
        (run, ["A", "B"][draw(2) as usize], at.cast_signed(), format!("id{number:03}"), title.join(", "))
    };
    (0..300).map(article).collect()
}

/// Novelty and story by their definition (`0004_novelty.sql`), mention against mention.
fn novelty_and_story(of: &Told, all: &[Told]) -> (Option<f64>, String) {
    let words = |(.., title): &Told| -> BTreeSet<String> {
        let lower = title.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let alike = |other: &Told| {
        let (one, two) = (words(of), words(other));
        one.intersection(&two).count() as f64 / one.union(&two).count() as f64
    };
    let earlier = |other: &&Told| {
        (other.0, other.1) == (of.0, of.1) && (other.2, &other.3) < (of.2, &of.3) && of.2 - other.2 < 86_400_000_000
    };
    let earlier: Vec<&Told> = all.iter().filter(earlier).collect();
    let first = earlier.iter().filter(|other| alike(other) >= 0.5).min_by_key(|other| (other.2, &other.3));
    let story = first.map_or(&of.3, |first| &first.3).clone();
    let novelty = 1.0 - earlier.iter().map(|other| alike(other)).fold(0.0, f64::max);
    ((!words(of).is_empty()).then_some(novelty), story)
}

#[tokio::test]
async fn novelty_is_what_its_definition_says_however_often_mentions_are_written() {
    let Some(config) = database("novelty") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let told = told();
    let values = |told: &mut dyn Iterator<Item = &Told>| {
        let row = |(run, symbol, at, id, title): &Told| {
            format!("('{run}', '{symbol}', '{id}', '{title}', fromUnixTimestamp64Micro({at}), 1)")
        };
        told.map(row).collect::<Vec<_>>().join(", ")
    };
    for rows in [values(&mut told.iter()), values(&mut told.iter().rev())] {
        let insert = "INSERT INTO mentions (run, symbol, article_id, title, available_at, seq) VALUES ";
        client.query(&format!("{insert}{rows}")).execute().await.unwrap();
    }
    let found = text(&client, "SELECT article_id, novelty, story FROM novelty ORDER BY article_id").await;
    assert_eq!(found.lines().count(), told.len());
    let mut stories = 0;
    for (line, mention) in found.lines().zip(&told) {
        let [id, novelty, story] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (expected, first) = novelty_and_story(mention, &told);
        assert_eq!((id, story), (mention.3.as_str(), first.as_str()), "{mention:?}");
        match expected {
            None => assert_eq!(novelty, "\\N", "{mention:?}"),
            Some(expected) => assert!((novelty.parse::<f64>().unwrap() - expected).abs() < 1e-12, "{mention:?}"),
        }
        stories += usize::from(first != mention.3);
    }
    assert!(stories > 20, "{stories} of {} are told again: too few to say anything", told.len());
    drop_database(&config).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_named() {
    let Some(config) = database("missing") else { return };
    let row = [bar("2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", 11.0, 1.0)];
    let error = Writer::new(&config, Shutdown::new()).insert("bars", &row).await.unwrap_err();
    assert!(error.to_string().contains("tapewire migrate"), "{error}");

    let nowhere = ClickHouseConfig { url: "http://127.0.0.1:1".into(), ..config };
    let shutdown = Shutdown::new();
    shutdown.cancel();
    let error = Writer::new(&nowhere, shutdown).insert("bars", &row).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("127.0.0.1:1"), "{error}");
}
